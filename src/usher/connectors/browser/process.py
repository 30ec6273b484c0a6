"""Runs a browser job in a child process, gives or refuses leave when it asks, and ends it at its deadline."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import usher
from usher.connectors import errors
from usher.connectors.browser.job import ANSWERS, Job
from usher.connectors.browser.kept import Kept
from usher.connectors.errors import InDoubt, NotPermitted, OutcomeUnknown, Transient

LONGEST_LINE = 32 * 1024 * 1024
KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "FONTCONFIG_PATH")


class Slots:
    """How many browser jobs this process runs at once."""

    def __init__(self, count: int = 1) -> None:
        self._condition = threading.Condition()
        self._free = self._count = count

    @property
    def free(self) -> int:
        """How many more could run now."""
        return self._free

    def allow(self, count: int) -> None:
        """Change the number; jobs that run already run on."""
        with self._condition:
            self._free += count - self._count
            self._count = count
            self._condition.notify_all()

    @contextlib.contextmanager
    def taken(self, seconds: float) -> Iterator[None]:
        """Hold one slot; raises Transient where none becomes free in time."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._free > 0, timeout=seconds):
                raise Transient("another browser job is still running")
            self._free -= 1
        try:
            yield
        finally:
            with self._condition:
                self._free += 1
                self._condition.notify()


SLOTS = Slots(int(os.environ.get("USHER_BROWSER_JOBS", "1")))
KEPT: Kept[_Child] = Kept()


def run_job(
    job: Job,
    admit: Callable[[str], None],
    progress: Callable[[dict[str, Any]], None] = lambda said: None,
    started: Callable[[int], None] = lambda pid: None,
) -> dict[str, Any]:
    """Run one job in a child process and return its result.

    `admit` is asked right before the writing click and raises NotPermitted where it must not happen, which is raised
    again here. A child that dies or outlives `job.deadline` raises OutcomeUnknown after leave was given and Transient
    before. Raises the contract's errors as the child names them. `started` learns the child's process id.

    A child that ended its job in good order waits a while for another one of the same connection.
    """
    end = time.monotonic() + job.deadline
    with SLOTS.taken(job.deadline):
        key = connection_of(job)
        child = KEPT.take(key)
        if child is None:
            KEPT.leave_at_most(SLOTS.free)
            child = _Child()
        try:
            left = max(1.0, end - time.monotonic())
            started(child.pid)
            child.begin(job.model_copy(update={"deadline": left}))
            return child.follow(time.monotonic() + left, admit, progress)
        finally:
            if child.stays:
                KEPT.keep(key, child)
            else:
                child.end()


def connection_of(job: Job) -> str:
    """A digest of all that makes jobs jobs of one connection; children hold its secrets and its browser."""
    about = job.model_dump(include={"recipe", "base_url", "secrets", "chromium"})
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


class _Child:
    """A child process with a folder of its own, which goes with it."""

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="usher-browser-", ignore_cleanup_errors=True)
        home = self._home.name
        kept = {name: value for name in KEPT_ENVIRONMENT if (value := os.environ.get(name))}
        environment = {**kept, "HOME": home, "TMPDIR": home, "PYTHONPATH": str(_source_root())}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "usher.connectors.browser.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=home,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin: IO[bytes] = self._process.stdin
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        self._left = False
        self._said_all = False
        self.stays = False
        """True once it has said how its job ended and waits for another one."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        """False once its process has ended."""
        return self._process.poll() is None

    def begin(self, job: Job) -> None:
        """Give it a job."""
        self._left = self._said_all = self.stays = False
        self._tell(job.model_dump_json(exclude_none=True).encode())

    def _read(self, stdout: IO[bytes]) -> None:
        for line in iter(lambda: stdout.readline(LONGEST_LINE), b""):
            self._lines.put(line)
        self._lines.put(None)

    def _tell(self, line: bytes) -> None:
        # A child that died shows itself by the end of its output.
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line + b"\n")
            self._stdin.flush()

    def follow(
        self, end: float, admit: Callable[[str], None], progress: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        refused: NotPermitted | None = None
        while True:
            said = self._next_line(end)
            if "ask" in said:
                try:
                    admit(str(said.get("what", "a change in the console")))
                except NotPermitted as error:
                    refused = error
                self._left = refused is None
                self._tell(json.dumps({"leave": self._left}).encode())
            elif "progress" in said:
                progress(said)
            else:
                self._said_all = True
                self.stays = said.get("stays") is True
                if "result" in said:
                    return dict(said["result"])
                raise refused or _named(said)

    def _next_line(self, end: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise self._lost("did not end before its deadline") from None
        if line is None:
            raise self._lost(f"died ({self._last_words()})")
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise self._lost("said something that is not understood")
        return said

    def _lost(self, what: str) -> OutcomeUnknown | Transient:
        if self._left:
            return OutcomeUnknown(f"the browser job {what} after it had leave to write")
        return Transient(f"the browser job {what} before it wrote anything")

    def _last_words(self) -> str:
        """How a child died; never its own text, which may quote what it was told."""
        return f"exit code {self._process.wait(timeout=5)}"

    def end(self) -> None:
        """End the child and everything that it started."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        if self._said_all:
            # A child that has said its last line closes its browser and ends by itself.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=5)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._home.cleanup()


def _source_root() -> Path:
    return Path(usher.__file__).resolve().parents[1]


def _named(said: dict[str, Any]) -> Exception:
    name, message = said.get("error"), str(said.get("message", ""))
    evidence = {str(key): str(value) for key, value in dict(said.get("evidence") or {}).items()}
    if name not in ANSWERS:
        kind: type[Exception] = OutcomeUnknown if said.get("wrote") else Transient
        return kind(f"the browser job answered {name!r}: {message}")
    if name == "NotPermitted":
        return NotPermitted(message)
    if name == "InDoubt":
        return InDoubt(message, contract=str(said.get("contract", "")), evidence=evidence)
    error: Exception = getattr(errors, name)(message, evidence=evidence)
    return error
