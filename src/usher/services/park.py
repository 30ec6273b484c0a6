"""Park: leaves a step where it is with an open finding, because only a person or a later look can tell."""

from __future__ import annotations

from usher.domain.plan import PlannedStep
from usher.domain.step import StepState
from usher.services import run
from usher.store.repository import Row, load
from usher.store.unit import Unit

COMPLAIN_AFTER = 4
"""Tries after which a step that keeps failing becomes a finding, while it is tried on."""


def park(unit: Unit, row: Row, rule: str, why: str) -> None:
    """Stop a step with a finding; what requires it waits, what does not goes on."""
    unit.runs.move(row["id"], StepState.PARKED, f"{rule}: {why}")
    fix = f"look at the account, then: usher resolve {row['id']} --answer look, retry or cancel"
    _open(unit, row, rule, "high", why, fix)
    unit.ledger.append("step:step:park", (row["id"],), {"rule": rule, "why": why})
    run.refresh(unit, row["run_id"])


def complain(unit: Unit, row: Row, tries: int, why: str) -> None:
    """Open a finding for a step that keeps failing; it goes on being tried."""
    if tries >= COMPLAIN_AFTER:
        _open(unit, row, "keeps failing", "medium", why, "nothing, unless the app stays ill: usher goes on trying")


def stop_connection(unit: Unit, connection: str, why: str) -> None:
    """Quarantine a connection and tell its owner; its steps wait, others go on."""
    unit.leases.quarantine(connection, why)
    unit.findings.open_finding(
        f"connection:{connection}",
        "connection stopped",
        "high",
        connection,
        {"why": why},
        f"mend the access, then: usher connect check {connection}",
        connection=connection,
    )


def clear(unit: Unit, row: Row, why: str) -> None:
    """Close a step's findings: what they asked has been answered."""
    for finding in unit.findings.open():
        if finding["key"].startswith(f"step:{row['id']}:"):
            unit.findings.close(finding["id"], why)


def _open(unit: Unit, row: Row, rule: str, severity: str, why: str, fix: str) -> None:
    planned = PlannedStep.of(load(row["document"]))
    unit.findings.open_finding(
        f"step:{row['id']}:{rule}",
        rule,
        severity,
        f"{planned.verb} {planned.user_name} in {planned.connection}",
        {"why": why, "step": row["id"], "run": row["run_id"]},
        fix,
        connection=planned.connection,
        account_id=planned.account,
        person_id=planned.person,
    )
