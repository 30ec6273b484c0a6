"""The watchdog of a living worker: whatever fell out of the engine's hands is put back into them, and told."""

from __future__ import annotations

from collections.abc import Collection

from usher.domain.step import DueKind, StepState
from usher.services import park
from usher.services.understand import ask_about_strange
from usher.services.workspace import Workspace

CARRIED_ON_BY = {
    StepState.READY: DueKind.ACT,
    StepState.ACTING: DueKind.ACT,
    StepState.UNKNOWN: DueKind.SETTLE,
    StepState.DONE: DueKind.VERIFY,
}
"""Which due row an unfinished step must have; an act on a step that is acting takes it over as unknown, unsent."""


def watch_over(workspace: Workspace, fence: int, under_way: Collection[str]) -> int:
    """Give back claimed rows that nobody carries out, and make stuck steps due again; returns how many.

    Steps that this version cannot carry out are parked with a finding.

    `under_way` holds the due rows that this process carries out or has queued: what it held before this began.
    """
    put_right = 0
    with workspace.store.begin() as unit:
        ask_about_strange(workspace, unit)
        for due in unit.dues.claimed(fence):
            if due["id"] not in under_way:
                unit.dues.give_back(due["id"], unit.dues.now())
                put_right += 1
        for row in unit.runs.steps_in(*CARRIED_ON_BY):
            if not unit.dues.open(row["id"]):
                park.stuck(unit, row, f"it is {row['state']} and nothing was due that would carry it on")
                kind = CARRIED_ON_BY[StepState(row["state"])]
                unit.dues.put(kind, row["id"], row["connection"], unit.dues.now(), {"tries": 0})
                put_right += 1
    return put_right
