"""One workspace, one worker: a second one is refused, a stopped one comes back powerless, a seal stops effects."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.checker import check
from tests.faults.company import Standing
from tests.faults.conftest import effects, proven
from tests.faults.evidence import gather
from tests.faults.invent import App
from tests.faults.worker import LEASE_TAKEN
from tests.helpers.long import LONG
from tests.helpers.running import ROOT

from usher.domain.clock import SystemClock, to_text
from usher.services.run import start
from usher.services.seal import seal, unseal

Found = Callable[..., Standing]
Start = Callable[..., subprocess.Popen[bytes]]
PATIENCE_SECONDS = 60.0
LEAVERS = 50 if LONG else 12


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Start]:
    """`start_worker(standing, "--die-at", "after call")` -> a worker process of its own; ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(standing: Standing, *options: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"worker-{len(started)}.log").open("wb")
        command = [sys.executable, "-m", "tests.faults.worker", str(standing.folder), *options]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        log.close()
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Wait for something to become so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < until, f"not within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.05)


def holder(standing: Standing) -> str:
    """What the lease says about who holds it, empty where nobody does."""
    with standing.workspace.store.read() as unit:
        lease = unit.leases.current()
    return "" if lease is None or lease["released_at"] else str(lease["holder"])


def freeze(process: subprocess.Popen[bytes], standing: Standing) -> None:
    """Stop a process between two of its writes; in the middle of one it would keep the database's lock."""
    database = standing.folder / "workspace" / "data" / "usher.db"
    for _ in range(200):
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # it stands still from here on
        with closing(sqlite3.connect(database, timeout=0.2, isolation_level=None)) as probe:
            try:
                probe.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(process.pid, signal.SIGCONT)
                time.sleep(0.01)
            else:
                probe.execute("ROLLBACK")
                return
    raise AssertionError("the process was in the middle of a write each time")


def test_a_second_worker_on_the_same_workspace_is_refused(
    found_company: Found, start_worker: Start, tmp_path: Path
) -> None:
    standing = found_company(App("wiki"), events=("leave",))
    first = start_worker(standing)
    wait_until(lambda: bool(holder(standing)), "the first worker takes the lease")
    second = start_worker(standing)
    assert second.wait(PATIENCE_SECONDS) == LEASE_TAKEN
    assert f"pid {first.pid}" in (tmp_path / "worker-1.log").read_text()
    assert first.poll() is None
    start(standing.workspace, "1")
    wait_until(lambda: proven(standing), "the first worker goes on")
    first.terminate()
    assert first.wait(PATIENCE_SECONDS) == 0
    assert holder(standing) == ""


def test_a_frozen_worker_keeps_its_lease_because_the_file_lock_is_the_kernels(
    found_company: Found, start_worker: Start
) -> None:
    standing = found_company(App("wiki"), events=("leave",))
    first = start_worker(standing)
    wait_until(lambda: bool(holder(standing)), "the first worker takes the lease")
    os.kill(first.pid, signal.SIGSTOP)
    assert start_worker(standing).wait(PATIENCE_SECONDS) == LEASE_TAKEN


@pytest.mark.parametrize("boundary", ["after intent", "after call"])
def test_a_worker_that_was_frozen_past_a_take_over_makes_no_second_account(
    found_company: Found, start_worker: Start, boundary: str
) -> None:
    standing = found_company(App("directory", part="idp", unique=False), events=("join",))
    start(standing.workspace, "1")
    frozen = start_worker(standing, "--die-at", boundary, "--wait")
    wait_until((standing.folder / "waiting").exists, f"the worker comes to {boundary}")
    freeze(frozen, standing)
    # On one machine the lock cannot be taken from a frozen process; on a disk that forgets locks it would be so.
    (standing.folder / "workspace" / "data" / "effects.lock").unlink()
    second = start_worker(standing)
    states = ("parked",) if boundary == "after intent" else ("verified", "closed")
    with_state = lambda: _states(standing)[0] in states  # noqa: E731
    wait_until(with_state, "the second worker settles what the frozen one left")
    (standing.folder / "go-on").touch()
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.wait(PATIENCE_SECONDS) == 0, "it sees that its lease is gone, and ends"
    made = effects(standing.servers["directory"]).count("create")
    assert made == (0 if boundary == "after intent" else 1)
    assert _states(standing)[0] in states
    second.terminate()
    assert second.wait(PATIENCE_SECONDS) == 0
    assert check(gather(standing)).clean


def _states(standing: Standing) -> list[str]:
    with standing.workspace.store.read() as unit:
        return [row["state"] for run in unit.runs.all() for row in unit.runs.steps(run["id"])]


def test_no_effect_begins_later_than_a_second_after_the_seal_and_unsealing_goes_on(
    found_company: Found, start_worker: Start
) -> None:
    standing = found_company(App("directory", part="idp"), App("wiki"), events=("leave",) * LEAVERS)
    for plan in standing.plans:
        start(standing.workspace, str(plan.number))
    worker = start_worker(standing)
    done = lambda: [one["at"] for server in standing.servers.values() for one in server.entries()]  # noqa: E731
    wait_until(lambda: len(done()) >= 4, "some effects have happened")
    seal(standing.workspace, standing.requester, "to look at something")
    second_later = to_text(SystemClock().now() + timedelta(seconds=1))
    time.sleep(4)
    assert len(done()) < 2 * LEAVERS, "the seal came too late to stop anything"
    assert max(done()) <= second_later
    unseal(standing.workspace, standing.requester, "nothing was wrong")
    wait_until(lambda: set(_states(standing)) <= {"verified", "closed"}, "all go on after the unsealing")
    worker.terminate()
    assert worker.wait(PATIENCE_SECONDS) == 0
    assert len(done()) == 2 * LEAVERS
    judgement = check(gather(standing))
    assert judgement.clean, judgement.broken
