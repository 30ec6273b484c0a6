"""Permits: whether a write may begin at this very instant, asked at the door right before it."""

from __future__ import annotations

from usher.connectors.contract import Permit
from usher.connectors.errors import NotPermitted
from usher.services.workspace import Workspace


def leave_of(workspace: Workspace, fence: int) -> Leave:
    """Return the leave function of one lease: it reads the seal, the fence and the intent from the database."""
    return Leave(workspace, fence)


class Leave:
    """Refuses a write while sealed, under an outlived fence, or without an intent that is still open."""

    def __init__(self, workspace: Workspace, fence: int) -> None:
        self._workspace = workspace
        self._fence = fence

    def __call__(self, permit: Permit) -> None:
        """Return quietly where the write may begin; raises NotPermitted otherwise."""
        with self._workspace.store.read() as unit:
            if sealed := unit.leases.sealed():
                raise NotPermitted(f"sealed by {sealed['by']} since {sealed['at']}: {sealed['reason']}")
            lease = unit.leases.current()
            if lease is None or lease["fence"] != self._fence or permit.fence != self._fence:
                raise NotPermitted("another worker has taken the lease since")
            intent = unit.runs.intent(permit.intent)
            if intent is None or intent["outcome"] is not None or intent["step_id"] != permit.step:
                raise NotPermitted("the intent is not open")
