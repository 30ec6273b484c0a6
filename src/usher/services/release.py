"""Release: what the guard holds back goes on row by row, by people who were shown why; or once, by a second person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from usher.domain.canonical import digest
from usher.domain.guard import STACK, Verdict
from usher.domain.guard import Row as HeldRow
from usher.domain.plan import Plan, PlanState
from usher.domain.signing import verify
from usher.services.judge import judge_steps
from usher.services.operators import Acting, person_of, still_active
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, dump, load
from usher.store.unit import Unit

RELEASE = "usher.release/1"
OVERRIDE = "usher.override/1"
OPEN = (PlanState.PROPOSED.value, PlanState.HELD.value, PlanState.APPROVED.value)


def release_rows(workspace: Workspace, reference: str, rows: Sequence[str], by: Acting, reason: str) -> tuple[str, ...]:
    """Let held rows of a plan go on, each signed for with what was shown of it; returns the rows still held.

    When none is held any more the plan takes signatures, under the same digest. Refusal for a row that is refused or
    not held, and for an operator who asked for the plan or whom it is about.
    """
    with workspace.store.begin() as unit:
        row, plan = _open(unit, reference)
        operator = _may_answer(unit, plan, by)
        verdict = verdict_of(workspace, unit, plan)
        held = {one.row: one for one in verdict.held}
        for name in rows:
            if name not in held:
                raise Refusal(_why_not(plan, verdict, name))
            shown = _shown(verdict, held[name])
            made = digest(RELEASE, {"plan": plan.digest, "row": name, "shown": shown, "reason": reason})
            known = {one["row"] for one in unit.answers.releases(plan.id)}
            if name in known:
                unit.answers.end_release(plan.id, name)
            unit.answers.add_release(plan.id, made, name, dump(shown), operator["id"], by.sign(made, RELEASE), reason)
            detail = {"row": name, "shown": shown, "reason": reason}
            unit.ledger.append("plan:row:release", (plan.id, operator["id"]), detail)
        left = still_held(unit, plan, verdict)
        _go_on(unit, row, plan, verdict, left, f"{operator['name']} released what the guard had held")
        return tuple(one.row for one in left)


def override(workspace: Workspace, reference: str, by: Acting, until: str, reason: str) -> None:
    """Let one plan pass the guard's limits, for one run that begins before an instant (stored text).

    What is refused stays refused: protected accounts, the last administrator, readings that prove nothing.
    """
    with workspace.store.begin() as unit:
        row, plan = _open(unit, reference)
        operator = _may_answer(unit, plan, by)
        if until <= workspace.now():
            raise Refusal(f"an override ends in the future, not at {until}")
        verdict = verdict_of(workspace, unit, plan)
        if verdict.refused:
            reasons = "; ".join(dict.fromkeys(why for one in verdict.refused for why in one.reasons))
            raise Refusal(f"nothing overrides what plan {plan.number} is refused for: {reasons}")
        if unit.answers.override_of(plan.id) is not None:
            raise Refusal(f"plan {plan.number} has an override already; it lasts one run")
        made = digest(OVERRIDE, {"plan": plan.digest, "until": until, "reason": reason})
        unit.answers.add_override(plan.id, made, operator["id"], by.sign(made, OVERRIDE), reason, until)
        detail = {"until": until, "reason": reason, "held": [one.row for one in verdict.held]}
        unit.ledger.append("plan:guard:override", (plan.id, operator["id"]), detail)
        _go_on(unit, row, plan, verdict, (), f"{operator['name']} lets it pass the limits until {until}")


def verdict_of(workspace: Workspace, unit: Unit, plan: Plan) -> Verdict:
    """The guard's word on a plan as things stand now."""
    signal = unit.findings.signal(plan.signal) if plan.signal else None
    basis = (str(signal["source"]),) if signal else ()
    return judge_steps(workspace, unit, plan.steps, plan.id, basis=basis)


def held_now(workspace: Workspace, unit: Unit, plan: Plan) -> str | None:
    """Why a plan may not go on as things stand now, in words; None where nothing holds it, or people let it pass."""
    verdict = verdict_of(workspace, unit, plan)
    left: Iterable[HeldRow] = still_held(unit, plan, verdict)
    if left and overridden(unit, plan) is not None:
        left = ()
    reasons = [reason for row in (*verdict.refused, *left) for reason in row.reasons]
    return "; ".join(dict.fromkeys(reasons)) or None


def overridden(unit: Unit, plan: Plan) -> Row | None:
    """The override by which a plan that has not begun may pass the limits now, or None: unsigned, used or over."""
    row = unit.answers.override_of(plan.id)
    if row is None or row["used_at"] is not None or row["until"] <= unit.answers.now():
        return None
    made = digest(OVERRIDE, {"plan": plan.digest, "until": row["until"], "reason": row["reason"]})
    return row if _signed(unit, plan, row, made, OVERRIDE) else None


def use(unit: Unit, plan: Plan) -> None:
    """The plan's run begins: its override, where there is one, has done its work."""
    row = unit.answers.override_of(plan.id)
    if row is not None and row["used_at"] is None:
        unit.answers.use_override(row["id"])


def still_held(unit: Unit, plan: Plan, verdict: Verdict) -> tuple[HeldRow, ...]:
    """The held rows that nobody released, or that are held for more than whoever released them was shown."""
    shown: dict[str, dict[str, Any]] = {}
    for row in unit.answers.releases(plan.id):
        known = load(row["shown"])
        said = {"plan": plan.digest, "row": row["row"], "shown": known, "reason": row["reason"]}
        if _signed(unit, plan, row, digest(RELEASE, said), RELEASE):
            shown[row["row"]] = known
    return tuple(one for one in verdict.held if not _covers(shown.get(one.row), _shown(verdict, one)))


def _shown(verdict: Verdict, row: HeldRow) -> dict[str, Any]:
    """What holds a row: each limit that is exceeded with the total that it sees, and every other reason."""
    numbers = [
        {"scope": one.scope, "what": one.what, "hours": one.hours, "total": one.done + one.planned}
        for one in verdict.numbers
        if one.exceeded and one.scope in (STACK, row.connection)
    ]
    counted = tuple(f"{one['scope']}: " for one in numbers)
    return {"numbers": numbers, "reasons": [why for why in row.reasons if not counted or not why.startswith(counted)]}


def _covers(shown: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    if shown is None:
        return False
    seen = {(one["scope"], one["what"], one["hours"]): one["total"] for one in shown["numbers"]}
    within = all(one["total"] <= seen.get((one["scope"], one["what"], one["hours"]), -1) for one in now["numbers"])
    return within and set(now["reasons"]) <= set(shown["reasons"])


def _open(unit: Unit, reference: str) -> tuple[Row, Plan]:
    row = unit.plans.find(reference)
    if row is None:
        raise Refusal(f"there is no plan {reference}; see: usher plan list")
    plan = Plan.of(load(row["document"]))
    if row["state"] not in OPEN:
        raise Refusal(f"plan {plan.number} is {row['state']}: there is nothing to release")
    if row["expires_at"] <= unit.plans.now():
        raise Refusal(f"plan {plan.number} expired at {row['expires_at']}: make it again")
    if plan.digest != row["digest"]:
        raise Refusal("the stored plan is not the plan that was signed: make it again")
    return row, plan


def _may_answer(unit: Unit, plan: Plan, by: Acting) -> Row:
    operator = still_active(unit, by)
    if hindrance := _hindrance(unit, plan, operator):
        raise Refusal(f"{operator['name']} cannot answer for plan {plan.number}: {hindrance}")
    return operator


def _hindrance(unit: Unit, plan: Plan, operator: Row) -> str | None:
    if operator["person_id"] is not None and operator["person_id"] == plan.person:
        return "the plan is about the operator's own person"
    requester = unit.operators.by_id(plan.requested_by)
    same = requester is not None and person_of(requester) == person_of(operator)
    return "who asked for it cannot let it pass the guard; another operator must" if same else None


def _signed(unit: Unit, plan: Plan, row: Row, made: str, context: str) -> bool:
    """Whether a stored answer is signed, over what it says, by somebody who may give it."""
    operator = unit.operators.by_id(row["operator_id"])
    if operator is None or row["digest"] != made or not verify(operator["public_key"], made, context, row["signature"]):
        return False
    return operator["revoked_at"] is None and (plan.needs.single or _hindrance(unit, plan, operator) is None)


def _why_not(plan: Plan, verdict: Verdict, name: str) -> str:
    for one in verdict.refused:
        if one.row == name:
            return f"{name} can never be released: {'; '.join(one.reasons)}"
    held = ", ".join(one.row for one in verdict.held) or "nothing"
    return f"plan {plan.number} has no held row {name!r}; held: {held}"


def _go_on(unit: Unit, row: Row, plan: Plan, verdict: Verdict, left: Sequence[HeldRow], note: str) -> None:
    """A held plan of which nothing is held any more takes signatures, and speaks for its signal."""
    if row["state"] != PlanState.HELD.value or left or verdict.refused:
        return
    unit.plans.set_state(plan.id, PlanState.PROPOSED, note)
    if plan.signal:
        unit.findings.answer_signal(plan.signal, plan.id)
