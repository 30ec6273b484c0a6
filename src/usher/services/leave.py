"""Leave: drafts the steps that close all of one person's accounts, the directory first and each app after it."""

from __future__ import annotations

from usher.domain.plan import PlannedStep, Verb
from usher.services.drafting import Draft, state_of
from usher.store.accounts import account_of
from usher.store.repository import Row
from usher.store.unit import Unit

ORDER = {"idp": 0, "crm": 1, "app": 2}


def draft_leave(draft: Draft, unit: Unit, asked_by: str) -> None:
    """Deactivate every linked account that may still sign in, then take its modules; the directory comes first.

    Accounts that are only proposals are named in the notes and never touched: a leaver step needs a link.
    """
    rows = [row for row in unit.accounts.linked(draft.person.id) if row["ended_at"] is None]
    _note_unwatched(draft, rows)
    rows = [row for row in rows if _part(draft, row) in ORDER]
    first: list[PlannedStep] = []
    for row in sorted(rows, key=lambda one: (ORDER[_part(draft, one)], one["connection"], one["id"])):
        is_directory = _part(draft, row) == "idp"
        step = _close(draft, row, asked_by, [] if is_directory else first)
        if is_directory and step is not None:
            first.append(step)
    _note_proposals(draft, unit)


def _part(draft: Draft, row: Row) -> str:
    """The part of an account's app in the company; none where its connection was removed."""
    if row["connection"] not in draft.workspace.connections.names():
        return ""
    return draft.workspace.connections.config(row["connection"]).part


def _note_unwatched(draft: Draft, rows: list[Row]) -> None:
    for row in rows:
        if row["connection"] not in draft.workspace.connections.names() and account_of(row).state.can_sign_in:
            draft.notes.append(
                f"{row['connection']} is not connected any more: {row['user_name']} was on there when last seen "
                f"({row['last_seen']}); nobody switches it off by this plan"
            )


def _close(draft: Draft, row: Row, asked_by: str, first: list[PlannedStep]) -> PlannedStep | None:
    account = account_of(row)
    step: PlannedStep | None = None
    if not account.state.is_off:
        before = state_of(row)
        step = draft.add(
            row["connection"],
            Verb.DEACTIVATE,
            asked_by,
            account=row,
            before=before,
            after={"can_sign_in": False},
            requires=first,
        )
    else:
        draft.notes.append(f"{row['connection']}: {account.user_name} is {account.state} already")
    for module in sorted(text for text in account.entitlements if text.startswith("module:")):
        draft.add(
            row["connection"],
            Verb.REVOKE,
            asked_by,
            account=row,
            before={"exists": True},
            after={"lacks": [module]},
            entitlement=module,
            requires=[step] if step else first,
        )
    return step


def _note_proposals(draft: Draft, unit: Unit) -> None:
    for link in unit.accounts.links():
        if link["situation"] not in ("unlinked", "disputed") or draft.person.id not in link["evidence"]:
            continue
        account = unit.accounts.by_id(link["account_id"])
        if account is not None and account["ended_at"] is None:
            draft.notes.append(
                f"{account['connection']}: {account['user_name']} may be this person's too ({link['situation']}); "
                f"decide with: usher link {account['id']} PERSON"
            )
