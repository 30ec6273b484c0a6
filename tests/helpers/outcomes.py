"""Keep the outcome of every test in `var/test-results.json`, merged over suites: the documents are checked by it."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

RESULTS = Path(os.environ.get("TEST_VAR") or Path(__file__).resolve().parents[2] / "var") / "test-results.json"
_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note passed, failed, skipped or "not run"; a failing set-up or clean-up makes a failed test."""
    if report.failed:
        _outcomes[report.nodeid] = "failed"
    elif report.skipped:
        _outcomes[report.nodeid] = "not run" if "not run: " in str(report.longrepr) else "skipped"
    elif report.when == "call":
        _outcomes[report.nodeid] = "passed"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Merge this session's outcomes into the file, as a whole; a second run of a test replaces its outcome."""
    in_a_worker = hasattr(session.config, "workerinput")  # of pytest-xdist: its reports reach the main process too
    if not _outcomes or session.config.option.collectonly or in_a_worker:
        return
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.with_name(f".{RESULTS.name}.lock").open("w") as lock:  # suites run beside each other
        fcntl.flock(lock, fcntl.LOCK_EX)
        _merge()


def _merge() -> None:
    earlier = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    half = RESULTS.with_name(f".{RESULTS.name}.{os.getpid()}")
    half.write_text(json.dumps({**earlier, **_outcomes}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    half.replace(RESULTS)
