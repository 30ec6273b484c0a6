"""A connection that was stopped is left alone: only its scheduled reading, or a person's check, calls it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.journeys.conftest import Company

from usher.domain.clock import Clock
from usher.domain.ids import IdFactory
from usher.domain.plan import PlanKind
from usher.domain.step import DueKind
from usher.engine.inline import begin, tick
from usher.services import park
from usher.services.approve import approve
from usher.services.check import check
from usher.services.observe import observe
from usher.services.plan import make_plan
from usher.services.run import start
from usher.services.workspace import Workspace
from usher.store.database import Store
from usher.store.repository import load


class Turned(Clock):
    """The real clock, turned forward by hand."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        """Now, and then some."""
        return datetime.now(UTC) + self.ahead


def turned(company: Company) -> tuple[Workspace, Turned]:
    """The company's workspace under a clock that a test turns."""
    clock = Turned()
    store = Store(company.workspace.store.url, "test", clock, IdFactory(clock))
    company.workspace = replace(company.workspace, clock=clock, store=store)
    return company.workspace, clock


def stop(workspace: Workspace, kind: str = "access") -> None:
    """Stop the directory."""
    with workspace.store.begin() as unit:
        park.stop_connection(unit, "directory", "it answers nonsense", kind)


def stopped(workspace: Workspace) -> list[str]:
    """The connections that are stopped."""
    with workspace.store.read() as unit:
        return list(unit.leases.quarantined())


def test_nothing_of_a_run_calls_a_stopped_connection_and_all_goes_on_when_it_is_used_again(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, clock = turned(company)
    company.hr("terminated", "2026-01-31")
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", company.olga)
    approve(workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    connector = workspace.connections.connector("directory")
    asked: list[bool] = []
    whole = connector.find

    def find(account_id, call):
        asked.append("directory" in stopped(workspace))
        return whole(account_id, call)

    monkeypatch.setattr(connector, "find", find)

    def reach(boundary: str) -> None:
        if boundary == "after receipt" and not stopped(workspace):
            stop(workspace)

    tick(replace(workspace, reach=reach), fence)
    assert stopped(workspace) == ["directory"]
    assert company.states()[0] == "acknowledged"
    clock.ahead += timedelta(seconds=30)
    tick(workspace, fence)
    assert asked == [False]
    with workspace.store.read() as unit:
        [due] = unit.dues.open(plan.steps[0].id)
    assert datetime.fromisoformat(due["at"]) - clock.now() >= timedelta(seconds=25)
    check(workspace, "directory")
    company.carry_out(fence)
    assert set(company.states()) <= {"verified", "closed"}


@pytest.mark.parametrize(("kind", "expected"), [("reading", [1, 1, 2, 5, 15, 60]), ("access", [1, 5, 60, 1440])])
def test_a_stopped_connection_is_probed_less_and_less_often_by_one_reading_at_a_time(
    company: Company, kind: str, expected: list[int]
) -> None:
    workspace, clock = turned(company)
    fence = begin(workspace)
    stop(workspace, kind)
    company.directory.stop()
    waits = []
    for _ in expected:
        with workspace.store.read() as unit:
            [due] = [row for row in unit.dues.open("directory") if row["kind"] == DueKind.OBSERVE.value]
        waits.append(round((datetime.fromisoformat(due["at"]) - clock.now()).total_seconds() / 60))
        clock.ahead += timedelta(minutes=waits[-1], seconds=1)
        tick(workspace, fence)
    assert waits == expected
    assert stopped(workspace) == ["directory"]


def test_an_app_that_is_ill_is_not_healed_by_a_reading_but_by_a_check_or_ten_minutes(company: Company) -> None:
    workspace, clock = turned(company)
    stop(workspace, "ill")
    stop(workspace, "access")
    assert observe(workspace, "directory").kind == "complete"
    assert stopped(workspace) == ["directory"]
    assert check(workspace, "directory").lifted == "it answers nonsense"
    assert stopped(workspace) == []
    stop(workspace, "ill")
    clock.ahead += timedelta(minutes=11)
    assert observe(workspace, "directory").kind == "complete"
    assert stopped(workspace) == []


def test_stopping_and_using_again_are_written_in_the_ledger_under_the_finding(company: Company) -> None:
    workspace, _ = turned(company)
    stop(workspace)
    with workspace.store.read() as unit:
        [finding] = unit.findings.open(rule="connection stopped")
    observe(workspace, "directory")
    with workspace.store.read() as unit:
        assert unit.findings.open(rule="connection stopped") == []
        about = unit.ledger.about(finding["id"])
    assert [row["event"] for row in about] == ["connection:access:lose", "connection:access:regain"]
    assert [load(row["ids"]) for row in about] == [[finding["id"]]] * 2
