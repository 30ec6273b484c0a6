"""Acme as its generator writes it, made once for all tests of the example."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ACME = Path(__file__).resolve().parents[2] / "examples" / "acme"


class Acme:
    """The generated files, read back."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        command = [sys.executable, ACME / "generate.py", folder, *arguments]
        self.said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def bytes(self) -> dict[str, bytes]:
        """Return every file by its name."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a CSV file."""
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def json(self, name: str) -> Any:
        """Return what a JSON file holds."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def accounts(self, app: str) -> dict[str, dict[str, Any]]:
        """Return an app's accounts by what the app shows of them: login or address."""
        if app in ("directory", "wiki"):
            return {user["userName"]: user for user in self.json(f"{app}.json")["users"]}
        if app == "forecastly":
            return {row["email"]: row for row in self.rows("forecastly.csv")}
        return {row["login"]: row for row in self.rows("expenses/users.csv")}


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Acme:
    return Acme(tmp_path_factory.mktemp("acme"))
