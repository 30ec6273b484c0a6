"""Carries out one due row: the one place where a kind of due meets the service that answers it."""

from __future__ import annotations

from usher.domain.step import DueKind
from usher.engine.fence import fenced
from usher.services.act import Act
from usher.services.observe import observe_when_due
from usher.services.permits import leave_of
from usher.services.settle import settle
from usher.services.verify import verify, watch
from usher.services.workspace import Workspace
from usher.store.dues import CLAIMED
from usher.store.repository import Row, load

PUT_OFF_SECONDS = 60.0
"""How soon a row asks again whether its connection is still stopped; when that is lifted, it is due at once."""


class Carrier:
    """Carries due rows out under one lease; a row of another fence is somebody else's and left alone.

    Once another holder has taken the lease, every write raises Outlived and changes nothing.
    """

    def __init__(self, workspace: Workspace, fence: int) -> None:
        self._workspace = fenced(workspace, fence)
        self._fence = fence
        self._act = Act(self._workspace, fence, leave_of(workspace, fence))

    def __call__(self, due_id: str) -> None:
        """Carry one claimed row out and mark it as done; a row that is not ours any more is passed over."""
        with self._workspace.store.read() as unit:
            due = unit.dues.get_due(due_id)
        if due is None or due["state"] != CLAIMED or due["fence"] != self._fence:
            return
        if due["kind"] != DueKind.OBSERVE.value and self._put_off(due):
            return
        detail = load(due["detail"])
        tries = int(detail.get("tries", 0))
        subject = str(due["subject"])
        match DueKind(due["kind"]):
            case DueKind.ACT:
                self._act(subject, tries)
            case DueKind.SETTLE:
                settle(self._workspace, subject, tries)
            case DueKind.VERIFY:
                verify(self._workspace, subject, tries)
            case DueKind.WATCH:
                watch(self._workspace, subject, last=bool(detail["last"]), tries=tries)
            case DueKind.OBSERVE:
                observe_when_due(self._workspace, subject)
        with self._workspace.store.begin() as unit:
            unit.dues.finish(due_id)

    def _put_off(self, due: Row) -> bool:
        """Nothing but the scheduled reading calls a stopped connection: whatever else is due waits for it."""
        with self._workspace.store.begin() as unit:
            if due["connection"] not in unit.leases.quarantined():
                return False
            unit.dues.put_off(due["id"], unit.dues.later(PUT_OFF_SECONDS))
            return True

    def give_back(self, due_id: str, seconds: float) -> None:
        """Something of ours failed while carrying it out: it is due again soon."""
        with self._workspace.store.begin() as unit:
            unit.dues.give_back(due_id, unit.dues.later(seconds))
