"""What a workspace keeps is for its owner alone, whatever the umask of the process is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from usher.bootstrap import WorkspaceOpener
from usher.domain.clock import VirtualClock
from usher.domain.ids import IdFactory
from usher.store.database import Store
from usher.store.readings import keep_reading


@pytest.fixture(autouse=True)
def lax_umask() -> Iterator[None]:
    """A process that lets others read what it makes."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_data_of_a_new_workspace_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USHER_KEYS_DIR", str(tmp_path / "keys"))
    WorkspaceOpener().init(tmp_path / "acme", "acme", "UTC")
    data = tmp_path / "acme" / "data"
    assert mode(data) == 0o700
    assert {file.name: mode(file) for file in data.iterdir()} == {file.name: 0o600 for file in data.iterdir()}
    data.chmod(0o755)
    WorkspaceOpener().open(tmp_path / "acme").close()
    assert mode(data) == 0o700


def test_the_database_its_companions_and_the_readings_are_for_their_owner_alone(tmp_path: Path) -> None:
    clock = VirtualClock(datetime(2026, 3, 2, tzinfo=UTC))
    store = Store(f"sqlite:///{tmp_path / 'usher.db'}", "test", clock, IdFactory(clock))
    store.migrate()
    with store.begin():
        files = [path for path in tmp_path.iterdir() if path.is_file()]
        assert "usher.db-wal" in {path.name for path in files}
        assert {mode(path) for path in files} == {0o600}
    store.close()
    document = {"id": "1", "user_name": "ann", "state": "active"}
    assert mode(keep_reading(tmp_path / "readings", "sha256:abc", [document])) == 0o600
    assert mode(tmp_path / "readings") == 0o700
