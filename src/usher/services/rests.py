"""Rests: a plan rests on what its source said; where the source says otherwise since, it is void and says so."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from usher.domain.clock import to_text
from usher.domain.person import leaves_at
from usher.domain.plan import Plan, PlanKind, PlanState
from usher.domain.signals import SignalKind
from usher.services import starts
from usher.services.approve import end_plan
from usher.services.employments import employments_of
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

RULE = "plan void"
NOT_BEGUN = (PlanState.PROPOSED, PlanState.HELD, PlanState.APPROVED)
KEPT_DAYS = 7
"""For so long a finding tells of a plan whose leave was cancelled: there is nothing to do that would close it."""


def check(workspace: Workspace, unit: Unit, touched: Collection[str]) -> None:
    """A source was read: make void what rests on a statement of it that no longer stands. Nothing has begun yet."""
    for row in unit.plans.all(NOT_BEGUN):
        if row["person_id"] in touched and (why := why_not(workspace, unit, row)):
            make_void(unit, row, why)
    old = to_text(workspace.clock.now() - timedelta(days=KEPT_DAYS))
    for found in unit.findings.open(rule=RULE):
        if found["opened_at"] < old and load(found["evidence"])["again"] is False:
            _close(unit, found, f"it was shown for {KEPT_DAYS} days")


def why_not(workspace: Workspace, unit: Unit, row: Row) -> str | None:
    """Say what the source says otherwise since a plan was made, or None where the plan rests on no source or stands."""
    plan = Plan.of(load(row["document"]))
    signal = unit.findings.signal(plan.signal) if plan.signal else None
    if signal is None:
        return None
    leaves = leaves_at(employments_of(workspace, unit, plan.person))
    begins = plan.act_at or workspace.now()
    if plan.kind is not PlanKind.LEAVE:
        gone = leaves is not None and to_text(leaves) <= begins
        return f"{signal['source']} says that the employment ends at {to_text(leaves)}" if gone and leaves else None
    if leaves is None:
        return f"{signal['source']} no longer says that the employment ends"
    rows = unit.findings.signals(person_id=plan.person)
    newest = next((one for one in rows if one["kind"] != SignalKind.MOVER.value), None)
    if to_text(leaves) > begins or (newest is not None and newest["id"] > signal["id"]):
        return f"the leave date moved from {signal['true_at']} to {to_text(leaves)}"
    return None


def make_void(unit: Unit, row: Row, why: str) -> None:
    """Withdraw a plan that has not begun; a finding names its requester and the plan to make again."""
    plan = Plan.of(load(row["document"]))
    end_plan(unit, row, PlanState.VOID, why)
    unit.ledger.append("plan:plan:void", (plan.id,), {"reason": why})
    again = "no longer says" not in why
    fix = f"make it again: usher plan {plan.kind} {plan.person}" if again else "nothing, if the source is right"
    evidence = {"plan": plan.id, "why": why, "owner": starts.owner(unit, plan), "again": again}
    id, is_new = unit.findings.open_finding(
        f"plan:{plan.id}:void",
        RULE,
        "high" if again else "medium",
        f"plan {plan.number} ({plan.kind} {plan.person_name}) is void: {why}",
        evidence,
        f"{evidence['owner']}: {fix}",
        person_id=plan.person,
    )
    if is_new:
        unit.ledger.append("finding:finding:open", (id, plan.person), {"rule": RULE, "evidence": evidence})


def made_again(unit: Unit, plan: Plan) -> None:
    """A new plan for a person answers the findings of the void ones."""
    for found in unit.findings.open(rule=RULE, person_id=plan.person):
        _close(unit, found, f"plan {plan.number} was made")


def _close(unit: Unit, found: Row, why: str) -> None:
    unit.findings.close(found["id"], why)
    unit.ledger.append("finding:finding:close", (found["id"],), {"rule": RULE})
