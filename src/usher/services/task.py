"""Task for a person: a step that no connector can do, under the same step id, verified by the same fresh reading."""

from __future__ import annotations

from usher.domain.plan import PlannedStep
from usher.domain.step import DueKind, StepState
from usher.services.notify import NoticeKind, tell_of_step
from usher.services.operators import Acting
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row
from usher.store.unit import Unit

TASK_SECONDS = 86_400.0
"""A task is due one day after it was opened."""


def open_task(workspace: Workspace, unit: Unit, row: Row, planned: PlannedStep, why: str) -> None:
    """Hand a step to the owner of its app, with the guide's own steps and watch-outs."""
    if unit.runs.task_of(row["id"]) is None:
        config = workspace.connections.config(planned.connection)
        document = {
            "title": f"{planned.verb.value.capitalize()} {planned.user_name} in {planned.app}",
            "steps": list(planned.guide) or [f"{planned.verb.value} the account {planned.user_name} by hand"],
            "watch_outs": list(planned.watch_outs),
            "link": planned.link,
            "wanted": dict(planned.wanted),
            "entitlement": planned.entitlement,
            "proof": "usher reads the app again; saying that it is done is not proof",
        }
        task = unit.runs.add_task(planned, config.owner, why, unit.runs.later(TASK_SECONDS), document)
        unit.ledger.append("step:task:open", (row["id"], task["id"]), {"why": why, "assignee": config.owner})
        owner = unit.operators.named(config.owner)
        tell_of_step(
            unit, NoticeKind.TASK, row, task["id"], [owner] if owner else [], f"usher task show {task['number']}"
        )
    unit.runs.move(row["id"], StepState.PERSON, f"waits for a person: {why}")


def say_done(workspace: Workspace, reference: str, by: Acting, note: str) -> Row:
    """A person says that a task is done: usher looks at once, and believes only what it reads."""
    with workspace.store.begin() as unit:
        task = unit.runs.find_task(reference)
        if task is None:
            raise Refusal(f"there is no task {reference}; see: usher task list")
        if task["closed_at"]:
            raise Refusal(f"task {task['number']} was verified and closed at {task['closed_at']}")
        row = unit.runs.step(task["step_id"])
        assert row is not None
        unit.runs.set_task(task["id"], said_done_at=unit.runs.now(), said_done_by=by.id)
        detail = {"note": note} | by.signed(unit, "say done", (row["id"], task["id"]), note)
        unit.ledger.append("step:task:say_done", (row["id"], task["id"], by.id), detail)
        unit.dues.put(DueKind.VERIFY, row["id"], row["connection"], unit.dues.later(0), {"tries": 0})
        return task


def reopen_task(unit: Unit, row: Row, why: str) -> None:
    """The reading does not show it: the task stays open and says what was read."""
    unit.runs.move(row["id"], StepState.PERSON, f"said to be done, but the app still says: {why}")
    if (task := unit.runs.task_of(row["id"])) and task["said_done_at"]:
        unit.runs.set_task(task["id"], said_done_at=None, said_done_by=None, why=f"not seen yet: {why}")
        unit.ledger.append("step:task:reopen", (row["id"], task["id"]), {"why": why})
