"""A person leaves: off in the directory and in the app, in that order, each proven by a fresh reading."""

import json
import time
from pathlib import Path

import pytest
from tests.helpers.workspaces import make_workspace

from usher.domain.connection import ConnectionConfig
from usher.domain.plan import PlanKind, PlanState
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.observe import observe
from usher.services.operators import acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.record import verify_ledger
from usher.services.run import start
from usher.services.workspace import Refusal, Workspace

HR = """employment_id,employee_number,first_name,last_name,email,status,start_date,end_date,department,title
C1,E1,Ann,Archer,ann@acme.test,{ann},2020-01-01,{end},Sales,Account Executive
C2,E2,Ben,Brook,ben@acme.test,active,2021-01-01,,IT,Engineer
C3,E3,Cleo,Crane,cleo@acme.test,active,2021-01-01,,IT,Engineer
"""


def people(first: str = "ann ben cleo") -> list[dict[str, object]]:
    """SCIM users of the three people."""
    names = {"ann": ("Ann", "Archer", "E1"), "ben": ("Ben", "Brook", "E2"), "cleo": ("Cleo", "Crane", "E3")}
    return [
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": f"{name}@acme.test",
            "name": {"givenName": names[name][0], "familyName": names[name][1]},
            "displayName": " ".join(names[name][:2]),
            "emails": [{"value": f"{name}@acme.test", "primary": True}],
            "active": True,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": names[name][2]},
        }
        for name in first.split()
    ]


@pytest.fixture
def company(tmp_path: Path, start_twin):
    """A company of three with a directory and a wiki, observed once, and two operators."""
    users = tmp_path / "users.json"
    users.write_text(json.dumps(people()))
    directory = start_twin("twins.chaos", "--load", users, "--seed", "1")
    wiki = start_twin("twins.chaos", "--load", users, "--seed", "2")
    write_hr(tmp_path, "active")
    workspace = make_workspace(
        tmp_path / "workspace",
        [
            ConnectionConfig(name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / "hr.csv"),
                             options={"columns": {"id": "employment_id"}}),
            scim("directory", directory.url, part="idp"),
            scim("wiki", wiki.url),
        ],
        secrets={"directory": {"token": "chaos"}, "wiki": {"token": "chaos"}},
    )  # fmt: skip
    olga, key = add_operator(workspace, "olga")
    _, other = add_operator(workspace, "omar", by=acting(workspace, "olga", key))
    for name in workspace.connections.names():
        assert observe(workspace, name).kind == "complete"
    reconcile(workspace)
    yield workspace, acting(workspace, "olga", key), acting(workspace, "omar", other), directory, wiki
    workspace.close()


def scim(name: str, url: str, **more: object) -> ConnectionConfig:
    """A SCIM connection of a twin."""
    return ConnectionConfig(
        name=name,
        app="scim",
        speaks="scim",
        owner="olga",
        url=f"{url}/scim/v2",
        lag_seconds=0.0,
        timeout_seconds=5,
        **more,
    )


def write_hr(folder: Path, ann: str, end: str = "") -> None:
    """The HR export, with Ann's status."""
    (folder / "hr.csv").write_text(HR.format(ann=ann, end=end))


def carry_out(workspace: Workspace, fence: int, seconds: float = 20) -> None:
    """Tick until no step is under way."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        tick(workspace, fence)
        with workspace.store.read() as unit:
            if all(row["state"] != "running" for row in unit.runs.all()):
                return
        time.sleep(0.05)
    raise AssertionError("the run did not end in time")


def test_a_leaver_is_off_in_the_directory_and_in_the_app_and_the_ledger_verifies(company, tmp_path: Path) -> None:
    workspace, olga, omar, directory, wiki = company
    write_hr(tmp_path, "terminated", "2026-01-31")
    observe(workspace, "hr")
    counts = reconcile(workspace)
    assert counts["ghost"] == 2
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", olga)
    assert [(step.connection, step.verb) for step in plan.steps] == [
        ("directory", "deactivate"),
        ("wiki", "deactivate"),
    ]
    assert plan.signal is not None and plan.guard["allowed"]
    assert approve(workspace, str(plan.number), plan.digest, omar).missing == ()
    fence = begin(workspace)
    start(workspace, str(plan.number))
    carry_out(workspace, fence)
    assert [entry["verb"] if "verb" in entry else entry["effect"] for entry in directory.entries()] == ["deactivate"]
    assert len(wiki.entries()) == 1
    with workspace.store.read() as unit:
        states = [row["state"] for row in unit.runs.steps(unit.runs.all()[0]["id"])]
        assert states == ["verified", "verified"]
        row = unit.plans.find(str(plan.number))
        assert row is not None and row["state"] == PlanState.DONE
    assert "ghost" not in reconcile(workspace)
    report = verify_ledger(workspace, [])
    assert report.ok, report.problems


def test_nobody_approves_a_plan_that_he_asked_for_himself(company) -> None:
    workspace, olga, omar, _, _ = company
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", olga, "resigned today")
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(workspace, str(plan.number), plan.digest, olga)
    with pytest.raises(Refusal, match="more operator"):
        start(workspace, str(plan.number))
    assert not approve(workspace, str(plan.number), plan.digest, omar).missing
