"""A worker process that can be told to die: `python -m tests.faults.worker FOLDER [--die-at BOUNDARY --die-nth N]`.

`--wait` makes the step wait there instead, until the file `go-on` lies in the folder; `waiting` tells that it does.

With `--nursery` it loads everything once and then forks a worker for each line of JSON on its input, because a harness
that starts hundreds of workers cannot wait for Python's imports each time. Each fork is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.faults.company import open_workspace

from usher.engine.lease import LeaseTaken
from usher.engine.worker import Worker

LEASE_TAKEN = 4
ANY = "*"


class DieAt:
    """Ends this process without any farewell when a boundary is passed for the n-th time; `*` counts all of them."""

    def __init__(self, boundary: str | None, nth: int, wait_in: Path | None = None) -> None:
        self._boundary = boundary
        self._wait_in = wait_in
        self._nth = nth
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, boundary: str) -> None:
        """Told by the workspace at each boundary."""
        with self._lock:
            self._passed[boundary] += 1
            self._passed[ANY] += 1
            if self._boundary not in (boundary, ANY) or self._passed[self._boundary] != self._nth:
                return
            if self._wait_in is None:
                os.kill(os.getpid(), signal.SIGKILL)
                return
        (self._wait_in / "waiting").touch()
        while not (self._wait_in / "go-on").exists():
            time.sleep(0.02)


def work(folder: Path, die_at: str | None, die_nth: int, *, wait: bool = False) -> int:
    """Carry out what is due in a company's workspace until SIGTERM; returns 0, or 4 where another has the lease."""
    workspace = open_workspace(folder, DieAt(die_at, die_nth, folder if wait else None))
    worker = Worker(workspace, scheduled=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: worker.stop.set())
    try:
        worker.work()
    except LeaseTaken as error:
        sys.stderr.write(f"{error}\n")
        return LEASE_TAKEN
    finally:
        workspace.close()
    return 0


def nursery() -> None:
    """For each line `{"folder", "die_at", "die_nth", "log"}` fork a worker, say its pid, and say how it ended."""
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            code = 1
            try:
                code = work(Path(asked["folder"]), asked["die_at"], asked["die_nth"])
            except Exception:  # noqa: BLE001 - a fork must never return into its parent's loop
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _say(pid=pid)
        _, status = os.waitpid(pid, 0)
        _say(ended=pid, code=os.waitstatus_to_exitcode(status))


def _say(**values: int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.worker", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--die-at", default=None)
    parser.add_argument("--die-nth", type=int, default=1)
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--nursery", action="store_true")
    options = parser.parse_args()
    if options.nursery:
        nursery()
        return 0
    return work(options.folder, options.die_at, options.die_nth, wait=options.wait)


if __name__ == "__main__":
    sys.exit(main())
