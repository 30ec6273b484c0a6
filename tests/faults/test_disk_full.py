"""The disk is full: what cannot be written down is not done, and all goes on by itself once there is room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from tests.faults.checker import check
from tests.faults.company import Standing
from tests.faults.conftest import effects
from tests.faults.evidence import gather
from tests.faults.invent import App

from usher.engine.worker import Worker
from usher.services.record import verify_ledger
from usher.services.run import start
from usher.services.workspace import Workspace

Found = Callable[..., Standing]
NO_MORE_PAGES, AS_MANY_AS_THERE_ARE = 1, 1_073_741_823
"""`PRAGMA max_page_count`; SQLite takes a number below the present size for the present size."""
FULL_SECONDS = 5.0


class Disk:
    """Says before every transaction how large the database may become; SQLite then answers as on a full disk."""

    def __init__(self, workspace: Workspace) -> None:
        self.pages = AS_MANY_AS_THERE_ARE
        event.listen(workspace.store._engine, "checkout", self._limit)

    def _limit(self, connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {self.pages}")

    def fill(self, workspace: Workspace) -> None:
        """Let it be full, to the last bytes of the ledger's own pages."""
        self.pages = NO_MORE_PAGES
        for size in (20_000, 2_000, 200, 0):
            with pytest.raises(OperationalError, match="full"):
                for _ in range(10_000):
                    with workspace.store.begin() as unit:
                        unit.ledger.append("workspace:clock:agree", (), {"filler": "x" * size})


@contextmanager
def working(workspace: Workspace) -> Iterator[None]:
    """A worker, and again one where it ended: as a service manager does."""
    stop = threading.Event()

    def live() -> None:
        while not stop.is_set():
            with suppress(OperationalError):
                Worker(workspace, scheduled=False).work(until=stop.is_set)
            stop.wait(0.2)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def all_effects(standing: Standing) -> list[str]:
    return [one for server in standing.servers.values() for one in effects(server)]


def test_no_effect_while_the_ledger_cannot_be_written_and_all_of_them_afterwards(
    found_company: Found, caplog: pytest.LogCaptureFixture
) -> None:
    standing = found_company(App("directory", part="idp"), App("wiki"), events=("leave", "join", "leave"))
    workspace = standing.workspace
    for plan in standing.plans:
        start(workspace, str(plan.number))
    disk = Disk(workspace)
    disk.fill(workspace)
    with working(workspace):
        time.sleep(FULL_SECONDS)
        assert all_effects(standing) == []
    assert "disk is full" in caplog.text, "the worker met it"
    disk.pages = AS_MANY_AS_THERE_ARE
    with working(workspace):
        until = time.monotonic() + 60
        while not _all_proven(standing) and time.monotonic() < until:
            time.sleep(0.2)
    assert _all_proven(standing)
    judgement = check(gather(standing))
    assert judgement.clean, judgement.broken
    assert verify_ledger(workspace, []).problems == ()


def test_a_disk_that_becomes_full_in_the_middle_leaves_nothing_unlogged(found_company: Found) -> None:
    standing = found_company(App("directory", part="idp"), App("wiki"), events=("leave",) * 6)
    workspace = standing.workspace
    for plan in standing.plans:
        start(workspace, str(plan.number))
    disk = Disk(workspace)
    with working(workspace):
        until = time.monotonic() + 30
        while len(all_effects(standing)) < 3:
            assert time.monotonic() < until, "nothing happens"
            time.sleep(0.02)
        disk.pages = NO_MORE_PAGES
        time.sleep(FULL_SECONDS)
        judgement = check(gather(standing))
        assert judgement.counts() == dict.fromkeys(judgement.counts(), 0), judgement.broken
        disk.pages = AS_MANY_AS_THERE_ARE
        until = time.monotonic() + 60
        while not _all_proven(standing) and time.monotonic() < until:
            time.sleep(0.2)
    assert _all_proven(standing)
    judgement = check(gather(standing))
    assert judgement.clean, judgement.broken
    assert len(all_effects(standing)) == 12


def _all_proven(standing: Standing) -> bool:
    with standing.workspace.store.read() as unit:
        states = {row["state"] for run in unit.runs.all() for row in unit.runs.steps(run["id"])}
    return states <= {"verified", "closed"}
