"""A plan that nobody signs is told ever louder, and is void in the end, with nothing left that waits for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.usher.services.conftest import Firm, MakeFirm

from usher.domain.policyfiles import Rules
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.notify import notices
from usher.services.operators import acting, add_operator, set_email
from usher.services.run import start
from usher.services.workspace import Refusal


@pytest.fixture
def staffed(make_firm: MakeFirm) -> Firm:
    """Omar owns the CRM, Mia is his deputy, Noor is nobody's; all of them have addresses."""
    firm = make_firm(owner="omar", rules=Rules(deputies={"omar": ("mia",)}, escalate_after_hours=8, remind_hours=4))
    for name in ("mia", "noor"):
        _, key = add_operator(firm.workspace, name, by=firm.olga)
        set_email(firm.workspace, name, f"{name}@acme.test", acting(firm.workspace, name, key))
    for one in (firm.olga, firm.omar):
        set_email(firm.workspace, one.row["name"], f"{one.row['name']}@acme.test", one)
    return firm


def after(firm: Firm, hours: float) -> list[tuple[str, str]]:
    """Turn the clock, let a worker work; who was told what, oldest first."""
    firm.clock.advance(timedelta(hours=hours))
    tick(firm.workspace, begin(firm.workspace))
    return sorted((one["kind"], one["operator"]) for one in notices(firm.workspace))


def unsigned(firm: Firm) -> list[str]:
    """Findings that a plan is unsigned for too long."""
    return [rule for rule, _ in firm.findings() if rule == "unsigned plan"]


def test_an_unsigned_plan_is_told_to_the_owner_then_to_his_deputy_then_is_void_and_all_is_quiet(staffed: Firm) -> None:
    plan = staffed.plan("ann")
    assert after(staffed, 0) == [("sign", "omar")]
    assert after(staffed, 7.9) == [("sign", "omar")] and unsigned(staffed) == []
    assert after(staffed, 0.2) == [("escalated", "mia"), ("sign", "omar")]
    assert unsigned(staffed) == ["unsigned plan"]
    assert ("expires", "omar") in after(staffed, 12)
    assert ("voided", "olga") in after(staffed, 4)
    assert firm_state(staffed, plan.number) == ("void", "it expired before it was approved")
    assert unsigned(staffed) == []
    told = after(staffed, 0)
    assert after(staffed, 100) == told, "nothing of it is left that could speak"


def firm_state(firm: Firm, number: int) -> tuple[str, str]:
    """State and note of a plan."""
    with firm.workspace.store.read() as unit:
        row = unit.plans.find(str(number))
    assert row is not None
    return row["state"], row["note"]


def test_where_nobody_is_a_deputy_every_operator_who_may_sign_is_told_and_never_the_requester(
    make_firm: MakeFirm,
) -> None:
    firm = make_firm(rules=Rules(escalate_after_hours=8))
    for one in (firm.olga, firm.omar):
        set_email(firm.workspace, one.row["name"], f"{one.row['name']}@acme.test", one)
    firm.plan("ann")
    assert after(firm, 9) == [("escalated", "omar"), ("sign", "omar")]


def test_an_approved_plan_is_not_told_of_again_but_is_void_when_nobody_begins_it(staffed: Firm) -> None:
    plan = staffed.plan("ann")
    after(staffed, 9)
    approve(staffed.workspace, str(plan.number), None, staffed.omar)
    assert unsigned(staffed) == []
    assert [kind for kind, _ in after(staffed, 12)] == ["escalated", "sign"]
    after(staffed, 4)
    assert firm_state(staffed, plan.number) == ("void", "it expired before it ran")
    with pytest.raises(Refusal, match="it expired before it ran"):
        start(staffed.workspace, str(plan.number))


def test_a_plan_that_has_begun_is_left_alone(staffed: Firm) -> None:
    plan = staffed.plan("ann")
    approve(staffed.workspace, str(plan.number), None, staffed.omar)
    start(staffed.workspace, str(plan.number))
    after(staffed, 30)
    assert firm_state(staffed, plan.number)[0] in ("running", "done")


def test_a_signal_whose_plan_became_void_may_ask_again(staffed: Firm) -> None:
    staffed.hr("ann")
    plan = staffed.plan("ann")
    assert plan.signal is not None
    after(staffed, 25)
    staffed.hr("ann")
    staffed.crm("ann", "ben", "cleo", "dan", "eve")
    assert staffed.plan("ann").signal == plan.signal


def test_escalation_is_in_the_ledger_with_what_was_missing(staffed: Firm) -> None:
    plan = staffed.plan("ann")
    after(staffed, 9)
    with staffed.workspace.store.read() as unit:
        leaf = unit.ledger.newest("plan:plan:escalate")
    assert leaf is not None and plan.id in str(leaf["ids"])
