"""What the people are that sources make: who is one person, when somebody left, and what is said of bad dates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.workspaces import make_workspace

from usher.domain.connection import ConnectionConfig
from usher.domain.person import Standing, left_at
from usher.services.observe import observe
from usher.services.sources import people
from usher.services.workspace import Workspace
from usher.store.repository import load

HEAD = "employment_id,employee_number,first_name,last_name,email,status,start_date,end_date\n"
ANN = "A1,1001,Ann,Archer,ann@us.test,{status},2020-01-01,{end}\n"
CAT = "A2,1002,Cat,Crane,cat@us.test,active,2020-01-01,\n"


@pytest.fixture
def two_sources(tmp_path: Path) -> Iterator[Workspace]:
    """Two HR exports, `us` and `uk`."""
    configs = [
        ConnectionConfig(
            name=name, app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / f"{name}.csv"),
            options={"columns": {"id": "employment_id"}},
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
