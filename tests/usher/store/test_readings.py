"""Kept readings: each is a sealed file named by its digest, and equal readings are one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars
import pytest

from usher.domain.account import Account, AccountState
from usher.domain.canonical import digest
from usher.store.accounts import document_of
from usher.store.readings import keep_reading, read_reading

ACCOUNTS = [
    Account(id="1", user_name="ann@acme.test", state=AccountState.ACTIVE, entitlements=frozenset({"role:Rep"})),
    Account(id="2", user_name="O'Brien 🙂", display_name="line\nbreak, comma; \u0000", state=AccountState.SUSPENDED),
]
DOCUMENTS = [document_of(one) for one in ACCOUNTS]


def made_of(documents: list[dict[str, Any]]) -> str:
    return digest("usher.snapshot/1", documents)


def test_a_kept_reading_comes_back_as_it_was(tmp_path: Path) -> None:
    path = keep_reading(tmp_path / "crm", made_of(DOCUMENTS), DOCUMENTS)
    assert read_reading(path) == DOCUMENTS
    assert made_of(read_reading(path)) == f"sha256:{path.stem}"
    assert polars.read_parquet(path, columns=["state"])["state"].to_list() == ["active", "suspended"]


def test_equal_readings_are_kept_once_and_never_written_again(tmp_path: Path) -> None:
    first = keep_reading(tmp_path, made_of(DOCUMENTS), DOCUMENTS)
    before = first.stat()
    assert keep_reading(tmp_path, made_of(DOCUMENTS), DOCUMENTS) == first
    after = first.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    keep_reading(tmp_path, made_of(DOCUMENTS[:1]), DOCUMENTS[:1])
    assert len(list(tmp_path.iterdir())) == 2


def test_an_empty_reading_is_kept_too(tmp_path: Path) -> None:
    assert read_reading(keep_reading(tmp_path, made_of([]), [])) == []


def test_a_reading_that_cannot_be_written_leaves_no_file_of_its_name(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        keep_reading(tmp_path, made_of(DOCUMENTS), [{"id": "1"}])
    assert list(tmp_path.glob("*.parquet")) == []
