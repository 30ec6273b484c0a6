"""What rows were before they changed, so that any day since can be shown as it was seen on that day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select

from usher.store.repository import Repository, Row, dump, load
from usher.store.spine_tables import past
from usher.store.tables import account, employment, link, person, snapshot

ACCOUNT, EMPLOYMENT = "account", "employment"
KEPT_SINCE = "kept since"
"""The one row that says from when on former values are there: an older version kept none."""


class Pasts(Repository):
    """Former values of accounts and employments, each with the instant until which they were the last ones seen."""

    def keep(self, what: str, id: str, values: Mapping[str, Any] | None) -> None:
        """Keep what a row was until now; None: until now there was none."""
        document = None if values is None else dump(dict(values))
        self.add(past, what=what, subject=id, document=document, until=self.now())

    def accounts_at(self, at: str, connection_name: str | None = None) -> list[Row]:
        """The accounts of an instant with their values, and with `person_id` and `situation` as they were linked."""
        wanted = select(account).where(
            account.c.first_seen <= at, or_(account.c.ended_at.is_(None), account.c.ended_at > at)
        )
        if connection_name is not None:
            wanted = wanted.where(account.c.connection == connection_name)
        before = self._before(ACCOUNT, at)
        links = {
            row["account_id"]: row
            for row in self.rows(
                select(link).where(link.c.valid_from <= at, or_(link.c.valid_to.is_(None), link.c.valid_to > at))
            )
        }
        found = []
        for row in self.rows(wanted.order_by(account.c.connection, account.c.user_name, account.c.id)):
            linked = links.get(row["id"])
            whose = {name: linked[name] if linked else None for name in ("person_id", "situation", "evidence")}
            found.append({**row, **(before.get(row["id"]) or {}), **whose})
        return found

    def employments_at(self, at: str) -> list[Row]:
        """The employments of an instant, as the source said them then."""
        before = self._before(EMPLOYMENT, at)
        rows = self.rows(select(employment).order_by(employment.c.id))
        return [{**row, **(before.get(row["id"]) or {})} for row in rows if before.get(row["id"], row) is not None]

    def people_at(self, at: str) -> list[Row]:
        """The people who were known at an instant, by name."""
        wanted = select(person).where(person.c.redirect_to.is_(None), person.c.first_seen <= at)
        return self.rows(wanted.order_by(person.c.name, person.c.id))

    def snapshot_at(self, at: str, connection_name: str) -> Row | None:
        """The last reading of a connection that had ended by an instant."""
        wanted = select(snapshot).where(snapshot.c.connection == connection_name, snapshot.c.finished_at <= at)
        return self.row(wanted.order_by(snapshot.c.id.desc()))

    def kept_since(self) -> str | None:
        """Since when former values are kept; None: since the first thing that was seen."""
        row = self.row(select(past.c.until).where(past.c.what == KEPT_SINCE))
        return None if row is None else str(row["until"])

    def _before(self, what: str, at: str) -> dict[str, dict[str, Any] | None]:
        """Subject -> the values that it had at an instant, for those that have changed since."""
        wanted = select(past).where(past.c.what == what, past.c.until > at).order_by(past.c.id.desc())
        return {row["subject"]: None if row["document"] is None else load(row["document"]) for row in self.rows(wanted)}
