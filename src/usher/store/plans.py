"""Plans and the signatures on them."""

from __future__ import annotations

from sqlalchemy import func, select

from usher.domain.plan import Plan, PlanState
from usher.store.repository import Repository, Row, dump, load
from usher.store.tables import approval, plan, step


class Plans(Repository):
    """Frozen plan documents with their digest and state; approvals are rows beside them, kept for ever."""

    def next_number(self) -> int:
        """The short number of the next plan."""
        return self.count("plan")

    def add_plan(self, made: Plan, signature: str, state: PlanState) -> None:
        """Keep a plan as it was frozen and signed by its requester."""
        self.add(
            plan,
            id=made.id,
            number=made.number,
            kind=made.kind.value,
            person_id=made.person,
            requested_by=made.requested_by,
            signature=signature,
            document=dump(made.document()),
            digest=made.digest,
            state=state.value,
            created_at=made.created_at,
            expires_at=made.expires_at,
            note=None,
            act_at=made.act_at,
            lane=made.lane.value,
            confidential=made.confidential,
            undoes=made.undoes,
        )

    def find(self, reference: str) -> Row | None:
        """A plan by id or by short number."""
        if reference.isdigit():
            return self.row(select(plan).where(plan.c.number == int(reference)))
        return self.get(plan, reference)

    def all(self, states: tuple[PlanState, ...] = ()) -> list[Row]:
        """Plans, newest first."""
        wanted = select(plan).order_by(plan.c.number.desc())
        return self.rows(wanted.where(plan.c.state.in_([s.value for s in states])) if states else wanted)

    def confidential(self) -> list[Row]:
        """Plans that only some may see."""
        return self.rows(select(plan).where(plan.c.confidential.is_(True)).order_by(plan.c.number))

    def of_person(self, person_id: str) -> list[Row]:
        """A person's plans, oldest first."""
        return self.rows(select(plan).where(plan.c.person_id == person_id).order_by(plan.c.number))

    def undoing(self, run_id: str) -> list[Row]:
        """The plans that take a run back, oldest first."""
        return self.rows(select(plan).where(plan.c.undoes == run_id).order_by(plan.c.number))

    def set_state(self, id: str, state: PlanState, note: str | None = None) -> None:
        """Move a plan on."""
        self.set(plan, id, state=state.value, note=note)

    def losses_under_way(self, excluding: str) -> list[Row]:
        """Steps of approved and running plans that are not yet done: what other plans are about to take away."""
        live = [PlanState.APPROVED.value, PlanState.RUNNING.value]
        found = self.rows(select(plan).where(plan.c.state.in_(live), plan.c.id != excluding))
        done = dict(self.connection.execute(select(step.c.id, step.c.state)).all())
        return [
            {**s, "plan": row["id"], "state": done.get(s["id"])}
            for row in found
            for s in load(row["document"])["steps"]
        ]

    def sign(self, plan_id: str, digest: str, operator_id: str, decision: str, signature: str, reason: str) -> Row:
        """Keep one signature; one a plan and operator."""
        return self.add(
            approval,
            id=self.ids.new("apr"),
            plan_id=plan_id,
            digest=digest,
            operator_id=operator_id,
            decision=decision,
            signature=signature,
            at=self.now(),
            reason=reason,
        )

    def signatures(self, plan_id: str) -> list[Row]:
        """Every signature on a plan, oldest first."""
        return self.rows(select(approval).where(approval.c.plan_id == plan_id).order_by(approval.c.at, approval.c.id))

    def counts(self) -> dict[str, int]:
        """How many plans stand in each state."""
        return dict(self.connection.execute(select(plan.c.state, func.count()).group_by(plan.c.state)).all())
