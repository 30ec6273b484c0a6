"""Recover: at the start of a worker, every unfinished step is taken up again from our own rows."""

from __future__ import annotations

from datetime import timedelta

from usher.domain.clock import to_text
from usher.domain.step import DueKind, StepState
from usher.services import park, run
from usher.services.act import adopt_crash
from usher.services.seal import seal_without_keys
from usher.services.understand import ask_about_strange
from usher.services.workspace import Workspace
from usher.store.unit import Unit

ASK_AFTER_HOURS = 72
"""A step that was missed for longer than this is not carried out without asking: the world has moved on."""


def recover(workspace: Workspace) -> int:
    """Make due again whatever an ended worker left: intents without an outcome are looked at, never sent again.

    Returns how many steps were taken up. Needs the lease. A worker that misses a key of the workspace starts sealed.
    """
    seal_without_keys(workspace)
    taken = 0
    with workspace.store.begin() as unit:
        unit.dues.take_back()
        ask_about_strange(workspace, unit)
        taken += _ask_about_old(workspace, unit)
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


def _ask_about_old(workspace: Workspace, unit: Unit) -> int:
    """Park what nobody carried out in time: a person says whether it shall still happen."""
    limit = to_text(workspace.clock.now() - timedelta(hours=ASK_AFTER_HOURS))
    asked = 0
    for row in unit.runs.steps_in(StepState.READY):
        for due in unit.dues.open(row["id"]):
            if due["kind"] == DueKind.ACT.value and due["at"] < limit:
                unit.dues.finish(due["id"])
                park.park(unit, row, "missed for too long", f"it was due at {due['at']} and no worker ran")
                asked += 1
    return asked
