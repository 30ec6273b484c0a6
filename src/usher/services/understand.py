"""Understand: what another version left and this one cannot carry out becomes a finding, never silence."""

from __future__ import annotations

from usher.domain.plan import PlannedStep
from usher.domain.step import DueKind, StepState
from usher.services import run
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

NOT_UNDERSTOOD = "not understood"
NO_CONNECTION = "no such connection"
KIND_NOT_UNDERSTOOD = "due kind not understood"
OVER = (StepState.CLOSED, StepState.CANCELLED)
KNOWN = frozenset(state.value for state in StepState)


def ask_about_strange(workspace: Workspace, unit: Unit) -> int:
    """Park every unfinished step that this version cannot carry out, and tell of due rows of a kind it does not know.

    Returns how many findings are new. Such a step is not tried: its verb, its state or its connection means nothing
    here, and a guess would act. A due row stays as it is, for the version that knows its kind.
    """
    strange = [(row, reason) for row in unit.runs.steps_not_in(*OVER) if (reason := _strange(workspace, row))]
    told = sum(_park(unit, row, *reason) for row, reason in strange)
    for run_id in {row["run_id"] for row, _ in strange}:
        run.refresh(unit, run_id)
    kinds = {kind.value for kind in DueKind}
    for kind in sorted({str(due["kind"]) for due in unit.dues.open()} - kinds):
        told += _tell_of_kind(unit, kind)
    return told


def _strange(workspace: Workspace, row: Row) -> tuple[str, str] | None:
    """Say what of a step means nothing to this version: the rule, and why."""
    if row["state"] not in KNOWN:
        return NOT_UNDERSTOOD, f"it is {row['state']!r}, a state that this version of usher does not know"
    try:
        PlannedStep.of(load(row["document"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return NOT_UNDERSTOOD, f"this version of usher cannot read the step ({type(error).__name__}: {error})"
    if row["connection"] not in workspace.connections.names():
        return NO_CONNECTION, f"there is no connection {row['connection']!r} in the configuration any more"
    return None


def _park(unit: Unit, row: Row, rule: str, why: str) -> bool:
    _, is_new = unit.findings.open_finding(
        f"step:{row['id']}:{rule}",
        rule,
        "high",
        f"{row['verb']} in {row['connection']}",
        {"why": why, "step": row["id"], "run": row["run_id"]},
        f"look at the account; then usher resolve {row['id']} --answer cancel, or, with the version of usher or the "
        "connection that it was made for, --answer look or retry",
        connection=row["connection"],
    )
    for due in unit.dues.open(row["id"]):
        unit.dues.finish(due["id"])
    unit.runs.move(row["id"], StepState.PARKED, f"{rule}: {why}")
    if is_new:
        unit.ledger.append("step:step:park", (row["id"],), {"rule": rule, "why": why})
    return is_new


def _tell_of_kind(unit: Unit, kind: str) -> int:
    rows = [due for due in unit.dues.open() if due["kind"] == kind]
    _, is_new = unit.findings.open_finding(
        f"due:{kind}",
        KIND_NOT_UNDERSTOOD,
        "high",
        kind,
        {"kind": kind, "rows": len(rows), "subjects": sorted({str(due["subject"]) for due in rows})[:20]},
        "run the version of usher that wrote these rows, or look at what they are about and do it by hand",
    )
    return int(is_new)
