"""A leaver for a time: the worker is killed before it and started again, and the accounts are off within seconds.

The worker is killed thirty seconds before, as the promise says: its lease must have lapsed by the time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.long import LONG
from tests.helpers.running import Running
from tests.journeys.conftest import users
from tests.usher.entry.cli.conftest import COMMAND, HR, Shell

from usher.domain.clock import from_text

pytestmark = pytest.mark.timeout(600)
AHEAD_SECONDS = 55.0
KILLED_SECONDS = 30.0
LATE_SECONDS = 5.0 if LONG else 15.0
"""The promise is five, on a machine that has time for it (`make faults`); the gate runs four suites on two cores."""


class Firm(Shell):
    """A company with an HR export and a directory that it switches off over SCIM."""

    directory: Running
    workers: list[subprocess.Popen[bytes]]

    def work(self) -> subprocess.Popen[bytes]:
        """Start a worker of its own process."""
        with (self.home / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [*COMMAND, "worker"], cwd=self.folder, env={**os.environ, **self.environment()}, stderr=log
            )
        self.workers.append(process)
        return process

    def holds_the_lease(self, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
        """Wait until a worker works."""
        until = time.monotonic() + seconds
        lock = self.folder / "data" / "effects.lock"
        while not lock.exists() or f"pid {process.pid} " not in lock.read_text():
            assert process.poll() is None, (self.home / "worker.log").read_text()
            assert time.monotonic() < until, "the worker did not take the lease"
            time.sleep(0.05)


@pytest.fixture
def firm(tmp_path: Path, start_twin: Any) -> Iterator[Firm]:
    """The company, read once; its workers are ended after the test."""
    everybody = tmp_path / "users.json"
    (tmp_path / "hr.csv").write_text(HR)
    everybody.write_text(json.dumps({"users": users("ann", "ben", "cleo"), "groups": []}))
    firm = Firm(tmp_path, {"DIRECTORY_TOKEN": "chaos"})
    firm.directory, firm.workers = start_twin("twins.chaos", "--load", everybody, "--seed", "1"), []
    commands: list[tuple[str | Path, ...]] = [
        ("init", firm.folder, "--name", "acme"),
        ("operator", "add", "olga", "--key-out", firm.home / "olga.key"),
        ("operator", "add", "omar", "--key-out", firm.home / "omar.key", *firm.as_("olga")),
        ("connect", "hr", "--speaks", "csv", "--part", "hr", "--owner", "olga",
         "--path", tmp_path / "hr.csv", "--option", "columns.id=employment_id"),
        ("connect", "directory", "--speaks", "scim", "--part", "idp", "--owner", "olga",
         "--url", f"{firm.directory.url}/scim/v2", "--secret", "token=env:DIRECTORY_TOKEN"),
        ("observe",),
    ]  # fmt: skip
    for command in commands:
        answer = firm.usher(*command)
        assert answer.code == 0, answer.err
    yield firm
    for process in firm.workers:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def test_a_leaver_is_off_within_seconds_of_its_time_although_the_worker_was_killed_before_it(firm: Firm) -> None:
    first = firm.work()
    firm.holds_the_lease(first)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=AHEAD_SECONDS)
    planned = firm.usher("plan", "leave", "ann@acme.test", "--at", at.strftime("%Y-%m-%d %H:%M:%SZ"),
                         "--reason", "agreed", *firm.as_("olga"))  # fmt: skip
    assert planned.code == 0, planned.err
    assert "begins" in planned.out
    signed = firm.usher("approve", "1", "--digest", firm.digest(), *firm.as_("omar"))
    assert signed.code == 0, signed.err
    early = firm.usher("run", "1")
    assert early.code == 3
    assert "begins at" in early.err
    time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds() - KILLED_SECONDS))
    assert firm.directory.entries() == []
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    firm.work()
    run = _verified(firm, seconds=AHEAD_SECONDS + 60)
    assert [entry["effect"] for entry in firm.directory.entries()] == ["deactivate"]
    assert from_text(run["first_intent_at"]) >= at
    assert 0 <= run["late_seconds"] < LATE_SECONDS
    shown = firm.usher("runs", "1")
    assert "s after its time" in shown.out
    assert firm.usher("ledger", "verify").code == 0


def _verified(firm: Firm, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = firm.usher("runs", "--json").json()["runs"]
        if found and found[0]["state"] in ("verified", "closed"):
            return dict(found[0])
        time.sleep(0.25)
    raise AssertionError(f"not verified: {found}; {(firm.home / 'worker.log').read_text()}")
