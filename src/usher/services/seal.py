"""Seal: stops every effect at once, and lets them begin again."""

from __future__ import annotations

from usher.domain.ledger.restores import RESTORE_EVENT
from usher.services import clockcheck
from usher.services.operators import Acting
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row
from usher.store.unit import Unit

SET, LIFTED = "workspace:seal:set", "workspace:seal:lift"
BY_USHER = "usher"


def seal(workspace: Workspace, by: Acting, reason: str) -> None:
    """No effect begins after this; calls in flight may end and are recorded, and nothing follows them."""
    with workspace.store.begin() as unit:
        if unit.leases.sealed() is not None:
            raise Refusal("the workspace is sealed already")
        unit.leases.set_seal(sealed=True, by=by.row["name"], reason=reason)
        detail = {"by": by.row["name"], "reason": reason} | by.signed(unit, "seal", (unit.workspace,), reason)
        unit.ledger.append(SET, (by.id,), detail)


def seal_without_keys(workspace: Workspace) -> None:
    """A worker that misses a key of the workspace starts sealed: it reads what it can, and begins no effect."""
    if not workspace.missing_keys:
        return
    with workspace.store.begin() as unit:
        if unit.leases.sealed() is None:
            reason = f"a key is missing: {workspace.missing_keys}"
            unit.leases.set_seal(sealed=True, by=BY_USHER, reason=reason)
            unit.ledger.append(SET, (), {"by": BY_USHER, "reason": reason})


def unseal(workspace: Workspace, by: Acting, reason: str, *, anyway: bool = False) -> None:
    """Effects may begin again; waiting steps go on by themselves. The clock is taken to be right as it stands.

    Refusal while a key of the workspace is missing, and after a restore until every connection has been read since.
    `anyway` lifts the seal although some could not be read; the ledger names them.
    """
    if workspace.missing_keys:
        raise Refusal(f"the seal cannot be lifted: {workspace.missing_keys}")
    with workspace.store.begin() as unit:
        if unit.leases.sealed() is None:
            raise Refusal("the workspace is not sealed")
        unread = not_read_since_restore(workspace, unit)
        if unread and not anyway:
            raise Refusal(
                f"the workspace was restored and {', '.join(unread)} not read completely since: read first, with "
                f"usher observe {' '.join(unread)}; an app that is gone for good: --anyway"
            )
        unit.leases.set_seal(sealed=False, by=by.row["name"], reason=reason)
        clockcheck.believe(unit)
        more = {"not_read": list(unread)} if unread else {}
        signed = by.signed(unit, "unseal", (unit.workspace, *unread), reason)
        unit.ledger.append(LIFTED, (by.id,), {"by": by.row["name"], "reason": reason, **more, **signed})


def not_read_since_restore(workspace: Workspace, unit: Unit) -> tuple[str, ...]:
    """The connections without a complete reading that began after a restore whose seal was not lifted yet."""
    newest = unit.ledger.newest(RESTORE_EVENT, LIFTED)
    if newest is None or newest["event"] != RESTORE_EVENT:
        return ()
    return tuple(name for name in workspace.connections.names() if not _read_after(unit, name, newest))


def _read_after(unit: Unit, name: str, restored: Row) -> bool:
    last = unit.accounts.last_snapshot(name, complete=True)
    return last is not None and bool(last["started_at"] >= restored["at"])
