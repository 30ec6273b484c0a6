"""Logins that can change hands: where nothing beside them can be compared, only a person acts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import Company, scim, users

from usher.domain.plan import PlanKind
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.drafting import needs_person
from usher.services.observe import observe
from usher.services.operators import acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.run import start

LEFT = ("terminated", "2026-01-31")


def test_a_login_that_can_change_hands_and_shows_no_name_is_closed_by_a_person(
    company: Company, tmp_path: Path, start_twin: Any
) -> None:
    nameless = users("ann", "ben")
    for user in nameless:
        del user["displayName"], user["name"]
    (tmp_path / "tool.json").write_text(json.dumps({"users": nameless, "groups": []}))
    twin = start_twin("twins.chaos", "--load", tmp_path / "tool.json", "--seed", "3")
    tool = scim("tool", twin.url, key="mutable")
    workspace = make_workspace(
        tmp_path / "other", [company.workspace.connections.config("hr"), tool], secrets={"tool": {"token": "chaos"}}
    )
    _, key = add_operator(workspace, "olga")
    olga = acting(workspace, "olga", key)
    _, key = add_operator(workspace, "omar", by=olga)
    omar = acting(workspace, "omar", key)
    observe(workspace, "hr")
    observe(workspace, "tool")
    reconcile(workspace)
    company.hr(*LEFT)
    observe(workspace, "hr")
    plan = make_plan(workspace, PlanKind.LEAVE, "E1", olga)
    (step,) = plan.steps
    assert (step.path, dict(step.agree), needs_person(step, tool)) == ("person", {}, True)
    assert any("a person must look and act" in note for note in plan.notes)
    approve(workspace, str(plan.number), plan.digest, omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    tick(workspace, fence)
    with workspace.store.read() as unit:
        assert unit.runs.step(step.id)["state"] == "waiting for a person"
    assert twin.entries() == []
    workspace.close()
