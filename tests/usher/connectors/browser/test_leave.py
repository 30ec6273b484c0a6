"""Nothing is written without leave at that moment, and a job that dies says what is known: nothing done, or unknown."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.usher.connectors.browser.conftest import (
    FIRST_PAGE,
    PASSWORD,
    Console,
    address,
    call_for,
    connector_to,
)

from usher.connectors.contract import Permit
from usher.connectors.errors import NotPermitted, OutcomeUnknown, Transient

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.suite("browser")]


def chromiums_of(folder: str) -> list[str]:
    """Browsers that still use a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if folder.encode() in process.read_bytes():
                found.append(process.parent.name)
        except OSError:
            continue
    return found


def test_leave_that_is_refused_at_the_last_moment_leaves_everything_as_it_was(console: Console) -> None:
    asked: list[Permit] = []

    def sealed(permit: Permit) -> None:
        asked.append(permit)
        raise NotPermitted("sealed at 17:00")

    with pytest.raises(NotPermitted, match="sealed at 17:00"):
        connector_to(console).deactivate(address(FIRST_PAGE), call_for(console, FIRST_PAGE, leave=sealed))
    assert asked == [Permit(step="step-1", intent="intent-1", fence=1)]
    assert console.effects() == []


def test_a_job_killed_before_leave_has_done_nothing(console: Console) -> None:
    connector = connector_to(console)
    connector.on_start = lambda pid: os.kill(pid, signal.SIGKILL)
    with pytest.raises(Transient, match=r"died .* before it wrote anything"):
        connector.deactivate(address(FIRST_PAGE), call_for(console, FIRST_PAGE))
    assert console.effects() == []


def test_a_job_killed_after_leave_is_an_unknown_outcome(console: Console) -> None:
    connector, started = connector_to(console), list[int]()
    connector.on_start = started.append

    def leave(permit: Permit) -> None:
        os.kill(started[0], signal.SIGKILL)

    with pytest.raises(OutcomeUnknown, match=r"died .* after it had leave"):
        connector.deactivate(address(FIRST_PAGE), call_for(console, FIRST_PAGE, leave=leave))


def test_a_job_killed_right_after_its_effect_is_an_unknown_outcome(console: Console) -> None:
    connector, started = connector_to(console), list[int]()
    connector.on_start = started.append

    def kill_once_done() -> None:
        end = time.monotonic() + 30
        while not console.effects() and time.monotonic() < end:
            time.sleep(0.005)
        os.kill(started[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_once_done)
    call = call_for(console, FIRST_PAGE, leave=lambda permit: killer.start())
    with pytest.raises(OutcomeUnknown):
        connector.deactivate(address(FIRST_PAGE), call)
    killer.join()
    assert console.effects() == [("deactivate", address(FIRST_PAGE))]
    # Looking again afterwards finds it done and presses nothing.
    receipt = connector_to(console).deactivate(address(FIRST_PAGE), call_for(console, FIRST_PAGE))
    assert receipt.got["already"] is True
    assert len(console.effects()) == 1


@pytest.mark.parametrize(("silent_after_leave", "error"), [(True, OutcomeUnknown), (False, Transient)])
def test_a_silent_job_is_ended_at_its_deadline(
    console: Console, silent_after_leave: bool, error: type[Exception]
) -> None:
    connector, started = connector_to(console, deadline_seconds=15.0 if silent_after_leave else 3.0), list[int]()

    def hold(pid: int) -> None:
        started.append(pid)
        if not silent_after_leave:
            os.kill(pid, signal.SIGSTOP)

    connector.on_start = hold
    call = call_for(console, FIRST_PAGE, leave=lambda permit: os.kill(started[0], signal.SIGSTOP))
    with pytest.raises(error, match="did not end before its deadline"):
        connector.deactivate(address(FIRST_PAGE), call)
    assert not Path(f"/proc/{started[0]}").exists()


def test_no_browser_and_no_file_outlive_a_killed_job(console: Console) -> None:
    connector, started, homes = connector_to(console), list[int](), list[str]()
    connector.on_start = started.append

    def leave(permit: Permit) -> None:
        homes.append(str(Path(f"/proc/{started[0]}/cwd").resolve()))
        assert chromiums_of(homes[0])
        os.kill(started[0], signal.SIGKILL)

    with pytest.raises(OutcomeUnknown):
        connector.deactivate(address(FIRST_PAGE), call_for(console, FIRST_PAGE, leave=leave))
    end = time.monotonic() + 10
    while chromiums_of(homes[0]) and time.monotonic() < end:
        time.sleep(0.1)
    assert chromiums_of(homes[0]) == []
    assert not Path(homes[0]).exists()


def test_secrets_are_in_no_argument_no_environment_and_no_record(console: Console) -> None:
    connector, started, entries = connector_to(console), list[int](), list[object]()
    connector.on_start = started.append
    seen: list[bytes] = []

    def leave(permit: Permit) -> None:
        tree = subprocess.run(["ps", "-eo", "pid,sid"], capture_output=True, text=True, check=True).stdout.split("\n")
        ours = [line.split()[0] for line in tree[1:] if line and line.split()[1] == str(started[0])]
        assert str(started[0]) in ours
        for pid in ours:
            seen.append(Path(f"/proc/{pid}/cmdline").read_bytes())
            seen.append(Path(f"/proc/{pid}/environ").read_bytes())

    call = call_for(console, FIRST_PAGE, leave=leave, record=entries.append)
    receipt = connector.deactivate(address(FIRST_PAGE), call)
    for text in (*map(str, entries), str(receipt)):
        assert PASSWORD not in text
    assert seen
    assert not any(PASSWORD.encode() in part for part in seen)
    names = {part.partition(b"=")[0] for environment in seen[1:2] for part in environment.split(b"\0") if part}
    assert names <= {
        b"PATH",
        b"LANG",
        b"LC_ALL",
        b"LC_CTYPE",
        b"TZ",
        b"FONTCONFIG_PATH",
        b"HOME",
        b"TMPDIR",
        b"PYTHONPATH",
    }


def test_two_jobs_of_one_process_take_turns(consoles: Callable[..., Console]) -> None:
    console = consoles(people=3)
    running: list[int] = []
    most: list[int] = []

    def one() -> None:
        connector = connector_to(console)
        connector.on_start = running.append
        connector.check(call_for(console, record=lambda entry: (most.append(len(running)), running.pop())))

    jobs = [threading.Thread(target=one) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert most == [1, 1]
