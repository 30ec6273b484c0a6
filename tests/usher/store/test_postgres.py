"""A whole leaver on a real PostgreSQL: the same services, the same rows, the same ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from tests.helpers.postgres import Postgres
from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import Company, policies, scim, users

from usher.domain.connection import ConnectionConfig
from usher.domain.plan import PlanKind
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.observe import observe
from usher.services.operators import acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.record import exported_heads, verify_ledger
from usher.services.run import start

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def company(tmp_path: Path, start_twin: Any, postgres: Postgres) -> Iterator[Company]:
    """The company of the journeys, kept in PostgreSQL."""
    everybody = tmp_path / "users.json"
    everybody.write_text(json.dumps({"users": users("ann", "ben", "cleo"), "groups": []}))
    directory, wiki = (start_twin("twins.chaos", "--load", everybody, "--seed", seed) for seed in ("1", "2"))
    hr = ConnectionConfig(
        name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / "hr.csv"),
        options={"columns": {"id": "employment_id"}},
    )  # fmt: skip
    workspace = make_workspace(
        tmp_path / "workspace",
        [hr, scim("directory", directory.url, part="idp"), scim("wiki", wiki.url)],
        policies=policies(),
        secrets={"directory": {"token": "chaos"}, "wiki": {"token": "chaos"}},
        url=postgres.new_database(),
    )
    _, key = add_operator(workspace, "olga")
    olga = acting(workspace, "olga", key)
    _, other = add_operator(workspace, "omar", by=olga)
    made = Company(tmp_path, workspace, olga, acting(workspace, "omar", other), directory, wiki)
    made.hr()
    for name in ("directory", "wiki"):
        assert observe(workspace, name).kind == "complete"
    reconcile(workspace)
    yield made
    workspace.close()


def test_a_leaver_is_off_everywhere_and_the_ledger_verifies_on_postgresql(company: Company) -> None:
    workspace = company.workspace
    assert not list((workspace.folder / "data").glob("usher.db*"))
    company.hr("terminated", "2026-01-31")
    assert reconcile(workspace)["ghost"] == 2
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", company.olga)
    assert plan.guard["allowed"]
    assert approve(workspace, str(plan.number), plan.digest, company.omar).missing == ()
    fence = begin(workspace)
    start(workspace, str(plan.number))
    company.carry_out(fence)
    assert [entry["effect"] for entry in company.directory.entries()] == ["deactivate"]
    assert [entry["effect"] for entry in company.wiki.entries()] == ["deactivate"]
    assert company.states() == ["verified", "verified"]
    assert "ghost" not in reconcile(workspace)
    report = verify_ledger(workspace, exported_heads(workspace.heads / "heads.jsonl"))
    assert report.problems == ()
    assert report.anchored > 0


def test_a_reading_transaction_can_write_nothing_on_postgresql(company: Company) -> None:
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="read-only"), company.workspace.store.read() as unit:
        unit.leases.take("somebody")
