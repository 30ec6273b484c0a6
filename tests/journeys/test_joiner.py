"""A person joins: accounts and entitlements that policy gives, each step citing the line that asked for it."""

from __future__ import annotations

import pytest
from tests.journeys.conftest import Company

from usher.domain.plan import PlanKind
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.run import start
from usher.services.workspace import Refusal

DANA = "C4,E4,Dana,Drew,dana@acme.test,active,2026-01-01,,Sales,Account Executive\n"


def test_a_joiner_gets_what_policy_gives_and_is_seen_with_it(company: Company) -> None:
    workspace = company.workspace
    company.hr(more=DANA)
    assert reconcile(workspace)["missing"] == 2
    plan = make_plan(workspace, PlanKind.JOIN, "E4", company.olga)
    assert [(step.connection, str(step.verb), step.entitlement) for step in plan.steps] == [
        ("directory", "create", None),
        ("directory", "grant", "group:all-staff"),
        ("wiki", "create", None),
        ("wiki", "grant", "group:sales-pages"),
    ]
    assert all("policies/roles.yaml:" in step.asked_by for step in plan.steps)
    approve(workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    company.carry_out(fence)
    assert company.states() == ["verified"] * 4
    created = [entry for entry in company.wiki.entries() if entry["effect"] == "create"]
    assert [entry["userName"] for entry in created] == ["dana@acme.test"]
    assert "missing" not in reconcile(workspace)
    with workspace.store.read() as unit:
        person = unit.people.search("dana@acme.test")[0]
        held = {row["connection"]: row for row in unit.accounts.linked(person["id"])}
    assert {"directory", "wiki", "hr"} == set(held)


def test_a_mover_gets_what_policy_says_now_and_loses_what_it_no_longer_gives(company: Company) -> None:
    workspace = company.workspace
    company.hr(department="Marketing", title="Content Manager")
    plan = make_plan(workspace, PlanKind.MOVE, "E1", company.olga)
    assert plan.signal is not None
    assert [(step.connection, str(step.verb), step.entitlement) for step in plan.steps] == [
        ("directory", "grant", "group:all-staff"),
        ("directory", "update", None),
        ("wiki", "deactivate", None),
    ]
    approve(workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    company.carry_out(fence)
    assert company.states() == ["verified"] * 3
    with pytest.raises(Refusal, match="nothing to do"):
        make_plan(workspace, PlanKind.MOVE, "E1", company.olga)
