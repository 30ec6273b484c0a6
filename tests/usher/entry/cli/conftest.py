"""A company of three with an HR export and an app that only people change, and two ways to type commands at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from usher.bootstrap import WorkspaceOpener
from usher.entry.cli.app import app
from usher.entry.cli.context import Context

HR = """employment_id,employee_number,first_name,last_name,email,status,start_date,end_date,department,title
C1,E1,Ann,Archer,ann@acme.test,active,2020-01-01,,Sales,Account Executive
C2,E2,Ben,Brook,ben@acme.test,active,2021-01-01,,IT,Engineer
C3,E3,Cleo,Crane,cleo@acme.test,active,2021-01-01,,IT,Engineer
"""
EXPENSES = """id,email,name,status,role
1,ann@acme.test,Ann Archer,active,Rep
2,ben@acme.test,Ben Brook,active,Rep
3,cleo@acme.test,Cleo Crane,active,Rep
"""
SECONDS = 240.0


@dataclass
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one document on standard output; fails where anything else is there."""
        return json.loads(self.out)

    def lines(self) -> list[str]:
        """The lines for people on standard error."""
        return self.err.splitlines()


@dataclass
class Shell:
    """Types commands at one company, in this process (`usher`) or in one of their own (`process`)."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The workspace."""
        return self.home / "acme"

    def usher(self, *args: str | Path, typed: str | None = None, env: Mapping[str, str] | None = None) -> Answer:
        """Run one command in this process, as bootstrap does."""
        given = [str(arg) for arg in ("--workspace", self.folder, *args)]
        variables = {**self.environment(), **(env or {})}
        result = CliRunner().invoke(app, given, input=typed, env=variables, obj=Context(WorkspaceOpener()))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def process(self, *args: str | Path, typed: str = "", cwd: Path | None = None) -> Answer:
        """Run one command as a process of its own, in the workspace's folder."""
        done = subprocess.run(
            [*COMMAND, *map(str, args)],
            cwd=cwd or self.folder,
            env={**os.environ, **self.environment()},
            input=typed,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def environment(self) -> dict[str, str]:
        """The variables of every command."""
        return {"USHER_KEYS_DIR": str(self.home / "keys"), "XDG_STATE_HOME": str(self.home / "state"), **self.env}

    def as_(self, name: str) -> tuple[str, ...]:
        """Who acts, and where the key is."""
        return "--as", name, "--key", f"file:{self.home / name}.key"

    def write(self, file: str, text: str) -> Path:
        """Write a file of the workspace."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def ann_leaves(self) -> None:
        """The HR export says that Ann has left."""
        self.write("exports/hr.csv", HR.replace("test,active,2020-01-01,,", "test,terminated,2020-01-01,2026-01-31,"))

    def digest(self, number: int = 1) -> str:
        """The digest of a plan."""
        found: str = self.usher("plan", "show", str(number), "--json").json()["plan"]["digest"]
        return found


COMMAND = (sys.executable, "-m", "usher.bootstrap")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company, set up once by commands and read once."""
    shell = Shell(tmp_path_factory.mktemp("company"))
    assert shell.usher("init", shell.folder, "--name", "acme").code == 0
    shell.write("exports/hr.csv", HR)
    shell.write("exports/expenses.csv", EXPENSES)
    assert shell.usher("operator", "add", "olga", "--key-out", shell.home / "olga.key").code == 0
    omar = shell.usher("operator", "add", "omar", "--key-out", shell.home / "omar.key", *shell.as_("olga"))
    assert omar.code == 0, omar.err
    hr = shell.usher("connect", "hr", "--speaks", "csv", "--part", "hr", "--owner", "olga",
                     "--path", shell.folder / "exports" / "hr.csv", "--option", "columns.id=employment_id")  # fmt: skip
    assert hr.code == 0, hr.err
    app_added = shell.usher("app", "add", "expenses", "--by", "person", "--owner", "omar",
                            "--csv", shell.folder / "exports" / "expenses.csv")  # fmt: skip
    assert app_added.code == 0, app_added.err
    read = shell.usher("observe")
    assert read.code == 0, read.err
    return shell.home


@pytest.fixture
def shell(template: Path, tmp_path: Path) -> Shell:
    """A company of one's own, read once."""
    home = tmp_path / "company"
    shutil.copytree(template, home)
    return Shell(home)


@pytest.fixture
def empty(tmp_path: Path) -> Shell:
    """A new workspace without anything in it."""
    shell = Shell(tmp_path)
    assert shell.usher("init", shell.folder, "--name", "acme").code == 0
    return shell
