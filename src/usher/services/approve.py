"""Approve: keeps signatures over a plan's digest and says whose are still missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from usher.domain.plan import Plan, PlanState
from usher.domain.signing import verify
from usher.services import emergency, starts
from usher.services.delegate import StandIn, stand_ins
from usher.services.notify import NoticeKind, tell_of_plan
from usher.services.operators import APPROVAL, REJECTION, REQUEST, Acting, person_of
from usher.services.place import place_of
from usher.services.release import held_now
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, dump, load
from usher.store.unit import Unit

EMERGENCY_STATES = (PlanState.APPROVED.value, PlanState.RUNNING.value, PlanState.DONE.value)
"""Where an emergency takes the signatures of the others: it has begun already."""
TAMPERED = "the stored plan is not the plan that was signed: make it again"
UNSIGNED = "the request is not signed by an active operator"
REJECTED_IT = " has rejected it"
ABOUT_HIMSELF = "it was asked for by the person whom it is about: another operator must make it again"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a plan's approval is. `missing` says in words what it still wants; empty means approved."""

    approvers: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """One operator's signed word on a plan: made here with his key, or brought from another machine."""

    operator: str
    name: str
    digest: str
    signature: str
    reason: str = ""
    brought: bool = False


def approve(workspace: Workspace, reference: str, digest: str | None, by: Acting, reason: str = "") -> Standing:
    """Sign a plan as it stands. `digest`, where given, must be the digest that the operator was shown."""
    return keep_approval(workspace, reference, digest, lambda shown: _word(by, shown, APPROVAL, reason))


def reject(workspace: Workspace, reference: str, by: Acting, reason: str) -> None:
    """Refuse a plan for good; it can be made again, it cannot be approved any more.

    The requester may; the person whom the plan is about may not, and nobody signs one plan twice.
    """
    keep_rejection(workspace, reference, lambda shown: _word(by, shown, REJECTION, reason))


def keep_approval(workspace: Workspace, reference: str, digest: str | None, asked: Callable[[str], Word]) -> Standing:
    """Keep an approval over the plan's digest as it stands, from whoever `asked` (given that digest) gets it."""
    _void_if_expired(workspace, reference)
    with workspace.store.begin() as unit:
        row, plan = _open_plan(unit, reference)
        if digest is not None and digest != plan.digest:
            raise Refusal(f"plan {plan.number} has the digest {plan.digest}, not {digest}: look at it again")
        word = asked(plan.digest)
        operator = _checked(unit, plan, word, APPROVAL)
        if hindrance := may_not_sign(unit, plan, row, operator):
            raise Refusal(f"{operator['name']} cannot approve plan {plan.number}: {hindrance}")
        if not plan.emergency and (why := held_now(workspace, unit, plan)):
            raise Refusal(f"the guard does not allow plan {plan.number} as things stand now: {why}")
        unit.plans.sign(plan.id, plan.digest, word.operator, "approve", word.signature, word.reason)
        unit.ledger.append("plan:plan:approve", (plan.id, word.operator), _detail(word))
        found = standing(unit, row)
        if not found.missing and row["state"] in EMERGENCY_STATES:
            emergency.confirmed(unit, row, word.operator)
        elif not found.missing:
            unit.plans.set_state(plan.id, PlanState.APPROVED)
            unit.findings.close_key(unsigned_key(plan.id), "it is approved")
        return found


def keep_rejection(workspace: Workspace, reference: str, asked: Callable[[str], Word]) -> None:
    """Keep a refusal of the plan's digest as it stands; the requester is told."""
    _void_if_expired(workspace, reference)
    with workspace.store.begin() as unit:
        row, plan = _open_plan(unit, reference)
        word = asked(plan.digest)
        operator = _checked(unit, plan, word, REJECTION)
        if hindrance := _is_subject(plan, operator) or _has_signed(unit, plan, operator):
            raise Refusal(f"{operator['name']} cannot reject plan {plan.number}: {hindrance}")
        unit.plans.sign(plan.id, plan.digest, word.operator, "reject", word.signature, word.reason)
        if row["state"] in EMERGENCY_STATES:
            emergency.refused(unit, row, operator, word.reason)
        else:
            end_plan(unit, row, PlanState.REJECTED, f"{operator['name']}: {word.reason}")
        unit.ledger.append("plan:plan:reject", (plan.id, word.operator), _detail(word))


def end_plan(unit: Unit, row: Row, state: PlanState, why: str) -> None:
    """A plan that has not begun ends here: its signal may ask again, and its requester is told."""
    unit.plans.set_state(row["id"], state, why)
    unit.findings.unanswer_signals(row["id"])
    unit.findings.close_key(unsigned_key(row["id"]), f"the plan is {state.value}")
    starts.drop_start(unit, row["id"], f"the plan is {state.value}")
    requester = unit.operators.by_id(row["requested_by"])
    if requester is not None:
        tell_of_plan(unit, NoticeKind.VOIDED, Plan.of(load(row["document"])), [requester], why)


def unsigned_key(plan_id: str) -> str:
    """The key of the finding that a plan is unsigned for too long."""
    return f"plan:{plan_id}:unsigned"


def _word(by: Acting, digest: str, context: str, reason: str) -> Word:
    return Word(by.id, str(by.row["name"]), digest, by.sign(digest, context), reason)


def _detail(word: Word) -> dict[str, Any]:
    brought = {"brought": True} if word.brought else {}
    return {"digest": word.digest, "reason": word.reason, "signature": word.signature} | brought


def _checked(unit: Unit, plan: Plan, word: Word, context: str) -> Row:
    """The operator of a word, as he stands now, once his signature holds over this very digest in this context."""
    operator = unit.operators.by_id(word.operator)
    if operator is None or operator["revoked_at"]:
        raise Refusal(f"{word.name} is no longer an operator")
    if word.digest != plan.digest or not verify(operator["public_key"], plan.digest, context, word.signature):
        raise Refusal(f"this is no signature of {word.name} over plan {plan.number} as it stands: sign it again")
    return operator


def _void_if_expired(workspace: Workspace, reference: str) -> None:
    """An expired plan is void from the first attempt to sign it; a Refusal's own transaction would forget that."""
    with workspace.store.begin() as unit:
        row = unit.plans.find(reference)
        if row is None or row["state"] != PlanState.PROPOSED.value or row["expires_at"] > workspace.now():
            return
        end_plan(unit, row, PlanState.VOID, "it expired before it was approved")
        unit.ledger.append("plan:plan:void", (row["id"],), {"reason": "it expired before it was approved"})
    raise Refusal(f"plan {row['number']} expired at {row['expires_at']}: make it again")


def _open_plan(unit: Unit, reference: str) -> tuple[Row, Plan]:
    row = unit.plans.find(reference)
    if row is None:
        raise Refusal(f"there is no plan {reference}; see: usher plan list")
    plan = Plan.of(load(row["document"]))
    if row["state"] == PlanState.HELD.value:
        raise Refusal(
            f"plan {plan.number} is held by the guard: {row['note']}; release its rows with: usher plan release "
            f"{plan.number} ROW (usher plan show {plan.number} names them)"
        )
    if row["state"] != PlanState.PROPOSED.value and not (plan.emergency and row["state"] in EMERGENCY_STATES):
        raise Refusal(f"plan {plan.number} is {row['state']}: it takes no signatures")
    return row, plan


def _is_subject(plan: Plan, operator: Row) -> str | None:
    mine = operator["person_id"] is not None and operator["person_id"] == plan.person
    return "the plan is about the operator's own person" if mine else None


def _has_signed(unit: Unit, plan: Plan, operator: Row) -> str | None:
    signed = {signature["operator_id"] for signature in unit.plans.signatures(plan.id)}
    if operator["id"] in signed:
        return "this operator has signed already"
    twins = [
        row["name"] for row in unit.operators.all() if row["id"] in signed and person_of(row) == person_of(operator)
    ]
    return f"he is the same person as {twins[0]}, who has signed already" if twins else None


def may_not_sign(unit: Unit, plan: Plan, row: Row, operator: Row) -> str | None:
    """Say why this operator's approval cannot count, or None where it can."""
    if hindrance := _is_subject(plan, operator):
        return hindrance
    if not (plan.signal and not plan.emergency) and not plan.needs.single:
        if operator["id"] == row["requested_by"]:
            return "the requester cannot approve; another operator must"
        requester = unit.operators.by_id(row["requested_by"])
        if requester is not None and person_of(requester) == person_of(operator):
            return f"he is the same person as {requester['name']}, who asked for it"
    return _has_signed(unit, plan, operator)


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
    run = unit.runs.of_plan(plan.id)
    if run is None or run["started_at"] >= max(plan.expires_at, plan.act_at or ""):
        return "its run began after the plan had expired"
    return "; ".join(lacking(workspace, unit, row, begun_at=run["started_at"])) or None


def lacking(workspace: Workspace, unit: Unit, row: Row, *, begun_at: str | None = None) -> tuple[str, ...]:
    """What keeps a plan from acting. An emergency acts on its requester's signature where the rules let him.

    A rejection stops what an emergency has not done yet.
    """
    missing = standing(unit, row, begun_at=begun_at).missing
    plan = Plan.of(load(row["document"]))
    if not plan.emergency:
        return missing
    asked = unit.operators.by_id(plan.requested_by)
    why = emergency.not_allowed(workspace, str(asked["name"]) if asked else plan.requested_by)
    grave = [one for one in missing if one in (TAMPERED, UNSIGNED, ABOUT_HIMSELF) or one.endswith(REJECTED_IT)]
    return (*grave, *((why,) if why else ()))


def standing(unit: Unit, row: Row, *, begun_at: str | None = None) -> Standing:
    """Count what counts: valid signatures over this very digest by operators who may still sign.

    `begun_at`: for a plan that has begun, operators revoked and delegations ended since then go on counting.
    """
    plan = Plan.of(load(row["document"]))
    digest = plan.digest
    if digest != row["digest"] or not _as_frozen(row, plan):
        return Standing((), (TAMPERED,))
    operators = {
        one["id"]: one
        for one in unit.operators.all()
        if one["revoked_at"] is None or (begun_at is not None and one["revoked_at"] >= begun_at)
    }
    requester = operators.get(plan.requested_by)
    missing: list[str] = []
    if requester is None or not verify(requester["public_key"], digest, REQUEST, row["signature"]):
        missing.append(UNSIGNED)
    elif requester["person_id"] == plan.person and begun_at is None:
        missing.append(ABOUT_HIMSELF)
    missing += [f"{name}{REJECTED_IT}" for name in _rejected_by(unit, plan)]
    signed = _valid(unit, plan, digest, operators)
    asked_by = person_of(requester) if requester is not None else row["requested_by"]
    people = {person_of(operators[id]) for id in signed}
    if not (plan.signal and not plan.emergency) and not plan.needs.single:
        people.discard(asked_by)
    if len(people) < plan.needs.quorum:
        missing.append(f"{plan.needs.quorum - len(people)} more operator(s) must approve ({plan.needs.why})")
    for_others: dict[str, str] = {}
    for owner, names in sorted(_owned(plan).items()):
        if owner in signed or (owner == row["requested_by"] and requester is not None):
            continue
        lacking = []
        for connection in names:
            found = _signed_for(unit, plan, owner, connection, signed, operators, asked_by, begun_at)
            if found is None:
                lacking.append(connection)
            else:
                for_others[found.taker["id"]] = found.words
        if lacking:
            missing.append(_who_must(unit, operators, owner, lacking))
    words = tuple(for_others.get(id, str(operators[id]["name"])) for id in signed)
    return Standing(words, tuple(missing))


def _signed_for(
    unit: Unit,
    plan: Plan,
    owner: str,
    connection: str,
    signed: Mapping[str, str],
    operators: Mapping[str, Row],
    asked_by: str,
    begun_at: str | None,
) -> StandIn | None:
    """The delegation by which somebody who signed stood in for an owner at that instant; never the requester's."""
    for id, at in signed.items():
        if person_of(operators[id]) == asked_by:
            continue
        for one in stand_ins(unit, operators, owner, connection, at, begun_at=begun_at):
            if one.taker["id"] == id and plan.created_at < one.row["valid_to"]:
                return one
    return None


def _who_must(unit: Unit, operators: Mapping[str, Row], owner: str, connections: list[str]) -> str:
    """Whose signature for these apps is missing, and who may sign for him now."""
    if owner not in operators:
        gone = unit.operators.by_id(owner)
        name = gone["name"] if gone else owner
        return f"{name} must approve as owner of {', '.join(connections)}, and is no longer an operator: make it again"
    now = unit.operators.now()
    others = [{one.words for one in stand_ins(unit, operators, owner, name, now)} for name in connections]
    words = sorted(set.intersection(*others))
    instead = f" (or {' or '.join(words)})" if words else ""
    return f"{operators[owner]['name']} must approve as owner of {', '.join(connections)}{instead}"


def _as_frozen(row: Row, plan: Plan) -> bool:
    """True where the columns beside the document say what it says: whoever reads them reads what was signed."""
    said = {
        "id": plan.id, "number": plan.number, "kind": plan.kind.value, "person_id": plan.person,
        "requested_by": plan.requested_by, "created_at": plan.created_at, "expires_at": plan.expires_at,
        "act_at": plan.act_at, "lane": plan.lane.value, "confidential": plan.confidential, "undoes": plan.undoes,
    }  # fmt: skip
    return all(row[name] == value for name, value in said.items())


def _rejected_by(unit: Unit, plan: Plan) -> list[str]:
    """Who validly rejected it: that is final, whatever the plan's state says, and whoever he is now."""
    return [
        operator["name"]
        for signature in unit.plans.signatures(plan.id)
        if signature["decision"] == "reject"
        and (operator := unit.operators.by_id(signature["operator_id"])) is not None
        and verify(operator["public_key"], plan.digest, REJECTION, signature["signature"])
    ]


def _valid(unit: Unit, plan: Plan, digest: str, operators: Mapping[str, Row]) -> dict[str, str]:
    """Who has validly approved, and when."""
    return {
        signature["operator_id"]: signature["at"]
        for signature in unit.plans.signatures(plan.id)
        if (operator := operators.get(signature["operator_id"])) is not None
        and signature["decision"] == "approve"
        and signature["digest"] == digest
        and operator["person_id"] != plan.person
        and verify(operator["public_key"], digest, APPROVAL, signature["signature"])
    }


def _owned(plan: Plan) -> dict[str, list[str]]:
    owned: dict[str, list[str]] = {}
    for connection, owner in plan.needs.owners.items():
        owned.setdefault(owner, []).append(connection)
    return owned
