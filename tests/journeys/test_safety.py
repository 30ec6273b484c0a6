"""Nothing happens that was not approved, and nothing counts as done that was not seen: every hole ever found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest
import sqlalchemy
from tests.journeys.conftest import Company, policies

from usher.connectors.person import PersonConnector
from usher.domain.connection import ConnectionConfig
from usher.domain.plan import Plan, PlanKind
from usher.domain.policyfiles import Rules
from usher.domain.step import DueKind, Outcome, StepState
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.connections import OpenConnections
from usher.services.correlate import link
from usher.services.observe import confirm, observe
from usher.services.operators import acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.resolve import Answer, resolve
from usher.services.run import start
from usher.services.task import say_done
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import dump, load

TOOL = "roles:\n  - name: sales\n    when: {department: Sales}\n    give:\n      - {app: tool, account: {}}\n"
LEFT = ("terminated", "2026-01-31")


def leave(company: Company, who: str = "ann@acme.test") -> Plan:
    """An approved leave plan for somebody of whom the HR export says that she has left."""
    company.hr(*LEFT)
    plan = make_plan(company.workspace, PlanKind.LEAVE, who, company.olga)
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    return plan


def with_tool(company: Company, *rows: str, text: str | None = None, key: str = "immutable") -> Workspace:
    """The same company with one more app: a list of users that only a person can change."""
    write_tool(company, *rows)
    config = ConnectionConfig(
        name="tool", app="tool", speaks="person", owner="olga", path=str(company.folder / "tool.csv"), lag_seconds=0,
        key=key,
    )  # fmt: skip
    known = company.workspace.connections
    assert isinstance(known, OpenConnections)
    configs = {name: known.config(name) for name in known.names()}
    opened = OpenConnections(
        {**configs, "tool": config},
        known.profile_of,
        {**known.factories, "person": PersonConnector},
        known.secrets,
        company.folder,
        company.folder,
    )
    company.opened.append(opened)
    workspace = replace(company.workspace, connections=opened, policies=policies(text) if text else policies())
    observe(workspace, "tool")
    reconcile(workspace)
    return workspace


def write_tool(company: Company, *rows: str) -> None:
    """The tool's list of users."""
    (company.folder / "tool.csv").write_text("\n".join(["id,login,email,full_name,status", *rows]) + "\n")


def state(workspace: Workspace, plan: Plan, number: int = 0) -> tuple[str, str]:
    """State and note of one step."""
    with workspace.store.read() as unit:
        row = unit.runs.step(plan.steps[number].id)
    assert row is not None
    return row["state"], row["note"] or ""


def test_plans_that_were_made_before_each_other_still_count_against_one_limit(company: Company) -> None:
    workspace = company.workspace
    plans = [make_plan(workspace, PlanKind.LEAVE, f"{who}@acme.test", company.olga, "gone") for who in ("ann", "ben")]
    assert all(plan.guard["allowed"] for plan in plans)
    approve(workspace, str(plans[0].number), plans[0].digest, company.omar)
    with pytest.raises(Refusal, match="guard does not allow plan 2"):
        approve(workspace, str(plans[1].number), plans[1].digest, company.omar)


def test_a_leaver_who_came_back_is_asked_for_by_nobody(company: Company) -> None:
    company.hr(*LEFT)
    company.hr()  # the very same as before she left: a backup that came back says this too, so a person confirms it
    confirm(company.workspace, "hr", company.olga)
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "really")
    assert plan.signal is None
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(company.workspace, str(plan.number), plan.digest, company.olga)


def test_a_step_that_is_not_the_approved_one_does_nothing(company: Company) -> None:
    workspace, plan = company.workspace, leave(company)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    with workspace.store.begin() as unit:
        ben = next(row for row in unit.accounts.of("directory") if row["user_name"].startswith("ben"))
        row = unit.runs.step(plan.steps[0].id)
        assert row is not None
        changed = {**load(row["document"]), "native_id": ben["native_id"], "user_name": ben["user_name"]}
        statement = sqlalchemy.text("update step set document=:d, native_id=:n where id=:i")
        unit.connection.execute(statement, {"d": dump(changed), "n": ben["native_id"], "i": row["id"]})
    company.carry_out(fence)
    assert state(workspace, plan) == (
        "parked",
        "not what was approved: the step is not the one in the approved plan",
    )
    assert company.directory.entries() == []


def test_a_plan_does_not_run_against_another_address_than_its_owner_signed_for(company: Company) -> None:
    workspace, plan = company.workspace, leave(company)
    known = workspace.connections
    assert isinstance(known, OpenConnections)
    moved = known.config("wiki").model_copy(update={"url": "http://127.0.0.1:1/scim/v2"})
    opened = OpenConnections(
        {name: moved if name == "wiki" else known.config(name) for name in known.names()},
        known.profile_of, known.factories, known.secrets, company.folder, company.folder,
    )  # fmt: skip
    elsewhere = replace(workspace, connections=opened, configuration="sha256:" + "1" * 64)
    with pytest.raises(Refusal, match=r"made under other files: wiki was .*127\.0\.0\.1:1/scim/v2"):
        start(elsewhere, str(plan.number))


def test_what_one_operator_may_do_alone_is_what_the_plan_says(company: Company) -> None:
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga, "gone")
    looser = replace(company.workspace, rules=Rules(single_operator=True))
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(looser, str(plan.number), plan.digest, company.olga)


def test_nobody_asks_for_a_plan_about_himself(company: Company) -> None:
    workspace = company.workspace
    _, key = add_operator(workspace, "annie", ("ann@acme.test",), by=company.olga)
    with pytest.raises(Refusal, match="about himself"):
        make_plan(workspace, PlanKind.LEAVE, "ann@acme.test", acting(workspace, "annie", key), "bye")


def test_an_account_of_somebody_else_is_never_taken_for_the_new_one(company: Company) -> None:
    rows = ("7,ann@acme.test,ann@acme.test,Old Annabel Holder,active", "8,x@acme.test,x@acme.test,Xe Xu,active")
    workspace = with_tool(company, *rows, text=TOOL)
    with workspace.store.read() as unit:
        account = next(row for row in unit.accounts.of("tool") if row["native_id"] == "7")
        cleo = next(row for row in unit.people.all() if row["name"].startswith("Cleo"))
    link(workspace, account["id"], cleo["id"], company.olga, "it is Cleo's")
    reconcile(workspace)
    plan = make_plan(workspace, PlanKind.JOIN, "Ann Archer", company.olga, "new tool")
    approve(workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    tick(workspace, fence)
    assert state(workspace, plan)[0] == "parked"
    with workspace.store.read() as unit:
        known = unit.accounts.link_of(account["id"])
    assert known is not None
    assert known["person_id"] == cleo["id"]


def test_a_create_without_an_answer_is_not_settled_by_a_namesakes_account(company: Company) -> None:
    workspace = company.workspace
    company.hr(more="C9,E9,Dan,Dune,dan@acme.test,active,2026-01-01,,Sales,Account Executive\n")
    plan = make_plan(workspace, PlanKind.JOIN, "Dan Dune", company.olga, "new")
    approve(workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    step = plan.steps[0]
    with workspace.store.begin() as unit:
        intent = unit.runs.add_intent(step.id, 1, fence, {"exists": False})
        unit.runs.resolve(intent["id"], Outcome.UNKNOWN)
        unit.runs.move(step.id, StepState.UNKNOWN)
        unit.dues.drop(step.id, DueKind.ACT)
        unit.dues.put(DueKind.SETTLE, step.id, step.connection, unit.runs.now(), {"tries": 0})
    scim_create(company, {"userName": "dan@acme.test", "displayName": "Dana Duncan", "active": True})
    tick(workspace, fence)
    assert state(workspace, plan) == ("parked", "already there: dan@acme.test exists and nothing proves it ours")


def scim_create(company: Company, user: dict[str, Any]) -> None:
    """A colleague makes an account by hand."""
    answer = httpx2.post(f"{company.directory.url}/scim/v2/Users", headers={"Authorization": "Bearer chaos"}, json=user)
    assert answer.status_code == 201


def test_a_list_that_is_not_whole_proves_nobody_gone(company: Company) -> None:
    others = [f"{n},u{n}@acme.test,u{n}@acme.test,U {n},active" for n in range(20)]
    workspace = with_tool(company, "100,ann@acme.test,ann@acme.test,Ann Archer,active", *others)
    company.hr(*LEFT)
    reconcile(workspace)
    plan = make_plan(workspace, PlanKind.LEAVE, "Ann Archer", company.olga)
    approve(workspace, str(plan.number), plan.digest, company.omar)
    tool = next(number for number, step in enumerate(plan.steps) if step.connection == "tool")
    fence = begin(workspace)
    start(workspace, str(plan.number))
    tick(workspace, fence)
    assert state(workspace, plan, tool)[0] == "waiting for a person"
    write_tool(company, *others[:2])
    assert observe(workspace, "tool").kind == "partial"
    tick(workspace, fence)
    standing, note = state(workspace, plan, tool)
    assert standing == "waiting for a person"
    assert "proves nothing" in note
    write_tool(company, "100,ann@acme.test,ann@acme.test,Ann Archer,inactive", *others)
    observe(workspace, "tool")
    tick(workspace, fence)
    assert state(workspace, plan, tool)[0] == "verified"


def test_a_step_that_is_cancelled_during_a_look_stays_cancelled(company: Company) -> None:
    rows = ("100,ann@acme.test,ann@acme.test,Ann Archer,active", "1,b@acme.test,b@acme.test,B B,active")
    workspace = with_tool(company, *rows)
    company.hr(*LEFT)
    reconcile(workspace)
    plan = make_plan(workspace, PlanKind.LEAVE, "Ann Archer", company.olga)
    approve(workspace, str(plan.number), plan.digest, company.omar)
    tool = next(step for step in plan.steps if step.connection == "tool")
    fence = begin(workspace)
    start(workspace, str(plan.number))
    tick(workspace, fence)

    def meanwhile(boundary: str) -> None:
        with workspace.store.read() as unit:
            row = unit.runs.step(tool.id)
        if boundary == "before verify" and row is not None and row["state"] == "waiting for a person":
            resolve(workspace, tool.id, Answer.CANCEL, company.omar, "she keeps it")

    with workspace.store.read() as unit:
        task = unit.runs.tasks()[0]
    say_done(workspace, str(task["number"]), company.omar, "done")
    tick(replace(workspace, reach=meanwhile), fence)
    with workspace.store.read() as unit:
        row = unit.runs.step(tool.id)
    assert row is not None
    assert row["state"] == "cancelled"


def test_a_failed_reading_closes_no_finding(company: Company) -> None:
    workspace = company.workspace
    company.hr(more="C9,E9,Dan,Dune,dan@acme.test,active,2026-01-01,,Sales,Account Executive\n")
    assert reconcile(workspace)["missing"] == 2
    company.wiki.stop()
    assert observe(workspace, "wiki").kind == "failed"
    assert reconcile(workspace)["missing"] == 2


def test_an_answered_finding_of_a_step_does_not_stay_open(company: Company) -> None:
    from usher.services import park

    workspace, plan = company.workspace, leave(company)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    company.carry_out(fence)
    with workspace.store.begin() as unit:
        row = unit.runs.step(plan.steps[0].id)
        assert row is not None
        park.park(unit, row, "came back", "seen active")
    resolve(workspace, plan.steps[0].id, Answer.LOOK, company.omar, "mended in the app")
    company.carry_out(fence)
    with workspace.store.read() as unit:
        assert unit.findings.open(rule="came back") == []
        watches = [due for due in unit.dues.open(plan.steps[0].id) if due["kind"] == "watch"]
    assert len(watches) == len(workspace.watch_seconds), "a case closes only after a whole window of its own"


def test_a_login_that_was_given_to_somebody_else_is_no_longer_the_leavers(company: Company) -> None:
    other = "x@acme.test,x@acme.test,x@acme.test,Xe Xu,active"
    workspace = with_tool(company, "ann@acme.test,ann@acme.test,ann@acme.test,Ann Archer,active", other, key="mutable")
    with workspace.store.read() as unit:
        ann = unit.people.search("E1")[0]["id"]
        assert "tool" in {row["connection"] for row in unit.accounts.linked(ann)}
    write_tool(company, "ann@acme.test,ann@acme.test,ann@acme.test,Zoe Zimmer,active", other)
    observe(workspace, "tool")
    reconcile(workspace)
    company.hr(*LEFT)
    reconcile(workspace)
    plan = make_plan(workspace, PlanKind.LEAVE, "E1", company.olga)
    assert {step.connection for step in plan.steps} == {"directory", "wiki"}
    assert any("may be this person's too" in note for note in plan.notes)


def test_a_locked_account_of_a_leaver_is_not_off(company: Company) -> None:
    rows = ("7,ann@acme.test,ann@acme.test,Ann Archer,active", "8,x@acme.test,x@acme.test,Xe Xu,active")
    workspace = with_tool(company, *rows)
    write_tool(company, rows[0].replace("active", "locked"), rows[1])
    observe(workspace, "tool")
    company.hr(*LEFT)
    assert reconcile(workspace)["ghost"] == 3
    plan = make_plan(workspace, PlanKind.LEAVE, "E1", company.olga)
    assert {step.connection for step in plan.steps} == {"directory", "wiki", "tool"}
    approve(workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(workspace)
    start(workspace, str(plan.number))
    tick(workspace, fence)
    tool = next(number for number, step in enumerate(plan.steps) if step.connection == "tool")
    observe(workspace, "tool")
    tick(workspace, fence)
    assert state(workspace, plan, tool)[0] == "waiting for a person"
