"""The HTTP door of `usher serve`: for now one page that says whether the worker lives, for whoever watches it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from usher import __version__
from usher.services.workspace import Workspace

STALE_SECONDS = 60.0
"""A worker that has not come round for so long counts as dead."""
START_SECONDS = 10.0


@dataclass(slots=True)
class Pulse:
    """What is known of the worker of this process. `last_tick` is on the monotonic clock, None before the first."""

    last_tick: Callable[[], float | None]
    failure: Callable[[], str | None]

    def age(self) -> float | None:
        """Seconds since the worker last came round."""
        last = self.last_tick()
        return None if last is None else time.monotonic() - last


def health(workspace: Workspace, pulse: Pulse) -> tuple[int, dict[str, Any]]:
    """The status and the document of `/health`: 200 while the worker lives, 503 when it has died or stands still."""
    with workspace.store.read() as unit:
        lease = unit.leases.current()
        sealed = unit.leases.sealed()
        findings = sum(unit.findings.counts().values())
        waiting = unit.dues.open()
    age, failure = pulse.age(), pulse.failure()
    is_alive = failure is None and (age is None or age < STALE_SECONDS)
    document = {
        "status": "ok" if is_alive else "dead",
        "version": __version__,
        "workspace": workspace.name,
        "lease": None if lease is None or lease["released_at"] else lease["holder"],
        "fence": lease["fence"] if lease else None,
        "sealed": None if sealed is None else {"by": sealed["by"], "reason": sealed["reason"], "at": sealed["at"]},
        "last_tick_seconds": None if age is None else round(age, 1),
        "open_findings": findings,
        "due": sum(row["at"] <= workspace.now() for row in waiting),
        "waiting": len(waiting),
        "failure": failure,
    }
    return 200 if is_alive else 503, document


def http_app(workspace: Workspace, pulse: Pulse) -> Starlette:
    """The HTTP application; it reads the database and performs no effect."""

    def answer(request: Request) -> JSONResponse:
        status, document = health(workspace, pulse)
        return JSONResponse(document, status_code=status)

    return Starlette(routes=[Route("/health", answer, methods=["GET"])])


class Server:
    """uvicorn in a thread of its own, on the loopback address only; `port` is known once it is started."""

    def __init__(self, app: Starlette, port: int) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run, name="health", daemon=True)
        self.port = port

    def start(self) -> None:
        """Accept calls; OSError where the port is taken."""
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise OSError(f"port {self.port} of 127.0.0.1 cannot be used")
            time.sleep(0.02)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Let calls in flight end, then close."""
        self._server.should_exit = True
        self._thread.join(timeout=START_SECONDS)
