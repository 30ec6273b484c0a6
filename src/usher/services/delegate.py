"""Delegate: lets one operator sign for another one as owner of his apps, from when to when, and counts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from usher.domain.canonical import digest
from usher.domain.clock import from_text
from usher.domain.signing import verify
from usher.services.operators import Acting, person_of, still_active
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

DELEGATION = "usher.delegation/1"
ABSENT = "absent"


def delegate(
    workspace: Workspace,
    by: Acting,
    to: str,
    *,
    apps: Sequence[str] | None,
    valid_from: str,
    valid_to: str,
    reason: str,
) -> Row:
    """Let `to` sign for the operator who acts, for these apps that he owns (None: all of them), in this time.

    Instants are stored text. What somebody got by delegation is never his to pass on: only an owner's own apps count.
    """
    with workspace.store.begin() as unit:
        me = still_active(unit, by)
        other = unit.operators.named(to)
        if other is None or other["revoked_at"]:
            raise Refusal(f"there is no active operator {to!r}; see: usher operator list")
        if person_of(other) == person_of(me):
            raise Refusal(f"{to} is the same person as {me['name']}: another one must sign for him")
        _check_time(workspace, valid_from, valid_to)
        for app in apps or ():
            _check_owned(workspace, me, app)
        signed = _signed(unit.workspace, me["id"], other["id"], apps, valid_from, valid_to, reason)
        signature = by.sign(digest(DELEGATION, signed), DELEGATION)
        row = unit.answers.add_delegation(me["id"], other["id"], apps, valid_from, valid_to, signature, reason)
        detail = {**signed, "signature": signature}
        unit.ledger.append("operator:delegation:make", (row["id"], me["id"], other["id"]), detail)
        return row


def absent(workspace: Workspace, by: Acting, until: str, reason: str = "") -> Row:
    """Say that one is away until an instant: the first active deputy of the rules signs for all one's apps."""
    with workspace.store.read() as unit:
        names = workspace.rules.deputies.get(by.row["name"], ())
        found = [row for name in names if (row := unit.operators.named(name)) and not row["revoked_at"]]
    if not found:
        raise Refusal(
            f"the rules name no deputy of {by.row['name']} who is an operator: add one under rules: deputies: in "
            f"usher.yaml, or name one with: usher operator delegate TO"
        )
    why = f"{ABSENT}: {reason}" if reason.strip() else ABSENT
    now = workspace.now()
    return delegate(workspace, by, found[0]["name"], apps=None, valid_from=now, valid_to=until, reason=why)


def end_delegation(workspace: Workspace, by: Acting, id: str, reason: str = "") -> Row:
    """End a delegation at once; he who gave it may, and he who has it may give it back.

    Signatures that rest on it count no more for plans that have not begun.
    """
    with workspace.store.begin() as unit:
        still_active(unit, by)
        row = next((one for one in unit.answers.delegations() if one["id"] == id), None)
        if row is None:
            raise Refusal(f"there is no delegation {id}; see: usher operator delegations")
        if by.id not in (row["from_operator"], row["to_operator"]):
            raise Refusal(f"delegation {id} is ended by him who gave it, or by him who has it")
        if row["revoked_at"]:
            raise Refusal(f"delegation {id} was ended at {row['revoked_at']}")
        unit.answers.revoke_delegation(id)
        detail = {"reason": reason} | by.signed(unit, "end delegation", (id,), reason)
        unit.ledger.append("operator:delegation:end", (id, by.id), detail)
        return row


def _check_time(workspace: Workspace, valid_from: str, valid_to: str) -> None:
    if valid_to <= valid_from or valid_to <= workspace.now():
        raise Refusal(f"a delegation ends after it begins, and not in the past: it would end at {valid_to}")
    most = workspace.rules.delegation_max_days
    if from_text(valid_to) - max(from_text(valid_from), workspace.clock.now()) > timedelta(days=most):
        raise Refusal(f"a delegation lasts {most} days at most (rules: delegation_max_days)")


def _check_owned(workspace: Workspace, me: Row, app: str) -> None:
    if app not in workspace.connections.names():
        raise Refusal(f"there is no connection {app}; see: usher connect list")
    owner = workspace.connections.config(app).owner
    if owner != me["name"]:
        raise Refusal(f"{me['name']} does not own {app} ({owner} does): nobody passes on what is not his own")


def _signed(
    workspace: str,
    giver: str,
    taker: str,
    apps: Sequence[str] | None,
    valid_from: str,
    valid_to: str,
    reason: str,
) -> dict[str, Any]:
    """What the signature of a delegation covers."""
    return {
        "workspace": workspace,
        "from": giver,
        "to": taker,
        "apps": None if apps is None else sorted(apps),
        "valid_from": valid_from,
        "valid_to": valid_to,
        "reason": reason,
    }


@dataclass(frozen=True, slots=True)
class StandIn:
    """One delegation as it counts: whose, for whom, and in words."""

    row: Row
    taker: Row
    giver: Row

    @property
    def words(self) -> str:
        """`omar for olga (absent until 2026-03-06T17:00Z)`."""
        away = f"{ABSENT} " if str(self.row["reason"]).startswith(ABSENT) else ""
        return f"{self.taker['name']} for {self.giver['name']} ({away}until {self.row['valid_to'][:16]}Z)"


def stand_ins(
    unit: Unit, operators: Mapping[str, Row], owner: str, connection: str, at: str, *, begun_at: str | None = None
) -> list[StandIn]:
    """The delegations by which somebody may sign at an instant for this owner of this connection.

    `operators` are those who count. `begun_at`: one that was ended after that instant goes on counting.
    """
    found = []
    for row in unit.answers.delegations():
        giver, taker = operators.get(row["from_operator"]), operators.get(row["to_operator"])
        if row["from_operator"] != owner or giver is None or taker is None or person_of(giver) == person_of(taker):
            continue
        apps = None if row["connections"] is None else load(row["connections"])
        timely = row["valid_from"] <= at < row["valid_to"]
        ended = row["revoked_at"] is not None and not (begun_at is not None and row["revoked_at"] >= begun_at)
        if not timely or ended or (apps is not None and connection not in apps):
            continue
        signed = _signed(
            unit.workspace, giver["id"], taker["id"], apps, row["valid_from"], row["valid_to"], row["reason"] or ""
        )
        if verify(giver["public_key"], digest(DELEGATION, signed), DELEGATION, row["signature"]):
            found.append(StandIn(row, taker, giver))
    return found


def delegates_of(unit: Unit, owner: Row, connection: str) -> list[Row]:
    """The operators who may sign for this owner now."""
    operators = {row["id"]: row for row in unit.operators.active()}
    return [one.taker for one in stand_ins(unit, operators, owner["id"], connection, unit.operators.now())]


def delegations(workspace: Workspace) -> list[dict[str, Any]]:
    """Every delegation, newest first, as plain documents."""
    with workspace.store.read() as unit:
        names = {row["id"]: row["name"] for row in unit.operators.all()}
        now = unit.operators.now()
        return [
            {
                "id": row["id"],
                "from": names.get(row["from_operator"]),
                "to": names.get(row["to_operator"]),
                "apps": None if row["connections"] is None else load(row["connections"]),
                "valid_from": row["valid_from"],
                "valid_to": row["valid_to"],
                "reason": row["reason"],
                "made_at": row["made_at"],
                "ended_at": row["revoked_at"],
                "counts_now": row["revoked_at"] is None and row["valid_from"] <= now < row["valid_to"],
            }
            for row in reversed(unit.answers.delegations())
        ]
