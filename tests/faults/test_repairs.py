"""Faults that were found and mended, each as the shortest way that leads to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tests.faults.company import Standing, write_faults
from tests.faults.conftest import by_hand, effects, proven, rules, states, stranger, tick_until
from tests.faults.invent import App, Weather

from usher.domain.step import DueKind, StepState
from usher.engine import worker as worker_module
from usher.engine.carry import Carrier
from usher.engine.fence import Outlived
from usher.engine.inline import begin, tick
from usher.engine.watchdog import watch_over
from usher.engine.worker import Worker
from usher.services.run import start
from usher.services.seal import seal, unseal

CALM = Weather(0, 0, 0, 0)
Found = Callable[..., Standing]


def test_a_grant_to_a_new_account_waits_until_a_slow_directory_shows_the_account(found_company: Found) -> None:
    standing = found_company(App("directory", part="idp", declared_lag=0.5, real_lag=1.5))
    standing.blow(CALM)
    fence = begin(standing.workspace)
    start(standing.workspace, "1")
    tick_until(standing, fence, lambda: proven(standing))
    assert effects(standing.servers["directory"]) == ["create", "member_add"]
    with standing.workspace.store.read() as unit:
        events = {leaf["event"] for row in unit.runs.steps_in(*StepState) for leaf in unit.ledger.about(row["id"])}
    assert "step:step:park" not in events


def test_a_strangers_account_of_the_wanted_name_is_never_taken_for_ours(found_company: Found) -> None:
    app = App("directory", part="idp", declared_lag=0.2, real_lag=2.0)
    standing = found_company(app)
    standing.blow(CALM)
    server, wanted = standing.servers["directory"], standing.plans[0].steps[0].user_name
    theirs = by_hand(server, "POST", "/Users", stranger(wanted))
    fence = begin(standing.workspace)
    start(standing.workspace, "1")
    tick_until(standing, fence, lambda: states(standing)[0] == "parked")
    assert effects(server) == ["create"], "only the stranger's own"
    assert "already there" in rules(standing)
    assert by_hand(server, "GET", f"/Users/{theirs['id']}")["displayName"] == "Somebody Else"


def test_a_create_is_not_proven_by_another_account_of_the_same_name(found_company: Found) -> None:
    app = App("directory", part="idp", declared_lag=0.5, real_lag=0.0)
    standing = found_company(app)
    fence = begin(standing.workspace)
    start(standing.workspace, "1")
    tick(standing.workspace, fence)
    assert states(standing)[0] == "acknowledged"
    server = standing.servers["directory"]
    made = server.entries()[0]
    by_hand(server, "DELETE", f"/Users/{made['id']}")
    by_hand(server, "POST", "/Users", stranger(made["userName"]))
    tick_until(standing, fence, lambda: states(standing)[0] == "parked")
    assert "not verified" in rules(standing)


def test_a_row_whose_carrying_out_failed_is_carried_out_again_by_the_same_worker(
    found_company: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "GIVE_BACK_SECONDS", 0.2)
    failed = threading.Event()

    def fail_once(boundary: str) -> None:
        if boundary == "before verify" and not failed.is_set():
            failed.set()
            raise OSError("the disk was busy")

    standing = found_company(App("wiki"), events=("leave",), reach=fail_once)
    start(standing.workspace, "1")
    worker = Worker(standing.workspace, scheduled=False)
    giving_up = threading.Timer(20, worker.stop.set)
    giving_up.start()
    worker.work(until=lambda: proven(standing))
    giving_up.cancel()
    assert failed.is_set()
    assert proven(standing)


def test_a_row_that_could_not_even_be_given_back_is_taken_up_again_by_the_same_worker(
    found_company: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "WATCHDOG_SECONDS", 0.5)
    failures: list[str] = []
    give_back = Carrier.give_back

    def fail_once(boundary: str) -> None:
        if boundary == "before verify" and not failures:
            failures.append("verify")
            raise OSError("the disk was busy")

    def fail_to_give_back(carrier: Carrier, due_id: str, seconds: float) -> None:
        if failures == ["verify"]:
            failures.append("give back")
            raise OSError("the disk is still busy")
        give_back(carrier, due_id, seconds)

    monkeypatch.setattr(Carrier, "give_back", fail_to_give_back)
    standing = found_company(App("wiki"), events=("leave",), reach=fail_once)
    start(standing.workspace, "1")
    worker = Worker(standing.workspace, scheduled=False)
    giving_up = threading.Timer(20, worker.stop.set)
    giving_up.start()
    worker.work(until=lambda: proven(standing))
    giving_up.cancel()
    assert failures == ["verify", "give back"]
    assert proven(standing)


def test_a_step_for_which_nothing_is_due_is_told_and_made_due_again(found_company: Found) -> None:
    standing = found_company(App("wiki"), events=("leave",))
    fence = begin(standing.workspace)
    start(standing.workspace, "1")
    assert watch_over(standing.workspace, fence, ()) == 0
    with standing.workspace.store.begin() as unit:
        [row] = unit.runs.steps_in(StepState.READY)
        unit.dues.drop(row["id"], *DueKind)
    assert watch_over(standing.workspace, fence, ()) == 1
    assert "stuck" in rules(standing)
    tick_until(standing, fence, lambda: proven(standing))
    assert "stuck" not in rules(standing)


def test_a_worker_whose_lease_was_taken_in_the_middle_of_a_call_writes_nothing_more(found_company: Found) -> None:
    fences: list[int] = []

    def take_over(boundary: str) -> None:
        if boundary == "after call" and not fences:
            with standing.workspace.store.begin() as unit:
                fences.append(unit.leases.take("another"))

    standing = found_company(App("wiki"), events=("leave",), reach=take_over)
    old = begin(standing.workspace)
    start(standing.workspace, "1")
    with pytest.raises(Outlived):
        tick(standing.workspace, old)
    assert states(standing) == ["acting"], "the answer came to a worker that may write nothing"
    with pytest.raises(Outlived):
        tick(standing.workspace, old)
    new = begin(standing.workspace)
    assert states(standing) == ["unknown"]
    tick_until(standing, new, lambda: proven(standing))
    assert effects(standing.servers["wiki"]) == ["deactivate"]


def test_a_stale_worker_opens_no_door(found_company: Found) -> None:
    standing = found_company(App("wiki"), events=("leave",))
    old = begin(standing.workspace)
    start(standing.workspace, "1")
    with standing.workspace.store.begin() as unit:
        claimed = unit.dues.claim(standing.workspace.now(), old)
    carrier = Carrier(standing.workspace, old)
    begin(standing.workspace)
    with standing.workspace.store.begin() as unit:  # the row as it stood when the old worker was stopped
        unit.connection.exec_driver_sql("UPDATE due SET state = 'claimed', fence = ?", (old,))
    with pytest.raises(Outlived):
        carrier(claimed[0]["id"])
    assert effects(standing.servers["wiki"]) == []


def test_a_step_that_is_told_to_wait_is_not_tried_in_a_second_rhythm(found_company: Found) -> None:
    app = App("wiki")
    standing = found_company(app, events=("leave",))
    write_faults(standing.folder, app, Weather(0, 1.0, 0, 0))
    fence = begin(standing.workspace)
    start(standing.workspace, "1")
    with standing.workspace.store.read() as unit:
        [row] = unit.runs.steps_in(StepState.READY)
    with standing.workspace.store.begin() as unit:  # left by a worker that was killed before it marked its row as done
        unit.dues.put(DueKind.ACT, row["id"], row["connection"], standing.workspace.now(), {"tries": 0})
    tick(standing.workspace, fence)
    with standing.workspace.store.read() as unit:
        waiting = unit.dues.open(row["id"])
    assert len(waiting) == 1
    assert waiting[0]["at"] > standing.workspace.now()


def test_a_sealed_step_goes_on_within_two_seconds_of_the_unsealing(found_company: Found) -> None:
    standing = found_company(App("wiki"), events=("leave",))
    fence = begin(standing.workspace)
    start(standing.workspace, "1")
    seal(standing.workspace, standing.requester, "to look at something")
    tick(standing.workspace, fence)
    assert effects(standing.servers["wiki"]) == []
    unseal(standing.workspace, standing.requester, "nothing was wrong")
    tick_until(standing, fence, lambda: proven(standing), seconds=5)


def test_a_worker_claims_only_what_it_can_carry_soon_so_that_a_long_queue_holds_nothing_up(
    found_company: Found,
) -> None:
    claimed: list[int] = []

    def count(boundary: str) -> None:
        if boundary == "after claim":
            with standing.workspace.store.read() as unit:
                claimed.append(
                    sum(row["state"] == "claimed" for row in unit.dues.open() if row["connection"] == "wiki")
                )

    standing = found_company(App("wiki"), events=("leave",), reach=count)
    with standing.workspace.store.begin() as unit:
        for _ in range(40):
            unit.dues.put(DueKind.WATCH, "stp_nothing", "wiki", standing.workspace.now(), {"last": True, "tries": 0})
    worker = Worker(standing.workspace, scheduled=False)
    giving_up = threading.Timer(120, worker.stop.set)
    giving_up.start()
    worker.work(until=lambda: not _open(standing))
    giving_up.cancel()
    assert _open(standing) == 0
    assert max(claimed) == worker_module.AHEAD


def _open(standing: Standing) -> int:
    with standing.workspace.store.read() as unit:
        return sum(due["kind"] == DueKind.WATCH.value for due in unit.dues.open())
