"""Approve: keeps signatures over a plan's digest and says whose are still missing."""

from __future__ import annotations

from dataclasses import dataclass

from usher.domain.plan import Plan, PlanState
from usher.domain.signing import verify
from usher.services.operators import APPROVAL, REJECTION, REQUEST, Acting
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a plan's approval is. `missing` says in words what it still wants; empty means approved."""

    approvers: tuple[str, ...]
    missing: tuple[str, ...]


def approve(workspace: Workspace, reference: str, digest: str | None, by: Acting, reason: str = "") -> Standing:
    """Sign a plan as it stands. `digest`, where given, must be the digest that the operator was shown."""
    with workspace.store.begin() as unit:
        row, plan = _open_plan(workspace, unit, reference)
        if digest is not None and digest != plan.digest:
            raise Refusal(f"plan {plan.number} has the digest {plan.digest}, not {digest}: look at it again")
        if hindrance := may_not_sign(workspace, unit, plan, row, by.row):
            raise Refusal(f"{by.row['name']} cannot approve plan {plan.number}: {hindrance}")
        unit.plans.sign(plan.id, plan.digest, by.id, "approve", by.sign(plan.digest, APPROVAL), reason)
        unit.ledger.append("plan:plan:approve", (plan.id, by.id), {"digest": plan.digest, "reason": reason})
        found = standing(workspace, unit, row)
        if not found.missing:
            unit.plans.set_state(plan.id, PlanState.APPROVED)
        return found


def reject(workspace: Workspace, reference: str, by: Acting, reason: str) -> None:
    """Refuse a plan for good; it can be made again, it cannot be approved any more."""
    with workspace.store.begin() as unit:
        _, plan = _open_plan(workspace, unit, reference)
        unit.plans.sign(plan.id, plan.digest, by.id, "reject", by.sign(plan.digest, REJECTION), reason)
        unit.plans.set_state(plan.id, PlanState.REJECTED, f"{by.row['name']}: {reason}")
        unit.ledger.append("plan:plan:reject", (plan.id, by.id), {"digest": plan.digest, "reason": reason})


def _open_plan(workspace: Workspace, unit: Unit, reference: str) -> tuple[Row, Plan]:
    row = unit.plans.find(reference)
    if row is None:
        raise Refusal(f"there is no plan {reference}; see: usher plan list")
    plan = Plan.of(load(row["document"]))
    if row["state"] == PlanState.HELD.value:
        raise Refusal(f"plan {plan.number} is held by the guard: {row['note']}")
    if row["state"] != PlanState.PROPOSED.value:
        raise Refusal(f"plan {plan.number} is {row['state']}: it takes no signatures")
    if plan.expires_at <= workspace.now():
        unit.plans.set_state(plan.id, PlanState.VOID, "it expired before it was approved")
        raise Refusal(f"plan {plan.number} expired at {plan.expires_at}: make it again")
    return row, plan


def may_not_sign(workspace: Workspace, unit: Unit, plan: Plan, row: Row, operator: Row) -> str | None:
    """Say why this operator's signature cannot count, or None where it can."""
    if operator["person_id"] is not None and operator["person_id"] == plan.person:
        return "the plan is about the operator's own person"
    if operator["id"] == row["requested_by"] and not plan.signal and not workspace.rules.single_operator:
        return "the requester cannot approve; another operator must"
    if any(signature["operator_id"] == operator["id"] for signature in unit.plans.signatures(plan.id)):
        return "this operator has signed already"
    return None


def standing(workspace: Workspace, unit: Unit, row: Row) -> Standing:
    """Count what counts: valid signatures over this very digest by operators who may still sign."""
    plan = Plan.of(load(row["document"]))
    if plan.digest != row["digest"]:
        return Standing((), ("the stored plan is not the plan that was signed: make it again",))
    operators = {operator["id"]: operator for operator in unit.operators.active()}
    requester = operators.get(row["requested_by"])
    missing: list[str] = []
    if requester is None or not verify(requester["public_key"], plan.digest, REQUEST, row["signature"]):
        missing.append("the request is not signed by an active operator")
    signed = _valid(unit, plan, operators)
    by_others = [id for id in signed if plan.signal or id != row["requested_by"] or workspace.rules.single_operator]
    if len(by_others) < plan.needs.quorum:
        missing.append(f"{plan.needs.quorum - len(by_others)} more operator(s) must approve ({plan.needs.why})")
    for owner, names in sorted(_owned(plan).items()):
        if owner not in signed and owner != row["requested_by"]:
            name = operators[owner]["name"] if owner in operators else f"{owner} (no longer an operator)"
            missing.append(f"{name} must approve as owner of {', '.join(names)}")
    return Standing(tuple(operators[id]["name"] for id in signed), tuple(missing))


def _valid(unit: Unit, plan: Plan, operators: dict[str, Row]) -> list[str]:
    return [
        signature["operator_id"]
        for signature in unit.plans.signatures(plan.id)
        if (operator := operators.get(signature["operator_id"])) is not None
        and signature["decision"] == "approve"
        and signature["digest"] == plan.digest
        and operator["person_id"] != plan.person
        and verify(operator["public_key"], plan.digest, APPROVAL, signature["signature"])
    ]


def _owned(plan: Plan) -> dict[str, list[str]]:
    owned: dict[str, list[str]] = {}
    for connection, owner in plan.needs.owners.items():
        owned.setdefault(owner, []).append(connection)
    return owned
