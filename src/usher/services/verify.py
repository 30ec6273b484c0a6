"""Verify: a step is verified when a fresh reading shows it after the app's lag, and looked at again after that."""

from __future__ import annotations

from usher.connectors.contract import Call, RepeatedCursor, read_all
from usher.connectors.errors import AccessLost, ConnectorError, Transient
from usher.domain.account import Account
from usher.domain.expect import differences, seen
from usher.domain.plan import PlannedStep, Verb
from usher.domain.step import DueKind, StepState
from usher.services import park, residual, run, undo
from usher.services.act import back_off
from usher.services.look import Sight, disagreement, is_ours, look, sight_in
from usher.services.task import reopen_task
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

LOOKS_BEFORE_FINDING = 4
"""Looks, at the lag and then at growing distances, before an acknowledged but unseen change becomes a finding."""
WAITING = (StepState.DONE.value, StepState.PERSON.value, StepState.PARKED.value)


def verify(workspace: Workspace, step_id: str, tries: int) -> None:
    """Look whether an acknowledged step is so, and write down what was seen."""
    with workspace.store.read() as unit:
        row = unit.runs.step(step_id)
    if row is None or row["state"] not in WAITING:
        return
    planned = PlannedStep.of(load(row["document"]))
    workspace.reach("before verify")
    if workspace.connections.connector(row["connection"]).reads_whole:
        _verify_by_listing(workspace, row, tries)
        workspace.reach("after verify")
        return
    sight, failure = _look(workspace, row, planned)
    with workspace.store.begin() as unit:
        if sight is None:
            _again(unit, row, tries, f"verifying failed: {failure}", _wait(failure))
            return
        _conclude(workspace, unit, row, sight, tries)
    workspace.reach("after verify")


def _verify_by_listing(workspace: Workspace, row: Row, tries: int) -> None:
    """Where one account costs as much as the whole list, one reading answers every step that is due on it."""
    listing, failure = _list(workspace, row)
    with workspace.store.begin() as unit:
        if listing is None:
            _again(unit, row, tries, f"verifying failed: {failure}", _wait(failure))
            return
        _conclude(workspace, unit, row, sight_in(workspace, listing, row), tries)
        for other in unit.runs.steps_in(StepState.DONE):
            dues = [due for due in unit.dues.open(other["id"]) if due["kind"] == DueKind.VERIFY.value]
            lag_is_over = any(due["at"] <= unit.dues.now() for due in dues)
            if other["id"] != row["id"] and other["connection"] == row["connection"] and lag_is_over:
                unit.dues.drop(other["id"], DueKind.VERIFY)
                tried = int(load(dues[0]["detail"])["tries"])
                _conclude(workspace, unit, other, sight_in(workspace, listing, other), tried)


def _conclude(workspace: Workspace, unit: Unit, row: Row, sight: Sight, tries: int) -> None:
    """Say of one step what a fresh reading says; a step that somebody moved meanwhile is left to its new state."""
    now = unit.runs.step(row["id"])
    if now is None or now["state"] != row["state"]:
        return
    planned = PlannedStep.of(load(row["document"]))
    if sight.several:
        park.park(unit, row, "two accounts", f"{len(sight.several)} accounts are called {planned.user_name}")
        return
    if wrong := wrongs(unit, now, planned, sight):
        _not_seen(unit, row, planned, sight, tries, "; ".join(wrong))
        return
    _verified(workspace, unit, row, planned, sight)


def wrongs(unit: Unit, row: Row, planned: PlannedStep, sight: Sight) -> list[str]:
    """Everything that keeps what was seen from proving this step: state, identity, and whose account it is."""
    if sight.doubt:
        return [f"it is not in the listing, which proves nothing: {sight.doubt}"]
    account = sight.account
    found = [reason for reason in (disagreement(planned, account), _another(row, account)) if reason]
    found += differences(planned.after, account)
    if planned.verb is Verb.CREATE and account is not None and not found:
        if not is_ours(planned, account, row, unit.runs.intents(row["id"])):
            found.append(f"{planned.user_name} is there, and nothing proves it ours")
        known = unit.accounts.current(planned.connection, account.id)
        link = unit.accounts.link_of(known["id"]) if known else None
        if link is not None and link["person_id"] not in (None, planned.person):
            found.append("the account is linked to somebody else")
    return found


def _list(workspace: Workspace, row: Row) -> tuple[list[Account] | None, Exception | None]:
    connector = workspace.connections.connector(row["connection"])
    try:
        return list(read_all(connector, Call(door=workspace.connections.door(row["connection"])))), None
    except AccessLost as error:
        with workspace.store.begin() as unit:
            park.stop_connection(unit, row["connection"], str(error))
        return None, error
    except (ConnectorError, RepeatedCursor) as error:
        return None, error


def _look(workspace: Workspace, row: Row, planned: PlannedStep) -> tuple[Sight | None, Exception | None]:
    try:
        return look(workspace, planned, row["native_id"]), None
    except AccessLost as error:
        with workspace.store.begin() as unit:
            park.stop_connection(unit, row["connection"], str(error))
        return None, error
    except (ConnectorError, RepeatedCursor) as error:
        return None, error


def _another(row: Row, account: Account | None) -> str | None:
    """A new account is found by its name: it must also be the one whose id the app gave when it was made."""
    if account is None or row["native_id"] in (None, account.id):
        return None
    return f"the account of that name is {account.id!r}, not {row['native_id']!r}"


def _wait(failure: Exception | None) -> float | None:
    return failure.retry_after if isinstance(failure, Transient) else None


def _verified(workspace: Workspace, unit: Unit, row: Row, planned: PlannedStep, sight: Sight) -> None:
    unit.runs.add_receipt(row["id"], "verify", {"saw": seen(sight.account)})
    unit.runs.move(
        row["id"],
        StepState.VERIFIED,
        "seen in the app by a fresh reading",
        verified_at=unit.runs.now(),
    )
    if sight.account is not None:
        unit.runs.share_id(row, sight.account.id)
    unit.ledger.append("step:effect:verify", (row["id"],), {"saw": seen(sight.account)})
    park.clear(unit, row, "verified by a fresh reading")
    if task := unit.runs.task_of(row["id"]):
        unit.runs.set_task(task["id"], closed_at=unit.runs.now())
    unit.dues.drop(row["id"], DueKind.ACT, DueKind.SETTLE, DueKind.VERIFY, DueKind.WATCH)
    _observe(unit, planned, sight.account)
    undo.taken_back(unit, row)
    residual.seen_closed(workspace, unit, row, planned)
    for number, seconds in enumerate(workspace.watch_seconds, 1):
        detail = {"last": number == len(workspace.watch_seconds), "tries": 0}
        unit.dues.put(DueKind.WATCH, row["id"], row["connection"], unit.dues.later(seconds), detail)
    run.release(unit, row["run_id"])
    run.refresh(unit, row["run_id"])


def _observe(unit: Unit, planned: PlannedStep, account: Account | None) -> None:
    """What verification saw is an observation like any other; a create's account is the person's by our intent."""
    if account is None:
        if planned.account:
            unit.accounts.end(planned.account)
        return
    id, _ = unit.accounts.put(planned.connection, account)
    link = unit.accounts.link_of(id)
    if planned.verb is Verb.CREATE and (link is None or link["person_id"] is None):
        evidence = [{"kind": "intent", "step": planned.id}]
        unit.accounts.relink(id, planned.person, "linked", evidence, "usher")


def _not_seen(unit: Unit, row: Row, planned: PlannedStep, sight: Sight, tries: int, why: str) -> None:
    unit.runs.add_receipt(row["id"], "look", {"saw": seen(sight.account), "wrong": why})
    if row["state"] == StepState.PERSON.value:
        reopen_task(unit, row, why)
        return
    if row["state"] == StepState.DONE.value and tries + 1 >= LOOKS_BEFORE_FINDING:
        park.park(unit, row, "not verified", f"acknowledged, but a fresh reading says: {why}")
    _again(unit, row, tries, f"acknowledged, not seen yet: {why}", None)


def _again(unit: Unit, row: Row, tries: int, why: str, wait: float | None) -> None:
    if row["state"] == StepState.DONE.value and tries + 1 < LOOKS_BEFORE_FINDING:
        unit.runs.move(row["id"], StepState.DONE, why)
    run.put_due(unit, DueKind.VERIFY, row, unit.dues.later(wait or back_off(tries)), tries + 1)


def watch(workspace: Workspace, step_id: str, *, last: bool, tries: int) -> None:
    """Look again at a verified step: still so closes it at the last look, not so is a finding."""
    with workspace.store.read() as unit:
        row = unit.runs.step(step_id)
        being_undone = row is not None and undo.under_way(unit, row["run_id"])
    if row is None or row["state"] != StepState.VERIFIED.value:
        return
    if being_undone:
        _watch_later(workspace, row, last, tries, None)
        return
    planned = PlannedStep.of(load(row["document"]))
    workspace.reach("before watch")
    sight, failure = _look(workspace, row, planned)
    if sight is None:
        _watch_later(workspace, row, last, tries, _wait(failure))
        return
    with workspace.store.begin() as unit:
        now = unit.runs.step(row["id"])
        if now is None or now["state"] != row["state"]:
            return
        wrong = ["two accounts of that name"] if sight.several else wrongs(unit, now, planned, sight)
        unit.runs.add_receipt(row["id"], "watch", {"saw": seen(sight.account), "wrong": "; ".join(wrong) or None})
        if sight.doubt:
            at = unit.dues.later(back_off(tries))
            unit.dues.put(DueKind.WATCH, row["id"], row["connection"], at, {"last": last, "tries": tries + 1})
            return
        _observe(unit, planned, sight.account)
        if wrong:
            unit.dues.drop(row["id"], DueKind.WATCH)
            park.park(unit, row, "came back", "; ".join(wrong))
        elif last:
            unit.runs.move(row["id"], StepState.CLOSED, "still so when the watch window ended")
            unit.ledger.append("step:step:close", (row["id"],), {"saw": seen(sight.account)})
            run.refresh(unit, row["run_id"])
    workspace.reach("after watch")


def _watch_later(workspace: Workspace, row: Row, last: bool, tries: int, wait: float | None) -> None:
    """Look again later, because the app did not answer or because the step is just being taken back."""
    with workspace.store.begin() as unit:
        at = unit.dues.later(wait or back_off(tries))
        unit.dues.put(DueKind.WATCH, row["id"], row["connection"], at, {"last": last, "tries": tries + 1})
