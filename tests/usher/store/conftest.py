"""The databases that the store's tests run on: SQLite everywhere, PostgreSQL where the machine has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.helpers.postgres import Postgres, running_postgres

from usher.domain.clock import VirtualClock
from usher.domain.ids import IdFactory
from usher.store.database import Store


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'usher.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that the test turns."""
    return VirtualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


@pytest.fixture
def open_store(url: str, clock: VirtualClock) -> Iterator[Callable[[], Store]]:
    """Open the test's database, as often as wanted."""
    opened: list[Store] = []

    def open_one() -> Store:
        store = Store(url, "test", clock, IdFactory(clock))
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    """A database with its tables."""
    store = open_store()
    store.migrate()
    return store
