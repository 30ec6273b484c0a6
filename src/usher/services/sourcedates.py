"""Source dates: reads when an employment starts and ends, and says aloud which dates nobody can read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from usher.domain.person import EmploymentStatus
from usher.domain.signals import end_of_day, start_of_day
from usher.services.when import zone_of
from usher.services.workspace import Workspace
from usher.store.repository import load
from usher.store.unit import Unit

RULE = "unreadable date"
START = "start_date"
ENDS = ("end_date", "last_day", "termination_date", "leave_date")
"""Columns for the last day; the first that holds something counts."""


def dates(workspace: Workspace, row: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """When an employment starts and ends; a day without a time ends when it ends where the person works.

    None where the row says nothing, or nothing that can be read: `unreadable` tells the two apart.
    """
    first, last = _day(row.get(START)), _day(row.get(_end_column(row)))
    zone = zone_of(workspace, row)
    return start_of_day(first, zone) if first else None, end_of_day(last, zone) if last else None


def unreadable(row: Mapping[str, str]) -> dict[str, str]:
    """Columns that should hold a date and hold something else, with what they hold."""
    said = {column: row.get(column, "").strip() for column in (START, *ENDS)}
    return {column: text for column, text in said.items() if text and _day(text) is None}


def believed(status: EmploymentStatus, row: Mapping[str, str]) -> EmploymentStatus:
    """What may be believed of an employment's status beside its dates.

    A last day that cannot be read may be past or to come, and a first day may be to come: neither is taken as absent.
    """
    wrong = unreadable(row)
    if _end_column(row) in wrong or (START in wrong and status is EmploymentStatus.ACTIVE):
        return EmploymentStatus.UNKNOWN
    return status


def end_is_unreadable(row: Mapping[str, str]) -> bool:
    """Whether the row names a last day that cannot be read."""
    return _end_column(row) in unreadable(row)


def tell(unit: Unit, connection: str, row_id: str, person: str, row: Mapping[str, str]) -> None:
    """Open a finding for each date of a row that cannot be read, and close those that can be read by now."""
    wrong = unreadable(row)
    for column in (START, *ENDS):
        key = f"{RULE}|{connection}|{row_id}|{column}"
        if column not in wrong:
            if unit.findings.close_key(key, "the date can be read"):
                unit.ledger.append("finding:finding:close", (person,), {"rule": RULE})
            continue
        evidence = {"connection": connection, "row": row_id, "column": column, "value": wrong[column]}
        subject = f"{connection}: row {row_id}, {column} is {wrong[column]!r}"
        fix = f"Write {column} as a day such as 2026-12-31 in the source of {connection}, and read it again."
        id, is_new = unit.findings.open_finding(
            key, RULE, "high", subject, evidence, fix, connection=connection, person_id=person
        )
        if is_new:
            unit.ledger.append("finding:finding:open", (id, person), {"rule": RULE, "evidence": evidence})


def close_absent(unit: Unit, connection: str, present: set[str]) -> None:
    """Close the findings of rows that a complete reading no longer showed: their absence is told by another rule."""
    for row in unit.findings.open(rule=RULE):
        if row["connection"] == connection and load(row["evidence"])["row"] not in present:
            unit.findings.close(row["id"], "the source no longer lists the row")
            unit.ledger.append("finding:finding:close", (row["id"],), {"rule": RULE})


def _end_column(row: Mapping[str, str]) -> str:
    return next((name for name in ENDS if row.get(name, "").strip()), ENDS[0])


def _day(text: str | None) -> date | None:
    """The day of an ISO 8601 date or date with time; None for anything else, and for a day that has no next one."""
    if not text or not text.strip():
        return None
    try:
        day = datetime.fromisoformat(text.strip()).date()
    except ValueError:
        return None
    return day if date(1, 1, 2) < day < date(9999, 12, 30) else None
