"""Look: a fresh reading of the one account that a step concerns, and what may be concluded from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from usher.connectors.contract import Call
from usher.domain.account import Account
from usher.domain.expect import attribute
from usher.domain.plan import PlannedStep, Verb
from usher.domain.step import Outcome
from usher.services.workspace import Workspace
from usher.store.repository import Row, load

MAY_BE_DONE = (None, Outcome.UNKNOWN.value, Outcome.NOT_SEEN.value, Outcome.ADOPTED.value, Outcome.DONE.value)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look saw. `several` holds every account of that user name where there is more than one."""

    account: Account | None
    several: tuple[Account, ...] = ()


def look(workspace: Workspace, planned: PlannedStep, native_id: str | None) -> Sight:
    """Read the step's account afresh: by the app's id where it is known, else by user name.

    Raises what the connector raises; nothing is written and no permit is needed.
    """
    connector = workspace.connections.connector(planned.connection)
    call = Call(door=workspace.connections.door(planned.connection))
    if planned.verb is Verb.CREATE or (native_id or planned.native_id) is None:
        named = connector.find_named(planned.user_name, call)
        if len(named) > 1:
            return Sight(None, named)
        return Sight(named[0] if named else None)
    return Sight(connector.find(native_id or planned.native_id or "", call))


def sight_in(listing: Iterable[Account], row: Row) -> Sight:
    """What a whole fresh listing shows of one step's account."""
    planned = PlannedStep.of(load(row["document"]))
    native_id = row["native_id"] or planned.native_id
    if planned.verb is Verb.CREATE or native_id is None:
        name = planned.user_name.casefold()
        named = tuple(account for account in listing if account.user_name.casefold() == name)
        return Sight(None, named) if len(named) > 1 else Sight(named[0] if named else None)
    return Sight(next((account for account in listing if account.id == native_id), None))


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


def is_ours(planned: PlannedStep, account: Account, intents: Iterable[Row]) -> bool:
    """True where an account that is there now is proven to be this create's work.

    Proof is the external id that we sent, or an intent of ours that may have been done and before which the app
    showed no such account. A create that the app surely refused proves nothing.
    """
    wanted = planned.wanted.get("external_id")
    if wanted is not None and account.external_id is not None:
        return bool(account.external_id == wanted)
    return any(intent["outcome"] in MAY_BE_DONE and load(intent["saw"])["exists"] is False for intent in intents)
