"""A person leaves: off in the directory and in the app, in that order, each proven by a fresh reading."""

from __future__ import annotations

import pytest
from tests.journeys.conftest import Company

from usher.domain.plan import PlanKind, PlanState
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.erase import erase_details
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.record import verify_ledger
from usher.services.run import start
from usher.services.workspace import Refusal


def test_a_leaver_is_off_in_the_directory_and_in_the_app_and_the_ledger_verifies(company: Company) -> None:
    workspace = company.workspace
    company.hr("terminated", "2026-01-31")
    assert reconcile(workspace)["ghost"] == 2
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", company.olga)
    assert [(step.connection, step.verb) for step in plan.steps] == [
        ("directory", "deactivate"),
        ("wiki", "deactivate"),
    ]
    assert plan.steps[1].requires == (plan.steps[0].id,)
    assert plan.signal is not None
    assert plan.guard["allowed"]
    assert approve(workspace, str(plan.number), plan.digest, company.omar).missing == ()
    fence = begin(workspace)
    start(workspace, str(plan.number))
    company.carry_out(fence)
    assert [entry["effect"] for entry in company.directory.entries()] == ["deactivate"]
    assert [entry["effect"] for entry in company.wiki.entries()] == ["deactivate"]
    assert company.states() == ["verified", "verified"]
    with workspace.store.read() as unit:
        row = unit.plans.find(str(plan.number))
    assert row is not None
    assert row["state"] == PlanState.DONE
    assert "ghost" not in reconcile(workspace)
    assert verify_ledger(workspace, []).problems == ()


def test_nobody_approves_a_plan_that_he_asked_for_himself(company: Company) -> None:
    workspace = company.workspace
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "resigned today")
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(workspace, str(plan.number), plan.digest, company.olga)
    with pytest.raises(Refusal, match="more operator"):
        start(workspace, str(plan.number))
    assert not approve(workspace, str(plan.number), plan.digest, company.omar).missing


def test_a_person_who_vanished_from_the_hr_export_is_not_a_leaver(company: Company) -> None:
    lines = (company.folder / "hr.csv").read_text().splitlines(keepends=True)
    (company.folder / "hr.csv").write_text("".join(line for line in lines if "Ann" not in line))
    from usher.services.observe import observe

    assert observe(company.workspace, "hr").kind == "complete"
    counts = reconcile(company.workspace)
    assert counts["absent"] == 1
    assert "ghost" not in counts
    with company.workspace.store.read() as unit:
        assert unit.findings.signals() == []


def test_an_account_that_changed_since_the_approval_is_left_alone(company: Company) -> None:
    import httpx2

    workspace = company.workspace
    company.hr("terminated", "2026-01-31")
    plan = make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", company.olga)
    approve(workspace, str(plan.number), plan.digest, company.omar)
    native = plan.steps[1].native_id
    deleted = httpx2.delete(f"{company.wiki.url}/scim/v2/Users/{native}", headers={"Authorization": "Bearer chaos"})
    assert deleted.status_code == 204
    fence = begin(workspace)
    start(workspace, str(plan.number))
    company.carry_out(fence)
    # An account that is gone can do nothing: what was wanted is so, and nothing was sent.
    assert company.states() == ["verified", "verified"]
    assert [entry["effect"] for entry in company.wiki.entries()] == ["delete"]


def test_a_leavers_details_can_be_erased_and_the_ledger_stays_whole(company: Company) -> None:
    workspace = company.workspace
    with pytest.raises(Refusal, match="has not left"):
        erase_details(workspace, "E1", company.olga, "asked to be forgotten")
    company.hr("terminated", "2026-01-31")
    erased = erase_details(workspace, "E1", company.olga, "asked to be forgotten")
    assert erased > 0
    report = verify_ledger(workspace, [])
    assert (report.problems, report.erased) == ((), erased)
    with workspace.store.read() as unit:
        assert not any("ann@acme.test" in str(document) for _, document in unit.ledger.details().values())
