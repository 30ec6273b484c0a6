"""Disconnect: stops watching an app; what was seen of it is kept, and what may still be open there stays said."""

from __future__ import annotations

from usher.domain.plan import PlanState
from usher.domain.step import DueKind, StepState
from usher.services.operators import Acting
from usher.services.workspace import Refusal, Workspace
from usher.store.accounts import account_of
from usher.store.configuration import remove_connection
from usher.store.repository import load
from usher.store.unit import Unit

OPEN_PLANS = (PlanState.PROPOSED, PlanState.HELD, PlanState.APPROVED)
UNFINISHED = (
    StepState.PENDING,
    StepState.READY,
    StepState.ACTING,
    StepState.UNKNOWN,
    StepState.PARKED,
    StepState.PERSON,
    StepState.DONE,
    StepState.VERIFIED,
)
RULE = "no longer watched"


def disconnect(workspace: Workspace, name: str, by: Acting, reason: str) -> int:
    """Take a connection out of the configuration; returns how many of its accounts could still sign in when last seen.

    Nothing that was seen is deleted. Refusal where a plan or a run still needs the connection, or where files name it.
    """
    workspace.require(name)
    if named := _named_in(workspace, name):
        raise Refusal(f"{named} names {name}: take that out first")
    with workspace.store.begin() as unit:
        _not_needed(unit, name)
        still_on = sum(account_of(row).state.can_sign_in for row in unit.accounts.of(name))
        unit.dues.drop(name, DueKind.OBSERVE)
        for finding in unit.findings.open():
            if finding["connection"] == name:
                unit.findings.close(finding["id"], f"{name} is not watched any more")
        detail = {"connection": name, "reason": reason, "accounts_on": still_on}
        unit.ledger.append("connection:connection:remove", (by.id,), detail)
        if still_on:
            unit.findings.open_finding(
                f"watched:{name}",
                RULE,
                "medium",
                name,
                {"accounts_on": still_on, "removed_by": by.row["name"], "reason": reason},
                f"nobody sees the {still_on} accounts that were on there: connect it again, or see that they are off",
            )
        remove_connection(workspace.folder, name)
    return still_on


def watched_again(unit: Unit, name: str) -> None:
    """A connection of that name is there again."""
    unit.findings.close_key(f"watched:{name}", f"{name} is connected again")


def _named_in(workspace: Workspace, name: str) -> str | None:
    """Say which line of another file needs the connection, or None."""
    for placed in workspace.policies.roles:
        for give, line in placed.gives:
            if give.app == name:
                return str(line)
    for pair, line in workspace.policies.separation:
        if any(text.partition("/")[0] == name for text in pair.never_together):
            return str(line)
    if name in workspace.contracts:
        return f"a contract (contracts/*.yaml, connection: {name})"
    return "usher.yaml (people_from)" if name in workspace.people_from and len(workspace.people_from) > 1 else None


def _not_needed(unit: Unit, name: str) -> None:
    for row in unit.runs.steps_in(*UNFINISHED):
        if row["connection"] == name:
            raise Refusal(f"a step of {name} is {row['state']} (step {row['id']}): it is finished or cancelled first")
    for plan in unit.plans.all(OPEN_PLANS):
        if any(step["connection"] == name for step in load(plan["document"])["steps"]):
            raise Refusal(f"plan {plan['number']} has steps in {name}: usher plan withdraw {plan['number']}")
