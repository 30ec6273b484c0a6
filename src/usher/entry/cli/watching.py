"""Carry a run on until it rests: as its worker where the lease is free, else by watching another worker's progress."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from usher.entry.cli.exits import LOG_NAME, ExitCode, keep_in_log, say
from usher.entry.cli.out import console, note
from usher.entry.cli.painting import run_table

if TYPE_CHECKING:
    from usher.services.workspace import Workspace

Document = dict[str, Any]
LOOK_SECONDS = 0.25
LEASE_SECONDS = 1.0


class Interrupted(Exception):
    """Ctrl-C while a run was carried on: nothing is lost, and the next worker goes on."""


def carry_on(workspace: Workspace, reference: str, is_over: Callable[[Document], bool]) -> Document:
    """Bring a run on until `is_over` says so of its document; returns the document. Raises Interrupted on Ctrl-C."""
    from usher.services.show_plans import run as shown

    with watched(lambda: shown(workspace, reference)) as look, until_stopped() as stopped:
        while not is_over(look()) and not stopped.is_set():
            if not _work(workspace, stopped, lambda: is_over(look())):
                stopped.wait(LEASE_SECONDS)
        if stopped.is_set() and not is_over(look()):
            raise Interrupted
    return shown(workspace, reference)


def _work(workspace: Workspace, stopped: threading.Event, is_over: Callable[[], bool]) -> bool:
    """Be the worker until it is over; False at once where another process holds the lease."""
    from usher.engine.lease import LeaseTaken
    from usher.engine.worker import Worker

    worker = Worker(workspace, scheduled=False, engine_url=workspace.engine_url)
    worker.stop = stopped
    try:
        worker.work(until=is_over)
    except LeaseTaken as taken:
        _say_once(str(taken))
        return False
    return True


_said: set[str] = set()


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        note(f"{text}: it carries the run out; this shows its progress")


@contextmanager
def watched(load: Callable[[], Document]) -> Iterator[Callable[[], Document]]:
    """Give a look at the run that is at most a quarter of a second old, and show each look on standard error."""
    screen = console(errors=True)
    last: list[tuple[float, Document]] = []

    def fresh() -> Document:
        if not last or time.monotonic() - last[0][0] >= LOOK_SECONDS:
            last[:] = [(time.monotonic(), load())]
        return last[0][1]

    if not screen.is_terminal:
        yield _lines(fresh)
        return
    from rich.live import Live

    with Live(run_table(screen, fresh()), console=screen, transient=True, auto_refresh=False) as live:

        def show() -> Document:
            document = fresh()
            live.update(run_table(screen, document), refresh=True)
            return document

        yield show


def _lines(fresh: Callable[[], Document]) -> Callable[[], Document]:
    """Where no terminal is, one line for each step that moves."""
    told: dict[str, str] = {}

    def show() -> Document:
        document = fresh()
        for step in document["steps"]:
            if told.get(step["id"]) != step["state"]:
                told[step["id"]] = step["state"]
                place = f"{step['verb']} {step['user_name']} in {step['connection']}"
                note(f"step {step['ordinal']} {place}: {step['state']}")
        return document

    return show


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that a worker ends between two writes; a second Ctrl-C ends at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def code_of(run: Document) -> int:
    """The exit code of a run at rest."""
    if "person" in run["waits_for"]:
        return ExitCode.NEEDS_PERSON
    if "seal" in run["waits_for"]:
        return ExitCode.REFUSED
    if "app" in run["waits_for"]:
        return ExitCode.UNREACHABLE
    return ExitCode.DONE if run["verified"] == run["total"] else ExitCode.NEEDS_PERSON


class OneLine(logging.Handler):
    """Log records as one line for people; the whole of it, with its traceback, goes into the workspace's log."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.WARNING)
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        """Say one line, and keep the rest."""
        place = keep_in_log(self._folder, f"{record.levelname} {record.name}: {self.format(record)}")
        kept = f" (see {place or LOG_NAME})" if record.exc_info else ""
        say(record.getMessage() + kept)


def log_to(folder: Path) -> None:
    """Send what usher's rooms log to people in one line, and as a whole into the workspace's log."""
    root = logging.getLogger("usher")
    for handler in [one for one in root.handlers if isinstance(one, OneLine)]:
        root.removeHandler(handler)
    root.addHandler(OneLine(folder))
    root.propagate = False
