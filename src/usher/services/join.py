"""Join and move: drafts the steps that give a person what policy says, each citing the line that asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from usher.connectors.contract import Capability
from usher.domain.account import Account
from usher.domain.expect import FIELDS, attribute
from usher.domain.plan import PlannedStep, Verb
from usher.domain.policy import Assignment, Assignments
from usher.domain.seats import count
from usher.services.drafting import Draft, state_of
from usher.services.workspace import Refusal
from usher.store.accounts import account_of
from usher.store.repository import Row
from usher.store.unit import Unit

ORDER = {"idp": 0, "crm": 1, "app": 2}
ACCOUNT_FIELDS = (*FIELDS, "email")


def draft_join(draft: Draft, unit: Unit, assignments: Assignments) -> None:
    """Make the accounts that policy wants and does not find, then what they shall hold; the directory comes first."""
    for connection in _in_order(draft, assignments.connections()):
        head_room(draft, unit, connection, assignments.entitlements(connection))
    first: list[PlannedStep] = []
    for connection in _in_order(draft, assignments.connections()):
        is_directory = draft.workspace.connections.config(connection).part == "idp"
        made = _open(draft, unit, connection, assignments, [] if is_directory else first)
        if is_directory:
            first += made[:1]


def draft_move(draft: Draft, unit: Unit, assignments: Assignments) -> None:
    """Bring a person's accounts to what policy says now: give what is missing, take what policy gave before."""
    draft_join(draft, unit, assignments)
    governed = governed_kinds(draft)
    for row in _accounts(draft, unit):
        connection, account = row["connection"], account_of(row)
        if not account.state.can_sign_in or connection not in governed:
            continue
        wanted = assignments.entitlements(connection) | assignments.undecided(connection)
        if connection not in assignments.connections() and not wanted:
            _close(draft, row)
            continue
        cites = assignments.cites(connection)
        asked = f"no policy line gives it ({cites[0] if cites else 'nothing is assigned in this app'})"
        for extra in sorted(extras(account, wanted, governed[connection])):
            draft.add(
                connection,
                Verb.REVOKE,
                asked,
                account=row,
                before={"exists": True, "has": [extra]},
                after={"lacks": [extra]},
                entitlement=extra,
            )
        _set_attributes(draft, row, account, assignments)


def _close(draft: Draft, row: Row) -> None:
    """Policy speaks of this app and gives this person nothing there any more."""
    draft.add(
        row["connection"],
        Verb.DEACTIVATE,
        "no policy line gives this person an account here any more",
        account=row,
        before=state_of(row),
        after={"can_sign_in": False},
    )


def governed_kinds(draft: Draft) -> dict[str, frozenset[str]]:
    """Connection -> kinds of entitlement that some policy line gives there: only those may be taken by a move."""
    found: dict[str, set[str]] = {}
    for placed in draft.workspace.policies.roles:
        for give, _ in placed.gives:
            found.setdefault(give.app, set()).update(kind for kind, _ in give.entitlements())
    return {connection: frozenset(kinds) for connection, kinds in found.items()}


def extras(account: Account, wanted: frozenset[str], kinds: frozenset[str]) -> set[str]:
    """What an account holds of the governed kinds beyond what policy says; a role is replaced, never only taken."""
    single = {"role", "node", "team"}
    return {text for text in account.entitlements - wanted if text.partition(":")[0] in kinds - single}


def _in_order(draft: Draft, names: Iterable[str]) -> list[str]:
    config = draft.workspace.connections.config
    return sorted(names, key=lambda name: (ORDER.get(config(name).part, 9), name))


def _accounts(draft: Draft, unit: Unit) -> list[Row]:
    watched = draft.workspace.connections.names()
    rows = unit.accounts.linked(draft.person.id)
    return [row for row in rows if row["ended_at"] is None and row["connection"] in watched]


def _open(
    draft: Draft, unit: Unit, connection: str, assignments: Assignments, first: list[PlannedStep]
) -> list[PlannedStep]:
    asked = _asked(assignments, connection)
    rows = [row for row in _accounts(draft, unit) if row["connection"] == connection]
    active = next((row for row in rows if account_of(row).state.can_sign_in), None)
    if active is not None:
        return _grant_missing(draft, active, assignments, first)
    if rows:
        row = rows[0]
        step = draft.add(
            connection,
            Verb.REACTIVATE,
            asked,
            account=row,
            before=state_of(row),
            after={"exists": True, "can_sign_in": True},
            requires=first,
        )
        return [step, *_grant_missing(draft, row, assignments, [*first, step])]
    return _create(draft, connection, assignments, asked, first)


def _create(
    draft: Draft, connection: str, assignments: Assignments, asked: str, first: list[PlannedStep]
) -> list[PlannedStep]:
    wanted_all = assignments.entitlements(connection)
    creates_with = draft.workspace.connections.connector(connection).creates_with
    by_person = not draft.can(connection, Capability.CREATE)
    at_once = {text for text in wanted_all if by_person or text.partition(":")[0] in creates_with}
    wanted = wanted_of(draft, assignments, connection)
    wanted["entitlements"] = sorted(at_once)
    user_name = str(wanted.pop("user_name"))
    step = draft.add(
        connection,
        Verb.CREATE,
        asked,
        user_name=user_name,
        before={"exists": False},
        after={"exists": True, "can_sign_in": True, "has": sorted(at_once)},
        wanted=wanted,
        requires=first,
    )
    grants = [
        draft.add(
            connection,
            Verb.GRANT,
            _cite(assignments, connection, text),
            user_name=user_name,
            before={"exists": True, "can_sign_in": True},
            after={"has": [text]},
            entitlement=text,
            requires=[step],
        )
        for text in sorted(wanted_all - at_once)
    ]
    return [step, *grants]


def wanted_of(draft: Draft, assignments: Assignments, connection: str) -> dict[str, Any]:
    """The account that a create shall make: the person's names and address, and what policy says of the account."""
    attributes = dict(draft.person.attributes)
    wished = dict(assignments.account(connection) or {})
    email = wished.get("email") or attributes.get("email")
    user_name = wished.get("user_name") or email
    if not user_name or not email:
        raise Refusal(f"{draft.person.label} has no address in any source: {connection} needs one")
    wanted: dict[str, Any] = {
        "user_name": user_name,
        "emails": [email],
        "display_name": draft.person.label,
        "given_name": draft.person.given_name,
        "family_name": draft.person.family_name,
        "employee_number": attributes.get("employee_number"),
        "external_id": draft.person.id,
        "attributes": {name: value for name, value in wished.items() if name not in ACCOUNT_FIELDS},
    }
    wanted.update({name: value for name, value in wished.items() if name in FIELDS and name != "user_name"})
    return wanted


def _grant_missing(draft: Draft, row: Row, assignments: Assignments, requires: list[PlannedStep]) -> list[PlannedStep]:
    connection, account = row["connection"], account_of(row)
    return [
        draft.add(
            connection,
            Verb.GRANT,
            _cite(assignments, connection, text),
            account=row,
            before={"exists": True},
            after={"has": [text]},
            entitlement=text,
            requires=requires,
        )
        for text in sorted(assignments.entitlements(connection) - account.entitlements)
    ]


def _set_attributes(draft: Draft, row: Row, account: Account, assignments: Assignments) -> None:
    wished = assignments.account(row["connection"]) or {}
    changes = {name: value for name, value in sorted(wished.items()) if attribute(account, name) != value}
    if changes:
        draft.add(
            row["connection"],
            Verb.UPDATE,
            _asked(assignments, row["connection"]),
            account=row,
            before={"exists": True, "attributes": {name: attribute(account, name) for name in changes}},
            after={"attributes": changes},
            wanted=changes,
        )


def _asked(assignments: Assignments, connection: str) -> str:
    made = [one for one in assignments.made if one.connection == connection and one.account is not None]
    return made[0].cite if made else "; ".join(assignments.cites(connection)[:1])


def _cite(assignments: Assignments, connection: str, entitlement: str) -> str:
    found: Assignment | None = next(
        (one for one in assignments.made if (one.connection, one.entitlement) == (connection, entitlement)), None
    )
    return found.cite if found else ""


def head_room(draft: Draft, unit: Unit, connection: str, entitlements: frozenset[str]) -> None:
    """Say before anything is planned where a module has no paid seat left."""
    contract = draft.workspace.contracts.get(connection)
    if contract is None:
        return
    used = count(account_of(row) for row in unit.accounts.of(connection))
    held = {
        text
        for row in _accounts(draft, unit)
        if row["connection"] == connection
        for text in account_of(row).entitlements
    }
    for text in sorted(entitlements - held):
        module = text.removeprefix("module:")
        terms = contract.modules.get(module) if text.startswith("module:") else None
        if terms is None or terms.seats is None:
            continue
        taken = used[module].used if module in used else 0
        if taken >= terms.seats:
            raise Refusal(
                f"{connection}: {module} has {terms.seats} paid seats and {taken} are taken ({contract.basis}); "
                "free one, or raise the contract first"
            )
        draft.notes.append(f"{connection}: {module} has {terms.seats - taken} of {terms.seats} seats free")
