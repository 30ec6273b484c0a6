"""Yesterday's backup is restored after a day of work: it begins sealed, does nothing again, and asks a person."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from tests.faults.company import Standing, build, open_workspace
from tests.faults.invent import App
from tests.helpers.long import long_or
from tests.helpers.running import ROOT, Twins

from usher.domain.plan import PlanState
from usher.domain.step import DueKind, StepState
from usher.engine.worker import Worker
from usher.services import restore as restoring
from usher.services.backup import check_backup, make_backup
from usher.services.observe import observe
from usher.services.operators import acting
from usher.services.record import all_exported_heads, verify_ledger
from usher.services.resolve import Answer, resolve
from usher.services.restore import restore
from usher.services.run import start
from usher.services.seal import unseal
from usher.services.workspace import Refusal, Workspace

APPS = (App("directory", part="idp"), App("wiki", unique=False))
EVENTS = ("join", "leave", "join", "leave", "move", "join")
AT_REST = {StepState.VERIFIED.value, StepState.CLOSED.value, StepState.PARKED.value}
SECONDS = 60.0


def worker(standing: Standing, *more: str) -> subprocess.Popen[bytes]:
    """A real worker process on the company's workspace."""
    command = [sys.executable, "-m", "tests.faults.worker", str(standing.folder), *more]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def states(workspace: Workspace) -> dict[str, str]:
    """Every step with its state."""
    with workspace.store.read() as unit:
        return {row["id"]: row["state"] for row in unit.runs.steps_not_in()}


def wait_until(over: Callable[[], bool]) -> None:
    """Wait, and fail where it takes too long."""
    until = time.monotonic() + SECONDS
    while not over():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)


def journals(standing: Standing) -> list[tuple[str, str, str]]:
    """Every effect in every app, by the apps' own journals."""
    return [
        (app, entry["effect"], entry["userName"])
        for app, running in standing.servers.items()
        for entry in running.entries()
    ]


def finish_the_day(standing: Standing) -> None:
    """A worker carries everything out that was begun."""
    process = worker(standing)
    try:
        wait_until(lambda: set(states(standing.workspace).values()) <= AT_REST - {StepState.PARKED.value})
    finally:
        process.terminate()
        process.wait()


def work(workspace: Workspace, over: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Be the worker of a workspace until it is over, or for so long."""
    until = time.monotonic() + seconds
    Worker(workspace).work(until=lambda: over() or time.monotonic() > until)


def come_to_rest(workspace: Workspace) -> None:
    """Be its worker for a while in which whatever would begin begins, and then until nothing is under way."""
    work(workspace, lambda: False, 4)
    work(workspace, lambda: set(states(workspace).values()) <= AT_REST)


def restored(standing: Standing, file: Path) -> tuple[Workspace, restoring.Restored]:
    """The workspace of a backup, in a folder of its own."""
    place = standing.folder / "again"
    done = restore(
        file,
        place,
        lambda half: open_workspace(standing.folder, at=half),
        lambda workspace: acting(workspace, "olga", standing.requester.private_key),
        "the disk died",
        heads=[standing.workspace.heads / "heads.jsonl"],
    )
    return open_workspace(standing.folder, at=place), done


@pytest.mark.timeout(240)
@pytest.mark.parametrize("boundary", long_or(["after intent", "after call"], ["after claim", "after receipt"]))
def test_nothing_is_done_again_after_yesterdays_backup_was_restored(
    tmp_path: Path, twins: Twins, boundary: str
) -> None:
    standing = build(tmp_path, twins, 11, len(EVENTS), apps=APPS, events=EVENTS)
    *begun, last = standing.plans
    for plan in begun:
        start(standing.workspace, plan.id)
    assert worker(standing, "--die-at", boundary, "--die-nth", "3").wait() != 0
    file = tmp_path / "yesterday.tar.gz"
    make_backup(standing.workspace, file)
    unfinished = {id for id, state in states(standing.workspace).items() if state not in ("verified", "closed")}
    start(standing.workspace, last.id)
    finish_the_day(standing)
    done = journals(standing)
    assert len({one for one in done if one[1] == "create"}) == len([one for one in done if one[1] == "create"]) > 0

    workspace, told = restored(standing, file)
    try:
        with workspace.store.read() as unit:
            assert unit.leases.sealed()["reason"].startswith("restored from the backup of ")
            assert {due["kind"] for due in unit.dues.open()} <= {"settle", "verify", "watch", "observe"}
            row = unit.plans.find(last.id)
            assert row["state"] == PlanState.VOID.value
            signals = unit.findings.signals(person_id=last.person)
            assert [one["plan_id"] for one in signals if one["id"] == last.signal] in ([None], [])
        assert told.plans_void >= 1 and told.steps_parked == len(unfinished)
        olga = acting(workspace, "olga", standing.requester.private_key)
        with pytest.raises(Refusal, match="not read completely since"):
            unseal(workspace, olga, "go on")
        names = workspace.connections.names()
        work(workspace, lambda: all(_read_twice(workspace, name) for name in names))  # reads while it is sealed
        unseal(workspace, olga, "go on")
        come_to_rest(workspace)
        assert journals(standing) == done, "a step of yesterday was carried out again"
        now = states(workspace)
        assert set(now.values()) <= AT_REST
        _answer_look(workspace, olga, now)
        assert journals(standing) == done
        report = verify_ledger(
            workspace, [*all_exported_heads(workspace.heads), *all_exported_heads(standing.workspace.heads)]
        )
        assert report.ok and [one.doubt for one in report.restores] == [None], report.problems
    finally:
        workspace.close()
        standing.workspace.close()


def _read_twice(workspace: Workspace, name: str) -> bool:
    """The reading that was due at once has come."""
    with workspace.store.read() as unit:
        restored_at = unit.ledger.newest("workspace:backup:restore")["at"]
        last = unit.accounts.last_snapshot(name, complete=True)
    return last["started_at"] >= restored_at


def _answer_look(workspace: Workspace, olga, now: dict[str, str]) -> None:
    """Whatever is parked was done since: a person says look, and usher sees it."""
    for id, state in now.items():
        if state == StepState.PARKED.value:
            resolve(workspace, id, Answer.LOOK, olga, "it was done after the backup")
    work(workspace, lambda: set(states(workspace).values()) <= {"verified", "closed"})
    left = {id: state for id, state in states(workspace).items() if state not in ("verified", "closed")}
    with workspace.store.read() as unit:
        notes = {id: unit.runs.step(id)["note"] for id in left}
    # A create whose intent is lost leaves an account that nothing proves ours: a person links it.
    assert all("nothing proves it ours" in str(note) for note in notes.values()), notes


@pytest.mark.timeout(240)
def test_what_was_taken_back_since_is_done_again_only_on_a_persons_word(tmp_path: Path, twins: Twins) -> None:
    standing = build(tmp_path, twins, 12, 1, apps=APPS, events=("leave",))
    [plan] = standing.plans
    start(standing.workspace, plan.id)
    file = tmp_path / "yesterday.tar.gz"
    make_backup(standing.workspace, file)
    finish_the_day(standing)
    wiki = standing.servers["wiki"]
    step = next(one for one in plan.steps if one.connection == "wiki")
    _let_in_again(wiki.url, str(step.native_id))
    done = journals(standing)
    workspace, _ = restored(standing, file)
    try:
        olga = acting(workspace, "olga", standing.requester.private_key)
        for name in workspace.connections.names():
            assert observe(workspace, name).kind == "complete"
        unseal(workspace, olga, "go on")
        come_to_rest(workspace)
        now = states(workspace)
        assert now[step.id] == StepState.PARKED.value
        assert sorted(state == "parked" for state in now.values()) == [False, True], "the directory's was adopted"
        assert journals(standing) == done
        with workspace.store.read() as unit:
            [finding] = [one for one in unit.findings.open() if one["key"].startswith(f"step:{step.id}:")]
        assert finding["rule"] == restoring.RULE and "look, retry or cancel" in finding["fix"]
        resolve(workspace, step.id, Answer.RETRY, olga, "he has really left")
        work(workspace, lambda: states(workspace)[step.id] == "verified")
        assert len(journals(standing)) == len(done) + 1
    finally:
        workspace.close()
        standing.workspace.close()


def _let_in_again(url: str, id: str) -> None:
    change = {"op": "replace", "path": "active", "value": True}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]}
    headers = {"Authorization": "Bearer chaos"}
    httpx2.patch(f"{url}/scim/v2/Users/{id}", json=body, headers=headers, trust_env=False).raise_for_status()


@pytest.mark.timeout(240)
def test_backups_taken_while_a_worker_acts_and_is_killed_are_whole(tmp_path: Path, twins: Twins) -> None:
    standing = build(tmp_path, twins, 13, len(EVENTS), apps=APPS, events=EVENTS)
    for plan in standing.plans:
        start(standing.workspace, plan.id)
    process = worker(standing)
    files = []
    try:
        wait_until(lambda: any(state == "verified" for state in states(standing.workspace).values()))
        for number in range(4):
            files.append(tmp_path / f"{number}.tar.gz")
            make_backup(standing.workspace, files[-1])
            if number == 1:
                process.kill()
                process.wait()
                process = worker(standing)
        seen = []
        for file in files:
            checked = check_backup(file)
            assert checked.report.ok and checked.manifest.size == checked.manifest.head["size"]
            seen.append(checked.manifest.size)
        assert seen == sorted(seen) and seen[0] < seen[-1]
        wait_until(lambda: set(states(standing.workspace).values()) <= {"verified", "closed"})
    finally:
        process.kill()
        process.wait()
    done = journals(standing)
    workspace, _ = restored(standing, files[0])
    try:
        for name in workspace.connections.names():
            assert observe(workspace, name).kind == "complete"
        unseal(workspace, acting(workspace, "olga", standing.requester.private_key), "go on")
        work(workspace, lambda: False, 4)
        assert journals(standing) == done
        with workspace.store.read() as unit:
            assert not [due for due in unit.dues.open() if due["kind"] == DueKind.ACT.value]
    finally:
        workspace.close()
        standing.workspace.close()
