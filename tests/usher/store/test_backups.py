"""A backup of either database is one consistent copy that goes into either one again, and goes on there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from tests.helpers.postgres import Postgres
from tests.helpers.workspaces import make_workspace

from usher.domain.clock import SystemClock
from usher.domain.connection import ConnectionConfig
from usher.domain.ids import IdFactory
from usher.services.backup import check_backup, make_backup
from usher.services.observe import observe
from usher.services.operators import acting, add_operator
from usher.services.record import all_exported_heads, verify_ledger
from usher.services.restore import restore
from usher.services.workspace import Refusal, Workspace
from usher.store.backups import copy_database, inspect_copy
from usher.store.database import Store

HR = """employment_id,employee_number,first_name,last_name,email,status,start_date,end_date,department,title
C1,E1,Ann,Archer,ann@acme.test,active,2020-01-01,,Sales,Account Executive
C2,E2,Ben,Brook,ben@acme.test,active,2021-01-01,,IT,Engineer
"""


def company(folder: Path, hr: Path, url: str | None) -> Workspace:
    """A workspace that reads one HR export."""
    config = ConnectionConfig(name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(hr),
                              options={"columns": {"id": "employment_id"}})  # fmt: skip
    return make_workspace(folder, [config], url=url)


def rows(url: str) -> dict[str, int]:
    """How many rows each table holds."""
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        names = sqlalchemy.inspect(connection).get_table_names()
        counts = {name: connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one() for name in names}
    engine.dispose()
    return counts


@pytest.fixture
def hr(tmp_path: Path) -> Path:
    """The HR export."""
    path = tmp_path / "hr.csv"
    path.write_text(HR)
    return path


@pytest.mark.parametrize("into", ["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def test_a_backup_of_either_database_is_restored_into_either_and_goes_on_there(
    tmp_path: Path, hr: Path, url: str, into: str, request: pytest.FixtureRequest
) -> None:
    workspace = company(tmp_path / "one", hr, url)
    _, key = add_operator(workspace, "olga")
    assert observe(workspace, "hr").kind == "complete"
    file = tmp_path / "acme.tar.gz"
    manifest = make_backup(workspace, file)
    before = rows(url)
    assert manifest.kept_in == url.partition(":")[0].partition("+")[0]
    assert check_backup(file).report.ok
    workspace.close()
    target = request.getfixturevalue("postgres").new_database() if into == "postgres" else None
    done = restore(
        file,
        tmp_path / "two",
        lambda half: company(half, hr, None),
        lambda restored: acting(restored, "olga", key),
        "the disk died",
        database_url=target,
        heads=[workspace.heads / "heads.jsonl"],
    )
    assert (tmp_path / "two" / "data" / "usher.db").exists() == (target is None)
    again = company(tmp_path / "two", hr, target)
    assert done.statement.left == 1, "the head over the backup's own leaf was exported after it was made"
    assert {name: count for name, count in rows(again.store.url).items() if name in ("person", "account", "snapshot")} \
        == {name: before[name] for name in ("person", "account", "snapshot")}  # fmt: skip
    hr.write_text(HR + "C3,E3,Cleo,Crane,cleo@acme.test,active,2021-01-01,,IT,Engineer\n")
    observed = observe(again, "hr")
    assert (observed.kind, observed.changed) == ("complete", 1), "new rows get numbers of their own"
    report = verify_ledger(again, [*all_exported_heads(again.heads), *all_exported_heads(workspace.heads)])
    assert report.ok and [one.doubt for one in report.restores] == [None], report.problems
    again.close()


@pytest.mark.needs("postgres")
def test_a_database_with_rows_in_it_is_not_restored_into(tmp_path: Path, hr: Path, postgres: Postgres) -> None:
    url = postgres.new_database()
    workspace = company(tmp_path / "one", hr, url)
    _, key = add_operator(workspace, "olga")
    observe(workspace, "hr")
    file = tmp_path / "acme.tar.gz"
    make_backup(workspace, file)
    workspace.close()
    before = rows(url)
    with pytest.raises(Refusal, match="name an empty database"):
        restore(file, tmp_path / "two", lambda half: company(half, hr, None),
                lambda restored: acting(restored, "olga", key), "x", database_url=url)  # fmt: skip
    assert rows(url) == before
    assert not (tmp_path / "two").exists()


def test_a_copy_is_one_state_while_others_write(tmp_path: Path, url: str) -> None:
    clock = SystemClock()
    ids = IdFactory(clock)
    store = Store(url, "test", clock, ids)
    store.migrate()
    over = threading.Event()

    def write() -> None:
        """Two rows in each transaction: a copy that holds one of them without the other is not one state."""
        while not over.is_set():
            with store.begin() as unit:
                person = unit.people.add_person("Ann", "working", {})
                unit.ledger.append("person:person:add", (ids.new("per"),), {"person": str(person)})

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[tuple[Any, Any]] = []
    try:
        for number in range(6):
            path = tmp_path / f"copy-{number}.db"
            copy_database(url, path, "test", clock, ids)
            assert inspect_copy(path).revision
            counts = rows(f"sqlite:///{path}")
            seen.append((counts["person"], counts["ledger_leaf"]))
            assert not list(tmp_path.glob(f"copy-{number}.db-*")), "everything is in the one file"
    finally:
        over.set()
        writer.join()
        store.close()
    assert all(people == leaves for people, leaves in seen) and seen[0][0] < seen[-1][0], seen
