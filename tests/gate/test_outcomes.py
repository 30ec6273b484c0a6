"""What the gate reports can be believed: missing software, failures and outcomes are told as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
import pytest

@pytest.mark.needs("slapd")
def test_needs_what_is_missing(): pass

def test_needs_nothing(): pass

def test_is_wrong(): assert 1 == 2

@pytest.fixture
def broken(): raise RuntimeError("no")

def test_cannot_begin(broken): pass

def test_chooses_to_skip(): pytest.skip("because")
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    file = tmp_path / "test_suite.py"
    file.write_text(SUITE, encoding="utf-8")
    return file


def run(suite: Path, *options: str, **env: str) -> tuple[str, dict[str, str]]:
    """Run the suite where slapd is missing; return what was printed, and each test's outcome by its name."""
    hide = suite.with_name("hide.py")
    hide.write_text("from tests.helpers import needs\nneeds._present['slapd'] = False\n", encoding="utf-8")
    plugins = ["-p", "tests.helpers.needs", "-p", "tests.helpers.outcomes", "-p", "hide"]
    given = {key: value for key, value in os.environ.items() if key != "REQUIRE"}
    paths = os.pathsep.join((str(ROOT), str(suite.parent)))
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-c", ROOT / "pyproject.toml", *options, suite],
        cwd=ROOT,
        env={**given, "PYTHONPATH": paths, "TEST_VAR": str(suite.parent / "var"), **env},
        capture_output=True,
        text=True,
    )
    results = json.loads((suite.parent / "var/test-results.json").read_text(encoding="utf-8"))
    return answer.stdout, {node.rpartition("::")[2]: outcome for node, outcome in results.items()}


def test_missing_software_is_told_as_not_run_with_the_command_that_gets_it(suite: Path) -> None:
    printed, outcomes = run(suite)
    assert outcomes["test_needs_what_is_missing"] == "not run"
    line = "slapd: 1 tests not run; get it by: sudo apt-get install slapd ldap-utils"
    assert line in printed
    assert line in (suite.parent / "var/not-run.txt").read_text(encoding="utf-8")


def test_missing_software_is_a_failure_where_all_is_required(suite: Path) -> None:
    printed, outcomes = run(suite, REQUIRE="all")
    assert outcomes["test_needs_what_is_missing"] == "failed"
    assert "slapd is missing here" in printed


def test_each_outcome_is_kept_as_it_was(suite: Path) -> None:
    _, outcomes = run(suite)
    assert outcomes == {
        "test_needs_what_is_missing": "not run",
        "test_needs_nothing": "passed",
        "test_is_wrong": "failed",
        "test_cannot_begin": "failed",
        "test_chooses_to_skip": "skipped",
    }


def test_a_second_run_replaces_only_what_it_ran(suite: Path) -> None:
    run(suite)
    suite.write_text(SUITE.replace("1 == 2", "1 == 1"), encoding="utf-8")
    _, outcomes = run(suite, "-k", "is_wrong")
    assert outcomes["test_is_wrong"] == "passed"
    assert outcomes["test_cannot_begin"] == "failed"
