"""Employments: what a stored row says of one contract of a person with a source."""

from __future__ import annotations

from usher.domain.clock import from_text
from usher.domain.person import Employment, EmploymentStatus
from usher.services.sourcedates import dates
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit


def employments_of(workspace: Workspace, unit: Unit, person_id: str) -> tuple[Employment, ...]:
    """Every employment of one person."""
    return tuple(employment_of(workspace, row) for row in unit.people.employments(person_id=person_id))


def employment_of(workspace: Workspace, row: Row) -> Employment:
    """The employment of a stored row."""
    status = EmploymentStatus(row["status"])
    starts, ends = dates(workspace, load(row["row"]))
    return Employment(
        source=row["source"],
        row_id=row["source_key"],
        status=status,
        starts=starts,
        ends=ends,
        said_at=from_text(row["status_since"]),
        present=row["absent_since"] is None,
    )
