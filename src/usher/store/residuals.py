"""Residual access: what outlives a closed account, each kind with its state and what that rests on."""

from __future__ import annotations

from sqlalchemy import delete, select

from usher.store.repository import Repository, Row
from usher.store.spine_tables import residual


class Residuals(Repository):
    """One row an account and kind (sessions, tokens, ...); the newest word replaces the one before."""

    def put(
        self,
        account_id: str,
        connection: str,
        person_id: str | None,
        kind: str,
        state: str,
        basis: str,
        until: str | None = None,
        step_id: str | None = None,
    ) -> None:
        """Write down what is known of one kind of residual access now."""
        values = {
            "connection": connection,
            "person_id": person_id,
            "state": state,
            "until": until,
            "basis": basis,
            "seen_at": self.now(),
            "step_id": step_id,
        }
        known = self.row(select(residual).where(residual.c.account_id == account_id, residual.c.kind == kind))
        if known is None:
            self.add(residual, id=self.ids.new("rsd"), account_id=account_id, kind=kind, **values)
        else:
            self.set(residual, known["id"], **values)

    def drop(self, account_id: str) -> None:
        """The account is open again: nothing outlives it."""
        self.connection.execute(delete(residual).where(residual.c.account_id == account_id))

    def of_account(self, account_id: str) -> list[Row]:
        """Every kind that is known of an account."""
        return self.rows(select(residual).where(residual.c.account_id == account_id).order_by(residual.c.kind))

    def of_person(self, person_id: str) -> list[Row]:
        """Every kind that is known of a person's accounts."""
        wanted = select(residual).where(residual.c.person_id == person_id)
        return self.rows(wanted.order_by(residual.c.connection, residual.c.account_id, residual.c.kind))
