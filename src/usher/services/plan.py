"""Plan: turns a joiner, mover or leaver into frozen, ordered steps, judged by the guard and signed by its requester."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from usher.domain.clock import from_text, to_text
from usher.domain.person import Person, Standing, leaves_at
from usher.domain.plan import Lane, Plan, PlanKind, PlanState
from usher.domain.policy import Assignments, evaluate
from usher.services import emergency, rests, starts
from usher.services.drafting import Draft
from usher.services.escalate import after_freeze
from usher.services.join import draft_join, draft_move
from usher.services.judge import judge_steps
from usher.services.leave import draft_leave
from usher.services.needs import needs_of
from usher.services.operators import REQUEST, Acting
from usher.services.recover import ASK_AFTER_HOURS
from usher.services.sources import people
from usher.services.when import AS_USUAL, How, When, when
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row
from usher.store.unit import Unit

ANSWERS = {PlanKind.LEAVE: "leaver", PlanKind.JOIN: "joiner", PlanKind.MOVE: "mover"}


class NothingToDo(Refusal):
    """Everything is already as the plan would make it: make no plan."""


def find_person(workspace: Workspace, unit: Unit, text: str) -> Person:
    """The one person that a text names; Refusal with the candidates where it is none or several."""
    found = unit.people.search(text)
    if not found:
        raise Refusal(f"nobody is called {text!r}; see: usher people")
    if len(found) > 1:
        names = ", ".join(f"{row['name']} ({row['id']})" for row in found[:5])
        raise Refusal(f"{text!r} names {len(found)} people: {names}; give the id")
    return next(person for person in people(workspace, unit) if person.id == found[0]["id"])


def make_plan(
    workspace: Workspace, kind: PlanKind, text: str, by: Acting, reason: str = "", how: How = AS_USUAL
) -> Plan:
    """Draft, judge, freeze and sign a plan; nothing has happened in any app.

    Refusal where there is nothing to do, where policy refuses, or where an app's owner is not an operator; BadMoment
    where the time that was typed names none.
    """
    with workspace.store.begin() as unit:
        person = find_person(workspace, unit, text)
        return plan_for(workspace, unit, kind, person, by, reason, how)


def plan_for(
    workspace: Workspace, unit: Unit, kind: PlanKind, person: Person, by: Acting, reason: str, how: How
) -> Plan:
    """The same for a person who is known already, in the caller's transaction."""
    if by.row["person_id"] == person.id:
        raise Refusal(f"{by.row['name']} cannot ask for a plan about himself; another operator must")
    if how.emergency:
        emergency.may_begin(workspace, kind, by, reason)
    at = when(workspace, person, kind, how)
    signal = _signal(unit, person, kind, workspace, at)
    draft = Draft(workspace, person, notes=list(at.notes))
    _draft(draft, unit, kind, reason or (f"signal of {signal['source']}" if signal else "request"), by)
    if how.emergency:
        emergency.cut_off_only(draft)
    if not draft.steps:
        raise NothingToDo(f"there is nothing to do: {person.label} is as the {kind.value} asks; {_noted(draft)}")
    more: dict[str, Any] = {
        "act_at": at.act_at,
        "act_zone": at.zone,
        "lane": Lane.URGENT if how.urgent or how.emergency else Lane.BULK,
        "confidential": how.confidential,
        "emergency": how.emergency,
    }
    return freeze(workspace, unit, draft, kind, by, reason, signal, **more)


def freeze(
    workspace: Workspace,
    unit: Unit,
    draft: Draft,
    kind: PlanKind,
    by: Acting,
    reason: str,
    signal: Row | None = None,
    **more: Any,
) -> Plan:
    """Judge drafted steps, freeze them into a plan, sign it as its requester and keep it, proposed or held.

    `more` are further fields of the plan, such as its time or the run that it undoes.
    """
    basis = (signal["source"],) if signal else ()
    verdict = judge_steps(workspace, unit, draft.steps, None, basis=basis)
    created = workspace.clock.now()
    plan = Plan(
        id=workspace.ids.new("pln"),
        workspace=workspace.name,
        number=unit.plans.next_number(),
        kind=kind,
        person=draft.person.id,
        person_name=draft.person.label,
        requested_by=by.id,
        reason=reason,
        signal=signal["id"] if signal else None,
        created_at=to_text(created),
        expires_at=_expires(workspace, more.get("act_at")),
        configuration=workspace.configuration,
        needs=needs_of(
            workspace,
            unit,
            draft.steps,
            from_signal=bool(signal),
            confidential=bool(more.get("confidential")),
            emergency=bool(more.get("emergency")),
            held=bool(verdict.held),
        ),
        guard=verdict.document(),
        steps=tuple(draft.steps),
        notes=tuple(draft.notes),
        **more,
    )
    state = PlanState.PROPOSED if verdict.allowed else PlanState.HELD
    unit.plans.add_plan(plan, by.sign(plan.digest, REQUEST), state)
    if state is PlanState.HELD:
        rows = (*verdict.refused, *verdict.held)
        why = "; ".join(dict.fromkeys(reason for row in rows for reason in row.reasons))
        unit.plans.set_state(plan.id, state, why)
    if signal and state is PlanState.PROPOSED:
        unit.findings.answer_signal(signal["id"], plan.id)
    detail = {"digest": plan.digest, "kind": kind.value, "steps": len(plan.steps), "guard": verdict.allowed}
    unit.ledger.append("plan:plan:propose", (plan.id, draft.person.id, by.id), detail)
    rests.made_again(unit, plan)
    starts.put_start(unit, plan)
    after_freeze(workspace, unit, plan, state)
    if plan.emergency and state is PlanState.PROPOSED:
        emergency.put(workspace, unit, plan, by)
    return plan


def _expires(workspace: Workspace, act_at: str | None) -> str:
    """A plan with a time stays valid until then, and long enough after it that a person can still let it begin."""
    valid = timedelta(hours=workspace.rules.plan_valid_hours)
    soonest = workspace.clock.now() + valid
    return to_text(max(soonest, from_text(act_at) + timedelta(hours=ASK_AFTER_HOURS) + valid) if act_at else soonest)


def _draft(draft: Draft, unit: Unit, kind: PlanKind, asked: str, by: Acting) -> None:
    standing = draft.person.standing(draft.workspace.clock.now())
    if kind is PlanKind.LEAVE:
        coming = leaves_at(draft.person.employments)
        if standing is not Standing.LEFT and coming is not None:
            draft.notes.append(f"{draft.person.label} leaves at {to_text(coming)}, as the source says; now: {standing}")
        elif standing is not Standing.LEFT:
            draft.notes.append(f"no source says that {draft.person.label} has left: they say {standing.value}")
        draft_leave(draft, unit, f"{asked} ({by.row['name']})")
        return
    assignments = assigned(draft.workspace, draft.person)
    if assignments.refused:
        first = assignments.refused[0]
        raise Refusal(f"policy contradicts itself for {draft.person.label}: {first.reason} ({first.cite})")
    draft.notes += [f"not assigned: {gap}" for gap in assignments.gaps]
    (draft_join if kind is PlanKind.JOIN else draft_move)(draft, unit, assignments)


def assigned(workspace: Workspace, person: Person) -> Assignments:
    """What policy assigns to a person now; somebody who has left gets nothing, somebody on leave keeps it."""
    active = person.standing(workspace.clock.now()) is not Standing.LEFT
    return evaluate(workspace.policies, person.attributes, active=active)


def _signal(unit: Unit, person: Person, kind: PlanKind, workspace: Workspace, at: When) -> Row | None:
    """The source's own statement that asks for such a plan: it is unanswered, still stands, and is true by then.

    A leaver who came back, or a joiner who has left, is asked for by nobody: only the newest of a person's joining,
    leaving and staying speaks, and only while all employments together say the same.
    """
    begins = max(at.act_at or "", workspace.now())
    leaves = leaves_at(person.employments)
    leaves_by_then = leaves is not None and to_text(leaves) <= begins
    if (kind is PlanKind.LEAVE) != leaves_by_then:
        return None
    rows = unit.findings.signals(person_id=person.id)
    newest = next((row for row in rows if (row["kind"] == "mover") == (kind is PlanKind.MOVE)), None)
    if newest is None or newest["plan_id"] is not None or (newest["true_at"] or "") > begins:
        return None
    return newest if newest["kind"] == ANSWERS[kind] else None


def _noted(draft: Draft) -> str:
    return "; ".join(draft.notes) or "no account is linked to that person (usher why PERSON shows why)"


def void(workspace: Workspace, reference: str, by: Acting, reason: str) -> None:
    """Withdraw a plan that has not begun."""
    with workspace.store.begin() as unit:
        row = unit.plans.find(reference)
        if row is None:
            raise Refusal(f"there is no plan {reference}; see: usher plan list")
        if row["state"] not in (PlanState.PROPOSED.value, PlanState.HELD.value, PlanState.APPROVED.value):
            raise Refusal(f"plan {row['number']} is {row['state']}: it cannot be withdrawn")
        unit.plans.set_state(row["id"], PlanState.VOID, f"{by.row['name']}: {reason}")
        unit.findings.unanswer_signals(row["id"])
        starts.drop_start(unit, row["id"], "it was withdrawn")
        unit.ledger.append("plan:plan:void", (row["id"], by.id), {"reason": reason})
