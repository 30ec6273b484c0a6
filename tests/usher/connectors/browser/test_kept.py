"""A browser waits a moment for the next job of its connection, and no job sees anything of the one before."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.usher.connectors.browser.conftest import ADMIN, PASSWORD, Console, call_for, connector_to, door_to

from usher.connectors.browser import process
from usher.connectors.browser.job import Job
from usher.connectors.browser.kept import Kept
from usher.connectors.contract import Call
from usher.connectors.errors import AccessLost

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.suite("browser")]


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_the_next_job_of_a_connection_has_the_same_browser_and_signs_in_anew(consoles: Callable[..., Console]) -> None:
    console = consoles(people=3)
    connector, started = connector_to(console), list[int]()
    connector.on_start = started.append
    connector.check(call_for(console))
    connector.check(call_for(console))
    signed_in = [entry for entry in console.journal() if entry["verb"] == "sign_in"]
    assert len(signed_in) == 2
    with pytest.raises(AccessLost):
        connector.check(Call(door=door_to(console, secrets={"login": ADMIN, "secret": "wrong"})))
    assert started[0] == started[1] != started[2], "other credentials have a browser of their own"


def test_a_browser_that_died_while_it_waited_is_replaced(consoles: Callable[..., Console]) -> None:
    console = consoles(people=3)
    connector, started = connector_to(console), list[int]()
    connector.on_start = started.append
    connector.check(call_for(console))
    os.kill(started[0], signal.SIGKILL)
    assert os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT) is not None
    connector.check(call_for(console))
    assert started[0] != started[1]


def test_a_browser_that_nobody_needs_ends_with_its_files(
    consoles: Callable[..., Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "KEPT", Kept(0.2))
    console = consoles(people=3)
    connector, homes, started = connector_to(console), list[Path](), list[int]()

    def on_start(pid: int) -> None:
        started.append(pid)
        homes.append(Path(f"/proc/{pid}/cwd").resolve())

    connector.on_start = on_start
    connector.check(call_for(console))
    assert gone(started[0])
    end = time.monotonic() + 5
    while homes[0].exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not homes[0].exists()


def test_a_second_connection_takes_the_place_of_the_browser_that_waits(consoles: Callable[..., Console]) -> None:
    one, other = consoles(people=3), consoles(people=3)
    started: list[int] = []
    for console in (one, other):
        connector = connector_to(console)
        connector.on_start = started.append
        connector.check(call_for(console))
    assert started[0] != started[1]
    assert gone(started[0]), "with one slot there is one browser"


@pytest.mark.parametrize("changed", ["recipe", "base_url", "secrets", "chromium"])
def test_only_jobs_of_one_connection_share_a_browser(changed: str) -> None:
    given = {"recipe": {"a": 1}, "base_url": "http://one.test", "secrets": {"secret": PASSWORD}, "chromium": "/one"}
    other = {"recipe": {"a": 2}, "base_url": "http://two.test", "secrets": {"secret": "other"}, "chromium": "/two"}
    first = Job(job="check", deadline=5, **given)  # type: ignore[arg-type]
    same = Job(job="list", deadline=9, **given)  # type: ignore[arg-type]
    second = Job(job="check", deadline=5, **{**given, changed: other[changed]})  # type: ignore[arg-type]
    assert process.connection_of(first) == process.connection_of(same) != process.connection_of(second)
    assert PASSWORD not in process.connection_of(first)
