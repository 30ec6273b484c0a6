"""Recover: at the start of a worker, every unfinished step is taken up again from our own rows."""

from __future__ import annotations

from usher.domain.step import DueKind, StepState
from usher.services import run
from usher.services.act import adopt_crash
from usher.services.workspace import Workspace


def recover(workspace: Workspace) -> int:
    """Make due again whatever an ended worker left: intents without an outcome are looked at, never sent again.

    Returns how many steps were taken up. Needs the lease.
    """
    taken = 0
    with workspace.store.begin() as unit:
        unit.dues.take_back()
        for row in unit.runs.steps_in(StepState.ACTING):
            adopt_crash(workspace, unit, row)
            taken += 1
        expected = {
            StepState.READY: DueKind.ACT,
            StepState.UNKNOWN: DueKind.SETTLE,
            StepState.DONE: DueKind.VERIFY,
            StepState.VERIFIED: DueKind.WATCH,
        }
        for state, kind in expected.items():
            for row in unit.runs.steps_in(state):
                if not unit.dues.has(kind, row["id"]):
                    detail = {"last": True, "tries": 0} if kind is DueKind.WATCH else {"tries": 0}
                    unit.dues.put(kind, row["id"], row["connection"], unit.runs.now(), detail)
                    taken += 1
        for found in unit.runs.all():
            if found["closed_at"] is None:
                run.release(unit, found["id"])
    return taken
