"""Emergency: a reversible cut-off that one operator begins where the rules allow it; a second must agree in time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from usher.domain.plan import Plan, PlanKind, PlanState, Verb
from usher.domain.step import DueKind
from usher.services import starts
from usher.services.notify import NoticeKind, Told, tell
from usher.services.operators import Acting
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

if TYPE_CHECKING:
    from usher.services.drafting import Draft

RULE = "emergency not confirmed"


def may_begin(workspace: Workspace, kind: PlanKind, by: Acting, reason: str) -> None:
    """Refusal unless the rules let this operator begin an emergency, for a leaver and with a reason."""
    if kind is not PlanKind.LEAVE:
        raise Refusal("an emergency switches off: it is for plan leave only")
    if why := not_allowed(workspace, by.row["name"]):
        raise Refusal(why)
    if not reason.strip():
        raise Refusal("an emergency needs a reason: give --reason")


def not_allowed(workspace: Workspace, name: str) -> str | None:
    """Say why the rules as they stand do not let an operator begin an emergency, or None where they do."""
    rule = workspace.rules.emergency
    if not rule.allowed:
        return "emergencies are not allowed here: usher.yaml says rules.emergency.allowed: false"
    if rule.who and name not in rule.who:
        return f"{name} may not begin an emergency; usher.yaml names {', '.join(rule.who)}"
    return None


def cut_off_only(draft: Draft) -> None:
    """Keep what can be given back: each account is switched off, at once, and waits for no other."""
    left_out = sorted({step.connection for step in draft.steps if step.verb is not Verb.DEACTIVATE})
    draft.steps = [replace(step, requires=()) for step in draft.steps if step.verb is Verb.DEACTIVATE]
    draft.number_again()
    draft.notes.append("an emergency: only switches accounts off; usher undo gives them back")
    if left_out:
        draft.notes.append(f"not part of the emergency: what is taken in {', '.join(left_out)} beside the sign-in")


def put(workspace: Workspace, unit: Unit, plan: Plan, by: Acting) -> None:
    """It may begin now. The second signature is due within the rule's time; until then a finding tells of it."""
    minutes = workspace.rules.emergency.second_within_minutes
    until = unit.dues.later(minutes * 60)
    unit.plans.set_state(plan.id, PlanState.APPROVED, f"emergency, begun by {by.row['name']} alone")
    unit.dues.put(DueKind.SECOND, plan.id, starts.PLANS, until, lane=plan.lane)
    unit.ledger.append("plan:emergency:begin", (plan.id, by.id), {"digest": plan.digest, "second_until": until})
    _tell(unit, plan, by.row["name"], until, late=False)


def alarm(unit: Unit, plan: Plan, missing: tuple[str, ...]) -> None:
    """The time for the second signature is over, and it is missing."""
    unit.ledger.append("plan:emergency:alarm", (plan.id,), {"missing": list(missing)})
    _tell(unit, plan, starts.owner(unit, plan), unit.dues.now(), late=True)
    who = "" if plan.confidential else f" ({plan.person_name})"
    told = Told(
        f"emergency plan {plan.number} was not confirmed",
        (f"Emergency plan {plan.number}{who} was begun by one operator, and nobody has agreed in time.",),
        f"usher plan show {plan.number}",
    )
    tell(unit, NoticeKind.EMERGENCY, f"{plan.id}:late", unit.operators.active(), told)


def confirmed(unit: Unit, row: Row, operator: str) -> None:
    """Everybody whose signature was wanted has agreed."""
    unit.dues.drop(row["id"], DueKind.SECOND)
    unit.ledger.append("plan:emergency:confirm", (row["id"], operator), {"digest": row["digest"]})
    if unit.findings.close_key(_key(row["id"]), "it is confirmed"):
        unit.ledger.append("finding:finding:close", (row["id"],), {"rule": RULE})


def refused(unit: Unit, row: Row, by: Row, reason: str) -> None:
    """Another operator does not agree: nothing more is cut off, and what was is to be given back."""
    plan = Plan.of(load(row["document"]))
    unit.dues.drop(row["id"], DueKind.SECOND)
    unit.ledger.append("plan:emergency:refuse", (row["id"], by["id"]), {"digest": row["digest"], "reason": reason})
    run = unit.runs.of_plan(row["id"])
    fix = f"give it back: usher undo {run['number']}" if run else "nothing: it has not begun"
    _open(unit, plan, "high", f"{by['name']} does not agree with it: {reason}", fix, by["name"])


def _tell(unit: Unit, plan: Plan, by: str, until: str, *, late: bool) -> None:
    run = unit.runs.of_plan(plan.id)
    back = f", or take it back: usher undo {run['number']}" if run else ""
    fix = f"any other operator: usher approve {plan.number}{back}"
    why = f"no second operator had agreed by {until}" if late else f"a second operator must agree by {until}"
    _open(unit, plan, "high" if late else "medium", why, fix, by)


def _open(unit: Unit, plan: Plan, severity: str, why: str, fix: str, by: str) -> None:
    evidence = {"plan": plan.id, "why": why, "by": by, "owner": "every operator"}
    id, is_new = unit.findings.open_finding(
        _key(plan.id),
        RULE,
        severity,
        f"emergency plan {plan.number} ({plan.person_name}): {why}",
        evidence,
        fix,
        person_id=plan.person,
    )
    if is_new:
        unit.ledger.append("finding:finding:open", (id, plan.person), {"rule": RULE, "evidence": evidence})


def _key(plan_id: str) -> str:
    return f"plan:{plan_id}:second"
