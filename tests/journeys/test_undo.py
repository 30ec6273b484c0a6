"""A run is taken back: the accounts stand as before it, and what does not come back was said before anybody signed."""

from __future__ import annotations

import time
from typing import cast

import httpx2
import pytest
from tests.helpers.running import Running
from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import Company, policies

from usher.domain.connection import ConnectionConfig
from usher.domain.plan import Plan, PlanKind
from usher.domain.step import StepState
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.connections import OpenConnections
from usher.services.observe import observe
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.run import start
from usher.services.undo import make_undo
from usher.services.workspace import Refusal
from usher.store.accounts import account_of


def carried(company: Company, plan: Plan) -> None:
    """Approve a plan by the other operator and carry it out to its end."""
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(company.workspace)
    start(company.workspace, str(plan.number))
    company.carry_out(fence)


def held(company: Company) -> dict[str, tuple[str, frozenset[str]]]:
    """State and entitlements of each of Ann's accounts, freshly read."""
    for name in ("directory", "wiki"):
        observe(company.workspace, name)
    with company.workspace.store.read() as unit:
        rows = [row for name in ("directory", "wiki") for row in unit.accounts.of(name)]
    return {
        row["connection"]: (account_of(row).state.value, account_of(row).entitlements)
        for row in rows
        if row["user_name"] == "ann@acme.test"
    }


def moves_to_it(company: Company) -> Plan:
    company.hr(department="IT", title="Engineer")
    reconcile(company.workspace)
    return make_plan(company.workspace, PlanKind.MOVE, "ann@acme.test", company.olga)


def test_a_leaver_is_taken_back_and_every_account_is_as_before(company: Company) -> None:
    joined = make_plan(company.workspace, PlanKind.MOVE, "ann@acme.test", company.olga)
    carried(company, joined)
    before = held(company)
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "wrong Ann")
    carried(company, plan)
    assert {state for state, _ in held(company).values()} == {"suspended"}
    undo = make_undo(company.workspace, "2", company.olga, "it was the other Ann")
    assert undo.kind is PlanKind.UNDO
    assert (undo.steps[0].connection, undo.steps[0].verb.value) == ("directory", "reactivate")
    assert any("sessions of ann@acme.test; sign in anew" in note for note in undo.notes)
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(company.workspace, str(undo.number), undo.digest, company.olga)
    carried(company, undo)
    assert held(company) == before


def test_a_run_that_is_taken_back_is_not_watched_for_coming_back(company: Company) -> None:
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "wrong Ann")
    carried(company, plan)
    undo = make_undo(company.workspace, "1", company.olga, "it was the other Ann")
    carried(company, undo)
    with company.workspace.store.read() as unit:
        states = {row["state"] for row in unit.runs.steps(unit.runs.all()[1]["id"])}
        watched = [due for due in unit.dues.open() if due["kind"] == "watch"]
        ours = {row["id"] for row in unit.runs.steps(unit.runs.all()[0]["id"])}
    assert states == {StepState.CLOSED.value}
    assert {due["subject"] for due in watched} == ours
    assert "came back" not in reconcile(company.workspace)


def test_a_mover_gets_back_what_he_had(company: Company) -> None:
    carried(company, make_plan(company.workspace, PlanKind.MOVE, "ann@acme.test", company.olga))
    before = held(company)
    carried(company, moves_to_it(company))
    assert held(company) != before
    carried(company, make_undo(company.workspace, "2", company.olga, "she stays in Sales"))
    assert held(company) == before


def test_what_somebody_changed_since_is_left_alone(company: Company) -> None:
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "wrong Ann")
    carried(company, plan)
    switch_on(company.wiki, "ann@acme.test")
    observe(company.workspace, "wiki")
    undo = make_undo(company.workspace, "1", company.olga, "it was the other Ann")
    assert {step.connection for step in undo.steps} == {"directory"}
    assert any("wiki: deactivate ann@acme.test: it is as it was before already" in note for note in undo.notes)


def switch_on(twin: Running, user_name: str) -> None:
    """What an administrator of the app does by hand."""
    headers = {"Authorization": "Bearer chaos"}
    users = httpx2.get(f"{twin.url}/scim/v2/Users", headers=headers).json()["Resources"]
    id = next(user["id"] for user in users if user["userName"] == user_name)
    change = {"op": "replace", "path": "active", "value": True}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]}
    httpx2.patch(f"{twin.url}/scim/v2/Users/{id}", headers=headers, json=body).raise_for_status()


EXPENSES = """id,email,name,status,role
1,ann@acme.test,Ann Archer,{state},Rep
2,ben@acme.test,Ben Brook,active,Rep
"""


def test_three_apps_one_of_them_changed_by_a_person_stand_as_before(company: Company) -> None:
    expenses = company.folder / "expenses.csv"
    expenses.write_text(EXPENSES.format(state="active"))
    names = company.workspace.connections.names()
    by_person = ConnectionConfig(
        name="expenses", app="csv", speaks="person", owner="olga", path=str(expenses), options={}
    )
    workspace = company.workspace = make_workspace(
        company.workspace.folder,
        [*(company.workspace.connections.config(name) for name in names), by_person],
        policies=policies(),
        secrets={"directory": {"token": "chaos"}, "wiki": {"token": "chaos"}},
    )
    company.opened.append(cast("OpenConnections", workspace.connections))
    observe(workspace, "expenses")
    reconcile(workspace)
    carried(company, make_plan(workspace, PlanKind.MOVE, "ann@acme.test", company.olga))
    before = held(company)
    for made, state in (
        (make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "wrong Ann"), "inactive"),
        (None, "active"),
    ):
        plan = made or make_undo(workspace, "2", company.olga, "it was the other Ann")
        assert {step.connection for step in plan.steps} == {"directory", "wiki", "expenses"}
        approve(workspace, str(plan.number), plan.digest, company.omar)
        fence = begin(workspace)
        start(workspace, str(plan.number))
        until(company, fence, "waiting for a person")
        expenses.write_text(EXPENSES.format(state=state))
        observe(workspace, "expenses")
        company.carry_out(fence)
    assert held(company) == before
    with workspace.store.read() as unit:
        assert {row["state"] for row in unit.accounts.of("expenses")} == {"active"}


def until(company: Company, fence: int, state: str) -> None:
    """Tick until one step of the newest run stands so and none is still moving."""
    for _ in range(200):
        tick(company.workspace, fence)
        if state in company.states() and set(company.states()) <= {state, "verified"}:
            return
        time.sleep(0.05)
    raise AssertionError(company.states())


def test_a_run_is_taken_back_once_and_only_where_it_did_something(company: Company) -> None:
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "wrong Ann")
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(company.workspace)
    start(company.workspace, str(plan.number))
    with pytest.raises(Refusal, match="still under way"):
        make_undo(company.workspace, "1", company.olga, "x")
    company.carry_out(fence)
    with pytest.raises(Refusal, match="the run did nothing in 'crm'; it concerned directory, wiki"):
        make_undo(company.workspace, "1", company.olga, "x", ("crm",))
    part = make_undo(company.workspace, "1", company.olga, "x", ("wiki",))
    assert {step.connection for step in part.steps} == {"wiki"}
    with pytest.raises(Refusal, match=f"plan {part.number} takes run 1 back already"):
        make_undo(company.workspace, "1", company.olga, "x")
    with pytest.raises(Refusal, match="there is no run 9"):
        make_undo(company.workspace, "9", company.olga, "x")


def test_a_second_undo_brings_the_leaver_about_again(company: Company) -> None:
    carried(company, make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "wrong Ann"))
    after = held(company)
    carried(company, make_undo(company.workspace, "1", company.olga, "it was the other Ann"))
    carried(company, make_undo(company.workspace, "2", company.olga, "it was this Ann after all"))
    assert held(company) == after
