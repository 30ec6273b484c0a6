"""Join doors, records and weather to one ASGI app that can also drop the connection."""

import asyncio
import hmac
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.types import Receive, Scope, Send

from twins.chaos.messages import Refusal, Reply, Request
from twins.chaos.records import Records
from twins.chaos.spoil import READS, Door, reply_instead, spoil_reply
from twins.chaos.weather import Strikes, Weather
from twins.serving import Journal


class ChaosApp:
    """The hostile app as ASGI; every request is one line of the trace, with the faults that struck it."""

    def __init__(
        self, doors: Sequence[Door], records: Records, weather: Weather, trace: Journal, *, token: str
    ) -> None:
        self._doors = doors
        self._records = records
        self._weather = weather
        self._trace = trace
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        request = await _read(scope, receive)
        strikes = self._weather.strike(request.method, request.path, request.query_text, _subject(request))
        effects_before = self._records.effects
        reply = self._answer(request, strikes)
        self._trace.append(
            {
                "method": request.method,
                "path": request.path,
                "query": request.query_text,
                "subject": _subject(request),
                "faults": sorted(strikes.amounts),
                "status": reply.status if reply is not None else "dropped",
                "effects": self._records.effects - effects_before,
            }
        )
        if "slow" in strikes:
            await asyncio.sleep(strikes.amount("slow"))
        if reply is None:
            await _hang_up(receive, send)
        else:
            await _send(reply, receive, send, truncated="truncated_body" in strikes)

    def _answer(self, request: Request, strikes: Strikes) -> Reply | None:
        """Return the reply, or None to drop the connection without one."""
        door = next((door for door in self._doors if f"{request.path}/".startswith(f"{door.root}/")), None)
        if door is None:
            return Reply(404, text="Not Found", content_type="text/plain")
        if not hmac.compare_digest(request.authorization.encode(), f"Bearer {self._token}".encode()):
            return door.refuse(Refusal(401, "A bearer token is required."))
        if "lost_before" in strikes:
            return None
        reply = reply_instead(door, request, strikes)
        if reply is None:
            try:
                reply = door.answer(request, strikes)
            except Refusal as refusal:
                reply = door.refuse(refusal)
            if "lost_reply" in strikes and request.method not in READS:
                return None
        return spoil_reply(door, request, reply, strikes)


def _subject(request: Request) -> str:
    """Return the name that a create is about, empty for other requests."""
    if request.method != "POST":
        return ""
    try:
        body: Any = json.loads(request.body)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    return str(body.get("userName") or body.get("login") or body.get("displayName") or "").casefold()


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read(scope: Scope, receive: Receive) -> Request:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query_text = scope["query_string"].decode("latin-1")
    return Request(
        method=scope["method"],
        path=unquote(scope["path"]),
        query=dict(parse_qsl(query_text, keep_blank_values=True)),
        query_text=query_text,
        authorization=headers.get("authorization", ""),
        base_url=f"{scope['scheme']}://{headers.get('host', '')}",
        body=body,
    )


async def _send(reply: Reply, receive: Receive, send: Send, *, truncated: bool) -> None:
    body = reply.body()
    headers = {"content-length": str(len(body)), **reply.headers}
    if body:
        headers["content-type"] = reply.content_type
    if reply.status == 204:
        del headers["content-length"]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if truncated and len(body) > 1:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await _hang_up(receive, send)
        return
    await send({"type": "http.response.body", "body": body})


async def _hang_up(receive: Receive, send: Send) -> None:
    # ASGI has no word for dropping a connection, so the transport is taken from uvicorn's bound `send`.
    cycle = getattr(send, "__self__", None)
    transport: asyncio.Transport | None = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("the chaos app can drop connections only when uvicorn calls it directly")
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
