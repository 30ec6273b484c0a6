"""What the people are that sources make: who is one person, when somebody left, and what is said of bad dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.helpers.workspaces import make_workspace

from usher.domain.connection import ConnectionConfig
from usher.domain.person import EmploymentStatus, Standing, left_at
from usher.domain.signals import SignalKind, SourceRow
from usher.domain.signals import signals as of_change
from usher.services.observe import observe
from usher.services.reconcile import reconcile
from usher.services.sourcedates import believed, unreadable
from usher.services.sources import people
from usher.services.workspace import Workspace
from usher.store.repository import load

HEAD = "employment_id,employee_number,first_name,last_name,email,status,start_date,leaves\n"
ANN = "A1,1001,Ann,Archer,ann@us.test,{status},2020-01-01,{end}\n"
CAT = "A2,1002,Cat,Crane,cat@us.test,active,2020-01-01,\n"


@pytest.fixture
def two_sources(tmp_path: Path) -> Iterator[Workspace]:
    """Two HR exports, `us` and `uk`."""
    configs = [
        ConnectionConfig(
            name=name, app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / f"{name}.csv"),
            options={"columns": {"id": "employment_id", "leave_date": "leaves"}},
        )
        for name in ("us", "uk")
    ]  # fmt: skip
    workspace = make_workspace(tmp_path / "workspace", configs)
    yield workspace
    workspace.close()


def read(workspace: Workspace, name: str, *rows: str) -> None:
    """Write one export, and read it."""
    (workspace.folder.parent / f"{name}.csv").write_text(HEAD + "".join(rows))
    assert observe(workspace, name).kind == "complete"


def ann(status: str = "active", end: str = "") -> str:
    """Ann's row."""
    return ANN.format(status=status, end=end)


def standings(workspace: Workspace) -> dict[str, str]:
    """Everybody's standing by name."""
    with workspace.store.read() as unit:
        return {one.label: one.standing(workspace.clock.now()).value for one in people(workspace, unit)}


def open_findings(workspace: Workspace, rule: str) -> list[dict[str, object]]:
    """Evidence of the open findings of a rule, with their severity."""
    with workspace.store.read() as unit:
        return [load(row["evidence"]) | {"severity": row["severity"]} for row in unit.findings.open(rule=rule)]


def signals(workspace: Workspace) -> list[str]:
    """Kinds of the signals that were kept, oldest first."""
    with workspace.store.read() as unit:
        return [row["kind"] for row in reversed(unit.findings.signals())]


def test_when_somebody_left_does_not_move_with_every_reading(two_sources: Workspace) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "us", ann("terminated"), CAT)
    times = []
    for _ in range(2):
        with two_sources.store.read() as unit:
            person = next(one for one in people(two_sources, unit) if one.label == "Ann Archer")
        times.append(left_at(person.employments, two_sources.clock.now()))
        read(two_sources, "us", ann("terminated"), CAT)
    assert times[0] is not None
    assert times[0] == times[1]


@pytest.mark.parametrize("end", ["31/12/2026", "2026-12-31junk", "soon", "9999-12-31"])
def test_a_last_day_that_cannot_be_read_is_a_high_finding_and_not_an_open_end(two_sources: Workspace, end: str) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "us", ann("active", end), CAT)
    assert standings(two_sources) == {"Ann Archer": Standing.UNKNOWN, "Cat Crane": Standing.WORKING}
    (found,) = open_findings(two_sources, "unreadable date")
    assert found == {"connection": "us", "row": "A1", "column": "leave_date", "value": end, "severity": "high"}
    reconcile(two_sources)
    assert open_findings(two_sources, "unreadable date"), "only a readable date closes it"
    read(two_sources, "us", ann("active", "2020-12-31"), CAT)
    assert open_findings(two_sources, "unreadable date") == []
    assert standings(two_sources)["Ann Archer"] == Standing.LEFT
    assert signals(two_sources) == ["leaver"]


def test_a_leave_is_not_withdrawn_by_a_last_day_that_cannot_be_read(two_sources: Workspace) -> None:
    read(two_sources, "us", ann(), CAT)
    for end in ("2020-12-31", "31.12.2020", "2020-12-31"):
        read(two_sources, "us", ann("active", end), CAT)
    assert signals(two_sources) == ["leaver"]


def test_a_first_day_that_cannot_be_read_makes_no_joiner_until_it_can() -> None:
    row = {"start_date": "1/9/2026", "end_date": ""}
    assert unreadable(row) == {"start_date": "1/9/2026"}
    assert believed(EmploymentStatus.ACTIVE, row) is EmploymentStatus.UNKNOWN
    assert believed(EmploymentStatus.TERMINATED, row) is EmploymentStatus.TERMINATED
    doubtful = SourceRow(source="us", row_id="A1", status=EmploymentStatus.UNKNOWN, doubtful=True)
    now, soon = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
    assert of_change(None, doubtful, now) == ()
    mended = SourceRow(source="us", row_id="A1", status=EmploymentStatus.ACTIVE, starts=soon)
    assert [(one.kind, one.true_at) for one in of_change(doubtful, mended, now)] == [(SignalKind.JOINER, soon)]


def test_a_sabbatical_is_a_leave_and_not_an_ending(two_sources: Workspace) -> None:
    read(two_sources, "us", ann("sabbatical"), CAT)
    assert standings(two_sources)["Ann Archer"] == Standing.ON_LEAVE


BOB = "B1,1001,{given},{family},bob@uk.test,active,2020-01-01,\n"


def test_the_same_number_in_another_source_under_another_name_is_another_person(two_sources: Workspace) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "uk", BOB.format(given="Bob", family="Baker"))
    assert set(standings(two_sources)) == {"Ann Archer", "Bob Baker", "Cat Crane"}
    (found,) = open_findings(two_sources, "same number, another name")
    assert (found["number"], found["source"], found["row"], found["severity"]) == ("1001", "uk", "B1", "high")
    reconcile(two_sources)
    assert len(open_findings(two_sources, "same number, another name")) == 1
    read(two_sources, "us", ann("terminated"), CAT)
    assert standings(two_sources) == {"Ann Archer": "left", "Bob Baker": "working", "Cat Crane": "working"}
    read(two_sources, "uk", BOB.replace("1001", "2001").format(given="Bob", family="Baker"))
    assert open_findings(two_sources, "same number, another name") == []


def test_one_given_name_in_common_does_not_make_one_person_of_two(two_sources: Workspace) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "uk", BOB.format(given="Ann", family="Baker"))
    assert set(standings(two_sources)) == {"Ann Archer", "Ann Baker", "Cat Crane"}


def test_the_same_number_and_name_in_another_source_is_the_same_person(two_sources: Workspace) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "uk", BOB.format(given="Ann", family="Archer"))
    assert standings(two_sources) == {"Ann Archer": "working", "Cat Crane": "working"}
    assert open_findings(two_sources, "same number, another name") == []


def test_a_rehire_with_the_same_number_and_name_stays_one_person(two_sources: Workspace) -> None:
    read(two_sources, "us", ann("terminated"), CAT)
    read(two_sources, "us", ann("terminated"), ann().replace("A1", "A9"), CAT)
    assert standings(two_sources) == {"Ann Archer": "working", "Cat Crane": "working"}
    read(two_sources, "us", ann("terminated"), ann("terminated").replace("A1", "A9"), CAT)
    read(two_sources, "us", ann(), CAT)
    assert standings(two_sources) == {"Ann Archer": "working", "Cat Crane": "working"}


@pytest.mark.parametrize("row", ["A1", "A9"])
def test_a_number_given_to_somebody_else_after_a_leave_makes_a_new_person(two_sources: Workspace, row: str) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "us", ann("terminated"), CAT)
    read(two_sources, "us", BOB.format(given="Ann", family="Baker").replace("B1", row), CAT)
    assert standings(two_sources) == {"Ann Archer": "left", "Ann Baker": "working", "Cat Crane": "working"}
    assert len(open_findings(two_sources, "same number, another name")) == 1
    read(two_sources, "us", BOB.format(given="Ann", family="Baker").replace("B1", row), CAT)
    assert standings(two_sources)["Ann Archer"] == "left"
    assert len(open_findings(two_sources, "same number, another name")) == 1


def test_a_row_that_is_somebody_elses_from_one_day_to_the_next_ends_nobody(two_sources: Workspace) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "us", ann().replace("Ann,Archer,ann@", "Zoe,Zimmer,zoe@"), CAT)
    assert standings(two_sources) == {"Ann Archer": "working", "Zoe Zimmer": "working", "Cat Crane": "working"}
    assert len(open_findings(two_sources, "same number, another name")) == 1
    assert reconcile(two_sources)["absent"] == 1


def test_a_new_family_name_on_the_same_row_is_the_same_person(two_sources: Workspace) -> None:
    read(two_sources, "us", ann(), CAT)
    read(two_sources, "us", ann().replace("Archer", "Miller"), CAT)
    assert standings(two_sources) == {"Ann Miller": "working", "Cat Crane": "working"}


def test_the_name_of_a_leaver_may_be_erased(two_sources: Workspace) -> None:
    read(two_sources, "us", ann("terminated"), CAT)
    read(two_sources, "us", ann("terminated").replace("Ann,Archer", "Former,Employee"), CAT)
    assert standings(two_sources) == {"Former Employee": "left", "Cat Crane": "working"}
