"""Opens a workspace's database and hands out transactions; one writer at a time, readers never wait."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from usher.domain.clock import Clock
from usher.domain.ids import IdFactory
from usher.store.privatefiles import make_private_file
from usher.store.unit import Unit

BUSY_SECONDS = 60
"""How long a process waits for another one that writes."""
MIGRATIONS = Path(__file__).parent / "migrations"
WRITER_LOCK = 8_745_237
"""The number of PostgreSQL's advisory lock that a writing transaction holds; such locks are counted by database."""


class DatabaseNewer(Exception):
    """The database was written by a newer usher: install that version, or restore a backup made before it."""


class Store:
    """One workspace's database. `begin` writes, `read` reads; both give a Unit of repositories."""

    def __init__(self, url: str, workspace: str, clock: Clock, ids: IdFactory) -> None:
        self.url = url
        self.workspace = workspace
        self.clock = clock
        self.ids = ids
        self._engine = sqlalchemy.create_engine(url, **_options(url))
        file = self._engine.url.database
        if self._engine.dialect.name == "sqlite" and file and file != ":memory:" and Path(file).parent.is_dir():
            make_private_file(Path(file))  # SQLite gives its companion files the rights of this one
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            event.listen(self._engine, "begin", _begin_postgresql)

    def migrate(self) -> None:
        """Bring the tables up to this version; DatabaseNewer where they are ahead of it.

        Each file of migrations/versions is named by its revision, so that a database that is up to date is seen
        as such without loading the tool that brings others there.
        """
        known = sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
        current = self._revision()
        if current is not None and current not in known:
            raise DatabaseNewer(f"the database is at {current!r}, which this version of usher does not know")
        if current != known[-1]:
            self._upgrade()

    def _revision(self) -> str | None:
        with self._engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            return None if found is None else str(found)

    def _upgrade(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._engine.connect().execution_options(usher_write=True) as connection, _references_at_rest(connection):
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    @contextmanager
    def begin(self) -> Iterator[Unit]:
        """A writing transaction: commits at the end, rolls back on any exception."""
        with self._engine.connect().execution_options(usher_write=True) as connection, connection.begin():
            yield Unit(connection, self.workspace, self.clock, self.ids)

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """A reading transaction over one consistent state."""
        with self._engine.connect() as connection:
            yield Unit(connection, self.workspace, self.clock, self.ids)

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()


@contextmanager
def _references_at_rest(connection: sqlalchemy.Connection) -> Iterator[None]:
    """Let SQLite make a table anew while rows of others point to it, as it does where a column changes.

    Whatever points nowhere afterwards is an error before anything is committed. SQLite hears this only between
    transactions, so it goes around the one that the connection is about to begin.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA foreign_keys=OFF")
    event.listen(connection, "commit", _require_references)
    try:
        yield
    finally:
        event.remove(connection, "commit", _require_references)
        raw.execute("PRAGMA foreign_keys=ON")


def _require_references(connection: sqlalchemy.Connection) -> None:
    lost = list(connection.connection.driver_connection.execute("PRAGMA foreign_key_check"))  # type: ignore[union-attr]
    if lost:
        raise RuntimeError(f"after the migration {len(lost)} rows point nowhere, the first one in {lost[0][0]}")


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False}}
    return {"pool_pre_ping": True}


def _prepare_sqlite(connection: Any, record: ConnectionPoolEntry) -> None:
    """WAL with a full sync a commit: a receipt that was acknowledged survives a power cut."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    _use_wal(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch to WAL; SQLite does not always wait for a process that is just switching a new database, so we do."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.05)


def _begin_sqlite(connection: sqlalchemy.Connection) -> None:
    """A writer takes the lock at its beginning, so that it never fails in the middle."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _begin_postgresql(connection: sqlalchemy.Connection) -> None:
    """The same two kinds of transaction: writers come one after the other, a reader sees one consistent state.

    Fences, short numbers and the ledger's indexes are read and then written; between the two no other may write.
    """
    if _writes(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _writes(connection: sqlalchemy.Connection) -> bool:
    return bool(connection.get_execution_options().get("usher_write", False))
