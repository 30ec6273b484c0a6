"""Settle: after an unknown outcome, look; adopt what is there, repeat only what is safe, else park and keep looking."""

from __future__ import annotations

from usher.connectors.contract import RepeatedCursor
from usher.connectors.errors import AccessLost, ConnectorError, Transient
from usher.domain.expect import differences, holds, seen
from usher.domain.plan import PlannedStep, Verb
from usher.domain.step import DueKind, Outcome, StepState
from usher.services import park, run
from usher.services.act import CAPABILITY, acknowledge, back_off
from usher.services.look import MAY_BE_DONE, Sight, disagreement, is_ours, look
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit


def settle(workspace: Workspace, step_id: str, tries: int) -> None:
    """Resolve one unknown outcome as far as one look goes."""
    with workspace.store.read() as unit:
        row = unit.runs.step(step_id)
    if row is None or row["state"] not in (StepState.UNKNOWN.value, StepState.PARKED.value):
        return
    planned = PlannedStep.of(load(row["document"]))
    workspace.reach("before settle")
    try:
        sight = look(workspace, planned, row["native_id"])
    except (ConnectorError, RepeatedCursor) as error:
        with workspace.store.begin() as unit:
            if isinstance(error, AccessLost):
                park.stop_connection(unit, row["connection"], str(error))
            wait = error.retry_after if isinstance(error, Transient) else None
            _look_again(unit, row, tries, f"looking failed: {error}", wait)
        return
    with workspace.store.begin() as unit:
        _conclude(workspace, unit, row, planned, sight, tries)
    workspace.reach("after settle")


def _conclude(workspace: Workspace, unit: Unit, row: Row, planned: PlannedStep, sight: Sight, tries: int) -> None:
    now = unit.runs.step(row["id"])
    if now is None or now["state"] != row["state"]:
        return  # somebody has answered it while this look was under way
    intents = unit.runs.intents(row["id"])
    if sight.doubt:
        _look_again(unit, row, tries, f"it is not in the listing, which proves nothing: {sight.doubt}")
        return
    if sight.several:
        if row["state"] == StepState.UNKNOWN.value:
            park.park(unit, row, "two accounts", f"{len(sight.several)} accounts are called {planned.user_name}")
        _look_again(unit, row, tries, "two accounts of one name")
        return
    if wrong := disagreement(planned, sight.account):
        park.park(unit, row, "not the account that was approved", wrong)
        return
    if holds(planned.after, sight.account):
        account = sight.account
        if planned.verb is Verb.CREATE and (account is None or not is_ours(planned, account, row, intents)):
            park.park(unit, row, "already there", f"{planned.user_name} exists and nothing proves it ours")
            return
        if open_ones := [intent for intent in intents if intent["outcome"] in MAY_BE_DONE]:
            unit.runs.resolve(open_ones[-1]["id"], Outcome.ADOPTED)
        unit.runs.add_receipt(row["id"], "adopt", {"saw": seen(account), "sent": None})
        unit.ledger.append("step:effect:adopt", (row["id"],), {"saw": seen(account)})
        acknowledge(workspace, unit, row, account.id if account else None, "found done by looking")
        return
    _not_there(workspace, unit, row, planned, sight, tries)


def _not_there(workspace: Workspace, unit: Unit, row: Row, planned: PlannedStep, sight: Sight, tries: int) -> None:
    """Not seen after the declared lag: safe verbs may be tried again, a create without uniqueness never."""
    facts = workspace.connections.connector(planned.connection).facts_of(CAPABILITY[planned.verb])
    changed = differences(planned.before, sight.account)
    if (facts.idempotent or facts.unique) and not changed and row["state"] == StepState.UNKNOWN.value:
        last = unit.runs.intents(row["id"])[-1]
        if last["outcome"] != Outcome.NOT_DONE.value:  # what the app surely refused stays refused: it proves nothing
            unit.runs.resolve(last["id"], Outcome.NOT_SEEN)
        unit.ledger.append("step:intent:not_done", (row["id"], last["id"]), {"why": "not seen after the lag"})
        unit.runs.move(row["id"], StepState.READY, "not seen after the lag; the verb is safe to repeat")
        attempts = int(row["attempt"])
        run.put_due(unit, DueKind.ACT, row, unit.dues.later(back_off(attempts - 1)), attempts)
        park.complain(unit, row, attempts, "the app has not shown the change after several attempts")
        return
    why = "; ".join(changed) or "the app gave no answer and does not show the change after its declared lag"
    if row["state"] == StepState.UNKNOWN.value:
        park.park(unit, row, "unknown outcome", why)
    _look_again(unit, row, tries, why)


def _look_again(unit: Unit, row: Row, tries: int, why: str, wait: float | None = None) -> None:
    run.put_due(unit, DueKind.SETTLE, row, unit.dues.later(wait or back_off(tries)), tries + 1)
    if row["state"] == StepState.UNKNOWN.value:
        park.complain(unit, row, tries, why)
