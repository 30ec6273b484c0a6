"""`usher worker` and `usher serve`: the process that reads apps on schedule and carries out whatever is due."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import BadInput, ExitCode
from usher.entry.cli.options import context_of
from usher.entry.cli.out import note

if TYPE_CHECKING:
    from usher.engine.worker import Worker
    from usher.services.workspace import Workspace

logger = logging.getLogger("usher.serve")
PORT = 8420
READY_SECONDS = 0.05
LOOK_SECONDS = 3.0
"""How often a working process looks whether the workspace's files have changed."""


def worker(ctx: typer.Context) -> None:
    """Work until told to end (Ctrl-C or SIGTERM): scheduled readings, due steps, fresh looks, signed heads.

    One worker a workspace: a second one is refused.
    """
    from usher.engine.worker import Worker
    from usher.entry.cli.watching import log_to, until_stopped

    context = context_of(ctx)
    with context.opened() as workspace:
        log_to(workspace.folder / "data")
        working = Worker(workspace, engine_url=workspace.engine_url)
        files = Reconfigured(workspace)
        with until_stopped() as stopped:
            working.stop = stopped
            note(f"the worker of {workspace.name} begins; end it with Ctrl-C")
            working.work(until=files)
            if not stopped.is_set() and not files.changed:
                raise typer.Exit(ExitCode.REFUSED)
    if files.changed and not stopped.is_set():
        files.begin_again()
    note("the worker has ended; unfinished steps go on with the next one")


class Reconfigured:
    """Asked again and again whether the workspace's files have changed, looks every few seconds, and begins again."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._looked = time.monotonic()
        self.changed = False

    def __call__(self) -> bool:
        """True once the files say something else and all of them are right."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self.changed = self.changed or self._workspace.reconfigured()
        return self.changed

    def begin_again(self) -> None:
        """Replace this process by a fresh one with the same arguments and process id; it reads the files anew."""
        note("the workspace's files have changed: beginning again with them")
        again = [sys.executable, "-m", "usher.bootstrap", *sys.argv[1:]]
        os.execv(sys.executable, again)  # noqa: S606 - this very program


def serve(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes a free one.")] = PORT,
    ready_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write url and pid here, as JSON, once everything runs.")
    ] = None,
) -> None:
    """Run the worker and an HTTP door in one process; GET /health answers 200, or 503 when the worker has died."""
    from usher.entry.cli.watching import log_to, until_stopped

    context = context_of(ctx)
    with context.opened() as workspace, until_stopped() as stopped:
        log_to(workspace.folder / "data")
        files = Reconfigured(workspace)
        _serve(workspace, stopped, files, port, ready_file)
    if files.changed:
        files.begin_again()


def _serve(
    workspace: Workspace, stopped: threading.Event, files: Reconfigured, port: int, ready_file: Path | None
) -> None:
    from usher.engine.worker import Worker
    from usher.entry.cli.serve import Pulse, Server, http_app

    working = Worker(workspace, engine_url=workspace.engine_url)
    working.stop = stopped
    failures: list[BaseException | str] = []
    thread = threading.Thread(target=_work, args=(working, failures), name="worker")
    server = Server(
        http_app(workspace, Pulse(lambda: working.last_tick, lambda: str(failures[0]) if failures else None)), port
    )
    thread.start()
    try:
        while working.last_tick is None and thread.is_alive():
            stopped.wait(READY_SECONDS)
        _raise_at_start(failures)
        _start(server, port)
        if ready_file is not None:
            _write_ready(ready_file, server.port)
        note(f"usher serves {workspace.name} on http://127.0.0.1:{server.port}/health; end it with Ctrl-C")
        while not stopped.wait(LOOK_SECONDS) and not files():
            pass
        server.stop()
    finally:
        stopped.set()
        thread.join()
    if failures:
        raise typer.Exit(ExitCode.INTERNAL)


def _work(working: Worker, failures: list[BaseException | str]) -> None:
    """Run the worker; whatever ends it early is kept, so that health tells of it."""
    try:
        working.work()
    except Exception as error:
        # Kept and told by /health; raised again where it happens at the start.
        logger.error("the worker has died: %s", error, exc_info=error)
        failures.append(error)
    else:
        if not working.stop.is_set():
            failures.append("another worker has taken the lease")


def _raise_at_start(failures: list[BaseException | str]) -> None:
    if failures and isinstance(failures[0], BaseException):
        raise failures[0]


def _start(server: object, port: int) -> None:
    from usher.entry.cli.serve import Server

    assert isinstance(server, Server)
    try:
        server.start()
    except OSError as error:
        raise BadInput(f"--port {port}: {error}; choose another one, or 0") from error


def _write_ready(path: Path, port: int) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(json.dumps({"url": f"http://127.0.0.1:{port}", "pid": os.getpid()}) + "\n", encoding="utf-8")
    half.replace(path)
