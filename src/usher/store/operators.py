"""Operators: the people who request, approve and own apps, each with a public key of their own."""

from __future__ import annotations

from sqlalchemy import select, update

from usher.store.repository import Repository, Row, dump
from usher.store.tables import operator


class Operators(Repository):
    """The operators of a workspace; revoked ones are kept, since old signatures name them."""

    def add_operator(
        self, name: str, public_key: str, user_names: tuple[str, ...], person_id: str | None, email: str | None = None
    ) -> Row:
        """Add an operator; the name must be free (checked by the service, enforced by the table)."""
        return self.add(
            operator,
            id=self.ids.new("opr"),
            name=name,
            public_key=public_key,
            person_id=person_id,
            user_names=dump(list(user_names)),
            added_at=self.now(),
            revoked_at=None,
            email=email,
        )

    def named(self, name: str) -> Row | None:
        """The operator with this name, revoked or not."""
        return self.row(select(operator).where(operator.c.name == name))

    def by_id(self, id: str) -> Row | None:
        """The operator with this id."""
        return self.get(operator, id)

    def all(self) -> list[Row]:
        """Every operator, oldest first."""
        return self.rows(select(operator).order_by(operator.c.id))

    def active(self) -> list[Row]:
        """Those who may sign now."""
        return self.rows(select(operator).where(operator.c.revoked_at.is_(None)).order_by(operator.c.id))

    def revoke(self, id: str) -> None:
        """End an operator's right to sign from now on."""
        self.set(operator, id, revoked_at=self.now())

    def set_email(self, id: str, email: str | None) -> None:
        """Record where notices for an operator go."""
        self.set(operator, id, email=email)

    def tie(self, id: str, person_id: str) -> None:
        """Record which person an operator is, so that nobody approves a plan about himself."""
        self.connection.execute(update(operator).where(operator.c.id == id).values(person_id=person_id))
