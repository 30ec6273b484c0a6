"""Start real servers for tests: own process, port 0, ready file, ended by the process id that we started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 10.0
SHOWN_CHARACTERS = 4000


@dataclass
class Running:
    """A started server. `ready` is what its ready file said; `journal` is its own record of effects."""

    module: str
    url: str
    pid: int
    journal: Path
    log: Path
    ready: dict[str, Any]
    process: subprocess.Popen[bytes] = field(repr=False)

    def entries(self) -> list[dict[str, Any]]:
        """Return the whole lines of the journal, oldest first."""
        if not self.journal.exists():
            return []
        *whole, _torn = self.journal.read_bytes().split(b"\n")
        return [json.loads(line) for line in whole if line]

    def stop(self) -> int:
        """Ask it to end, insist after ten seconds; returns its exit code. Stopping twice is not an error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.wait()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Twins:
    """Starts servers of ours below one folder and ends exactly those; for fixtures of any scope."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[Running] = []

    def start(
        self,
        module: str,
        *args: str | Path,
        journal: Path | None = None,
        env: Mapping[str, str] | None = None,
        seconds: float = START_SECONDS,
    ) -> Running:
        """Run `python -m MODULE --port 0 --ready-file F --journal J ARGS` and return once it accepts calls.

        Give the same `journal` to a second start to go on with it. Raises AssertionError with its output when it ends
        early or is not ready after `seconds`.
        """
        name = f"{module.rpartition('.')[2]}-{len(self.started) + 1}"
        self._folder.mkdir(parents=True, exist_ok=True)
        ready_file, log = self._folder / f"{name}.ready.json", self._folder / f"{name}.log"
        journal = journal or self._folder / f"{name}.journal.jsonl"
        command = [sys.executable, "-m", module, "--port", "0", "--ready-file", str(ready_file)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--journal", str(journal), *map(str, args)],
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        ready = _await_ready(process, ready_file, log, module, seconds)
        running = Running(module, ready["url"], ready["pid"], journal, log, ready, process)
        self.started.append(running)
        return running

    def stop(self) -> None:
        """End everything that was started here."""
        for running in reversed(self.started):
            running.stop()


def _await_ready(
    process: subprocess.Popen[bytes], ready_file: Path, log: Path, module: str, seconds: float
) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while not ready_file.exists():
        code = process.poll()
        late = time.monotonic() > deadline
        if code is not None or late:
            if code is None:
                process.kill()
                process.wait()
            what = f"was not ready after {seconds:g} s" if late else f"ended with exit code {code}"
            raise AssertionError(f"{module} {what}:\n{log.read_text(errors='replace')[-SHOWN_CHARACTERS:]}")
        time.sleep(0.02)
    return json.loads(ready_file.read_text(encoding="utf-8"))


_shown = pytest.StashKey[list[Twins]]()


@pytest.fixture
def twins(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Twins]:
    """Servers of one test; ended after it, their output shown when it fails."""
    twins = Twins(tmp_path / "servers")
    request.node.stash.setdefault(_shown, []).append(twins)
    yield twins
    twins.stop()


@pytest.fixture
def start_twin(twins: Twins) -> Callable[..., Running]:
    """`start_twin("twins.console", "--lag", "0.5")` -> Running(url, pid, journal, stop(), ...)."""
    return twins.start


@pytest.fixture
def free_port() -> int:
    """A port of the loopback address that was free a moment ago; prefer port 0 where a server can announce itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show what the servers of a failing test wrote."""
    report = yield
    if report.failed:
        for twins in item.stash.get(_shown, []):
            for running in twins.started:
                if text := running.log.read_text(errors="replace").strip():
                    report.sections.append((f"output of {running.module} ({running.pid})", text[-SHOWN_CHARACTERS:]))
    return report
