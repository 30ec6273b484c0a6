"""Residual access: written down when an account is seen to be closed, taken back when it is opened again.

What the app itself shows is proven by a reading; what outlives the account is not, so each word says what it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from usher.domain.clock import from_text, to_text
from usher.domain.plan import PlannedStep, Verb
from usher.domain.residual import Kind, ResidualFact, ResidualState, now_closed, residues
from usher.services.workspace import Workspace
from usher.store.repository import Row
from usher.store.unit import Unit

CLOSING = (Verb.DEACTIVATE, Verb.DELETE)
BY_EFFECT: ResidualFact = ResidualFact(ends="at once", source="the directory refuses the sign-in: read back")
Document = dict[str, Any]


def facts_of(workspace: Workspace, connection: str) -> dict[Kind, ResidualFact]:
    """What is known of an app: the connection's own word goes before that of the app's guide."""
    config = workspace.connections.config(connection)
    proven: dict[Kind, ResidualFact] = {"local password": BY_EFFECT} if config.speaks == "ldap" else {}
    return {**proven, **workspace.connections.profile(connection).residual, **config.residual}


def seen_closed(workspace: Workspace, unit: Unit, row: Row, planned: PlannedStep) -> None:
    """A step was verified: note what may outlive the account that it closed, or that it is open again."""
    if planned.account is None:
        return
    if planned.verb is Verb.REACTIVATE:
        unit.residuals.drop(planned.account)
        return
    if planned.verb not in CLOSING:
        return
    now = workspace.clock.now()
    found = residues(facts_of(workspace, planned.connection), now)
    for one in found:
        unit.residuals.put(
            planned.account, planned.connection, planned.person, one.kind, one.state.value, one.basis,
            until=to_text(one.until) if one.until else None, step_id=row["id"],
        )  # fmt: skip
    detail: dict[str, Any] = {one.kind: [one.state.value, to_text(one.until) if one.until else ""] for one in found}
    unit.ledger.append("account:residual:see", (planned.account, row["id"]), detail)


def of_person(workspace: Workspace, unit: Unit, person_id: str, hidden: Mapping[str, int]) -> list[Document]:
    """What may outlive a person's closed accounts, as it stands now; without what a hidden plan closed."""
    now = workspace.clock.now()
    steps = {row["step_id"]: unit.runs.step(row["step_id"]) for row in unit.residuals.of_person(person_id)}
    return [
        _document(row, now)
        for row in unit.residuals.of_person(person_id)
        if (step := steps[row["step_id"]]) is None or step["plan_id"] not in hidden
    ]


def _document(row: Row, now: datetime) -> Document:
    state = ResidualState(row["state"])
    until = from_text(row["until"]) if row["until"] else None
    over = now_closed(state, until, now)
    return {
        "account": row["account_id"],
        "connection": row["connection"],
        "kind": row["kind"],
        "state": ResidualState.CLOSED.value if over else state.value,
        "until": row["until"],
        "basis": row["basis"],
        "seen_at": row["seen_at"],
    }
