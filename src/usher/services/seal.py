"""Seal: stops every effect at once, and lets them begin again."""

from __future__ import annotations

from usher.services.operators import Acting
from usher.services.workspace import Refusal, Workspace


def seal(workspace: Workspace, by: Acting, reason: str) -> None:
    """No effect begins after this; calls in flight may end and are recorded, and nothing follows them."""
    _set(workspace, by, reason, sealed=True)


def unseal(workspace: Workspace, by: Acting, reason: str) -> None:
    """Effects may begin again; waiting steps go on by themselves."""
    _set(workspace, by, reason, sealed=False)


def _set(workspace: Workspace, by: Acting, reason: str, *, sealed: bool) -> None:
    with workspace.store.begin() as unit:
        if (unit.leases.sealed() is not None) == sealed:
            raise Refusal("the workspace is sealed already" if sealed else "the workspace is not sealed")
        unit.leases.set_seal(sealed=sealed, by=by.row["name"], reason=reason)
        event = "workspace:seal:set" if sealed else "workspace:seal:lift"
        unit.ledger.append(event, (by.id,), {"by": by.row["name"], "reason": reason})
