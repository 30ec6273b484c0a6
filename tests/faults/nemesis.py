"""The nemesis: starts workers and ends them with SIGKILL, at a named boundary or after a while, by a seeded list."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.worker import LEASE_TAKEN
from tests.helpers.running import ROOT

BOUNDARIES = (
    "after claim",
    "before look",
    "after look",
    "after intent",
    "before settle",
    "after settle",
    "after call",
    "after receipt",
    "before verify",
    "after verify",
    "before watch",
    "after watch",
)
"""Every boundary of a step's way, from the claim of its due row to the last look at it.

In this order each death leads to the next one: a worker that dies after an intent makes its successor settle it.
"""
ANY = "*"
REFUSED, TOOK_OVER = "rival refused", "rival took over"


@dataclass(frozen=True)
class Kill:
    """One planned death: at the n-th passing of a boundary, or `seconds` after the start, whichever comes first."""

    boundary: str | None
    nth: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.boundary} #{self.nth}" if self.boundary else f"after {self.seconds:.2f} s"


def random_kills(seed: int, count: int) -> Iterator[Kill]:
    """Deaths anywhere: mostly at a random boundary, some at a given one, some by the clock alone."""
    dice = random.Random(f"kills {seed}")
    for _ in range(count):
        luck = dice.random()
        if luck < 0.5:
            yield Kill(ANY, dice.randint(1, 60), 4.0)
        elif luck < 0.75:
            yield Kill(dice.choice(BOUNDARIES), dice.randint(1, 6), 4.0)
        else:
            yield Kill(None, 0, dice.uniform(0.3, 2.0))


def every_boundary(rounds: int) -> Iterator[Kill]:
    """A death at the first passing of each boundary in turn, so often: with one plan, each of its steps meets each."""
    for _ in range(rounds):
        for boundary in BOUNDARIES:
            yield Kill(boundary, 1, 6.0)


class Nursery:
    """One process that forks a worker on demand; at most one worker lives at a time."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", "--nursery"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._said: queue.Queue[dict[str, int]] = queue.Queue()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self.pid: int | None = None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))

    def start(self, folder: Path, kill: Kill | None = None) -> int:
        """Fork a worker for a company's folder; returns its process id."""
        asked = {"folder": str(folder), "die_at": kill.boundary if kill else None, "die_nth": kill.nth if kill else 1,
                 "log": str(self.log)}  # fmt: skip
        assert self._process.stdin is not None and self.pid is None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        self.pid = self._said.get(timeout=60)["pid"]
        return self.pid

    def wait(self, seconds: float) -> int | None:
        """The exit code of the worker once it has ended (-9 for SIGKILL), None when it has not within the time."""
        try:
            code = self._said.get(timeout=seconds)["code"]
        except queue.Empty:
            return None
        self.pid = None
        return code

    def end(self, number: signal.Signals, seconds: float = 30) -> int:
        """Send the worker a signal and wait for its end."""
        assert self.pid is not None
        os.kill(self.pid, number)
        code = self.wait(seconds)
        assert code is not None, f"the worker did not end within {seconds} s of {number.name}"
        return code

    def stop(self) -> None:
        """End the worker, if one lives, and the nursery."""
        if self.pid is not None:
            self.end(signal.SIGKILL)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join()
        self._process.stdout.close()


class Rival:
    """A second worker, started while the first one lives."""

    def __init__(self, folder: Path) -> None:
        with (folder / "rival.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker", str(folder)], cwd=ROOT, stderr=log
            )

    def end(self, seconds: float = 3.0) -> str:
        """How it fared: it was refused, or took over from the one that was killed, and is then killed too."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return TOOK_OVER
        assert code == LEASE_TAKEN, f"a second worker ended by itself with {code}"
        return REFUSED
