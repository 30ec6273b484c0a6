"""Starts: makes a plan's own instants due (its look beforehand, its beginning), and says how late it began."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from usher.domain.clock import from_text, to_text
from usher.domain.plan import Lane, Plan
from usher.domain.step import DueKind
from usher.store.repository import Row
from usher.store.unit import Unit

PLANS = ":starts"
"""Where a plan's own instants are carried out: beside every connection, so that no slow app holds them up."""
PREFLIGHTS = ":preflights"
"""A look beforehand calls apps and may take long; a beginning never waits for one."""
PREFLIGHT_MINUTES = 10
PREFLIGHT_RULE = "plan will not begin as it stands"
START_RULE = "plan did not begin"
ASK_RULE = "plan missed its time"


def put_start(unit: Unit, plan: Plan) -> None:
    """A plan with a time begins then, and is looked at ten minutes before, approved or not."""
    if plan.act_at is None:
        return
    early = to_text(from_text(plan.act_at) - timedelta(minutes=PREFLIGHT_MINUTES))
    unit.dues.put(DueKind.PREFLIGHT, plan.id, PREFLIGHTS, max(early, unit.dues.now()))
    unit.dues.put(DueKind.START, plan.id, PLANS, plan.act_at, lane=Lane.URGENT)


def drop_start(unit: Unit, plan_id: str, why: str) -> None:
    """A plan has begun, or never will: nothing more is due for it, and what told that it might not is answered."""
    unit.dues.drop(plan_id, DueKind.PREFLIGHT, DueKind.START)
    for rule in (PREFLIGHT_RULE, START_RULE, ASK_RULE):
        if unit.findings.close_key(f"plan:{plan_id}:{rule}", why):
            unit.ledger.append("finding:finding:close", (plan_id,), {"rule": rule})


def late_seconds(act_at: str | None, at: str | None) -> float | None:
    """Seconds from the instant that was planned to one that was; None where there was no such instant."""
    if act_at is None or at is None:
        return None
    return round((from_text(at) - from_text(act_at)).total_seconds(), 3)


def first_intent(unit: Unit, run_id: str) -> str | None:
    """The instant at which the first effect of a run was about to be sent."""
    found = [intent["recorded_at"] for step in unit.runs.steps(run_id) for intent in unit.runs.intents(step["id"])]
    return min(found, default=None)


def lateness(unit: Unit, step: Row) -> dict[str, Any]:
    """What the ledger shall say of a step's intent beside its verb: how late the plan is, where it is its first."""
    plan = unit.plans.find(step["plan_id"])
    if plan is None or plan["act_at"] is None or first_intent(unit, step["run_id"]) is not None:
        return {}
    late = from_text(unit.runs.now()) - from_text(plan["act_at"])
    return {"planned_at": plan["act_at"], "late_ms": late // timedelta(milliseconds=1)}


def owner(unit: Unit, plan: Plan) -> str:
    """Who answers for a plan that has not begun: whoever asked for it."""
    row = unit.operators.by_id(plan.requested_by)
    return str(row["name"]) if row else plan.requested_by
