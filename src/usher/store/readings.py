"""Keeps each full reading as a sealed columnar file, named by its digest; equal readings are kept once."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usher.store.privatefiles import make_private_file


def keep_reading(folder: Path, digest: str, documents: Sequence[dict[str, Any]]) -> Path:
    """Write the accounts of a reading as Parquet, atomically; returns the file."""
    path = _file(folder, digest)
    if path.exists():
        return path
    import polars  # loaded here: most commands never keep a reading

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    columns = {
        "id": [document["id"] for document in documents],
        "user_name": [document["user_name"] for document in documents],
        "state": [document["state"] for document in documents],
        "document": [json.dumps(document, sort_keys=True, ensure_ascii=False) for document in documents],
    }
    text = dict.fromkeys(columns, polars.String)
    temporary = path.with_suffix(".part")
    make_private_file(temporary)
    polars.DataFrame(columns, schema=text).write_parquet(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    return path


def read_reading(path: Path) -> list[dict[str, Any]]:
    """The account documents of a kept reading, in the order of their ids."""
    import polars

    return [json.loads(document) for document in polars.read_parquet(path)["document"]]


def read_kept(folder: Path, digest: str) -> list[dict[str, Any]]:
    """The account documents of the reading with this digest; empty where it was not kept here."""
    path = _file(folder, digest)
    return read_reading(path) if digest and path.exists() else []


def _file(folder: Path, digest: str) -> Path:
    return folder / f"{digest.removeprefix('sha256:')}.parquet"
