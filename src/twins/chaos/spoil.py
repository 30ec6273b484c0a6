"""Lay the faults over a door: refuse before anything is applied, or spoil the reply afterwards."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import ceil
from typing import Any, Protocol

from twins.chaos.messages import Refusal, Reply, Request
from twins.chaos.weather import Strikes

READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HTML = "text/html; charset=utf-8"
_LOGIN_PAGE = (
    "<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in</h1>"
    '<form method="post" action="/login"><input name="user"><input name="password" type="password"></form>'
    "</body></html>"
)
_NOT_FOUND_PAGE = "<!doctype html><html><head><title>404</title></head><body><h1>404 Not Found</h1></body></html>"


class Door(Protocol):
    """One way into the app; `root` is the beginning of its paths."""

    root: str

    def refuse(self, refusal: Refusal) -> Reply:
        """Return the reply that this door gives for a refusal."""

    def exists(self, request: Request) -> bool:
        """Tell whether the path names one record that exists now."""

    def answer(self, request: Request, strikes: Strikes) -> Reply:
        """Carry out one request; raises Refusal."""


def reply_instead(door: Door, request: Request, strikes: Strikes) -> Reply | None:
    """Return the reply of the first fault that comes before anything is applied, or None when none strikes."""
    if "unavailable" in strikes:
        return door.refuse(Refusal(503, "The service is unavailable."))
    if "rate_limited" in strikes:
        return _rate_limited(door, str(ceil(strikes.amount("rate_limited"))))
    if "rate_limited_date" in strikes:
        # The header has whole seconds, so the instant is rounded up, never to before the wait is over.
        until = datetime.now(UTC) + timedelta(seconds=ceil(strikes.amount("rate_limited_date")) + 1)
        return _rate_limited(door, format_datetime(until, usegmt=True))
    if "server_error" in strikes:
        return door.refuse(Refusal(500, "An internal error has happened."))
    if "auth_storm" in strikes:
        return door.refuse(Refusal(401, "The token is not valid."))
    if "html_login_200" in strikes:
        return Reply(200, text=_LOGIN_PAGE, content_type=_HTML)
    if "html_404" in strikes and door.exists(request):
        return Reply(404, text=_NOT_FOUND_PAGE, content_type=_HTML)
    return None


def _rate_limited(door: Door, retry_after: str) -> Reply:
    reply = door.refuse(Refusal(429, "Too many requests."))
    reply.headers["Retry-After"] = retry_after
    return reply


def spoil_reply(door: Door, request: Request, reply: Reply, strikes: Strikes) -> Reply:
    """Return the reply after the faults that come once the request has been carried out."""
    if "server_error_after" in strikes and request.method not in READS and reply.status < 300:
        reply = door.refuse(Refusal(500, "An internal error has happened."))
    if "conflict_plain" in strikes and reply.status == 409:
        reply = Reply(409, text="Conflict", content_type="text/plain")
    if "odd_error_body" in strikes and reply.status >= 400:
        reply = _odd(reply, strikes.choose("odd_error_body", 4))
    if "uppercase_booleans" in strikes and not _is_discovery(request):
        reply.content = _with_text_booleans(reply.content)
    if "plain_json" in strikes and reply.content_type == "application/scim+json":
        reply.content_type = "application/json"
    return reply


def _odd(reply: Reply, form: int) -> Reply:
    headers = reply.headers
    match form:
        case 0:
            return Reply(reply.status, {"fault": {"code": 17, "why": ["see the log"]}}, headers=headers)
        case 1:
            return Reply(reply.status, ["something went wrong"], headers=headers)
        case 2:
            page = f"<html><body><h1>Error {reply.status}</h1></body></html>"
            return Reply(reply.status, text=page, content_type=_HTML, headers=headers)
        case _:
            return Reply(reply.status, headers=headers)


def _is_discovery(request: Request) -> bool:
    return any(name in request.path for name in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"))


def _with_text_booleans(content: Any) -> Any:
    if isinstance(content, bool):
        return str(content)
    if isinstance(content, dict):
        return {name: _with_text_booleans(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_with_text_booleans(value) for value in content]
    return content
