"""The conformance suite is worth its name: it passes a sound connector and catches every planted fault."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

CAUGHT_BY = {
    "TestDoorIgnoresRehearsal": "test_without_the_right_to_write_nothing_changes",
    "TestLostWriteCalledTransient": "test_a_lost_answer_to_a_write_is_an_unknown_outcome",
    "TestLostWriteSentAgain": "test_a_lost_answer_to_a_write_is_an_unknown_outcome",
    "TestInactiveHidden": "test_an_inactive_account_is_listed_as_inactive",
    "TestCursorNeverAdvances": "test_every_account_is_listed_once",
    "TestPretendsToDeactivate": "test_deactivating_twice_takes_access_away_once",
    "TestDeactivateDoesNothing": "test_deactivating_twice_takes_access_away_once",
    "TestConflictMisread": "test_a_second_create_is_refused_exactly_where_that_is_declared",
    "TestDeclaredNotUnique": "test_a_second_create_is_refused_exactly_where_that_is_declared",
    "TestOwnConnection": "test_the_connector_opens_no_connection_of_its_own",
    "TestBelievesAnyAnswer": "test_who_is_not_there_is_not_found",
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> list[ET.Element]:
    """Run the suite over all planted connectors once; return the test cases of its JUnit file."""
    report = tmp_path_factory.mktemp("catches") / "report.xml"
    ignored = "no:tests.helpers.outcomes"  # planted failures are no outcomes of the project
    wanted = " or ".join(["TestHealthy", *(f"({name} and {_plain(test)})" for name, test in CAUGHT_BY.items())])
    planted = HERE / "faulty_connectors.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", ignored, "-k", wanted, f"--junitxml={report}", planted]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert report.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return list(ET.parse(report).iter("testcase"))


@pytest.fixture(scope="module")
def outcomes(cases) -> dict[str, dict[str, bool]]:
    """Class -> test -> whether it passed."""
    found: dict[str, dict[str, bool]] = {}
    for case in cases:
        name = case.get("classname", "").rpartition(".")[2]
        bad = case.find("failure") is not None or case.find("error") is not None
        found.setdefault(name, {})[case.get("name", "")] = not bad
    return found


def _plain(test: str) -> str:
    return test.partition("[")[0]


def test_a_sound_connector_passes_the_whole_suite(outcomes):
    failed = [name for name, passed in outcomes["TestHealthy"].items() if not passed]
    assert failed == []
    assert len(outcomes["TestHealthy"]) >= 18


@pytest.mark.parametrize("fault", CAUGHT_BY)
def test_a_planted_fault_is_caught(outcomes, fault):
    assert outcomes[fault][CAUGHT_BY[fault]] is False


def test_measured_facts_are_reported(cases):
    sound = [case for case in cases if case.get("classname", "").endswith("TestHealthy")]
    measured = {one.get("name"): one.get("value") for case in sound for one in case.iter("property")}
    assert measured["create: second one refused"] == "True"
    assert measured["create: natural key"] == "user_name"
    assert float(measured["deactivate accounts: seconds until seen"]) < 1
