"""Undo: drafts the plan that takes a run back, from what was seen before each effect, and says what stays lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from usher.domain.account import AccountState
from usher.domain.expect import differences, holds
from usher.domain.plan import Plan, PlanKind, PlannedStep, PlanState, Verb
from usher.domain.step import DueKind, Outcome, StepState
from usher.services.drafting import Draft, state_of
from usher.services.join import head_room
from usher.services.leave import ORDER
from usher.services.operators import Acting
from usher.services.plan import find_person, freeze
from usher.services.workspace import Refusal, Workspace
from usher.store.accounts import account_of
from usher.store.repository import Row, load
from usher.store.unit import Unit

TAKEN_EFFECT = (StepState.DONE.value, StepState.VERIFIED.value, StepState.CLOSED.value)
STILL_MOVING = (StepState.PENDING, StepState.READY, StepState.ACTING)
IN_DOUBT = (StepState.UNKNOWN.value, StepState.PARKED.value, StepState.PERSON.value)
WAS_OURS = (Outcome.DONE.value, Outcome.ADOPTED.value, Outcome.UNKNOWN.value, Outcome.NOT_SEEN.value)
DEAD = (PlanState.VOID.value, PlanState.REJECTED.value)
SINGLE = ("role", "node", "team")
"""Kinds of which an account holds one: to take one back is to give the one before."""


@dataclass(slots=True)
class _Inverse:
    """One step to be drafted, and whether it opens or closes the account (those go first)."""

    account: Row
    verb: Verb
    cite: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    wanted: Mapping[str, Any] = field(default_factory=dict)
    entitlement: str | None = None

    @property
    def toggles(self) -> bool:
        return self.verb in (Verb.REACTIVATE, Verb.DEACTIVATE)


def make_undo(workspace: Workspace, reference: str, by: Acting, reason: str, only: tuple[str, ...] = ()) -> Plan:
    """Draft, judge, freeze and sign the inverse of a run; it needs approval like any plan that a person asks for.

    `only` names the connections to take back (none: all). Refusal while the run is still moving, where it is being
    undone already, and where nothing of it can be taken back.
    """
    with workspace.store.begin() as unit:
        run = unit.runs.find(reference)
        if run is None:
            raise Refusal(f"there is no run {reference}; see: usher runs")
        steps = unit.runs.steps(run["id"])
        _may_be_undone(unit, run, steps)
        original = unit.plans.find(run["plan_id"])
        assert original is not None, "a run has a plan"
        person = find_person(workspace, unit, original["person_id"])
        if by.row["person_id"] == person.id:
            raise Refusal(f"{by.row['name']} cannot ask for a plan about himself; another operator must")
        _known(only, steps)
        draft = Draft(workspace, person)
        found: list[_Inverse] = []
        for row in reversed(steps):
            if not only or row["connection"] in only:
                found += _inverses(draft, unit, run, row, steps)
        _add(draft, unit, found)
        if not draft.steps:
            raise Refusal(
                f"nothing of run {run['number']} can be taken back: {'; '.join(draft.notes) or 'it did nothing'}"
            )
        return freeze(
            workspace,
            unit,
            draft,
            PlanKind.UNDO,
            by,
            reason,
            undoes=run["id"],
            confidential=bool(original["confidential"]),
        )


def _may_be_undone(unit: Unit, run: Row, steps: list[Row]) -> None:
    for row in steps:
        if row["state"] in STILL_MOVING:
            raise Refusal(
                f"run {run['number']} is still under way (step {row['ordinal']} is {row['state']}): wait for its end, "
                f"or cancel what is left with: usher resolve {run['number']}/{row['ordinal']} --answer cancel"
            )
    for plan in unit.plans.undoing(run["id"]):
        if plan["state"] not in DEAD:
            raise Refusal(f"plan {plan['number']} takes run {run['number']} back already; it is {plan['state']}")


def _known(only: Iterable[str], steps: list[Row]) -> None:
    touched = sorted({row["connection"] for row in steps})
    for name in only:
        if name not in touched:
            raise Refusal(f"the run did nothing in {name!r}; it concerned {', '.join(touched)}")


def _inverses(draft: Draft, unit: Unit, run: Row, row: Row, steps: list[Row]) -> list[_Inverse]:
    """What takes one step back, or a note that says why nothing does."""
    planned = PlannedStep.of(load(row["document"]))
    where = f"{planned.connection}: {planned.verb} {planned.user_name}"
    if row["state"] == StepState.CANCELLED.value:
        return []
    if row["state"] in IN_DOUBT:
        draft.notes.append(f"{where}: it is {row['state']}; answer that first, it is not taken back by this plan")
        return []
    account = _account(draft, unit, row, planned, where)
    saw = _before(unit, run, row, planned, account)
    if account is None or saw is None:
        if saw is None:
            draft.notes.append(f"{where}: it was so before the run, and stays so")
        return []
    made = _inverse(draft, unit, account, planned, saw, steps)
    return [one for one in made if _still_so(draft, one, planned, where)]


def _account(draft: Draft, unit: Unit, row: Row, planned: PlannedStep, where: str) -> Row | None:
    """The account as last observed, or None with a note where there is none any more."""
    if planned.connection not in draft.workspace.connections.names():
        draft.notes.append(f"{where}: {planned.connection} is not connected any more")
        return None
    native = row["native_id"] or planned.native_id
    found = unit.accounts.current(planned.connection, native) if native else None
    if found is None or found["ended_at"] is not None:
        draft.notes.append(f"cannot be restored: {where}: the account is gone")
        return None
    return found


def _before(unit: Unit, run: Row, row: Row, planned: PlannedStep, account: Row | None) -> dict[str, Any] | None:
    """What was seen right before the first effect; None where the step changed nothing.

    A task for a person has no intent: then it is what the plan expected, with the grants that ended since.
    """
    intents = unit.runs.intents(row["id"])
    if any(intent["outcome"] in WAS_OURS for intent in intents):
        first: dict[str, Any] = load(intents[0]["saw"])
        return first
    if unit.runs.task_of(row["id"]) is None:
        return None
    gone = unit.accounts.grants_ended_since(account["id"], run["started_at"]) if account else []
    able = planned.before.get("can_sign_in", planned.verb is Verb.DEACTIVATE)
    return {
        "exists": planned.before.get("exists", True),
        "state": (AccountState.ACTIVE if able else AccountState.SUSPENDED).value,
        "entitlements": sorted(gone),
    }


def _inverse(
    draft: Draft, unit: Unit, account: Row, planned: PlannedStep, saw: Mapping[str, Any], steps: list[Row]
) -> list[_Inverse]:
    cite = f"takes back step {planned.ordinal} ({planned.verb} in {planned.connection})"
    match planned.verb:
        case Verb.DEACTIVATE:
            return _open_again(draft, account, planned, saw, cite, steps)
        case Verb.CREATE:
            draft.notes.append(f"{planned.connection}: the account {planned.user_name} stays, switched off")
            return [_close(account, cite)]
        case Verb.REACTIVATE:
            return [_close(account, cite)]
        case Verb.REVOKE:
            return [_give(account, planned.entitlement or "", cite)]
        case Verb.GRANT:
            return _take(draft, account, planned, saw, cite)
        case Verb.UPDATE:
            return _set_back(draft, account, planned, cite)
        case _:
            draft.notes.append(f"cannot be restored: {planned.connection}: {planned.verb} of {planned.user_name}")
            return []


def _open_again(
    draft: Draft, account: Row, planned: PlannedStep, saw: Mapping[str, Any], cite: str, steps: list[Row]
) -> list[_Inverse]:
    state = AccountState(saw.get("state", AccountState.UNKNOWN.value))
    if not state.can_sign_in:
        draft.notes.append(f"{planned.connection}: {planned.user_name} was {state} before; it is not switched on")
        return []
    if state is not AccountState.ACTIVE:
        draft.notes.append(f"cannot be restored: {planned.connection}: {planned.user_name} was {state}, not active")
    draft.notes.append(f"does not come back: {planned.connection}: sessions of {planned.user_name}; sign in anew")
    taken = {load(row["document"])["entitlement"] for row in steps if row["connection"] == planned.connection}
    lost = set(saw.get("entitlements", ())) - account_of(account).entitlements - taken
    on = _Inverse(account, Verb.REACTIVATE, cite, before=state_of(account), after={"exists": True, "can_sign_in": True})
    return [on, *(_give(account, text, f"{cite}: held before") for text in sorted(lost))]


def _close(account: Row, cite: str) -> _Inverse:
    return _Inverse(account, Verb.DEACTIVATE, cite, before=state_of(account), after={"can_sign_in": False})


def _give(account: Row, entitlement: str, cite: str) -> _Inverse:
    return _Inverse(
        account, Verb.GRANT, cite, before={"exists": True}, after={"has": [entitlement]}, entitlement=entitlement
    )


def _take(draft: Draft, account: Row, planned: PlannedStep, saw: Mapping[str, Any], cite: str) -> list[_Inverse]:
    entitlement = planned.entitlement or ""
    kind = entitlement.partition(":")[0]
    if kind in SINGLE:
        former = [text for text in saw.get("entitlements", ()) if text.partition(":")[0] == kind]
        if not former:
            draft.notes.append(f"cannot be restored: {planned.connection}: there was no {kind} before {entitlement}")
        return [_give(account, text, cite) for text in former]
    return [
        _Inverse(
            account,
            Verb.REVOKE,
            cite,
            before={"exists": True, "has": [entitlement]},
            after={"lacks": [entitlement]},
            entitlement=entitlement,
        )
    ]


def _set_back(draft: Draft, account: Row, planned: PlannedStep, cite: str) -> list[_Inverse]:
    former = dict(planned.before.get("attributes", {}))
    for name in sorted(name for name, value in former.items() if value is None):
        del former[name]
        draft.notes.append(f"cannot be restored: {planned.connection}: {name} of {planned.user_name} was empty before")
    if not former:
        return []
    now = {name: planned.after.get("attributes", {}).get(name) for name in former}
    return [
        _Inverse(
            account,
            Verb.UPDATE,
            cite,
            before={"exists": True, "attributes": now},
            after={"attributes": former},
            wanted=former,
        )
    ]


def _still_so(draft: Draft, one: _Inverse, planned: PlannedStep, where: str) -> bool:
    """Whether the account still stands as the run left it: what somebody changed since is theirs, and stays."""
    seen = account_of(one.account)
    if holds(one.after, seen):
        draft.notes.append(f"{where}: it is as it was before already")
        return False
    if one.verb is not Verb.GRANT and (changed := differences(planned.after, seen)):
        draft.notes.append(f"{where}: changed since the run, and left as it is: {'; '.join(changed)}")
        return False
    return True


def _add(draft: Draft, unit: Unit, found: list[_Inverse]) -> None:
    """The directory first, then the others; in each account what opens or closes it comes before what it holds."""
    part = draft.workspace.connections.config
    found.sort(key=lambda one: (ORDER.get(part(one.account["connection"]).part, 9), one.account["connection"],
                                one.account["id"], not one.toggles))  # fmt: skip
    first: list[PlannedStep] = []
    toggled: dict[str, PlannedStep] = {}
    for one in found:
        connection, id = one.account["connection"], one.account["id"]
        if one.verb is Verb.GRANT and not _has_room(draft, unit, connection, one.entitlement or ""):
            continue
        before = [toggled[id]] if id in toggled else (first if part(connection).part != "idp" else [])
        step = draft.add(
            connection,
            one.verb,
            one.cite,
            account=one.account,
            before=one.before,
            after=one.after,
            wanted=one.wanted,
            entitlement=one.entitlement,
            requires=before,
        )
        if one.toggles:
            toggled[id] = step
            if part(connection).part == "idp":
                first.append(step)


def _has_room(draft: Draft, unit: Unit, connection: str, entitlement: str) -> bool:
    """Whether a module has a seat to give back; without one it is said, and not planned."""
    try:
        head_room(draft, unit, connection, frozenset({entitlement}))
    except Refusal as full:
        draft.notes.append(f"cannot be restored: {full}")
        return False
    return True


def under_way(unit: Unit, run_id: str) -> bool:
    """True where a plan that takes this run back is being carried out: nobody is surprised by what it changes."""
    return any(plan["state"] == PlanState.RUNNING.value for plan in unit.plans.undoing(run_id))


def taken_back(unit: Unit, row: Row) -> None:
    """An inverse step was verified: what the undone run did to that account is not watched any more."""
    plan = unit.plans.find(row["plan_id"])
    if plan is None or not plan["undoes"]:
        return
    ours = PlannedStep.of(load(row["document"]))
    for other in unit.runs.steps(plan["undoes"]):
        theirs = PlannedStep.of(load(other["document"]))
        same = (theirs.connection, other["native_id"] or theirs.native_id) == (ours.connection, ours.native_id)
        if same and other["state"] == StepState.VERIFIED.value:
            unit.dues.drop(other["id"], DueKind.WATCH)
            unit.runs.move(other["id"], StepState.CLOSED, f"taken back by plan {plan['number']}: not watched any more")
            for finding in unit.findings.open():
                if finding["key"].startswith(f"step:{other['id']}:"):
                    unit.findings.close(finding["id"], f"taken back by plan {plan['number']}")
