"""Resolve: a person answers a parked step: look again, try again on his word, or cancel it."""

from __future__ import annotations

from enum import StrEnum

from usher.domain.step import DueKind, StepState
from usher.services import health, run
from usher.services.operators import Acting
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit


class Answer(StrEnum):
    """What a person may say to a parked step."""

    LOOK = "look"
    """It was done: look, and verify it if that is so."""
    RETRY = "retry"
    """It was surely not done: try once more, on this person's word."""
    CANCEL = "cancel"
    """It shall not be done: what requires it is cancelled too."""


def resolve(workspace: Workspace, step_id: str, answer: Answer, by: Acting, reason: str) -> Row:
    """Carry a person's answer to a parked step out; it is in the ledger with his id and his reason."""
    with workspace.store.begin() as unit:
        row = unit.runs.step(step_id)
        if row is None:
            raise Refusal(f"there is no step {step_id}; see: usher runs")
        if answer is Answer.RETRY and _lift(unit, row, by, reason):
            return row
        if row["state"] not in (StepState.PARKED.value, StepState.PERSON.value):
            raise Refusal(f"step {step_id} is {row['state']}: only a parked step, or one that waits, takes an answer")
        detail = {"answer": answer.value, "reason": reason} | by.signed(unit, answer.value, (step_id,), reason)
        unit.ledger.append("step:step:resolve", (step_id, by.id), detail)
        for finding in unit.findings.open():
            if finding["key"].startswith(f"step:{step_id}:") and answer is not Answer.LOOK:
                unit.findings.close(finding["id"], f"{by.row['name']}: {answer.value}: {reason}")
        unit.dues.drop(step_id, DueKind.ACT, DueKind.SETTLE, DueKind.VERIFY, DueKind.WATCH)
        note = f"{by.row['name']} said: {answer.value} ({reason})"
        if answer is Answer.CANCEL:
            _cancel(unit, row, note)
        elif answer is Answer.LOOK:
            unit.runs.move(step_id, StepState.DONE, note)
            unit.dues.put(DueKind.VERIFY, step_id, row["connection"], unit.runs.now(), {"tries": 0})
        else:
            unit.runs.move(step_id, StepState.READY, note)
            unit.dues.put(DueKind.ACT, step_id, row["connection"], unit.runs.now(), {"tries": 0})
        run.refresh(unit, row["run_id"])
        return row


def _lift(unit: Unit, row: Row, by: Acting, reason: str) -> bool:
    """Let a step's account go on where it had waited alone, because its app kept failing on it: due now, as it stands.

    Nothing is sent that would not have been sent in an hour: a step of unknown outcome is looked at, not repeated.
    """
    who = health.whose(row)
    if all(one["account"] != who for one in unit.health.quarantined(row["connection"])):
        return False
    health.lift_account(unit, row["connection"], who, f"{by.row['name']}: {reason}")
    answer = Answer.RETRY.value
    detail = {"answer": answer, "reason": reason} | by.signed(unit, answer, (row["id"],), reason)
    unit.ledger.append("step:step:resolve", (row["id"], by.id), detail)
    unit.dues.hasten(row["id"])
    return row["state"] not in (StepState.PARKED.value, StepState.PERSON.value)


def _cancel(unit: Unit, row: Row, note: str) -> None:
    """Cancel a step and every step that would have waited for it in vain."""
    cancelled = {row["id"]}
    unit.runs.move(row["id"], StepState.CANCELLED, note)
    for other in unit.runs.steps(row["run_id"]):
        waits = cancelled.intersection(load(other["document"])["requires"])
        if waits and other["state"] == StepState.PENDING.value:
            cancelled.add(other["id"])
            unit.runs.move(other["id"], StepState.CANCELLED, "a step that it requires was cancelled")
    if (task := unit.runs.task_of(row["id"])) and task["closed_at"] is None:
        unit.runs.set_task(task["id"], closed_at=unit.runs.now(), why=note)
