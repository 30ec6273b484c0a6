"""Park: leaves a step where it is with an open finding, because only a person or a later look can tell."""

from __future__ import annotations

from usher.domain.plan import PlannedStep
from usher.domain.step import DueKind, StepState
from usher.services import run
from usher.services.notify import tell_of_parked, tell_of_stopped
from usher.store.dues import WAITING
from usher.store.repository import Row, load
from usher.store.unit import Unit

COMPLAIN_AFTER = 4
"""Tries after which a step that keeps failing becomes a finding, while it is tried on."""

ILL = "ill"
"""The cause of a quarantine that no reading can end: an app that reads well and answers writes with nonsense."""
ILL_MINUTES = 10
"""After this long, a complete reading ends it all the same: then writes are tried again."""
PROBE_AFTER = (1, 2, 5, 15, 60)
"""Minutes before a stopped connection is read again, by how often that was tried; the last goes on."""
PROBE_CREDENTIALS_AFTER = (5, 60, 1440)
"""The same where the credentials were refused: each further try brings the account nearer to being locked out."""


def park(unit: Unit, row: Row, rule: str, why: str) -> None:
    """Stop a step with a finding; what requires it waits, what does not goes on."""
    unit.runs.move(row["id"], StepState.PARKED, f"{rule}: {why}")
    fix = f"look at the account, then: usher resolve {row['id']} --answer look, retry or cancel"
    _open(unit, row, rule, "high", why, fix)
    unit.ledger.append("step:step:park", (row["id"],), {"rule": rule, "why": why})
    tell_of_parked(unit, row, rule)
    run.refresh(unit, row["run_id"])


def complain(unit: Unit, row: Row, tries: int, why: str) -> None:
    """Open a finding for a step that keeps failing; it goes on being tried."""
    if tries >= COMPLAIN_AFTER:
        _open(unit, row, "keeps failing", "medium", why, "nothing, unless the app stays ill: usher goes on trying")


def stuck(unit: Unit, row: Row, why: str) -> None:
    """Open a finding for a step that nothing would have carried on; it is made due again."""
    _open(unit, row, "stuck", "medium", why, "nothing: it is due again; tell whoever keeps usher that this happened")


def waits(unit: Unit, row: Row, why: str) -> None:
    """Open a finding for a step that cannot go on because its app is stopped: somebody is half off, and it is said."""
    planned = PlannedStep.of(load(row["document"]))
    fix = f"nothing here: it goes on by itself once {planned.connection} is used again (usher connect check)"
    _open(unit, row, "waits for its app", "high" if planned.verb.is_loss else "medium", why, fix)


def stop_connection(unit: Unit, connection: str, why: str, kind: str = "access") -> None:
    """Quarantine a connection and tell its owner; its steps wait, others go on.

    `kind` says what it takes to lift it: `access` and `reading` are over with a complete reading, `ill` only after a
    check by a person, or a while later with a complete reading.
    """
    known = unit.leases.quarantined().get(connection)
    if known and (known["kind"] == kind or known["kind"] == ILL):
        return
    finding, _ = unit.findings.open_finding(
        f"connection:{connection}",
        "connection stopped",
        "high",
        connection,
        {"why": why},
        f"mend the access, then: usher connect check {connection}",
        connection=connection,
    )
    unit.leases.quarantine(connection, why, kind, finding)
    unit.ledger.append("connection:access:lose", (finding,), {"connection": connection, "why": why, "kind": kind})
    tell_of_stopped(unit, connection, finding, why)
    _probe_soon(unit, connection)


def _probe_soon(unit: Unit, connection: str) -> None:
    """Bring the next scheduled reading forward: it is the one call that finds out when the connection works again."""
    soon = unit.dues.later(PROBE_AFTER[0] * 60)
    for row in unit.dues.open(connection):
        if row["kind"] == DueKind.OBSERVE.value and row["state"] == WAITING:
            if row["at"] > soon:
                unit.dues.give_back(row["id"], soon)
            return
    unit.dues.put(DueKind.OBSERVE, connection, connection, soon)


def probe_wait(unit: Unit, connection: str) -> float | None:
    """Seconds until a stopped connection is probed again, longer each time; None where it is not stopped."""
    stopped = unit.leases.quarantined().get(connection)
    if stopped is None:
        return None
    waits = PROBE_CREDENTIALS_AFTER if stopped["kind"] == "access" else PROBE_AFTER
    return waits[min(unit.leases.probed(connection), len(waits) - 1)] * 60


def after_reading(unit: Unit, connection: str, why: str) -> None:
    """A complete reading came: use a stopped connection again, unless its cause is one that a reading cannot end."""
    stopped = unit.leases.quarantined().get(connection)
    waited = unit.dues.later(-ILL_MINUTES * 60)
    if stopped is None or stopped["kind"] != ILL or stopped["since"] <= waited:
        use_again(unit, connection, why)


def use_again(unit: Unit, connection: str, why: str) -> str | None:
    """Lift a quarantine: what waited for the connection is due now. Returns why it was stopped, None where not."""
    stopped = unit.leases.quarantined().get(connection)
    if stopped is not None:
        unit.leases.lift(connection)
        unit.dues.let_go(connection)
        unit.health.forget_failures(connection)
        detail = {"connection": connection, "was": stopped["reason"], "why": why}
        unit.ledger.append("connection:access:regain", (stopped["finding_id"],), detail)
    unit.findings.close_key(f"connection:{connection}", why)
    return str(stopped["reason"]) if stopped else None


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
