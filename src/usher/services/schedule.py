"""Schedule: makes each connection's readings due; an instant that was missed while nothing ran is run once at start."""

from __future__ import annotations

from usher.domain.clock import from_text
from usher.domain.step import DueKind
from usher.services import park
from usher.services.workspace import Workspace
from usher.store.unit import Unit


def schedule_observations(workspace: Workspace) -> None:
    """Make a reading due for every connection that has none waiting."""
    with workspace.store.begin() as unit:
        for name in workspace.connections.names():
            if not unit.dues.has(DueKind.OBSERVE, name):
                last = unit.accounts.last_snapshot(name, complete=False)
                every = workspace.connections.config(name).observe.every_minutes * 60
                age = _age(workspace, last["finished_at"]) if last else every
                unit.dues.put(DueKind.OBSERVE, name, name, unit.dues.later(max(0.0, every - age)))


def put_observation(workspace: Workspace, unit: Unit, name: str) -> None:
    """Make the next reading of a connection due; a stopped one is probed by it, less and less often."""
    wait = park.probe_wait(unit, name)
    if not any(row["state"] == "waiting" for row in unit.dues.open(name) if row["kind"] == DueKind.OBSERVE.value):
        every = workspace.connections.config(name).observe.every_minutes * 60
        unit.dues.put(DueKind.OBSERVE, name, name, unit.dues.later(every if wait is None else wait))


def _age(workspace: Workspace, instant: str) -> float:
    return (workspace.clock.now() - from_text(instant)).total_seconds()
