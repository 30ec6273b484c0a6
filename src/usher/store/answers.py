"""Answers of people around a plan: held rows released, a guard overridden once, a signature delegated."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, update

from usher.store.repository import Repository, Row, dump
from usher.store.spine_tables import delegation, override, release


class Answers(Repository):
    """Signed answers; none is ever changed but by marking it as used or revoked."""

    def add_release(
        self, plan_id: str, digest: str, row: str, shown: str, operator_id: str, signature: str, reason: str
    ) -> Row:
        """Keep one operator's word that one held row may go on; `shown` is what held it (JSON)."""
        return self.add(
            release,
            id=self.ids.new("rel"),
            plan_id=plan_id,
            digest=digest,
            row=row,
            shown=shown,
            operator_id=operator_id,
            signature=signature,
            reason=reason,
            at=self.now(),
        )

    def end_release(self, plan_id: str, row: str) -> None:
        """Make room for a newer word on the same row; the ledger keeps the older one."""
        self.connection.execute(delete(release).where(release.c.plan_id == plan_id, release.c.row == row))

    def releases(self, plan_id: str) -> list[Row]:
        """Every released row of a plan, oldest first."""
        return self.rows(select(release).where(release.c.plan_id == plan_id).order_by(release.c.at, release.c.id))

    def add_override(self, plan_id: str, digest: str, operator_id: str, signature: str, reason: str, until: str) -> Row:
        """Keep a second person's word that one plan may pass the limits, before an instant."""
        return self.add(
            override,
            id=self.ids.new("ovr"),
            plan_id=plan_id,
            digest=digest,
            operator_id=operator_id,
            signature=signature,
            reason=reason,
            at=self.now(),
            until=until,
            used_at=None,
        )

    def override_of(self, plan_id: str) -> Row | None:
        """The override of a plan, used or not."""
        return self.row(select(override).where(override.c.plan_id == plan_id))

    def use_override(self, id: str) -> None:
        """An override lasts one run: from here on it is spent."""
        self.set(override, id, used_at=self.now())

    def add_delegation(
        self,
        from_operator: str,
        to_operator: str,
        connections: Sequence[str] | None,
        valid_from: str,
        valid_to: str,
        signature: str,
        reason: str,
    ) -> Row:
        """Keep who may sign for whom; `connections` None: for every app that he owns."""
        return self.add(
            delegation,
            id=self.ids.new("dlg"),
            from_operator=from_operator,
            to_operator=to_operator,
            connections=None if connections is None else dump(sorted(connections)),
            valid_from=valid_from,
            valid_to=valid_to,
            reason=reason,
            signature=signature,
            made_at=self.now(),
            revoked_at=None,
        )

    def delegations(self) -> list[Row]:
        """Every delegation, oldest first; ended ones are kept, since old signatures rest on them."""
        return self.rows(select(delegation).order_by(delegation.c.made_at, delegation.c.id))

    def revoke_delegation(self, id: str) -> None:
        """End a delegation from now on."""
        self.connection.execute(
            update(delegation)
            .where(delegation.c.id == id, delegation.c.revoked_at.is_(None))
            .values(revoked_at=self.now())
        )
