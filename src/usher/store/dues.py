"""Due instants: everything that shall happen later is a row here, claimed by a tick, so no workflow ever waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from usher.domain.plan import Lane, PlanKind, queue_of
from usher.domain.step import DueKind
from usher.store.repository import Repository, Row, dump, load
from usher.store.tables import due, plan, step

WAITING, CLAIMED, DONE = "waiting", "claimed", "done"
HELD = "held"
"""In the detail of a row that waits for its connection to be used again."""


class Dues(Repository):
    """Rows with an instant; each is claimed under a fence and done once."""

    def put(
        self,
        kind: DueKind,
        subject: str,
        connection: str,
        at: str,
        detail: dict[str, Any] | None = None,
        lane: Lane | None = None,
    ) -> Row:
        """Make something due, in a lane; without one in the lane of the plan that the subject belongs to."""
        return self.add(
            due,
            id=self.ids.new("due"),
            kind=kind.value,
            subject=subject,
            connection=connection,
            at=at,
            detail=dump(detail or {}),
            state=WAITING,
            fence=None,
            claimed_at=None,
            lane=(lane or self._lane_of(subject)).rank,
        )

    def _lane_of(self, subject: str) -> Lane:
        """The queue of a plan, or of a step's plan; whatever belongs to no plan is bulk."""
        its_plan = select(step.c.plan_id).where(step.c.id == subject).scalar_subquery()
        wanted = select(plan.c.lane, plan.c.kind, plan.c.act_at)
        found = self.row(wanted.where(or_(plan.c.id == subject, plan.c.id == its_plan)))
        if found is None:
            return Lane.BULK
        return queue_of(PlanKind(found["kind"]), Lane(found["lane"]), timed=found["act_at"] is not None)

    def claim(
        self,
        now: str,
        fence: int,
        kinds: Iterable[DueKind] = DueKind,
        limit: int = 200,
        connection: str | None = None,
    ) -> list[Row]:
        """Take what is due now, urgent rows first, then the soonest; of one connection, or of all."""
        ready = _ready(now, kinds)
        if connection is not None:
            ready = and_(ready, due.c.connection == connection)
        found = self.rows(select(due).where(ready).order_by(due.c.lane, due.c.at, due.c.id).limit(limit))
        for row in found:
            self.set(due, row["id"], state=CLAIMED, fence=fence, claimed_at=now)
        return found

    def connections(self, now: str, kinds: Iterable[DueKind] = DueKind, *, urgent: bool = False) -> list[str]:
        """The connections for which something is due now; `urgent`: in the urgent lane."""
        ready = and_(_ready(now, kinds), due.c.lane == Lane.URGENT.rank) if urgent else _ready(now, kinds)
        wanted = select(due.c.connection).where(ready).distinct().order_by(due.c.connection)
        return list(self.connection.execute(wanted).scalars())

    def take_back(self) -> int:
        """Make waiting again what ended workers had claimed and never finished; returns how many rows."""
        wanted = update(due).where(due.c.state == CLAIMED).values(state=WAITING, fence=None, claimed_at=None)
        return self.connection.execute(wanted).rowcount

    def finish(self, id: str) -> None:
        """Mark as done."""
        self.set(due, id, state=DONE)

    def give_back(self, id: str, at: str) -> None:
        """Make a claimed row due again at a later instant."""
        self.set(due, id, state=WAITING, at=at, fence=None, claimed_at=None)

    def put_off(self, id: str, at: str) -> None:
        """Make a claimed row wait for its stopped connection; `let_go` ends the wait early."""
        row = self.get(due, id)
        detail = load(row["detail"]) if row else {}
        self.set(due, id, state=WAITING, at=at, fence=None, claimed_at=None, detail=dump({**detail, HELD: True}))

    def let_go(self, connection: str) -> int:
        """Make due now what waited for a stopped connection; returns how many rows."""
        wanted = select(due).where(due.c.connection == connection, due.c.state == WAITING)
        held = [row for row in self.rows(wanted) if HELD in load(row["detail"])]
        for row in held:
            detail = {name: value for name, value in load(row["detail"]).items() if name != HELD}
            self.set(due, row["id"], at=self.now(), detail=dump(detail))
        return len(held)

    def hasten(self, subject: str) -> None:
        """Make due now whatever waits for a subject."""
        waiting = update(due).where(due.c.subject == subject, due.c.state == WAITING, due.c.at > self.now())
        self.connection.execute(waiting.values(at=self.now()))

    def claimed(self, fence: int) -> list[Row]:
        """What was claimed under a fence and is not finished."""
        return self.rows(select(due).where(due.c.state == CLAIMED, due.c.fence == fence))

    def drop(self, subject: str, *kinds: DueKind) -> None:
        """Take back what is waiting for a subject."""
        self.connection.execute(
            update(due)
            .where(due.c.subject == subject, due.c.state == WAITING, due.c.kind.in_([k.value for k in kinds]))
            .values(state=DONE)
        )

    def get_due(self, id: str) -> Row | None:
        """One row."""
        return self.get(due, id)

    def open(self, subject: str | None = None) -> list[Row]:
        """What is still to come, soonest first."""
        wanted = select(due).where(due.c.state != DONE).order_by(due.c.at, due.c.id)
        return self.rows(wanted if subject is None else wanted.where(due.c.subject == subject))

    def next_at(self, kinds: Iterable[DueKind] = DueKind) -> str | None:
        """The instant of the soonest waiting row of these kinds."""
        wanted = select(func.min(due.c.at)).where(due.c.state == WAITING, due.c.kind.in_([k.value for k in kinds]))
        found: str | None = self.connection.execute(wanted).scalar()
        return found

    def has(self, kind: DueKind, subject: str) -> bool:
        """True where such a row is waiting or claimed."""
        wanted = select(due.c.id).where(due.c.kind == kind.value, due.c.subject == subject, due.c.state != DONE)
        return self.row(wanted) is not None


def _ready(now: str, kinds: Iterable[DueKind]) -> ColumnElement[bool]:
    return and_(due.c.state == WAITING, due.c.at <= now, due.c.kind.in_([kind.value for kind in kinds]))
