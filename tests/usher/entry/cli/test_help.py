"""Help: every command can be learnt from its own `--help`, which comes at once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from tests.helpers.needs import ROOT
from typer.testing import CliRunner

from usher.entry.cli.app import app
from usher.entry.cli.context import Context
from usher.entry.cli.exits import MEANING, ExitCode
from usher.entry.cli.groups import first_word

HEAVY = ("sqlalchemy", "alembic", "pydantic", "ruamel", "polars", "httpx2", "rich", "starlette", "uvicorn", "dbos")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group below a command, by the words that are typed."""
    yield path
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*path, name))


EVERY = sorted(commands(typer.main.get_command(app)))


def help_of(path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(app, [*path, "--help"], obj=Context(opener=None))  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_shows_an_example_that_can_be_typed(path: tuple[str, ...]) -> None:
    text = help_of(path)
    assert "Examples:" in text
    typed = [line.strip() for line in text.partition("Examples:")[2].splitlines()]
    # `usher connect NAME` is the same as `connect add NAME`, and `usher backup FILE` as `backup make FILE`
    words = path[:-1] if path in (("connect", "add"), ("backup", "make")) else path
    wanted = " ".join(("usher", *words))
    assert any(wanted in line for line in typed), (wanted, typed)


def test_what_a_command_does_is_never_cut_short() -> None:
    for path in EVERY:
        for line in help_of(path).splitlines():
            assert not line.rstrip().endswith("...") or line.startswith("Usage:"), (path, line)


def test_the_first_help_lists_every_command_and_the_meaning_of_every_exit_code() -> None:
    text = help_of(())
    for path in EVERY:
        if len(path) == 1:
            assert f"\n  {path[0]} " in text
    for code in ExitCode:
        assert f"    {code:<5}{MEANING[code]}" in text


def test_every_json_document_that_help_names_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    named = {found for path in EVERY for found in re.findall(r"one document (usher\.[a-z-]+/\d+)", help_of(path))}
    assert len(named) > 30
    assert [one for one in sorted(named) if f"## {one}\n" not in page] == []


def test_help_comes_without_loading_what_only_commands_need() -> None:
    code = (
        "import sys; sys.argv = ['usher', '--help']\n"
        "from usher.bootstrap import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Set up:" in done.stdout


def test_a_group_without_a_verb_shows_its_help_and_is_no_error() -> None:
    result = CliRunner().invoke(app, ["plan"], obj=Context(opener=None))  # type: ignore[arg-type]
    assert result.exit_code == 0
    assert "withdraw" in result.stdout


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["findings"], "findings"),
        (["--json", "-w", "acme", "plan", "leave", "report"], "plan"),
        (["--workspace=findings", "run", "1"], "run"),
        (["-w", "run"], None),
        (["fndings", "run"], None),
        (["--help", "run"], None),
        ([], None),
    ],
)
def test_the_command_of_a_line_is_known_before_all_commands_are_put_together(line: list[str], word: str | None) -> None:
    assert first_word(line) == word
