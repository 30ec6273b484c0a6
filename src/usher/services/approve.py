"""Approve: keeps signatures over a plan's digest and says whose are still missing."""

from __future__ import annotations

from dataclasses import dataclass

from usher.domain.plan import Plan, PlanState
from usher.domain.signing import verify
from usher.services.judge import judge_steps
from usher.services.operators import APPROVAL, REJECTION, REQUEST, Acting
from usher.services.place import place_of
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, dump, load
from usher.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a plan's approval is. `missing` says in words what it still wants; empty means approved."""

    approvers: tuple[str, ...]
    missing: tuple[str, ...]


def approve(workspace: Workspace, reference: str, digest: str | None, by: Acting, reason: str = "") -> Standing:
    """Sign a plan as it stands. `digest`, where given, must be the digest that the operator was shown."""
    _void_if_expired(workspace, reference)
    with workspace.store.begin() as unit:
        row, plan = _open_plan(unit, reference)
        if digest is not None and digest != plan.digest:
            raise Refusal(f"plan {plan.number} has the digest {plan.digest}, not {digest}: look at it again")
        operator = _still_active(unit, by)
        if hindrance := may_not_sign(unit, plan, row, operator):
            raise Refusal(f"{operator['name']} cannot approve plan {plan.number}: {hindrance}")
        if why := held_now(workspace, unit, plan):
            raise Refusal(f"the guard does not allow plan {plan.number} as things stand now: {why}")
        unit.plans.sign(plan.id, plan.digest, by.id, "approve", by.sign(plan.digest, APPROVAL), reason)
        unit.ledger.append("plan:plan:approve", (plan.id, by.id), {"digest": plan.digest, "reason": reason})
        found = standing(unit, row)
        if not found.missing:
            unit.plans.set_state(plan.id, PlanState.APPROVED)
        return found


def reject(workspace: Workspace, reference: str, by: Acting, reason: str) -> None:
    """Refuse a plan for good; it can be made again, it cannot be approved any more.

    The requester may; the person whom the plan is about may not, and nobody signs one plan twice.
    """
    _void_if_expired(workspace, reference)
    with workspace.store.begin() as unit:
        _row, plan = _open_plan(unit, reference)
        operator = _still_active(unit, by)
        if hindrance := _is_subject(plan, operator) or _has_signed(unit, plan, operator):
            raise Refusal(f"{operator['name']} cannot reject plan {plan.number}: {hindrance}")
        unit.plans.sign(plan.id, plan.digest, by.id, "reject", by.sign(plan.digest, REJECTION), reason)
        unit.plans.set_state(plan.id, PlanState.REJECTED, f"{operator['name']}: {reason}")
        unit.findings.unanswer_signals(plan.id)
        unit.ledger.append("plan:plan:reject", (plan.id, by.id), {"digest": plan.digest, "reason": reason})


def _void_if_expired(workspace: Workspace, reference: str) -> None:
    """An expired plan is void from the first attempt to sign it; a Refusal's own transaction would forget that."""
    with workspace.store.begin() as unit:
        row = unit.plans.find(reference)
        if row is None or row["state"] != PlanState.PROPOSED.value or row["expires_at"] > workspace.now():
            return
        unit.plans.set_state(row["id"], PlanState.VOID, "it expired before it was approved")
        unit.findings.unanswer_signals(row["id"])
    raise Refusal(f"plan {row['number']} expired at {row['expires_at']}: make it again")


def _open_plan(unit: Unit, reference: str) -> tuple[Row, Plan]:
    row = unit.plans.find(reference)
    if row is None:
        raise Refusal(f"there is no plan {reference}; see: usher plan list")
    plan = Plan.of(load(row["document"]))
    if row["state"] == PlanState.HELD.value:
        raise Refusal(f"plan {plan.number} is held by the guard: {row['note']}")
    if row["state"] != PlanState.PROPOSED.value:
        raise Refusal(f"plan {plan.number} is {row['state']}: it takes no signatures")
    return row, plan


def _still_active(unit: Unit, by: Acting) -> Row:
    """The operator as he stands now: he may have been revoked, or tied to his person, since he showed his key."""
    row = unit.operators.by_id(by.id)
    if row is None or row["revoked_at"]:
        raise Refusal(f"{by.row['name']} is no longer an operator")
    return row


def _is_subject(plan: Plan, operator: Row) -> str | None:
    mine = operator["person_id"] is not None and operator["person_id"] == plan.person
    return "the plan is about the operator's own person" if mine else None


def _has_signed(unit: Unit, plan: Plan, operator: Row) -> str | None:
    signed = any(signature["operator_id"] == operator["id"] for signature in unit.plans.signatures(plan.id))
    return "this operator has signed already" if signed else None


def may_not_sign(unit: Unit, plan: Plan, row: Row, operator: Row) -> str | None:
    """Say why this operator's approval cannot count, or None where it can."""
    if hindrance := _is_subject(plan, operator):
        return hindrance
    if operator["id"] == row["requested_by"] and not plan.signal and not plan.needs.single:
        return "the requester cannot approve; another operator must"
    return _has_signed(unit, plan, operator)


def held_now(workspace: Workspace, unit: Unit, plan: Plan) -> str | None:
    """Ask the guard again: other plans, approved since this one was made, count against the same limits."""
    verdict = judge_steps(workspace, unit, plan.steps, plan.id, basis=source_of(unit, plan))
    reasons = [reason for row in (*verdict.refused, *verdict.held) for reason in row.reasons]
    return "; ".join(dict.fromkeys(reasons)) or None


def source_of(unit: Unit, plan: Plan) -> tuple[str, ...]:
    """The connection whose signal asked for the plan: its reading must be sound too."""
    signal = unit.findings.signal(plan.signal) if plan.signal else None
    return (str(signal["source"]),) if signal else ()


def not_as_approved(workspace: Workspace, unit: Unit, step: Row) -> str | None:
    """Say where a step that is about to act is not the step that people signed, or None where it is."""
    row = unit.plans.find(step["plan_id"])
    if row is None or row["state"] not in (PlanState.RUNNING.value, PlanState.DONE.value):
        return "its plan is not running"
    plan = Plan.of(load(row["document"]))
    approved = next((one for one in plan.steps if one.id == step["id"]), None)
    if approved is None or dump(approved.document()) != dump(load(step["document"])):
        return "the step is not the one in the approved plan"
    if approved.where != place_of(workspace, approved.connection):
        return f"the app is no longer what its owner signed for: it was {approved.where}"
    return "; ".join(standing(unit, row, revoked_too=True).missing) or None


def standing(unit: Unit, row: Row, *, revoked_too: bool = False) -> Standing:
    """Count what counts: valid signatures over this very digest by operators who may still sign.

    `revoked_too`: for a plan that has begun, what was signed before its operator was revoked goes on counting.
    """
    plan = Plan.of(load(row["document"]))
    digest = plan.digest
    if digest != row["digest"]:
        return Standing((), ("the stored plan is not the plan that was signed: make it again",))
    entitled = unit.operators.all() if revoked_too else unit.operators.active()
    operators = {operator["id"]: operator for operator in entitled}
    requester = operators.get(row["requested_by"])
    missing: list[str] = []
    if requester is None or not verify(requester["public_key"], digest, REQUEST, row["signature"]):
        missing.append("the request is not signed by an active operator")
    signed = _valid(unit, plan, digest, operators)
    by_others = [id for id in signed if plan.signal or id != row["requested_by"] or plan.needs.single]
    if len(by_others) < plan.needs.quorum:
        missing.append(f"{plan.needs.quorum - len(by_others)} more operator(s) must approve ({plan.needs.why})")
    for owner, names in sorted(_owned(plan).items()):
        if owner not in signed and owner != row["requested_by"]:
            name = operators[owner]["name"] if owner in operators else f"{owner} (no longer an operator)"
            missing.append(f"{name} must approve as owner of {', '.join(names)}")
    return Standing(tuple(operators[id]["name"] for id in signed), tuple(missing))


def _valid(unit: Unit, plan: Plan, digest: str, operators: dict[str, Row]) -> list[str]:
    return [
        signature["operator_id"]
        for signature in unit.plans.signatures(plan.id)
        if (operator := operators.get(signature["operator_id"])) is not None
        and signature["decision"] == "approve"
        and signature["digest"] == digest
        and operator["person_id"] != plan.person
        and verify(operator["public_key"], digest, APPROVAL, signature["signature"])
    ]


def _owned(plan: Plan) -> dict[str, list[str]]:
    owned: dict[str, list[str]] = {}
    for connection, owner in plan.needs.owners.items():
        owned.setdefault(owner, []).append(connection)
    return owned
