"""Runs, their steps, intents, receipts and tasks for people: the only truth of what is under way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update

from usher.domain.plan import Plan, PlannedStep
from usher.domain.step import Outcome, RunState, StepState
from usher.store.repository import Repository, Row, dump
from usher.store.tables import intent, receipt, run, step, task


class Runs(Repository):
    """Rows that the engine works from; deleting the engine's own database loses none of them."""

    def add_run(self, made: Plan) -> Row:
        """Begin a run: one row for it and one a step, in one transaction."""
        number = self.count("run")
        added = self.add(
            run,
            id=self.ids.new("run"),
            number=number,
            plan_id=made.id,
            state=RunState.RUNNING.value,
            started_at=self.now(),
            verified_at=None,
            closed_at=None,
        )
        for planned in made.steps:
            self.add(
                step,
                id=planned.id,
                run_id=added["id"],
                plan_id=made.id,
                ordinal=planned.ordinal,
                connection=planned.connection,
                verb=planned.verb.value,
                document=dump(planned.document()),
                state=StepState.PENDING.value,
                attempt=0,
                native_id=planned.native_id,
                note=None,
                updated_at=self.now(),
                verified_at=None,
            )
        return added

    def find(self, reference: str) -> Row | None:
        """A run by id or short number."""
        if reference.isdigit():
            return self.row(select(run).where(run.c.number == int(reference)))
        return self.get(run, reference)

    def of_plan(self, plan_id: str) -> Row | None:
        """The run of a plan, or None."""
        return self.row(select(run).where(run.c.plan_id == plan_id))

    def all(self) -> list[Row]:
        """Runs, newest first."""
        return self.rows(select(run).order_by(run.c.number.desc()))

    def set_run(self, id: str, **values: Any) -> None:
        """Move a run on."""
        self.set(run, id, **values)

    def step(self, id: str) -> Row | None:
        """One step."""
        return self.get(step, id)

    def steps(self, run_id: str) -> list[Row]:
        """A run's steps in order."""
        return self.rows(select(step).where(step.c.run_id == run_id).order_by(step.c.ordinal))

    def steps_in(self, *states: StepState) -> list[Row]:
        """Every step that stands in one of these states, oldest first."""
        wanted = select(step).where(step.c.state.in_([s.value for s in states]))
        return self.rows(wanted.order_by(step.c.run_id, step.c.ordinal))

    def steps_not_in(self, *states: StepState) -> list[Row]:
        """Every step that stands in none of these states, also one whose state this version does not know."""
        wanted = select(step).where(step.c.state.not_in([s.value for s in states]))
        return self.rows(wanted.order_by(step.c.run_id, step.c.ordinal))

    def move(self, step_id: str, state: StepState, note: str | None = None, **more: Any) -> None:
        """Put a step into another state, with a line for people."""
        self.set(step, step_id, state=state.value, note=note, updated_at=self.now(), **more)

    def share_id(self, row: Row, native_id: str) -> None:
        """Tell the steps that wait for a created account which id the app gave it."""
        waiting = step.c.run_id == row["run_id"], step.c.connection == row["connection"], step.c.native_id.is_(None)
        self.connection.execute(update(step).where(*waiting).values(native_id=native_id))

    def add_intent(self, step_id: str, attempt: int, fence: int, saw: dict[str, Any]) -> Row:
        """Record what is about to be done and what was seen right before; committed before the effect."""
        return self.add(
            intent,
            id=self.ids.new("int"),
            step_id=step_id,
            attempt=attempt,
            fence=fence,
            saw=dump(saw),
            recorded_at=self.now(),
            outcome=None,
            resolved_at=None,
        )

    def intent(self, id: str) -> Row | None:
        """One intent."""
        return self.get(intent, id)

    def intents(self, step_id: str) -> list[Row]:
        """A step's intents, oldest first."""
        return self.rows(select(intent).where(intent.c.step_id == step_id).order_by(intent.c.attempt))

    def open_intents(self) -> list[Row]:
        """Intents that have no outcome: after a crash, each is unknown."""
        return self.rows(select(intent).where(intent.c.outcome.is_(None)).order_by(intent.c.id))

    def last_outcomes(self, connection_name: str, limit: int) -> list[str | None]:
        """How the newest intents on one connection ended, newest first."""
        wanted = (
            select(intent.c.outcome)
            .join_from(intent, step, intent.c.step_id == step.c.id)
            .where(step.c.connection == connection_name, intent.c.outcome.is_not(None))
            .order_by(intent.c.resolved_at.desc(), intent.c.id.desc())
            .limit(limit)
        )
        return list(self.connection.execute(wanted).scalars())

    def resolve(self, intent_id: str, outcome: Outcome) -> None:
        """Give an intent its outcome."""
        self.set(intent, intent_id, outcome=outcome.value, resolved_at=self.now())

    def add_receipt(self, step_id: str, kind: str, document: dict[str, Any]) -> Row:
        """Keep what a step sent, got or saw (kind: act, adopt, look, verify, watch, task)."""
        return self.add(
            receipt, id=self.ids.new("rcp"), step_id=step_id, kind=kind, document=dump(document), at=self.now()
        )

    def receipts(self, step_id: str) -> list[Row]:
        """A step's receipts, oldest first."""
        return self.rows(select(receipt).where(receipt.c.step_id == step_id).order_by(receipt.c.id))

    def receipt_count(self) -> int:
        """How many receipts there are."""
        return int(self.connection.execute(select(func.count()).select_from(receipt)).scalar_one())

    def add_task(self, planned: PlannedStep, assignee: str, why: str, due_at: str, document: dict[str, Any]) -> Row:
        """Open a task for a person under the step's id."""
        return self.add(
            task,
            id=self.ids.new("tsk"),
            number=self.count("task"),
            step_id=planned.id,
            assignee=assignee,
            why=why,
            document=dump(document),
            opened_at=self.now(),
            due_at=due_at,
            said_done_at=None,
            said_done_by=None,
            closed_at=None,
        )

    def find_task(self, reference: str) -> Row | None:
        """A task by id or short number."""
        if reference.isdigit():
            return self.row(select(task).where(task.c.number == int(reference)))
        return self.get(task, reference)

    def task_of(self, step_id: str) -> Row | None:
        """The task of a step, or None."""
        return self.row(select(task).where(task.c.step_id == step_id))

    def tasks(self, *, open_only: bool = True) -> list[Row]:
        """Tasks, oldest first."""
        wanted = select(task).order_by(task.c.number)
        return self.rows(wanted.where(task.c.closed_at.is_(None)) if open_only else wanted)

    def set_task(self, id: str, **values: Any) -> None:
        """Move a task on."""
        self.set(task, id, **values)
