"""A leaver in an LDAP directory: off once the server keeps her out, and never because an attribute says so."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers.running import Running
from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import HR, users

from usher.connectors.ldap import LdapConnector
from usher.domain.connection import ConnectionConfig
from usher.domain.plan import PlanKind
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.observe import observe
from usher.services.operators import Acting, acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.run import start
from usher.services.workspace import Workspace

pytestmark = [pytest.mark.needs("slapd"), pytest.mark.timeout(120)]
SUFFIX = "dc=acme,dc=test"
Firm = tuple[Workspace, Acting, Acting]


@pytest.fixture
def firm(tmp_path: Path, start_twin: Callable[..., Running]) -> Iterator[Callable[..., Firm]]:
    """A company whose directory is a real slapd, observed once; words go to the server."""
    opened: list[Workspace] = []

    def make(*words: str) -> Firm:
        load = tmp_path / "users.json"
        load.write_text(json.dumps({"users": users("ann", "ben", "cleo"), "groups": []}))
        slapd = start_twin("twins.slapd", "--folder", tmp_path / "slapd", "--load", load, *words)
        hr = ConnectionConfig(
            name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / "hr.csv"),
            options={"columns": {"id": "employment_id"}},
        )  # fmt: skip
        directory = ConnectionConfig(
            name="directory", app="ldap", speaks="ldap", part="idp", owner="olga", url=slapd.url, lag_seconds=0.0,
            options={"bind_dn": f"cn=admin,{SUFFIX}", "people": f"ou=people,{SUFFIX}"},
        )  # fmt: skip
        secrets = {"directory": {"password": "Admin-pass-1"}}
        ldap = {"ldap": lambda config, profile: LdapConnector(config, profile)}
        workspace = make_workspace(tmp_path / "workspace", [hr, directory], secrets=secrets, factories=ldap)
        opened.append(workspace)
        _, key = add_operator(workspace, "olga")
        olga = acting(workspace, "olga", key)
        _, other = add_operator(workspace, "omar", by=olga)
        for ann, end in (("active", ""), ("terminated", "2026-01-31")):
            (tmp_path / "hr.csv").write_text(HR.format(ann=ann, end=end, department="Sales", title="Rep", more=""))
            assert observe(workspace, "hr").kind == observe(workspace, "directory").kind == "complete"
            reconcile(workspace)
        return workspace, olga, acting(workspace, "omar", other)

    yield make
    for workspace in opened:
        workspace.close()


def leave(workspace: Workspace, olga: Acting, omar: Acting, over: set[str]) -> str:
    """Carry the leave of Ann out until her step stands in one of these states."""
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", olga)
    approve(workspace, str(plan.number), plan.digest, omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    until = time.monotonic() + 60
    while time.monotonic() < until:
        tick(workspace, fence)
        with workspace.store.read() as unit:
            (step,) = unit.runs.steps(unit.runs.all()[0]["id"])
        if step["state"] in over:
            return str(step["state"])
        time.sleep(0.05)
    raise AssertionError(f"{step['state']}: {step['note']}")


def test_a_leaver_is_off_once_the_server_keeps_her_out(firm: Callable[..., Firm]) -> None:
    workspace, olga, omar = firm()
    assert leave(workspace, olga, omar, {"verified", "parked"}) == "verified"
    observe(workspace, "directory")
    assert "ghost" not in reconcile(workspace)


def test_a_lock_that_has_no_effect_closes_nothing(firm: Callable[..., Firm]) -> None:
    workspace, olga, omar = firm("--no-lockout")
    state = leave(workspace, olga, omar, {"verified", "closed", "parked", "waiting for a person"})
    assert state not in ("verified", "closed")
    with workspace.store.read() as unit:
        assert [row["subject"] for row in unit.findings.open() if row["connection"] == "directory"]
