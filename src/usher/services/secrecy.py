"""Secrecy: who may see a confidential plan, its steps, tasks and findings, and what everybody else is shown instead.

It is shown to its requester, to the owners of its apps and whoever stands in for them, to those who have signed, and,
while more signatures are wanted than these can give, to every operator who may sign. Never to the person whom it is
about. Once its run is verified or ended, everybody may see it: what was done is part of the record.
"""

from __future__ import annotations

from typing import Any

from usher.domain.plan import Plan
from usher.domain.step import RunState
from usher.services.approve import standing
from usher.services.delegate import delegates_of
from usher.services.escalate import who_may_sign
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

Document = dict[str, Any]
OVER = (RunState.VERIFIED.value, RunState.CLOSED.value, RunState.ENDED.value)
ASK = "shown only to its requester and to those who must sign: give --as NAME --key file:PATH"


def hidden_plans(workspace: Workspace, unit: Unit) -> dict[str, int]:
    """The confidential plans that whoever looks may not see: id -> number."""
    viewer = unit.operators.by_id(workspace.viewer) if workspace.viewer else None
    return {
        row["id"]: row["number"]
        for row in unit.plans.confidential()
        if not _is_over(unit, row) and not (viewer and _may_see(workspace, unit, row, viewer))
    }


def hidden_finding(unit: Unit, hidden: dict[str, int], row: Row) -> int | None:
    """The number of the hidden plan that a finding tells of, or None."""
    if not hidden:
        return None
    evidence = load(row["evidence"])
    plan = evidence.get("plan") if isinstance(evidence, dict) else None
    if plan is None and isinstance(evidence, dict) and isinstance(evidence.get("step"), str):
        step = unit.runs.step(evidence["step"])
        plan = step["plan_id"] if step else None
    return hidden.get(plan) if isinstance(plan, str) else None


def blank(document: Document, number: int, keep: tuple[str, ...], **words: Any) -> Document:
    """A document of the same fields that says nothing but the plan's number, what is kept and the given words."""
    empty = {name: _nothing(value) for name, value in document.items() if name not in keep}
    return {**document, **empty, **{name: value for name, value in words.items() if name in document}}


def called(number: int) -> str:
    """What a hidden plan is called."""
    return f"confidential plan {number}"


def _is_over(unit: Unit, row: Row) -> bool:
    run = unit.runs.of_plan(row["id"])
    return run is not None and run["state"] in OVER


def _may_see(workspace: Workspace, unit: Unit, row: Row, viewer: Row) -> bool:
    plan = Plan.of(load(row["document"]))
    if viewer["revoked_at"] or (viewer["person_id"] is not None and viewer["person_id"] == plan.person):
        return False
    signed = {signature["operator_id"] for signature in unit.plans.signatures(plan.id)}
    if viewer["id"] in {plan.requested_by, *plan.needs.owners.values(), *signed}:
        return True
    if _keeps_an_app(workspace, unit, plan, viewer):
        return True
    waits = bool(standing(unit, row).missing)
    return waits and any(one["id"] == viewer["id"] for one in who_may_sign(unit, plan, row))


def _keeps_an_app(workspace: Workspace, unit: Unit, plan: Plan, viewer: Row) -> bool:
    """An owner of one of its apps, who may get a task of it, and whoever signs for him."""
    known = workspace.connections.names()
    for name in {step.connection for step in plan.steps}:
        owner = unit.operators.named(workspace.connections.config(name).owner) if name in known else None
        signs = unit.operators.by_id(plan.needs.owners.get(name, ""))
        owners = [one for one in (owner, signs) if one is not None]
        if any(one["id"] == viewer["id"] for one in owners):
            return True
        if any(other["id"] == viewer["id"] for one in owners for other in delegates_of(unit, one, name)):
            return True
    return False


def _nothing(value: Any) -> Any:
    """The empty value of the same kind, so that whoever reads the document finds every field."""
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return ""
    if isinstance(value, (list, dict)):
        return type(value)()
    return 0 if isinstance(value, int) else None
