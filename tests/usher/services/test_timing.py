"""A plan with a time: begun then and not before, looked at beforehand, void where its source says otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.usher.services.conftest import NAMES, Firm, MakeFirm

from usher.domain.moments import BadMoment
from usher.domain.plan import Plan, PlanKind, PlanState
from usher.domain.step import DueKind
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.observe import observe
from usher.services.plan import make_plan, void
from usher.services.run import release, start
from usher.services.when import How
from usher.services.workspace import Refusal
from usher.store.repository import load

HEADINGS = "employment_id,employee_number,first_name,last_name,email,status,start_date,end_date,time_zone"


def leaves(firm: Firm, name: str, day: str, zone: str = "") -> None:
    """HR says that somebody leaves at the end of a day."""
    rows = [
        f"C{one},E{one},{one.title()},Person,{one}@acme.test,active,2020-01-01,"
        + (f"{day},{zone}" if one == name else ",")
        for one in NAMES
    ]
    (firm.folder / "hr.csv").write_text("\n".join([HEADINGS, *rows]) + "\n")
    assert observe(firm.workspace, "hr").kind == "complete"


def plan_at(firm: Firm, name: str, at: str | None, kind: PlanKind = PlanKind.LEAVE) -> Plan:
    """A plan with a time, as it was made."""
    return make_plan(firm.workspace, kind, f"{name}@acme.test", firm.olga, "agreed", How(at=at))


def signed(firm: Firm, plan: Plan) -> Plan:
    """The plan, signed by the other operator."""
    assert not approve(firm.workspace, plan.id, plan.digest, firm.omar).missing
    return plan


def rules(firm: Firm) -> list[str]:
    """The rules of the open findings about plans."""
    return [rule for rule, _ in firm.findings() if "plan" in rule]


def problems(firm: Firm, rule: str) -> list[str]:
    """What an open finding of a rule says is wrong."""
    with firm.workspace.store.read() as unit:
        return [one for row in unit.findings.open(rule=rule) for one in load(row["evidence"])["problems"]]


def test_a_plan_with_a_time_begins_then_and_not_before(firm: Firm) -> None:
    plan = signed(firm, plan_at(firm, "ann", "2026-03-02 17:00 Europe/Berlin"))
    assert (plan.act_at, plan.act_zone) == ("2026-03-02T16:00:00.000Z", "Europe/Berlin")
    with pytest.raises(Refusal, match=r"begins at 2026-03-02 17:00 Europe/Berlin"):
        start(firm.workspace, plan.id)
    fence = begin(firm.workspace)
    firm.clock.set(datetime(2026, 3, 2, 15, 59, 59, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.APPROVED
    firm.clock.set(datetime(2026, 3, 2, 16, 0, 2, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.RUNNING
    assert rules(firm) == []


def test_a_day_is_over_at_its_end_where_the_person_works(firm: Firm) -> None:
    leaves(firm, "ann", "", "Australia/Melbourne")
    plan = plan_at(firm, "ann", "2026-03-09")
    assert plan.act_at == "2026-03-09T13:00:00.000Z"
    assert any("over at its end in Australia/Melbourne" in note for note in plan.notes)


def test_a_time_zone_that_cannot_be_read_is_said_and_the_companys_is_taken(firm: Firm) -> None:
    leaves(firm, "ann", "", "Melbourne time")
    plan = plan_at(firm, "ann", "2026-03-09")
    assert plan.act_at == "2026-03-10T00:00:00.000Z"
    assert any("'Melbourne time' cannot be read" in note for note in plan.notes)


def test_a_time_that_is_past_is_refused(firm: Firm) -> None:
    with pytest.raises(BadMoment, match="is past"):
        plan_at(firm, "ann", "2026-03-01")


def test_a_leaver_whose_source_names_a_day_to_come_leaves_then(firm: Firm) -> None:
    leaves(firm, "ann", "2026-03-05", "America/Los_Angeles")
    plan = plan_at(firm, "ann", None)
    assert plan.act_at == "2026-03-06T08:00:00.000Z"
    assert plan.signal is not None
    assert plan.needs.why.startswith("a source's signal")
    assert plan.expires_at > plan.act_at
    now = plan_at(firm, "ann", "now")
    assert (now.act_at, now.signal) == (None, None)


def test_a_plan_waits_for_its_time_longer_than_plans_are_valid_otherwise(firm: Firm) -> None:
    leaves(firm, "ann", "2026-03-20")
    plan = signed(firm, plan_at(firm, "ann", None))
    fence = begin(firm.workspace)
    for _ in range(18):
        firm.clock.advance(timedelta(days=1))
        firm.crm(*NAMES)
        observe(firm.workspace, "hr")
        tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.APPROVED
    firm.clock.set(datetime(2026, 3, 21, 0, 0, 1, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.RUNNING


@pytest.mark.parametrize(("day", "says"), [("2026-03-25", "moved"), ("2026-03-10", "moved"), ("", "no longer says")])
def test_a_leave_that_moved_or_was_cancelled_makes_its_plan_void_and_says_so(firm: Firm, day: str, says: str) -> None:
    leaves(firm, "ann", "2026-03-20")
    plan = signed(firm, plan_at(firm, "ann", None))
    firm.clock.advance(timedelta(hours=1))
    leaves(firm, "ann", day)
    row = firm.row(plan)
    assert row["state"] == PlanState.VOID
    assert says in row["note"]
    assert rules(firm) == ["plan void"]
    with firm.workspace.store.read() as unit:
        assert not any(due["kind"] in (DueKind.START, DueKind.PREFLIGHT) for due in unit.dues.open(plan.id))
        found = unit.findings.open(rule="plan void")[0]
    assert found["fix"].startswith("olga: ")
    fence = begin(firm.workspace)
    firm.clock.set(datetime(2026, 3, 26, tzinfo=UTC))
    firm.crm(*NAMES)
    tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.VOID
    if day:
        assert plan_at(firm, "ann", None).id != plan.id
        assert rules(firm) == []


def test_a_leave_that_a_person_asked_for_stands_whatever_the_source_says(firm: Firm) -> None:
    leaves(firm, "ann", "2026-03-20")
    plan = signed(firm, plan_at(firm, "ann", "2026-03-04"))
    assert plan.signal is None
    firm.clock.advance(timedelta(hours=1))
    leaves(firm, "ann", "2026-03-25")
    assert firm.row(plan)["state"] == PlanState.APPROVED


def test_ten_minutes_before_everything_is_looked_at_and_what_is_wrong_is_told_at_once(firm: Firm) -> None:
    plan = signed(firm, plan_at(firm, "ann", "2026-03-02 17:00"))
    (firm.folder / "crm.csv").write_text("id,user_name,email,display_name,employee_number,status,roles\n")
    fence = begin(firm.workspace)
    firm.clock.set(datetime(2026, 3, 2, 16, 49, 59, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert rules(firm) == []
    firm.clock.set(datetime(2026, 3, 2, 16, 50, 1, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert rules(firm) == ["plan will not begin as it stands"]
    assert any("crm could not be read completely" in one for one in problems(firm, rules(firm)[0]))
    firm.crm(*NAMES)
    firm.clock.advance(timedelta(minutes=2))
    tick(firm.workspace, fence)
    assert rules(firm) == []
    firm.clock.set(datetime(2026, 3, 2, 17, 0, 1, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.RUNNING


def test_a_plan_that_nobody_signed_in_time_is_told_of_and_begins_once_it_is_signed(firm: Firm) -> None:
    plan = plan_at(firm, "ann", "2026-03-02 17:00")
    fence = begin(firm.workspace)
    firm.clock.set(datetime(2026, 3, 2, 17, 0, 1, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert "plan did not begin" in rules(firm)
    assert any("more operator(s) must approve" in one for one in problems(firm, "plan did not begin"))
    signed(firm, plan)
    firm.clock.advance(timedelta(minutes=1))
    tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.RUNNING
    assert rules(firm) == []


def test_a_beginning_that_was_missed_while_nothing_ran_happens_once_at_the_start(firm: Firm) -> None:
    plan = signed(firm, plan_at(firm, "ann", "2026-03-02 17:00"))
    firm.clock.set(datetime(2026, 3, 4, 17, 0, tzinfo=UTC))
    firm.crm(*NAMES)
    observe(firm.workspace, "hr")
    tick(firm.workspace, begin(firm.workspace))
    assert firm.row(plan)["state"] == PlanState.RUNNING
    with firm.workspace.store.read() as unit:
        assert len(unit.runs.all()) == 1


def test_a_beginning_that_was_missed_for_days_is_asked_about(firm: Firm) -> None:
    plan = signed(firm, plan_at(firm, "ann", "2026-03-02 17:00"))
    firm.clock.set(datetime(2026, 3, 5, 17, 0, 1, tzinfo=UTC))
    firm.crm(*NAMES)
    observe(firm.workspace, "hr")
    tick(firm.workspace, begin(firm.workspace))
    assert firm.row(plan)["state"] == PlanState.APPROVED
    assert "plan missed its time" in rules(firm)
    start(firm.workspace, plan.id)
    assert rules(firm) == []


def test_a_plan_that_was_withdrawn_begins_at_no_time(firm: Firm) -> None:
    plan = signed(firm, plan_at(firm, "ann", "2026-03-02 17:00"))
    void(firm.workspace, plan.id, firm.olga, "she stays")
    firm.clock.set(datetime(2026, 3, 2, 17, 0, 1, tzinfo=UTC))
    tick(firm.workspace, begin(firm.workspace))
    assert firm.row(plan)["state"] == PlanState.VOID


def test_urgent_plans_lie_in_the_urgent_lane(firm: Firm) -> None:
    urgent = make_plan(firm.workspace, PlanKind.LEAVE, "ann@acme.test", firm.olga, "now", How(urgent=True))
    usual = make_plan(firm.workspace, PlanKind.LEAVE, "ben@acme.test", firm.olga, "soon")
    with firm.workspace.store.begin() as unit:
        for plan in (urgent, usual):
            unit.runs.add_run(plan)
            release(unit, unit.runs.of_plan(plan.id)["id"])
    with firm.workspace.store.read() as unit:
        ranks = {
            plan.id: {due["lane"] for step in plan.steps for due in unit.dues.open(step.id)} for plan in (urgent, usual)
        }
    assert ranks == {urgent.id: {0}, usual.id: {1}}


def test_an_operator_who_was_revoked_before_its_time_does_not_count(make_firm: MakeFirm) -> None:
    from usher.services.operators import add_operator, revoke_operator

    firm = make_firm()
    add_operator(firm.workspace, "paula", by=firm.olga)
    plan = signed(firm, plan_at(firm, "ann", "2026-03-02 17:00"))
    revoke_operator(firm.workspace, "omar", firm.olga)
    fence = begin(firm.workspace)
    firm.clock.set(datetime(2026, 3, 2, 16, 51, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert rules(firm) == ["plan will not begin as it stands"]
    firm.clock.set(datetime(2026, 3, 2, 17, 0, 1, tzinfo=UTC))
    tick(firm.workspace, fence)
    assert firm.row(plan)["state"] == PlanState.APPROVED


def test_other_files_than_the_plan_was_made_under_are_told_beforehand(firm: Firm) -> None:
    plan = signed(firm, plan_at(firm, "ann", "2026-03-02 17:00"))
    changed = replace(firm.workspace, configuration="sha256:" + "1" * 64)
    fence = begin(changed)
    firm.clock.set(datetime(2026, 3, 2, 17, 0, 1, tzinfo=UTC))
    tick(changed, fence)
    assert firm.row(plan)["state"] == PlanState.RUNNING, "only a change that touches its connections counts"
