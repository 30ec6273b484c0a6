"""The small company of the journeys: an HR export, a directory and a wiki (both SCIM), and two operators."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.helpers.running import Running
from tests.helpers.workspaces import make_workspace

from usher.domain.connection import ConnectionConfig
from usher.domain.policyfiles import Policies, PolicyFile, gather
from usher.engine.inline import tick
from usher.services.connections import OpenConnections
from usher.services.observe import observe
from usher.services.operators import Acting, acting, add_operator
from usher.services.reconcile import reconcile
from usher.services.workspace import Workspace

HR = """employment_id,employee_number,first_name,last_name,email,status,start_date,end_date,department,title
C1,E1,Ann,Archer,ann@acme.test,{ann},2020-01-01,{end},{department},{title}
C2,E2,Ben,Brook,ben@acme.test,active,2021-01-01,,IT,Engineer
C3,E3,Cleo,Crane,cleo@acme.test,active,2021-01-01,,IT,Engineer
{more}"""
POLICY = """
roles:
  - name: everyone
    when: {any: true}
    give:
      - {app: directory, account: {department: $department}, groups: [all-staff]}
  - name: account executive
    when: {title: Account Executive}
    give:
      - {app: wiki, account: {}, role: editor, groups: [sales-pages]}
"""
EXTENSION = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
NAMES = {"ann": ("Ann", "Archer", "E1"), "ben": ("Ben", "Brook", "E2"), "cleo": ("Cleo", "Crane", "E3")}


@dataclass
class Company:
    """The company under test."""

    folder: Path
    workspace: Workspace
    olga: Acting
    omar: Acting
    directory: Running
    wiki: Running
    opened: list[OpenConnections] = field(default_factory=list)
    """Further connections that a test opened; closed at its end."""

    def hr(
        self,
        ann: str = "active",
        end: str = "",
        department: str = "Sales",
        title: str = "Account Executive",
        more: str = "",
    ) -> None:
        """Write the HR export, and read it."""
        text = HR.format(ann=ann, end=end, department=department, title=title, more=more)
        (self.folder / "hr.csv").write_text(text)
        observe(self.workspace, "hr")

    def carry_out(self, fence: int, seconds: float = 20) -> None:
        """Tick until no run is under way."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            tick(self.workspace, fence)
            with self.workspace.store.read() as unit:
                if all(row["state"] != "running" for row in unit.runs.all()):
                    return
            time.sleep(0.05)
        raise AssertionError("the run did not end in time")

    def states(self) -> list[str]:
        """The states of the newest run's steps."""
        with self.workspace.store.read() as unit:
            return [row["state"] for row in unit.runs.steps(unit.runs.all()[0]["id"])]


def users(*names: str) -> list[dict[str, Any]]:
    """SCIM users of people."""
    return [
        {
            "userName": f"{name}@acme.test",
            "name": {"givenName": NAMES[name][0], "familyName": NAMES[name][1]},
            "displayName": " ".join(NAMES[name][:2]),
            "emails": [{"value": f"{name}@acme.test", "primary": True}],
            "active": True,
            "meta": {"created": "2022-01-01T00:00:00Z"},
            EXTENSION: {"employeeNumber": NAMES[name][2], "department": "Sales" if name == "ann" else "IT"},
        }
        for name in names
    ]


def scim(name: str, url: str, **more: Any) -> ConnectionConfig:
    """A SCIM connection of a twin."""
    settings = {"lag_seconds": 0.0, "timeout_seconds": 5, **more}
    return ConnectionConfig(name=name, app="scim", speaks="scim", owner="olga", url=f"{url}/scim/v2", **settings)


def policies(text: str = POLICY) -> Policies:
    """Policies of a text."""
    tree = YAML(typ="rt").load(text)
    return gather([("policies/roles.yaml", PolicyFile.model_validate(tree), tree)])


@pytest.fixture
def company(tmp_path: Path, start_twin: Any) -> Iterator[Company]:
    """A company of three, observed once."""
    everybody = tmp_path / "users.json"
    groups = [{"displayName": name, "members": []} for name in ("all-staff", "sales-pages")]
    everybody.write_text(json.dumps({"users": users("ann", "ben", "cleo"), "groups": groups}))
    directory = start_twin("twins.chaos", "--load", everybody, "--seed", "1")
    wiki = start_twin("twins.chaos", "--load", everybody, "--seed", "2")
    hr = ConnectionConfig(
        name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / "hr.csv"),
        options={"columns": {"id": "employment_id"}},
    )  # fmt: skip
    workspace = make_workspace(
        tmp_path / "workspace",
        [hr, scim("directory", directory.url, part="idp"), scim("wiki", wiki.url)],
        policies=policies(),
        secrets={"directory": {"token": "chaos"}, "wiki": {"token": "chaos"}},
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
    for connections in made.opened:
        connections.close()
    if made.workspace is not workspace:
        made.workspace.close()
    workspace.close()
