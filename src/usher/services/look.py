"""Look: a fresh reading of the one account that a step concerns, and what may be concluded from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from usher.connectors.contract import Call, read_all
from usher.domain.account import Account
from usher.domain.expect import attribute
from usher.domain.folding import fold
from usher.domain.plan import PlannedStep, Verb
from usher.domain.step import Outcome, StepState
from usher.services.whole import incomplete
from usher.services.workspace import Workspace
from usher.store.repository import Row, load

SAID = ("employee_number", "display_name", "given_name", "family_name")
MAY_BE_DONE = (None, Outcome.UNKNOWN.value, Outcome.NOT_SEEN.value, Outcome.ADOPTED.value, Outcome.DONE.value)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look saw. `several` holds every account of that user name where there is more than one.

    `doubt` says why the account's absence proves nothing: the listing that lacks it is not whole.
    """

    account: Account | None
    several: tuple[Account, ...] = ()
    doubt: str | None = None


def look(workspace: Workspace, planned: PlannedStep, native_id: str | None) -> Sight:
    """Read the step's account afresh: by the app's id where it is known, else by user name.

    An account that is not found is looked for once more in a whole listing: absence proves something only there.
    Raises what the connector raises; nothing is written and no permit is needed.
    """
    connector = workspace.connections.connector(planned.connection)
    call = Call(door=workspace.connections.door(planned.connection))
    id = native_id or planned.native_id
    if planned.verb is Verb.CREATE or id is None:
        return _named(connector.find_named(planned.user_name, call))
    account = connector.find(id, call)
    if account is not None:
        return Sight(account)
    return _by_id(workspace, planned, list(read_all(connector, call)), id)


def sight_in(workspace: Workspace, listing: Sequence[Account], row: Row) -> Sight:
    """What a fresh listing shows of one step's account."""
    planned = PlannedStep.of(load(row["document"]))
    id = row["native_id"] or planned.native_id
    if planned.verb is Verb.CREATE or id is None:
        name = planned.user_name.casefold()
        return _named(tuple(account for account in listing if account.user_name.casefold() == name))
    return _by_id(workspace, planned, listing, id)


def _named(found: Sequence[Account]) -> Sight:
    return Sight(None, tuple(found)) if len(found) > 1 else Sight(found[0] if found else None)


def _by_id(workspace: Workspace, planned: PlannedStep, listing: Sequence[Account], id: str) -> Sight:
    account = next((account for account in listing if account.id == id), None)
    if account is not None:
        return Sight(account)
    reasons = incomplete(workspace, planned.connection, listing)
    return Sight(None, doubt="; ".join(reasons) or None)


def disagreement(planned: PlannedStep, account: Account | None) -> str | None:
    """Say where a second attribute does not agree, so that nothing is written to another person's account."""
    if account is None:
        return None
    if planned.native_id is not None and account.id != planned.native_id:
        return f"the app answered with account {account.id!r}, not {planned.native_id!r}"
    for name, value in planned.agree.items():
        seen = attribute(account, name)
        if (seen or "").strip().casefold() != value.strip().casefold():
            return f"{name} is {seen!r} in the app, the plan says {value!r}"
    return None


def is_ours(planned: PlannedStep, account: Account, row: Row, intents: Iterable[Row]) -> bool:
    """True where an account that is there now is proven to be this create's work.

    Proof is the id that the app gave when it was made, or the external id that we sent. Without those: an intent of
    ours that may have been done and before which the app showed no such account, or a person's task that was opened
    after a look had seen none; and then the account must also say of its person what we asked for.
    """
    if row["native_id"] is not None:
        return bool(account.id == row["native_id"])
    wanted = planned.wanted.get("external_id")
    if wanted is not None and account.external_id is not None:
        return bool(account.external_id == wanted)
    ours = any(intent["outcome"] in MAY_BE_DONE and load(intent["saw"])["exists"] is False for intent in intents)
    return (ours or row["state"] == StepState.PERSON.value) and says_the_same(planned, account)


def says_the_same(planned: PlannedStep, account: Account) -> bool:
    """True where number, names and address agree with what was asked for, as far as the app shows them; one must."""
    wanted = planned.wanted
    pairs = [(wanted.get(name), getattr(account, name)) for name in SAID]
    shown = [(fold(str(ours)), fold(str(theirs))) for ours, theirs in pairs if ours and theirs]
    addresses = {fold(address) for address in account.emails}
    if addresses and wanted.get("emails"):
        shown.append((fold(str(wanted["emails"][0])), fold(str(wanted["emails"][0]))
                      if fold(str(wanted["emails"][0])) in addresses else ""))  # fmt: skip
    return bool(shown) and all(ours == theirs for ours, theirs in shown)
