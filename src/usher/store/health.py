"""How each app answers: its last calls, until when it asked to be let be, and the accounts that it keeps failing on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from usher.store.repository import Repository, Row, dump, load
from usher.store.spine_tables import connection_health, mark, object_quarantine


class Health(Repository):
    """Counters and quarantines below the level of a whole connection, and remembered single values."""

    def of(self, connection: str) -> Row | None:
        """What is known of a connection's answers."""
        return self.row(select(connection_health).where(connection_health.c.connection == connection))

    def note(self, connection: str, *, recent: list[Any], calls: int, failures: int, not_before: str | None) -> None:
        """Write down how a connection has answered lately."""
        values: dict[str, Any] = {
            "recent": dump(recent),
            "calls": calls,
            "failures": failures,
            "not_before": not_before,
            "updated_at": self.now(),
        }
        if self.of(connection) is None:
            self.add(connection_health, connection=connection, **values)
            return
        self.connection.execute(
            connection_health.update().where(connection_health.c.connection == connection).values(**values)
        )

    def forget_failures(self, connection: str) -> None:
        """A connection is used again: its old failures count no more, and nothing keeps its next call back."""
        known = self.of(connection)
        if known is not None:
            self.note(
                connection, recent=[], calls=int(known["calls"]), failures=int(known["failures"]), not_before=None
            )

    def recent(self, connection: str) -> list[Any]:
        """The outcomes of the last calls, oldest first."""
        row = self.of(connection)
        found: list[Any] = load(row["recent"]) if row else []
        return found

    def quarantine(self, connection: str, account: str, reason: str, failures: int, finding_id: str | None) -> Row:
        """Let one account wait alone."""
        return self.add(
            object_quarantine,
            id=self.ids.new("oqr"),
            connection=connection,
            account=account,
            since=self.now(),
            reason=reason,
            failures=failures,
            finding_id=finding_id,
            lifted_at=None,
        )

    def quarantined(self, connection: str | None = None) -> list[Row]:
        """The accounts that wait now, oldest first."""
        wanted = select(object_quarantine).where(object_quarantine.c.lifted_at.is_(None))
        if connection is not None:
            wanted = wanted.where(object_quarantine.c.connection == connection)
        return self.rows(wanted.order_by(object_quarantine.c.since, object_quarantine.c.id))

    def lift(self, id: str) -> None:
        """Let an account go on."""
        self.set(object_quarantine, id, lifted_at=self.now())

    def mark(self, name: str) -> Row | None:
        """A remembered value with the instant at which it was set."""
        return self.row(select(mark).where(mark.c.name == name))

    def set_mark(self, name: str, value: str) -> None:
        """Remember a value under a name."""
        if self.mark(name) is None:
            self.add(mark, name=name, value=value, at=self.now())
        else:
            self.connection.execute(mark.update().where(mark.c.name == name).values(value=value, at=self.now()))
