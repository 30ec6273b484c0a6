"""Carries due rows out in the caller's own thread, one after the other, for tests that turn the clock."""

from __future__ import annotations

from usher.engine.carry import Carrier
from usher.engine.fence import fenced
from usher.services.record import sequence
from usher.services.recover import recover
from usher.services.workspace import Workspace


def tick(workspace: Workspace, fence: int, *, limit: int = 10_000) -> int:
    """Carry out everything that is due now, and what becomes due meanwhile; returns how many rows.

    The caller holds the lease of this fence; Outlived where another has taken it since.
    """
    workspace = fenced(workspace, fence)
    carrier = Carrier(workspace, fence)
    carried = 0
    while carried < limit:
        with workspace.store.begin() as unit:
            claimed = unit.dues.claim(workspace.now(), fence)
        if not claimed:
            break
        for due in claimed:
            carrier(due["id"])
            carried += 1
    sequence(workspace)
    return carried


def begin(workspace: Workspace) -> int:
    """Take the lease's fence without a file lock and recover, as a worker does at its start; returns the fence."""
    with workspace.store.begin() as unit:
        fence = unit.leases.take("inline")
    recover(workspace)
    return fence
