"""Carries out one due row: the one place where a kind of due meets the service that answers it."""

from __future__ import annotations

from dataclasses import replace

from usher.connectors.contract import Permit
from usher.connectors.door import Door, Leave
from usher.domain.plan import Lane
from usher.domain.step import DueKind
from usher.engine.fence import fenced
from usher.services import health, park, timing
from usher.services.act import Act
from usher.services.clockcheck import ClockWatch
from usher.services.escalate import escalate
from usher.services.notify import send_notice
from usher.services.observe import observe_when_due
from usher.services.permits import leave_of
from usher.services.ports import Connections
from usher.services.settle import settle
from usher.services.verify import verify, watch
from usher.services.workspace import Workspace
from usher.store.dues import CLAIMED, WAITING
from usher.store.repository import Row, load
from usher.store.unit import Unit

STEP_KINDS = (DueKind.ACT, DueKind.SETTLE, DueKind.VERIFY, DueKind.WATCH)
DOUBT_SECONDS = 5.0
"""How soon a row asks again whether the clock can be believed."""
HALF_DONE = (DueKind.ACT, DueKind.SETTLE, DueKind.VERIFY)
"""Kinds of which a stopped app leaves somebody half on or half off."""


class Hurried:
    """The connections of urgent work: their calls go before those of bulk work where a budget makes them wait."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.names = connections.names
        self.config = connections.config
        self.profile = connections.profile
        self.connector = connections.connector
        self.answers = connections.answers
        self.resting = connections.resting
        self.clock_offset = connections.clock_offset
        self.close = connections.close

    def door(self, name: str, *, permit: Permit | None = None, leave: Leave | None = None, urgent: bool = True) -> Door:
        """A door whose calls are urgent."""
        return self._connections.door(name, permit=permit, leave=leave, urgent=urgent)


def _waits_already(unit: Unit, due: Row) -> bool:
    """Whether the same is due for the same step in another row: two would try it in two rhythms."""
    return any(
        other["id"] != due["id"] and other["kind"] == due["kind"] and other["state"] == WAITING
        for other in unit.dues.open(due["subject"])
    )


class Carrier:
    """Carries due rows out under one lease; a row of another fence is somebody else's and left alone.

    Once another holder has taken the lease, every write raises Outlived and changes nothing.
    """

    def __init__(self, workspace: Workspace, fence: int, clock: ClockWatch | None = None) -> None:
        self._workspace = fenced(workspace, fence)
        self._fence = fence
        self._clock = clock
        self._urgent = replace(self._workspace, connections=Hurried(workspace.connections))
        leave = leave_of(workspace, fence)
        self._acts = {
            True: Act(self._urgent, fence, leave),
            False: Act(self._workspace, fence, leave),
        }

    def __call__(self, due_id: str) -> None:
        """Carry one claimed row out and mark it as done; a row that is not ours any more is passed over."""
        with self._workspace.store.read() as unit:
            due = unit.dues.get_due(due_id)
            if due is None or due["state"] != CLAIMED or due["fence"] != self._fence:
                return
            step = unit.runs.step(due["subject"]) if due["kind"] in STEP_KINDS else None
            hindered = self._in_doubt(unit, due) or health.hindrance(unit, due, step)
        if hindered is not None:
            self._put_off(due, step, *hindered)
            return
        self._dispatch(due)
        who = health.whose(step) if step is not None else health.LISTING
        if due["connection"] in self._workspace.connections.names():
            health.after_row(self._workspace, due["connection"], who, step)
        with self._workspace.store.begin() as unit:
            unit.dues.finish(due_id)

    def _in_doubt(self, unit: Unit, due: Row) -> tuple[str, str, bool] | None:
        """While the clock cannot be believed nothing begins."""
        if self._clock is None or due["kind"] not in (DueKind.ACT, DueKind.START):
            return None
        why = self._clock.doubt(unit)
        return (why, unit.dues.later(DOUBT_SECONDS), False) if why else None

    def _dispatch(self, due: Row) -> None:
        urgent = due["lane"] == Lane.URGENT.rank
        workspace = self._urgent if urgent else self._workspace
        detail = load(due["detail"])
        tries = int(detail.get("tries", 0))
        subject = str(due["subject"])
        match DueKind(due["kind"]):
            case DueKind.ACT:
                self._acts[urgent](subject, tries)
            case DueKind.SETTLE:
                settle(workspace, subject, tries)
            case DueKind.VERIFY:
                verify(workspace, subject, tries)
            case DueKind.WATCH:
                watch(workspace, subject, last=bool(detail["last"]), tries=tries)
            case DueKind.OBSERVE:
                observe_when_due(workspace, subject)
            case DueKind.ESCALATE:
                escalate(workspace, subject, str(detail["what"]))
            case DueKind.NOTICE:
                send_notice(workspace, subject, tries)
            case DueKind.PREFLIGHT:
                timing.preflight(workspace, subject)
            case DueKind.START:
                timing.begin(workspace, subject, tries)
            case DueKind.SECOND:
                timing.second(workspace, subject)

    def _put_off(self, due: Row, step: Row | None, why: str, until: str, lifted_early: bool) -> None:
        """Something keeps the row back: it is due again later, and a step that waits so is told of."""
        with self._workspace.store.begin() as unit:
            if due["kind"] in HALF_DONE and _waits_already(unit, due):
                unit.dues.finish(due["id"])
                return
            if not lifted_early:
                unit.dues.give_back(due["id"], until)
                return
            unit.dues.put_off(due["id"], until)
            if step is not None and due["kind"] in HALF_DONE:
                park.waits(unit, step, why)

    def give_back(self, due_id: str, seconds: float) -> None:
        """Something of ours failed while carrying it out: it is due again soon."""
        with self._workspace.store.begin() as unit:
            unit.dues.give_back(due_id, unit.dues.later(seconds))
