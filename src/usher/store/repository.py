"""What every repository shares: one open connection, the workspace's clock and ids, and JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Executable, Table, insert, select, update

from usher.domain.clock import Clock, to_text
from usher.domain.ids import IdFactory
from usher.store.tables import counter

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Repository:
    """Base of the repositories of one transaction."""

    connection: Connection
    workspace: str
    clock: Clock
    ids: IdFactory

    def now(self) -> str:
        """The present instant as stored text."""
        return to_text(self.clock.now())

    def later(self, seconds: float) -> str:
        """An instant some seconds from now, as stored text."""
        return to_text(self.clock.now() + timedelta(seconds=seconds))

    def rows(self, statement: Executable) -> list[Row]:
        """Every row as a dict."""
        return [dict(row) for row in self.connection.execute(statement).mappings()]

    def row(self, statement: Executable) -> Row | None:
        """The first row as a dict, or None."""
        found = self.connection.execute(statement).mappings().first()
        return None if found is None else dict(found)

    def add(self, table: Table, **values: Any) -> Row:
        """Insert one row and give it back."""
        self.connection.execute(insert(table).values(**values))
        return values

    def set(self, table: Table, id: str, **values: Any) -> None:
        """Change columns of the row with this id."""
        self.connection.execute(update(table).where(table.c.id == id).values(**values))

    def get(self, table: Table, id: str) -> Row | None:
        """The row with this id, or None."""
        return self.row(select(table).where(table.c.id == id))

    def count(self, name: str) -> int:
        """The next of the short numbers that people use (plans, runs, tasks)."""
        found = self.row(select(counter).where(counter.c.name == name))
        if found is None:
            self.connection.execute(insert(counter).values(name=name, value=1))
            return 1
        value = int(found["value"]) + 1
        self.connection.execute(update(counter).where(counter.c.name == name).values(value=value))
        return value


def dump(value: Mapping[str, Any] | Iterable[Any]) -> str:
    """JSON text with sorted keys; sets and tuples become sorted or plain lists."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def load(text: str) -> Any:
    """The value of a stored JSON text."""
    return json.loads(text)


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be stored")
