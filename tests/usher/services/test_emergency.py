"""An emergency: one operator switches somebody off at once where the rules allow it, and others must agree in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.usher.services.conftest import NAMES, Firm, MakeFirm

from usher.domain.plan import Lane, Plan, PlanKind, PlanState
from usher.domain.policyfiles import Emergency, Rules
from usher.engine.inline import begin, tick
from usher.services.approve import approve, reject
from usher.services.operators import acting, add_operator
from usher.services.plan import make_plan
from usher.services.run import start
from usher.services.show_plans import plan as shown
from usher.services.when import How
from usher.services.workspace import Refusal

ALLOWED = Rules(emergency=Emergency(allowed=True, who=("olga",)))
NOW = How(emergency=True)


def cut_off(firm: Firm, name: str = "ann", reason: str = "stole the till") -> Plan:
    """An emergency, as olga begins it."""
    return make_plan(firm.workspace, PlanKind.LEAVE, f"{name}@acme.test", firm.olga, reason, NOW)


def alarms(firm: Firm) -> list[tuple[str, str]]:
    """Severity and subject of the findings about emergencies."""
    with firm.workspace.store.read() as unit:
        return [(row["severity"], row["subject"]) for row in unit.findings.open(rule="emergency not confirmed")]


def test_one_operator_begins_it_alone_and_it_is_marked_everywhere(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=ALLOWED)
    plan = cut_off(firm)
    assert (plan.emergency, plan.lane, plan.act_at) == (True, Lane.URGENT, None)
    assert {step.verb.value for step in plan.steps} == {"deactivate"}
    run = start(firm.workspace, plan.id)
    assert run["state"] == "running"
    document = shown(firm.workspace, plan.id)
    assert document["emergency"] and document["lane"] == "urgent"
    assert "1 more operator(s) must approve" in document["missing"][0]
    assert alarms(firm)[0][0] == "medium"
    with firm.workspace.store.read() as unit:
        assert {due["lane"] for step in plan.steps for due in unit.dues.open(step.id)} == {Lane.URGENT.rank}


def test_it_is_confirmed_by_a_second_operator_and_never_by_its_requester(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=ALLOWED)
    plan = cut_off(firm)
    start(firm.workspace, plan.id)
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(firm.workspace, plan.id, plan.digest, firm.olga)
    assert approve(firm.workspace, plan.id, plan.digest, firm.omar).missing == ()
    assert alarms(firm) == []
    assert firm.row(plan)["state"] == PlanState.RUNNING
    firm.clock.advance(timedelta(hours=2))
    tick(firm.workspace, begin(firm.workspace))
    assert alarms(firm) == []


def test_also_where_a_source_says_that_the_person_has_left_its_requester_does_not_confirm_it(
    make_firm: MakeFirm,
) -> None:
    firm = make_firm(rules=ALLOWED)
    firm.hr("ann")
    plan = cut_off(firm)
    assert plan.signal is not None
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(firm.workspace, plan.id, plan.digest, firm.olga)


def test_without_a_second_operator_in_time_everybody_is_alarmed(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=ALLOWED)
    with firm.workspace.store.begin() as unit:
        for name in ("olga", "omar"):
            unit.operators.set_email(unit.operators.named(name)["id"], f"{name}@acme.test")
    plan = cut_off(firm)
    start(firm.workspace, plan.id)
    firm.clock.advance(timedelta(minutes=59))
    fence = begin(firm.workspace)
    firm.crm(*NAMES)
    tick(firm.workspace, fence)
    assert alarms(firm)[0][0] == "medium"
    firm.clock.advance(timedelta(minutes=2))
    tick(firm.workspace, fence)
    assert alarms(firm)[0][0] == "high"
    assert "no second operator had agreed" in alarms(firm)[0][1]
    with firm.workspace.store.read() as unit:
        late = [row["address"] for row in unit.notices.all() if "was not confirmed" in row["subject"]]
        assert sorted(late) == ["olga@acme.test", "omar@acme.test"]
        assert unit.ledger.newest("plan:emergency:alarm") is not None


def test_a_second_operator_who_refuses_stops_what_is_left_of_it(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=ALLOWED)
    plan = cut_off(firm)
    start(firm.workspace, plan.id)
    reject(firm.workspace, plan.id, firm.omar, "it was not he")
    assert alarms(firm) == [("high", alarms(firm)[0][1])]
    assert "omar does not agree" in alarms(firm)[0][1]
    tick(firm.workspace, begin(firm.workspace))
    with firm.workspace.store.read() as unit:
        steps = unit.runs.steps(unit.runs.of_plan(plan.id)["id"])
    assert {step["state"] for step in steps} == {"parked"}
    assert all("has rejected it" in step["note"] for step in steps)


def test_it_is_refused_where_the_rules_do_not_allow_it(firm: Firm) -> None:
    with pytest.raises(Refusal, match="not allowed here"):
        cut_off(firm)


def test_it_is_refused_to_operators_who_are_not_named_and_without_a_reason(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=ALLOWED)
    with pytest.raises(Refusal, match=r"omar may not begin an emergency; usher\.yaml names olga"):
        make_plan(firm.workspace, PlanKind.LEAVE, "ann@acme.test", firm.omar, "stole", NOW)
    with pytest.raises(Refusal, match="needs a reason"):
        cut_off(firm, reason=" ")
    with pytest.raises(Refusal, match="plan leave only"):
        make_plan(firm.workspace, PlanKind.MOVE, "ann@acme.test", firm.olga, "x", NOW)


def test_rules_that_were_changed_meanwhile_stop_it(make_firm: MakeFirm) -> None:
    from dataclasses import replace

    firm = make_firm(rules=ALLOWED)
    plan = cut_off(firm)
    with pytest.raises(Refusal, match="not allowed here"):
        start(replace(firm.workspace, rules=Rules()), plan.id)


def test_the_last_administrator_and_protected_accounts_stay_out_of_reach(make_firm: MakeFirm) -> None:
    firm = make_firm(crm={"protect": ["ben@acme.test"]}, rules=ALLOWED)
    firm.crm(*NAMES, roles={"ann": "Admin"})
    plan = cut_off(firm)
    assert firm.row(plan)["state"] == PlanState.HELD
    with pytest.raises(Refusal, match="held"):
        start(firm.workspace, plan.id)
    assert firm.row(cut_off(firm, "ben"))["state"] == PlanState.HELD


def test_it_counts_against_the_limits_like_everything_else(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=ALLOWED)
    start(firm.workspace, cut_off(firm).id)
    second = cut_off(firm, "ben")
    assert firm.row(second)["state"] == PlanState.HELD


def test_somebody_who_cannot_be_an_owner_any_more_holds_no_emergency_up(make_firm: MakeFirm) -> None:
    firm = make_firm(owner="nobody", rules=ALLOWED)
    assert dict(cut_off(firm).needs.owners) == {}


def test_nobody_begins_an_emergency_about_himself(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=Rules(emergency=Emergency(allowed=True)))
    _, key = add_operator(firm.workspace, "annie", ("ann@acme.test",), by=firm.olga)
    with pytest.raises(Refusal, match="about himself"):
        make_plan(firm.workspace, PlanKind.LEAVE, "ann@acme.test", acting(firm.workspace, "annie", key), "why not", NOW)
