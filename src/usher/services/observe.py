"""Observe: reads one app into a snapshot, complete or marked partial, and updates what is known by difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from usher.connectors.contract import Call, Capability, RepeatedCursor, pages
from usher.connectors.errors import AccessLost, ConnectorError, Unreadable
from usher.domain.account import Account
from usher.domain.canonical import digest
from usher.domain.step import DueKind, StepState
from usher.services import health, park
from usher.services.operators import Acting
from usher.services.ports import Progress, silent
from usher.services.reconcile import reconcile
from usher.services.schedule import put_observation
from usher.services.sources import refresh
from usher.services.whole import incomplete, strange
from usher.services.workspace import Refusal, Workspace
from usher.store.accounts import document_of
from usher.store.readings import keep_reading
from usher.store.repository import dump, load
from usher.store.unit import Unit

COMPLETE, PARTIAL, DELTA, FAILED = "complete", "partial", "delta", "failed"
BROKE_OFF = "the listing broke off: "
LACKS = "the listing lacks "
BY_PERSON = "person"


@dataclass(frozen=True, slots=True)
class Observed:
    """What one reading gave. `reasons` says why it is not complete; nothing can be missing from such a one."""

    connection: str
    snapshot: str
    kind: str
    accounts: int
    changed: int
    ended: int
    reasons: tuple[str, ...]


def observe(workspace: Workspace, name: str, *, since: datetime | None = None, progress: Progress = silent) -> Observed:
    """Read one connection and write down what changed; `since` asks for a delta reading where the app has one.

    A reading that breaks off is kept as failed and changes nothing that it did not see. One that would change many
    people at one stroke is kept as partial and changes nothing until a person confirms it. Refusal: no such connection.
    """
    workspace.require(name)
    started = workspace.now()
    accounts, kind, reasons = _read(workspace, name, since, progress)
    documents = sorted((document_of(account) for account in accounts), key=lambda one: str(one["id"]))
    keep = kind != FAILED
    made = digest("usher.snapshot/1", documents) if keep else ""
    doubted: tuple[str, ...] = ()
    if kind == COMPLETE:
        doubted = strange(workspace, name, documents, made)
        reasons = (*incomplete(workspace, name, accounts), *doubted)
        kind = PARTIAL if reasons else COMPLETE
    if keep and kind != DELTA:
        keep_reading(workspace.snapshots / name, made, documents)
    with workspace.store.begin() as unit:
        row = unit.accounts.add_snapshot(
            connection=name,
            kind=kind,
            started_at=started,
            finished_at=unit.accounts.now(),
            accounts=len(accounts),
            digest=made,
            shape=None,
            reasons=dump(list(reasons)),
            confirmed_by=None,
        )
        believed = keep and not doubted
        changed, ended = _update(unit, name, accounts, kind, started) if believed else (0, 0)
        unit.ledger.append(
            "app:accounts:observe",
            (row["id"],),
            {"connection": name, "kind": kind, "accounts": len(accounts), "digest": made, "reasons": list(reasons)},
        )
        _tell(unit, name, kind, reasons)
        if believed:
            _wake_tasks(unit, name)
            refresh(workspace, unit, name, complete=kind == COMPLETE)
    return Observed(name, row["id"], kind, len(accounts), changed, ended, reasons)


def _read(
    workspace: Workspace, name: str, since: datetime | None, progress: Progress
) -> tuple[list[Account], str, tuple[str, ...]]:
    with workspace.store.read() as unit:
        until = health.rests_until(unit, name)
    if until is not None:
        return [], FAILED, (f"{name} asked not to be called before {until}",)
    connector = workspace.connections.connector(name)
    call = Call(door=workspace.connections.door(name))
    delta = since is not None and Capability.READ_CHANGES in connector.capabilities()
    accounts: list[Account] = []
    try:
        if delta and since is not None:
            when = since
            accounts = list(pages(lambda cursor: connector.changes(when, cursor, call)))
            return accounts, DELTA, ()
        for account in pages(lambda cursor: connector.accounts(cursor, call)):
            accounts.append(account)
            if len(accounts) % 50 == 0:
                progress(name, len(accounts), None)
    except RepeatedCursor as error:
        return accounts, PARTIAL, (f"{BROKE_OFF}{error}",)
    except AccessLost as error:
        with workspace.store.begin() as unit:
            park.stop_connection(unit, name, str(error), "reading" if isinstance(error, Unreadable) else "access")
        return accounts, FAILED, (str(error),)
    except ConnectorError as error:
        return accounts, FAILED, (str(error),)
    progress(name, len(accounts), len(accounts))
    return accounts, COMPLETE, ()


def _update(unit: Unit, name: str, accounts: Sequence[Account], kind: str, started: str) -> tuple[int, int]:
    """Write what a reading saw; what a step's own look saw after the reading began is newer, and stays."""
    known = {row["native_id"]: row for row in unit.accounts.of(name)}
    newer = {native for native, row in known.items() if row["last_seen"] > started}
    changed = 0
    for account in accounts:
        if account.id in newer:
            continue
        _, is_new = unit.accounts.put(name, account, known.get(account.id))
        changed += is_new
    if kind != COMPLETE:
        return changed, 0
    seen = {account.id for account in accounts} | newer
    gone = [row for native, row in known.items() if native not in seen]
    for row in gone:
        unit.accounts.end(row["id"])
    unit.accounts.touch(name, unit.accounts.now())
    return changed, len(gone)


def _tell(unit: Unit, name: str, kind: str, reasons: tuple[str, ...]) -> None:
    key = f"reading:{name}"
    if kind in (COMPLETE, DELTA):
        if kind == COMPLETE:  # a delta shows that the app answers, not that its listing is whole again
            unit.findings.close_key(key, "a complete reading came")
            park.after_reading(unit, name, "the connection was read again")
        return
    fix = f"read the reasons; then usher observe {name}, or usher observe {name} --confirm"
    unit.findings.open_finding(
        key, "reading not complete", "medium", name, {"reasons": list(reasons), "kind": kind}, fix, connection=name
    )


def _wake_tasks(unit: Unit, name: str) -> None:
    """A fresh reading may show what a person did: look at the open tasks of this app."""
    for row in unit.runs.steps_in(StepState.PERSON):
        if row["connection"] == name and not unit.dues.has(DueKind.VERIFY, row["id"]):
            unit.dues.put(DueKind.VERIFY, row["id"], name, unit.dues.now(), {"tries": 0})


def confirm(workspace: Workspace, name: str, by: Acting) -> Observed:
    """A person says that the last, shrunken reading is really so: it counts as complete from now on.

    Refusal where it is not its size that made it partial: nobody can know what a listing that broke off left out,
    and its size would become the size that later readings are measured by.
    """
    with workspace.store.begin() as unit:
        last = unit.accounts.last_snapshot(name, complete=False)
        if last is None or last["kind"] != PARTIAL:
            raise Refusal(f"the last reading of {name} is not partial: there is nothing to confirm")
        unsure = [reason for reason in load(last["reasons"]) if reason.startswith((BROKE_OFF, LACKS))]
        if unsure:
            raise Refusal(f"the last reading of {name} cannot be confirmed: {'; '.join(unsure)}; read it again")
        unit.accounts.confirm(last["id"], by.id)
        detail = {"connection": name} | by.signed(unit, "confirm reading", (name, last["id"]), "")
        unit.ledger.append("app:accounts:confirm", (last["id"], by.id), detail)
    return observe(workspace, name)


def observe_when_due(workspace: Workspace, name: str) -> None:
    """Carry out a scheduled reading, bring the findings up to date, and schedule the next one whatever it gave."""
    if name in workspace.connections.names():
        observe(workspace, name)
        reconcile(workspace)
        with workspace.store.begin() as unit:
            put_observation(workspace, unit, name)
