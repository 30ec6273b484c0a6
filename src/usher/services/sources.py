"""Sources: turns what the HR export (or, without one, the directory) says into people, employments and dated keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from usher.domain.account import Account, AccountState
from usher.domain.clock import to_text
from usher.domain.folding import fold
from usher.domain.links import KeyKind
from usher.domain.person import Employment, EmploymentStatus, Person, standing
from usher.domain.signals import Signal, SourceRow, signals
from usher.services import rests, whose
from usher.services.employments import employment_of
from usher.services.operators import tie_operators
from usher.services.sourcedates import believed, close_absent, dates, end_is_unreadable, tell, unreadable
from usher.services.workspace import Workspace
from usher.store.accounts import account_of
from usher.store.repository import Row, load
from usher.store.unit import Unit

WATCHED = frozenset({"department", "title", "manager", "location"})
"""Attributes whose change is a move."""


def refresh(workspace: Workspace, unit: Unit, connection: str, *, complete: bool) -> None:
    """Bring people up to date after a source was read; a row that is gone is marked absent, never ended."""
    if connection not in workspace.people_from:
        return
    known = {row["source_key"]: row for row in unit.people.employments(source=connection)}
    first = not known
    touched: set[str] = set()
    seen: set[str] = set()
    for stored in unit.accounts.of(connection):
        account = account_of(stored)
        if _ignored(workspace, connection, account) or account.kind.value != "person":
            continue
        seen.add(account.id)
        person = _employment(workspace, unit, connection, account, known.get(account.id), first=first)
        touched.add(person)
        _link(unit, stored["id"], person)
    if complete:
        for key, row in known.items():
            if key not in seen:
                unit.people.mark_absent(row["id"])
                touched.add(row["person_id"])
        close_absent(unit, connection, seen)
    whose.close_parted(unit)
    for person in touched:
        _summarise(workspace, unit, person)
    rests.check(workspace, unit, touched)
    tie_operators(unit)


def _ignored(workspace: Workspace, connection: str, account: Account) -> bool:
    ignored = {fold(name) for name in workspace.connections.config(connection).ignore}
    return fold(account.user_name) in ignored or fold(account.id) in ignored


def _employment(
    workspace: Workspace, unit: Unit, source: str, account: Account, known: Row | None, *, first: bool
) -> str:
    row = row_of(account)
    status = believed(employment_status(account), row)
    starts, ends = dates(workspace, row)
    if known is not None and _changed_hands(workspace, known, status, ends, row):
        whose.set_aside(unit, known)
        known = None
    before = _source_row(workspace, known["source_key"], source, known) if known else None
    if known is not None:
        unit.people.set_employment(known, status.value, row)
        person = str(known["person_id"])
    else:
        found, others = whose.holders_of(unit, row)
        person = found or str(unit.people.add_person(_name(account), "unknown", row)["id"])
        unit.people.add_employment(person, source, account.id, status.value, row)
        whose.tell(unit, source, account.id, person, others, row)
    _keys(unit, person, source, account, starts, ends, ends_sometime=end_is_unreadable(row))
    tell(unit, source, account.id, person, row)
    now = SourceRow(
        source=source, row_id=account.id, status=status, starts=starts, ends=ends, attributes=row,
        doubtful=bool(unreadable(row)),
    )  # fmt: skip
    for signal in signals(before, now, workspace.clock.now(), watched=WATCHED, first_reading=first):
        _keep_signal(unit, person, signal)
    return person


def _changed_hands(
    workspace: Workspace, known: Row, status: EmploymentStatus, ends: datetime | None, row: dict[str, str]
) -> bool:
    """Whether a known row speaks of somebody else by now; a row that has ended may lose its name, as by erasure."""
    now = workspace.clock.now()
    if status is EmploymentStatus.TERMINATED or (ends is not None and ends <= now):
        return False
    gap = known["absent_since"] is not None or employment_of(workspace, known).ended(now)
    return whose.is_somebody_else(load(known["row"]), row, after_a_gap=gap)


def _link(unit: Unit, account: str, person: str) -> None:
    """A source's row is the person's by definition: it is where the person comes from."""
    known = unit.accounts.link_of(account)
    if known is None or known["person_id"] != person:
        unit.accounts.relink(account, person, "linked", [{"kind": "employment", "person": person}], "usher")


def _source_row(workspace: Workspace, row_id: str, source: str, known: Row) -> SourceRow:
    status, row = EmploymentStatus(known["status"]), load(known["row"])
    starts, ends = dates(workspace, row)
    return SourceRow(
        source=source, row_id=row_id, status=status, starts=starts, ends=ends, attributes=row,
        doubtful=bool(unreadable(row)),
    )  # fmt: skip


def _keep_signal(unit: Unit, person: str, signal: Signal) -> None:
    """A source's statement is kept once, with the time it is true, the time it was said and the time we saw it."""
    id, is_new = unit.findings.put_signal(
        signal.key,
        kind=signal.kind.value,
        person_id=person,
        source=signal.source,
        true_at=to_text(signal.true_at),
        said_at=to_text(signal.said_at) if signal.said_at else None,
        details={"row": signal.row_id, "changes": {name: list(pair) for name, pair in signal.changes.items()}},
    )
    if is_new:
        detail = {"kind": signal.kind.value, "source": signal.source, "true_at": to_text(signal.true_at)}
        unit.ledger.append("person:signal:see", (id, person), detail)


def employment_status(account: Account) -> EmploymentStatus:
    """What a source's row says of an employment; a word for leave is never read as an ending."""
    word = fold(account.attributes.get("status", ""))
    if "leave" in word and "left" not in word and account.state is not AccountState.DELETED:
        return EmploymentStatus.ON_LEAVE
    match account.state:
        case AccountState.ACTIVE | AccountState.LOCKED:
            return EmploymentStatus.ACTIVE
        case AccountState.INVITED:
            return EmploymentStatus.PENDING
        case AccountState.FROZEN:
            return EmploymentStatus.ON_LEAVE
        case AccountState.UNKNOWN:
            return EmploymentStatus.UNKNOWN
        case _:
            return EmploymentStatus.TERMINATED


def row_of(account: Account) -> dict[str, str]:
    """The attributes of a person that a source's row gives."""
    row = dict(account.attributes)
    named = {
        "given_name": account.given_name,
        "family_name": account.family_name,
        "display_name": account.display_name,
        "employee_number": account.employee_number,
        "email": account.emails[0] if account.emails else None,
        "user_name": account.user_name,
    }
    row.update({name: value for name, value in named.items() if value})
    return row


def _keys(
    unit: Unit, person: str, source: str, account: Account, starts: datetime | None, ends: datetime | None,
    *, ends_sometime: bool,
) -> None:  # fmt: skip
    """Give the person the row's keys with their interval, and end those of this source that it no longer has."""
    since = to_text(starts) if starts else None
    until = to_text(ends) if ends and ends <= unit.clock.now() else None
    held = [row for row in unit.people.keys(person) if row["source"] == f"{source}:{account.id}"]
    wanted = dict(_wanted(account))
    for kind, value in wanted.items():
        same = next((row for row in held if row["kind"] == kind and row["folded"] == fold(value)), None)
        if same is None:
            replaced = any(row["kind"] == kind and row["valid_to"] is None for row in held)
            begins = unit.people.now() if replaced else since
            unit.people.add_key(person, f"{source}:{account.id}", kind, value, begins, _ends(kind, until))
        elif same["valid_to"] != _ends(kind, until) and not ends_sometime:
            unit.people.end_key(same["id"], _ends(kind, until))
    for row in held:
        said = wanted.get(row["kind"])
        if row["valid_to"] is None and (said is None or fold(said) != row["folded"]):
            unit.people.end_key(row["id"], unit.people.now())


def _ends(kind: str, until: str | None) -> str | None:
    """An employee number stays the person's after the employment; an address may be given to somebody else."""
    return until if kind == KeyKind.ADDRESS.value else None


def _wanted(account: Account) -> Iterable[tuple[str, str]]:
    if account.employee_number:
        yield KeyKind.EMPLOYEE_NUMBER.value, account.employee_number
    if account.emails:
        yield KeyKind.ADDRESS.value, account.emails[0]


def _summarise(workspace: Workspace, unit: Unit, person_id: str) -> None:
    rows = unit.people.employments(person_id=person_id)
    employments = [employment_of(workspace, row) for row in rows]
    best = max(zip(employments, rows, strict=True), key=lambda pair: _rank(workspace, pair[0]))[1]
    attributes = load(best["row"])
    name = attributes.get("display_name") or " ".join(
        attributes[part] for part in ("given_name", "family_name") if attributes.get(part)
    )
    status = standing(employments, workspace.clock.now()).value
    unit.people.change(person_id, name or attributes.get("user_name", person_id), status, attributes)


def _rank(workspace: Workspace, employment: Employment) -> tuple[bool, str]:
    """Attributes come from the employment that is still open, and of several from the latest."""
    return not employment.ended(workspace.clock.now()), to_text(employment.starts) if employment.starts else ""


def people(workspace: Workspace, unit: Unit) -> list[Person]:
    """Everybody, with employments, as rules take them."""
    employments: dict[str, list[Employment]] = {}
    for row in unit.people.employments():
        employments.setdefault(row["person_id"], []).append(employment_of(workspace, row))
    return [
        Person(
            id=row["id"],
            display_name=row["name"],
            given_name=load(row["attributes"]).get("given_name"),
            family_name=load(row["attributes"]).get("family_name"),
            employments=tuple(employments.get(row["id"], ())),
            attributes=load(row["attributes"]),
        )
        for row in unit.people.all()
    ]


def _name(account: Account) -> str:
    names = " ".join(part for part in (account.given_name, account.family_name) if part)
    return account.display_name or names or account.user_name
