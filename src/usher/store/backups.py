"""Copies a workspace's database as one consistent state into one SQLite file, and such a file into a database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, Table, func, insert, make_url, select

from usher.domain.clock import Clock
from usher.domain.ids import IdFactory
from usher.store.database import Store
from usher.store.privatefiles import make_private_file
from usher.store.repository import load
from usher.store.spine_tables import release
from usher.store.tables import metadata

ROWS_AT_ONCE = 1_000
LOCK_SECONDS = 60.0
assert release.metadata is metadata, "every module of tables is loaded before the tables are copied"


class DatabaseNotEmpty(Exception):
    """The database that shall receive a copy holds rows: name an empty one, nothing is written over."""


class CopyDamaged(Exception):
    """The file is not a whole copy of a workspace's database: take another backup."""


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What a copy is of: the revision of its tables, and its ledger's newest signed head (None before the first)."""

    revision: str
    head: dict[str, Any] | None


def backend_of(url: str) -> str:
    """`sqlite` or `postgresql`."""
    return make_url(url).get_backend_name()


def copy_database(url: str, path: Path, workspace: str, clock: Clock, ids: IdFactory) -> None:
    """Write a new SQLite file that holds the database of one instant; writers go on meanwhile.

    SQLite is copied by its own backup interface. Any other database is read row by row in one transaction that sees
    one state, so a backup needs no tool of that database and can be restored into either kind.
    """
    make_private_file(path)
    database = make_url(url).database
    if backend_of(url) == "sqlite":
        assert database is not None, url
        _copy_sqlite(Path(database), path)
        return
    copy = Store(f"sqlite:///{path}", workspace, clock, ids)
    copy.migrate()
    copy.close()
    source, target = sqlalchemy.create_engine(url), sqlalchemy.create_engine(f"sqlite:///{path}")
    try:
        _copy_rows(source, target)
    finally:
        source.dispose()
        target.dispose()
    _one_file(path)


def _copy_sqlite(source: Path, path: Path) -> None:
    with closing(sqlite3.connect(source, timeout=LOCK_SECONDS)) as old, closing(sqlite3.connect(path)) as new:
        old.backup(new)  # in one go: it sees one state, and under a write-ahead log it stops no writer
    _one_file(path)


def _one_file(path: Path) -> None:
    """Leave everything in the one file: a companion that was forgotten would take the newest rows with it."""
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")


def _copy_rows(source: Engine, target: Engine) -> None:
    """Copy every table in the order of their references, in one transaction on each side."""
    with source.connect() as reading, target.begin() as writing:
        if source.dialect.name != "sqlite":
            reading.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for table in metadata.sorted_tables:
            found = reading.execution_options(stream_results=True).execute(select(table)).mappings()
            for part in found.partitions(ROWS_AT_ONCE):
                writing.execute(insert(table), [dict(row) for row in part])
            if target.dialect.name == "postgresql":
                _go_on_counting(writing, table)


def _go_on_counting(connection: sqlalchemy.Connection, table: Table) -> None:
    """Let PostgreSQL number the next row after the highest copied one."""
    key = table.c.get("id")
    if key is None or not isinstance(key.type, sqlalchemy.Integer):
        return
    sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, "id"))).scalar()
    highest = connection.execute(select(func.max(key))).scalar()
    if sequence is not None and highest is not None:
        connection.execute(select(func.setval(sequence, highest)))


def fill_database(url: str, path: Path, workspace: str, clock: Clock, ids: IdFactory) -> None:
    """Put a copy into an empty database; DatabaseNotEmpty, with nothing changed, where it holds any row."""
    store = Store(url, workspace, clock, ids)
    try:
        store.migrate()
    finally:
        store.close()
    source, target = sqlalchemy.create_engine(f"sqlite:///{path}"), sqlalchemy.create_engine(url)
    try:
        with target.connect() as connection:
            for table in metadata.sorted_tables:
                if connection.execute(select(table).limit(1)).first() is not None:
                    shown = make_url(url).render_as_string(hide_password=True)
                    raise DatabaseNotEmpty(f"{shown} holds rows already ({table.name}); name an empty database")
        _copy_rows(source, target)
    finally:
        source.dispose()
        target.dispose()


def inspect_copy(path: Path) -> CopyFacts:
    """Check the pages and references of a copy and say what it is of; CopyDamaged where it is not whole."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
            wrong = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
            wrong += [f"a row of {row[0]} points nowhere" for row in copy.execute("PRAGMA foreign_key_check")][:3]
            if wrong:
                raise CopyDamaged(f"the database in it is damaged: {'; '.join(wrong)}")
            revision = copy.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            head = copy.execute("SELECT document FROM ledger_head ORDER BY size DESC LIMIT 1").fetchone()
            return CopyFacts(str(revision), None if head is None else load(head[0]))
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        raise CopyDamaged(f"the database in it cannot be read: {error}") from error
