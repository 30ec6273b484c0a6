"""A clock that cannot be believed: nothing begins, a finding says what was seen, and it ends when the clocks agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.usher.services.conftest import Firm

from usher.connectors.heard import Heard
from usher.domain.plan import PlanState
from usher.domain.step import DueKind
from usher.engine.carry import Carrier
from usher.engine.inline import begin
from usher.services import clockcheck
from usher.services.approve import approve
from usher.services.clockcheck import ClockWatch
from usher.services.connections import OpenConnections
from usher.services.run import start
from usher.services.seal import seal, unseal
from usher.services.workspace import Refusal, Workspace


class Machine:
    """The clock on the wall and the seconds that really pass, both to be turned by hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.steady = 500.0

    def passes(self, seconds: float, jump: float = 0.0) -> None:
        """Time passes; the wall clock shows more or less than that."""
        self.steady += seconds
        self.wall += seconds + jump

    def watch(self, workspace: Workspace) -> ClockWatch:
        """A worker's watch over this machine."""
        return ClockWatch(workspace, wall=lambda: self.wall, steady=lambda: self.steady)


def apps_say(firm: Firm, ahead: float, answers: int = 5) -> None:
    """Apps have answered of late, with clocks so many seconds ahead of ours."""
    heard = Heard()
    for _ in range(answers):
        heard.note("crm", format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True))
    assert isinstance(firm.workspace.connections, OpenConnections)
    firm.workspace.connections.heard = heard


def doubts(firm: Firm) -> list[str]:
    """What the open finding says."""
    with firm.workspace.store.read() as unit:
        return [row["subject"] for row in unit.findings.open(rule=clockcheck.RULE)]


def ready(firm: Firm) -> str:
    """The id of a plan that may begin."""
    plan = firm.plan("ann")
    assert not approve(firm.workspace, plan.id, plan.digest, firm.omar).missing
    return plan.id


def test_a_clock_that_was_put_back_begins_nothing_until_it_is_right_again(firm: Firm) -> None:
    machine = Machine()
    watch = machine.watch(firm.workspace)
    plan = ready(firm)
    assert watch.look() is None
    firm.clock.advance(timedelta(minutes=-10))
    machine.passes(6)
    assert "0:10:00 behind the latest instant" in (watch.look() or "")
    assert len(doubts(firm)) == 1
    with pytest.raises(Refusal, match="does not begin: this machine's clock is"):
        start(firm.workspace, plan)
    firm.clock.advance(timedelta(minutes=10))
    machine.passes(6)
    assert watch.look() is None
    assert doubts(firm) == []
    assert start(firm.workspace, plan)["state"] == "running"


@pytest.mark.parametrize(("ahead", "says"), [(600, "behind the clocks"), (-600, "ahead of the clocks")])
def test_a_clock_ten_minutes_off_what_apps_say_begins_nothing(firm: Firm, ahead: float, says: str) -> None:
    plan = ready(firm)
    apps_say(firm, ahead)
    with pytest.raises(Refusal, match=says):
        start(firm.workspace, plan)
    apps_say(firm, 0)
    assert start(firm.workspace, plan)["state"] == "running"


def test_a_single_answer_and_a_small_difference_say_nothing(firm: Firm) -> None:
    plan = ready(firm)
    apps_say(firm, 600, answers=2)
    with firm.workspace.store.read() as unit:
        assert clockcheck.doubt(firm.workspace, unit) is None
    apps_say(firm, 60)
    assert start(firm.workspace, plan)["state"] == "running"


def test_one_app_whose_own_clock_is_wrong_does_not_outvote_the_others() -> None:
    heard = Heard(wall=lambda: 0.0, steady=lambda: 0.0)
    for _ in range(9):
        heard.note("odd", format_datetime(datetime.fromtimestamp(9_000, UTC), usegmt=True))
    for name in ("one", "two"):
        heard.note(name, format_datetime(datetime.fromtimestamp(1, UTC), usegmt=True))
    assert heard.offset() == 1.0


def test_old_answers_and_dates_that_cannot_be_read_say_nothing() -> None:
    now = [0.0]
    heard = Heard(wall=lambda: 0.0, steady=lambda: now[0])
    for date in (None, "", "yesterday", "Thu, 99 Jan 1970 00:00:00 GMT"):
        heard.note("app", date)
    for _ in range(5):
        heard.note("app", format_datetime(datetime.fromtimestamp(9_000, UTC), usegmt=True))
    assert heard.offset() == 9_000.0
    now[0] = 1_000.0
    assert heard.offset() is None


@pytest.mark.parametrize("jump", [600.0, -600.0])
def test_a_clock_that_jumps_while_the_worker_runs_begins_nothing_until_it_jumps_back(firm: Firm, jump: float) -> None:
    machine = Machine()
    watch = machine.watch(firm.workspace)
    machine.passes(6)
    assert watch.look() is None
    machine.passes(6, jump)
    assert "jumped 0:10:00" in (watch.look() or "")
    assert len(doubts(firm)) == 1
    machine.passes(6, -jump)
    assert watch.look() is None
    assert doubts(firm) == []


def test_a_jump_that_apps_confirm_was_a_clock_put_right(firm: Firm) -> None:
    machine = Machine()
    watch = machine.watch(firm.workspace)
    machine.passes(6, 600.0)
    assert watch.look() is not None
    apps_say(firm, 0)
    machine.passes(6)
    assert watch.look() is None


def test_small_corrections_are_what_keeps_clocks_right(firm: Firm) -> None:
    machine = Machine()
    watch = machine.watch(firm.workspace)
    for _ in range(20):
        machine.passes(6, 30.0)
        assert watch.look() is None


def test_whoever_unseals_says_that_the_clock_is_right_as_it_stands(firm: Firm) -> None:
    machine = Machine()
    watch = machine.watch(firm.workspace)
    watch.look()
    machine.passes(6, 600.0)
    firm.clock.advance(timedelta(days=-30))
    assert watch.look() is not None
    seal(firm.workspace, firm.olga, "the clock is odd")
    unseal(firm.workspace, firm.olga, "it was in the future, and is right now")
    machine.passes(6)
    assert watch.look() is None
    assert doubts(firm) == []


def test_while_the_clock_is_in_doubt_a_worker_gives_steps_and_starts_back_unsent(firm: Firm) -> None:
    workspace, machine = firm.workspace, Machine()
    watch = machine.watch(workspace)
    plan = ready(firm)
    fence = begin(workspace)
    start(workspace, plan)
    machine.passes(6, 600.0)
    carrier = Carrier(workspace, fence, watch)
    with workspace.store.begin() as unit:
        claimed = unit.dues.claim(workspace.now(), fence, (DueKind.ACT,))
    assert claimed
    for due in claimed:
        carrier(due["id"])
    with workspace.store.read() as unit:
        assert [unit.dues.get_due(due["id"])["state"] for due in claimed] == ["waiting"] * len(claimed)
        assert all(not unit.runs.intents(row["id"]) for row in unit.runs.steps(unit.runs.all()[0]["id"]))
    assert firm.row(replace(firm.plan("ben"), id=plan))["state"] == PlanState.RUNNING
