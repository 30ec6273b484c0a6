"""Act: carries out one step once: look, record the intent, write, and read what the app's answer is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from usher.connectors.contract import Call, Capability, Permit, Receipt, RepeatedCursor
from usher.connectors.door import Leave
from usher.connectors.errors import (
    AccessLost,
    AlreadyExists,
    ConnectorError,
    InDoubt,
    NotFound,
    NotPermitted,
    OutcomeUnknown,
    Rejected,
    Transient,
    Unsupported,
)
from usher.domain.account import Account, AccountKind
from usher.domain.clock import from_text, to_text
from usher.domain.expect import differences, holds, seen
from usher.domain.plan import PlannedStep, Verb
from usher.domain.step import DueKind, Outcome, StepState
from usher.services import park, run, starts
from usher.services.approve import not_as_approved
from usher.services.judge import forbidden_now
from usher.services.look import Sight, disagreement, is_ours, look
from usher.services.task import open_task
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before the next try, by how often it has been tried; the last goes on."""
STOPPED_RETRY = 30.0
ILL_AFTER = 5
"""Writes in a row without a trustworthy answer after which the app counts as ill and nothing more is sent to it."""
SEALED_RETRY = 1.0
"""A worker claims no act while sealed, so this is how soon a step goes on once the seal is lifted."""
CAPABILITY = {
    Verb.CREATE: Capability.CREATE,
    Verb.UPDATE: Capability.UPDATE,
    Verb.DEACTIVATE: Capability.DEACTIVATE,
    Verb.REACTIVATE: Capability.REACTIVATE,
    Verb.DELETE: Capability.DELETE,
    Verb.GRANT: Capability.GRANT,
    Verb.REVOKE: Capability.REVOKE,
}


def back_off(tries: int) -> float:
    """Seconds to wait after this many tries."""
    return BACK_OFF[min(tries, len(BACK_OFF) - 1)]


class Act:
    """One worker's way of carrying steps out, under its lease's fence."""

    def __init__(self, workspace: Workspace, fence: int, leave: Leave) -> None:
        self._workspace = workspace
        self._fence = fence
        self._leave = leave

    def __call__(self, step_id: str, tries: int = 0) -> None:
        """Carry a step out as far as one attempt goes; every ending is written down before this returns."""
        with self._workspace.store.begin() as unit:
            row = unit.runs.step(step_id)
            if row is None or row["state"] not in (StepState.READY.value, StepState.ACTING.value):
                return
            if row["state"] == StepState.ACTING.value:
                adopt_crash(self._workspace, unit, row)
                return
            if hindrance := self._hindrance(unit, row):
                unit.runs.move(step_id, StepState.READY, hindrance)
                self._again(unit, row, SEALED_RETRY if unit.leases.sealed() else STOPPED_RETRY, tries)
                return
            if forged := not_as_approved(self._workspace, unit, row):
                park.park(unit, row, "not what was approved", forged)
                return
        planned = PlannedStep.of(load(row["document"]))
        self._workspace.reach("before look")
        sight = self._sight(row, planned, tries)
        self._workspace.reach("after look")
        if sight is None:
            return
        if sight.doubt:
            self._look_again(row, tries, f"it is not in the listing, which proves nothing: {sight.doubt}", None)
        else:
            self._decide(row, planned, sight, tries)

    def _hindrance(self, unit: Unit, row: Row) -> str | None:
        if sealed := unit.leases.sealed():
            return f"sealed by {sealed['by']}: {sealed['reason']}"
        stopped = unit.leases.quarantined().get(row["connection"])
        return f"{row['connection']} is stopped: {stopped['reason']}" if stopped else None

    def _for_a_person(self, planned: PlannedStep) -> str | None:
        """Say why only a person can do this step: no connector can, or nothing could tell whose account it is."""
        connector = self._workspace.connections.connector(planned.connection)
        if CAPABILITY[planned.verb] not in connector.capabilities():
            return "no connector can do this"
        config = self._workspace.connections.config(planned.connection)
        if config.key == "mutable" and planned.verb is not Verb.CREATE and not planned.agree:
            return "its login can change hands, and nothing else is known that could be compared"
        return None

    def _sight(self, row: Row, planned: PlannedStep, tries: int) -> Sight | None:
        """Look before acting; a look that fails has changed nothing and is tried again."""
        try:
            return look(self._workspace, planned, row["native_id"])
        except AccessLost as error:
            self._stop_connection(row, error, tries)
        except (ConnectorError, RepeatedCursor) as error:
            wait = error.retry_after if isinstance(error, Transient) else None
            self._look_again(row, tries, f"looking failed: {error}", wait)
        return None

    def _look_again(self, row: Row, tries: int, why: str, wait: float | None) -> None:
        with self._workspace.store.begin() as unit:
            unit.runs.move(row["id"], StepState.READY, why)
            self._again(unit, row, wait or back_off(tries), tries + 1)
            park.complain(unit, row, tries, why)

    def _decide(self, row: Row, planned: PlannedStep, sight: Sight, tries: int) -> None:
        with self._workspace.store.read() as unit:
            intents = unit.runs.intents(row["id"])
        with self._workspace.store.begin() as unit:
            now = unit.runs.step(row["id"])
            if now is None or now["state"] != row["state"]:
                return  # somebody has answered or cancelled it while this look was under way
            if sight.several:
                park.park(unit, row, "two accounts", f"{len(sight.several)} accounts are called {planned.user_name}")
                return
            if reason := forbidden_now(self._workspace, unit, planned):
                park.park(unit, row, "the guard forbids it", reason)
                return
            if reason := disagreement(planned, sight.account):
                park.park(unit, row, "not the account that was approved", reason)
                return
            if holds(planned.after, sight.account):
                if planned.verb is Verb.CREATE and not is_ours(planned, _there(sight), row, intents):
                    park.park(unit, row, "already there", f"{planned.user_name} exists and nothing proves it ours")
                    return
                self._already(unit, row, sight)
                return
            if wrong := differences(planned.before, sight.account):
                park.park(unit, row, "changed since it was approved", "; ".join(wrong))
                return
            if why := self._for_a_person(planned):
                open_task(self._workspace, unit, row, planned, why)
                return
            late = starts.lateness(unit, row)
            intent = unit.runs.add_intent(row["id"], len(intents) + 1, self._fence, seen(sight.account))
            unit.runs.move(row["id"], StepState.ACTING, attempt=len(intents) + 1)
            unit.ledger.append(
                "step:intent:record",
                (planned.id, intent["id"]),
                {"verb": planned.verb.value, "connection": planned.connection, "account": planned.user_name, **late},
            )
        self._workspace.reach("after intent")
        self._write(planned, row, intent, tries, sight.account.id if sight.account else planned.user_name)

    def _already(self, unit: Unit, row: Row, sight: Sight) -> None:
        """The app already shows what was wanted: nothing is sent, and it is verified like everything else."""
        unit.runs.add_receipt(row["id"], "adopt", {"saw": seen(sight.account), "sent": None})
        unit.ledger.append("step:effect:adopt", (row["id"],), {"saw": seen(sight.account)})
        acknowledge(self._workspace, unit, row, sight.account.id if sight.account else None, "already so")

    def _write(self, planned: PlannedStep, row: Row, intent: Row, tries: int, account_id: str) -> None:
        """The one place where an effect begins; each ending of it has its own branch."""
        permit = Permit(step=planned.id, intent=intent["id"], fence=self._fence)
        door = self._workspace.connections.door(planned.connection, permit=permit, leave=self._leave)
        call = Call(door=door, idempotency_key=planned.id, agree=planned.agree)
        try:
            receipt = self._verb(planned, account_id, call)()
        except OutcomeUnknown as error:
            self._unknown(row, intent, str(error), error.evidence)
        except Transient as error:
            wait = error.retry_after or back_off(tries)
            self._nothing_happened(row, intent, str(error), wait, tries + 1)
        except NotPermitted as error:
            self._nothing_happened(row, intent, str(error), 1.0, tries)
        except NotFound as error:
            self._unknown(row, intent, f"the app says that it has no such account: {error}", error.evidence)
        except AlreadyExists as error:
            self._exists(row, intent, str(error))
        except InDoubt as error:
            self._refused(row, intent, planned, f"the page is not as promised ({error.contract}): {error}", error)
        except (Rejected, Unsupported) as error:
            self._refused(row, intent, planned, str(error), error)
        except AccessLost as error:
            self._unknown(row, intent, f"access was lost during the write: {error}", error.evidence)
            self._quarantine(row, error)
        except Exception as error:  # noqa: BLE001 - becomes a named outcome, nothing is swallowed
            # A connector's own bug after the intent: nobody knows what it sent, so it is looked at like a lost answer.
            self._unknown(row, intent, f"the connector failed: {type(error).__name__}: {error}", {})
        else:
            self._workspace.reach("after call")
            self._receipt(row, intent, receipt)

    def _verb(self, planned: PlannedStep, id: str, call: Call) -> Callable[[], Receipt]:
        connector = self._workspace.connections.connector(planned.connection)
        entitlement = planned.entitlement or ""
        changes = {name: str(value) for name, value in planned.wanted.items()}
        return {
            Verb.CREATE: lambda: connector.create(wanted_account(planned), call),
            Verb.UPDATE: lambda: connector.update(id, changes, call),
            Verb.DEACTIVATE: lambda: connector.deactivate(id, call),
            Verb.REACTIVATE: lambda: connector.reactivate(id, call),
            Verb.DELETE: lambda: connector.delete(id, call),
            Verb.GRANT: lambda: connector.grant(id, entitlement, call),
            Verb.REVOKE: lambda: connector.revoke(id, entitlement, call),
        }[planned.verb]

    def _receipt(self, row: Row, intent: Row, receipt: Receipt) -> None:
        with self._workspace.store.begin() as unit:
            unit.runs.resolve(intent["id"], Outcome.DONE)
            document = {"sent": dict(receipt.sent), "got": dict(receipt.got), "pictures": list(receipt.pictures)}
            unit.runs.add_receipt(row["id"], "act", document)
            unit.ledger.append("step:effect:acknowledge", (row["id"], intent["id"]), _whole(document))
            native = receipt.account.id if receipt.account else None
            acknowledge(self._workspace, unit, row, native, "the app acknowledged it")
        self._workspace.reach("after receipt")

    def _unknown(self, row: Row, intent: Row, why: str, evidence: dict[str, str]) -> None:
        with self._workspace.store.begin() as unit:
            become_unknown(self._workspace, unit, row, intent, why, evidence)
            last = unit.runs.last_outcomes(row["connection"], ILL_AFTER)
            if len(last) == ILL_AFTER and set(last) == {Outcome.UNKNOWN.value}:
                why = f"{ILL_AFTER} writes in a row had no trustworthy answer: the app is ill"
                park.stop_connection(unit, row["connection"], why, "ill")

    def _nothing_happened(self, row: Row, intent: Row, why: str, wait: float, tries: int) -> None:
        with self._workspace.store.begin() as unit:
            unit.runs.resolve(intent["id"], Outcome.NOT_DONE)
            unit.ledger.append("step:intent:not_done", (row["id"], intent["id"]), {"why": why})
            unit.runs.move(row["id"], StepState.READY, why)
            self._again(unit, row, wait, tries)
            park.complain(unit, row, tries, why)

    def _exists(self, row: Row, intent: Row, why: str) -> None:
        """A create that the app refuses as a double: settle and look, since an earlier lost one may be ours."""
        with self._workspace.store.begin() as unit:
            become_unknown(
                self._workspace, unit, row, intent, f"the app has it already: {why}", {}, outcome=Outcome.NOT_DONE
            )

    def _refused(self, row: Row, intent: Row, planned: PlannedStep, why: str, error: ConnectorError) -> None:
        with self._workspace.store.begin() as unit:
            unit.runs.resolve(intent["id"], Outcome.NOT_DONE)
            unit.runs.add_receipt(row["id"], "refused", {"why": why, "evidence": error.evidence})
            unit.ledger.append("step:intent:not_done", (row["id"], intent["id"]), {"why": why})
            open_task(self._workspace, unit, row, planned, why)

    def _stop_connection(self, row: Row, error: AccessLost, tries: int) -> None:
        self._quarantine(row, error)
        with self._workspace.store.begin() as unit:
            unit.runs.move(row["id"], StepState.READY, f"{row['connection']} is stopped: {error}")
            self._again(unit, row, STOPPED_RETRY, tries + 1)

    def _quarantine(self, row: Row, error: AccessLost) -> None:
        with self._workspace.store.begin() as unit:
            park.stop_connection(unit, row["connection"], str(error))

    def _again(self, unit: Unit, row: Row, wait: float, tries: int) -> None:
        run.put_due(unit, DueKind.ACT, row, unit.dues.later(wait), tries)


def wanted_account(planned: PlannedStep) -> Account:
    """The account that a create shall make."""
    wanted: dict[str, Any] = dict(planned.wanted)
    return Account(
        id="",
        user_name=planned.user_name,
        emails=tuple(wanted.get("emails", ())),
        display_name=wanted.get("display_name"),
        given_name=wanted.get("given_name"),
        family_name=wanted.get("family_name"),
        employee_number=wanted.get("employee_number"),
        external_id=wanted.get("external_id"),
        kind=AccountKind(wanted.get("kind", "person")),
        entitlements=frozenset(wanted.get("entitlements", ())),
        attributes=dict(wanted.get("attributes", {})),
    )


def acknowledge(workspace: Workspace, unit: Unit, row: Row, native_id: str | None, note: str) -> None:
    """The app says that it is done: verify after its lag, and let the next steps begin."""
    lag = workspace.connections.config(row["connection"]).lag_seconds
    unit.runs.move(row["id"], StepState.DONE, note)
    if native_id:
        unit.runs.share_id(row, native_id)
    park.clear(unit, row, "the app acknowledged the step")
    unit.dues.drop(row["id"], DueKind.ACT, DueKind.SETTLE)
    run.put_due(unit, DueKind.VERIFY, row, unit.dues.later(lag))
    run.release(unit, row["run_id"])
    run.refresh(unit, row["run_id"])


def become_unknown(
    workspace: Workspace,
    unit: Unit,
    row: Row,
    intent: Row,
    why: str,
    evidence: dict[str, str],
    outcome: Outcome = Outcome.UNKNOWN,
) -> None:
    """Nobody knows how the step stands: wait for what the app declares as its lag, then look.

    `outcome` is what is known of this intent itself: a create refused as a double was surely not done by it.
    """
    config = workspace.connections.config(row["connection"])
    unit.runs.resolve(intent["id"], outcome)
    unit.runs.move(row["id"], StepState.UNKNOWN, why)
    unit.runs.add_receipt(row["id"], "unknown", {"why": why, "evidence": evidence})
    unit.ledger.append("step:outcome:unknown", (row["id"], intent["id"]), {"why": why})
    run.put_due(unit, DueKind.SETTLE, row, unit.dues.later(config.lag_seconds))


def adopt_crash(workspace: Workspace, unit: Unit, row: Row) -> None:
    """A step that was acting when its worker ended: its open intent is unknown until somebody has looked."""
    for intent in unit.runs.intents(row["id"]):
        if intent["outcome"] is None:
            config = workspace.connections.config(row["connection"])
            unit.runs.resolve(intent["id"], Outcome.UNKNOWN)
            unit.ledger.append("step:outcome:unknown", (row["id"], intent["id"]), {"why": "the worker ended"})
            # The dead worker's request may still be on its way: it has the call's whole time-out to arrive.
            wait = config.timeout_seconds + config.lag_seconds
            from_intent = _plus(intent["recorded_at"], wait)
            at = max(from_intent, unit.dues.later(config.lag_seconds))
            run.put_due(unit, DueKind.SETTLE, row, at)
    unit.runs.move(row["id"], StepState.UNKNOWN, "its worker ended in the middle; looking")


def _plus(instant: str, seconds: float) -> str:
    return to_text(from_text(instant) + timedelta(seconds=seconds))


def _there(sight: Sight) -> Account:
    assert sight.account is not None
    return sight.account


def _whole(value: Any) -> Any:
    """A receipt as the ledger takes it: canonical JSON has no floats, and apps send what they like."""
    if isinstance(value, Mapping):
        return {str(name): _whole(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(part) for part in value]
    if isinstance(value, (str, bool)) or value is None:
        return value
    return value if isinstance(value, int) and abs(value) < 2**53 else str(value)
