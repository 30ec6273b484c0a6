"""Escalate: tells of plans that wait for signatures, ever louder, and ends those that waited too long."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from usher.domain.clock import from_text, to_text
from usher.domain.plan import Plan, PlanState
from usher.domain.step import DueKind
from usher.services.approve import end_plan, may_not_sign, standing, unsigned_key
from usher.services.notify import NoticeKind, tell_of_plan
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

WAITING_PLANS = ":plans"
"""Due rows of plans are of no connection; no connection can have this name."""
UNSIGNED = "unsigned plan"
NOT_BEGUN = (PlanState.PROPOSED.value, PlanState.HELD.value, PlanState.APPROVED.value)


class What(StrEnum):
    """What an instant asks of a plan that waits."""

    ESCALATE = "escalate"
    REMIND = "remind"
    EXPIRE = "expire"


def after_freeze(workspace: Workspace, unit: Unit, plan: Plan, state: PlanState) -> None:
    """Tell of a new plan, and make due what shall happen while nobody signs it."""
    created, expires = from_text(plan.created_at), from_text(plan.expires_at)
    rules = workspace.rules
    at = {
        What.ESCALATE: created + timedelta(hours=rules.escalate_after_hours),
        What.REMIND: expires - timedelta(hours=rules.remind_hours),
    }
    for what, instant in at.items():
        if created < instant < expires:
            _put(unit, plan.id, what, to_text(instant))
    _put(unit, plan.id, What.EXPIRE, plan.expires_at)
    row = unit.plans.find(plan.id)
    assert row is not None, plan.id
    if state is PlanState.HELD:
        requester = unit.operators.by_id(plan.requested_by)
        tell_of_plan(unit, NoticeKind.HELD, plan, [requester] if requester else [], str(row["note"] or ""))
    else:
        kind = NoticeKind.EMERGENCY if plan.emergency else NoticeKind.SIGN
        tell_of_plan(unit, kind, plan, who_may_sign(unit, plan, row), plan.reason)


def escalate(workspace: Workspace, plan_id: str, what: str) -> None:
    """Do what the instant asks of a plan; one that has begun or ended meanwhile needs nothing."""
    with workspace.store.begin() as unit:
        row = unit.plans.find(plan_id)
        if row is None or row["state"] not in NOT_BEGUN:
            unit.findings.close_key(unsigned_key(plan_id), "the plan has begun or ended")
            return
        if what == What.EXPIRE:
            _expire(unit, row)
        elif row["state"] == PlanState.PROPOSED.value:
            _louder(workspace, unit, row, What(what))


def _expire(unit: Unit, row: Row) -> None:
    if row["state"] == PlanState.APPROVED.value and row["act_at"] is not None:
        return  # it waits for its own time, and begins or ends then
    if row["expires_at"] > unit.plans.now():
        _put(unit, row["id"], What.EXPIRE, row["expires_at"])
        return
    begun = "it ran" if row["state"] == PlanState.APPROVED.value else "it was approved"
    why = f"it expired before {begun}"
    end_plan(unit, row, PlanState.VOID, why)
    unit.ledger.append("plan:plan:void", (row["id"],), {"reason": why})


def _louder(workspace: Workspace, unit: Unit, row: Row, what: What) -> None:
    plan = Plan.of(load(row["document"]))
    missing = standing(unit, row).missing
    if not missing:
        return
    if what is What.REMIND:
        tell_of_plan(unit, NoticeKind.EXPIRES, plan, who_may_sign(unit, plan, row), "; ".join(missing))
        return
    unit.findings.open_finding(
        unsigned_key(plan.id),
        UNSIGNED,
        "medium",
        f"plan {plan.number}",
        {"plan": plan.id, "missing": list(missing), "expires_at": plan.expires_at},
        f"usher plan show {plan.number}; it is void at {plan.expires_at}",
    )
    tell_of_plan(unit, NoticeKind.ESCALATED, plan, _louder_to(workspace, unit, plan, row), "; ".join(missing))
    unit.ledger.append("plan:plan:escalate", (plan.id,), {"missing": list(missing)})


def who_may_sign(unit: Unit, plan: Plan, row: Row) -> list[Row]:
    """The owners whose signature is wanted; every operator who may sign, where more are needed than they are."""
    able = [operator for operator in unit.operators.active() if may_not_sign(unit, plan, row, operator) is None]
    owners = [operator for operator in able if operator["id"] in plan.needs.owners.values()]
    return owners if len(owners) >= plan.needs.quorum else able


def _louder_to(workspace: Workspace, unit: Unit, plan: Plan, row: Row) -> list[Row]:
    """The deputies of those who did not sign; every operator who may, where there is none."""
    able = [operator for operator in unit.operators.active() if may_not_sign(unit, plan, row, operator) is None]
    silent = {operator["name"] for operator in unit.operators.all() if operator["id"] in plan.needs.owners.values()}
    deputies = {name for owner in silent for name in workspace.rules.deputies.get(owner, ())}
    return [operator for operator in able if operator["name"] in deputies] or able


def _put(unit: Unit, plan_id: str, what: What, at: str) -> None:
    unit.dues.put(DueKind.ESCALATE, plan_id, WAITING_PLANS, at, {"what": what.value})
