"""An app is dead while many leave: the directory goes first, whoever is half off is a finding, and all heals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.checker import check
from tests.faults.company import Standing, build
from tests.faults.evidence import gather
from tests.faults.invent import App
from tests.helpers.long import long_or
from tests.helpers.running import Twins
from tests.journeys.test_stopped import Turned

from usher.domain.ids import IdFactory
from usher.engine.inline import begin, tick
from usher.services.run import start
from usher.store.database import Store

pytestmark = pytest.mark.timeout(1800)
WAITS = "waits for its app"
DEAD_MINUTES = 120


@pytest.fixture
def leaving(tmp_path: Path, twins: Twins, leavers: int) -> Iterator[tuple[Standing, Turned]]:
    """A company of which so many leave, under a clock that the test turns."""
    apps = (App("directory", part="idp"), App("wiki"))
    standing = build(tmp_path / "company", twins, 1, leavers, apps=apps, events=("leave",) * leavers)
    clock, first = Turned(), standing.workspace
    store = Store(first.store.url, "test", clock, IdFactory(clock))
    standing.workspace = replace(first, clock=clock, store=store)
    yield standing, clock
    standing.workspace.close()
    first.close()


def weather(standing: Standing, faults: dict[str, float]) -> None:
    (standing.folder / "wiki.faults.json").write_text(json.dumps(faults))


def states(standing: Standing, app: str) -> list[str]:
    with standing.workspace.store.read() as unit:
        steps = [row for run in unit.runs.all() for row in unit.runs.steps(run["id"])]
    return [row["state"] for row in steps if row["connection"] == app]


def waiting(standing: Standing) -> int:
    with standing.workspace.store.read() as unit:
        return len(unit.findings.open(rule=WAITS))


@pytest.mark.parametrize("leavers", long_or([8], [200]))
def test_everybody_who_is_half_off_is_told_of_within_a_minute_and_closed_by_no_hand(
    leaving: tuple[Standing, Turned], leavers: int
) -> None:
    standing, clock = leaving
    workspace = standing.workspace
    fence = begin(workspace)
    weather(standing, {"unavailable": 1})
    for plan in standing.plans:
        start(workspace, str(plan.number))
    tick(workspace, fence)
    while not set(states(standing, "directory")) <= {"verified", "closed"}:
        clock.ahead += timedelta(seconds=1)
        tick(workspace, fence)
    closed_at = clock.ahead
    while waiting(standing) < leavers:
        clock.ahead += timedelta(seconds=5)
        tick(workspace, fence)
        assert clock.ahead - closed_at <= timedelta(seconds=60), f"{waiting(standing)} of {leavers} are told of"
    with workspace.store.read() as unit:
        told = unit.findings.open(rule=WAITS)
    assert {row["severity"] for row in told} == {"high"}
    assert all(row["connection"] == "wiki" and row["person_id"] for row in told), "whose it is, and where"
    for _ in range(DEAD_MINUTES):
        clock.ahead += timedelta(minutes=1)
        tick(workspace, fence)
    assert waiting(standing) == leavers
    assert not {"verified", "closed"} & set(states(standing, "wiki"))
    weather(standing, {})
    for _ in range(90):
        clock.ahead += timedelta(minutes=1)
        tick(workspace, fence)
        if set(states(standing, "wiki")) <= {"verified", "closed"}:
            break
    assert set(states(standing, "wiki")) <= {"verified", "closed"}
    with workspace.store.read() as unit:
        assert [row["rule"] for row in unit.findings.open() if row["rule"] in (WAITS, "connection stopped")] == []
    broken = check(gather(standing)).counts()
    del broken["UNLOGGED"]  # the apps' clock was not turned, so their instants are before those of our intents
    assert not any(broken.values()), broken
    first = {one["userName"]: one["at"] for one in standing.servers["directory"].entries()}
    second = {one["userName"]: one["at"] for one in standing.servers["wiki"].entries()}
    assert len(first) == len(second) == leavers
    assert all(first[name] < second[name] for name in first), "the directory goes first"
