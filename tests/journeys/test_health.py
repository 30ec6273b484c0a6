"""An app that is ill, tired or that fails on one account is left alone; others go on, and nobody is locked out."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import Company, policies, scim, users
from tests.journeys.test_stopped import stopped, turned

from usher.connectors.budget import Budget
from usher.connectors.errors import Transient
from usher.domain.guard import Limit, Limits
from usher.domain.plan import Plan, PlanKind
from usher.domain.step import DueKind
from usher.engine.inline import begin, tick
from usher.services import health
from usher.services.approve import approve
from usher.services.connections import OpenConnections
from usher.services.observe import observe
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.resolve import Answer, resolve
from usher.services.run import start
from usher.services.workspace import Refusal, Workspace

ROOMY = Limits(windows=(Limit(hours=24, count=10, percent=100),))


def calls(trace: Path) -> list[dict[str, Any]]:
    """Every request that an app got."""
    return [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []


@pytest.fixture
def tired(company: Company, start_twin: Any) -> tuple[Company, Path, Path]:
    """The company with a third app whose faults a test writes; (company, faults file, trace)."""
    faults, trace, loaded = (company.folder / name for name in ("faults.json", "trace.jsonl", "more.json"))
    faults.write_text("{}")
    loaded.write_text(json.dumps({"users": users("ann", "ben", "cleo"), "groups": []}))
    twin = start_twin("twins.chaos", "--load", loaded, "--seed", "3", "--faults-file", faults, "--trace", trace)
    names = company.workspace.connections.names()
    company.workspace = make_workspace(
        company.workspace.folder,
        [*(company.workspace.connections.config(name) for name in names), scim("tickets", twin.url)],
        policies=policies(),
        secrets={name: {"token": "chaos"} for name in ("directory", "wiki", "tickets")},
        limits=ROOMY,
    )
    company.opened.append(cast("OpenConnections", company.workspace.connections))
    assert observe(company.workspace, "tickets").kind == "complete"
    reconcile(company.workspace)
    return company, faults, trace


def begun(company: Company, *people: str) -> list[Plan]:
    """Leaver plans of people, approved and begun."""
    made = []
    for person in people:
        plan = make_plan(company.workspace, PlanKind.LEAVE, f"{person}@acme.test", company.olga, "left today")
        approve(company.workspace, str(plan.number), plan.digest, company.omar)
        start(company.workspace, str(plan.number))
        made.append(plan)
    return made


def ticks(workspace: Workspace, fence: int, clock: Any, minutes: int) -> None:
    """Let time pass, a few seconds at a time."""
    from datetime import timedelta

    for _ in range(minutes * 6):
        tick(workspace, fence)
        clock.ahead += timedelta(seconds=10)


@pytest.mark.parametrize(
    ("weather", "kind"),
    [
        ({"auth_storm": 1}, "access"),
        ({"html_login_200": 1}, "access"),
        ({"html_404": 1}, "access"),
        ({"server_error": 1}, "ill"),
        ({"unavailable": 1}, "ill"),
    ],
    ids=["401-storm", "login-page-with-200", "404-on-everything", "500-always", "503-always"],
)
def test_a_bad_app_is_stopped_within_its_first_twenty_calls_and_others_go_on(
    tired: tuple[Company, Path, Path], weather: dict[str, Any], kind: str
) -> None:
    company, faults, trace = tired
    workspace, clock = turned(company)
    fence = begin(workspace)
    begun(company, "ann", "cleo")
    before = len(calls(trace))
    faults.write_text(json.dumps(weather))
    ticks(workspace, fence, clock, 3)
    assert stopped(workspace) == ["tickets"]
    with workspace.store.read() as unit:
        assert unit.leases.quarantined()["tickets"]["kind"] in (kind, "reading")
        others = [row for row in unit.runs.steps(unit.runs.all()[0]["id"]) if row["connection"] != "tickets"]
        waits = [one for one in unit.findings.open() if one["rule"] == "waits for its app"]
    asked = calls(trace)[before:]
    assert len(asked) <= 20, [one["faults"] for one in asked]
    assert {row["state"] for row in others} == {"verified"}
    assert len(waits) == 2
    refused = [one for one in asked if "auth_storm" in one["faults"]]
    assert len(refused) <= 3, "each refused sign-in brings the account nearer to being locked"


def test_refused_credentials_are_tried_so_seldom_that_nothing_locks_them_out(
    tired: tuple[Company, Path, Path],
) -> None:
    company, faults, trace = tired
    workspace, clock = turned(company)
    fence = begin(workspace)
    begun(company, "ann")
    before = len(calls(trace))
    faults.write_text(json.dumps({"auth_storm": 1}))
    ticks(workspace, fence, clock, 60)
    assert len(calls(trace)) - before <= 3
    with workspace.store.read() as unit:
        [due] = [row for row in unit.dues.open("tickets") if row["kind"] == DueKind.OBSERVE.value]
    assert due["at"] > workspace.now()


def test_nothing_is_called_before_the_app_wants_it_also_after_a_restart(tired: tuple[Company, Path, Path]) -> None:
    company, faults, trace = tired
    workspace = company.workspace
    fence = begin(workspace)
    begun(company, "ann", "cleo")
    faults.write_text(json.dumps({"rate_limited": {"rate": 1, "amount": 120}}))
    before = len(calls(trace))
    tick(workspace, fence)
    assert len(calls(trace)) - before == 1
    faults.write_text("{}")
    for _ in range(5):
        tick(workspace, fence)
    again = make_workspace(
        workspace.folder,
        [workspace.connections.config(name) for name in workspace.connections.names()],
        policies=policies(),
        secrets={name: {"token": "chaos"} for name in ("directory", "wiki", "tickets")},
    )
    company.opened.append(cast("OpenConnections", again.connections))
    tick(again, begin(again))
    read = observe(again, "tickets")
    assert read.kind == "failed"
    assert read.reasons[0].startswith("tickets asked not to be called before 2")
    assert len(calls(trace)) - before == 1


def test_one_account_that_an_app_fails_on_waits_alone(tired: tuple[Company, Path, Path]) -> None:
    company, faults, trace = tired
    workspace, clock = turned(company)
    with workspace.store.read() as unit:
        native = {row["user_name"]: row["native_id"] for row in unit.accounts.of("tickets")}
    poisoned = native["ann@acme.test"]
    fence = begin(workspace)
    faults.write_text(json.dumps({"server_error": {"rate": 1, "on": f"GET /scim/v2/Users/{poisoned}"}}))
    [ann] = begun(company, "ann")
    begun(company, "cleo")
    ticks(workspace, fence, clock, 6)
    assert stopped(workspace) == []
    with workspace.store.read() as unit:
        [alone] = unit.health.quarantined("tickets")
        [finding] = [one for one in unit.findings.open() if one["rule"] == health.RULE]
        cleo = unit.runs.steps(unit.runs.all()[0]["id"])
    assert alone["account"] == poisoned
    assert {row["state"] for row in cleo} == {"verified"}
    step = next(step for step in ann.steps if step.connection == "tickets")
    assert f"usher resolve {step.id} --answer retry" in finding["fix"]
    before = len(calls(trace))
    ticks(workspace, fence, clock, 30)
    assert len(calls(trace)) == before, "it is left alone for an hour"
    faults.write_text("{}")
    resolve(workspace, step.id, Answer.RETRY, company.omar, "mended in the app")
    company.carry_out(fence)
    with workspace.store.read() as unit:
        assert unit.health.quarantined("tickets") == []
        assert all(one["rule"] != health.RULE for one in unit.findings.open())
        assert {row["state"] for run in unit.runs.all() for row in unit.runs.steps(run["id"])} == {"verified"}
    with pytest.raises(Refusal, match="only a parked step"):
        resolve(workspace, step.id, Answer.RETRY, company.omar, "again")


def test_a_reading_that_began_before_a_step_was_seen_does_not_overwrite_it(company: Company) -> None:
    workspace = company.workspace
    connector = workspace.connections.connector("wiki")
    whole = connector.accounts
    fence = begin(workspace)

    def slow(cursor: str | None, call: Any) -> Any:
        page = whole(cursor, call)
        if cursor is None:
            begun(company, "ann")
            company.carry_out(fence)
        return page

    connector.accounts = slow  # type: ignore[method-assign]
    assert observe(workspace, "wiki").kind == "complete"
    with workspace.store.read() as unit:
        [ann] = [row for row in unit.accounts.of("wiki") if row["user_name"] == "ann@acme.test"]
    assert ann["state"] == "suspended"


def test_urgent_calls_go_before_those_that_have_waited_longer() -> None:
    budget = Budget(600)
    budget.wait()
    order: list[str] = []

    def take(name: str, urgent: bool) -> None:
        budget.wait(urgent=urgent)
        order.append(name)

    threads = []
    for name, urgent in (("bulk one", False), ("bulk two", False), ("bulk three", False), ("urgent", True)):
        threads.append(threading.Thread(target=take, args=(name, urgent)))
        threads[-1].start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert order.index("urgent") <= 1
    assert [name for name in order if name != "urgent"] == ["bulk one", "bulk two", "bulk three"]


def test_a_call_is_not_made_while_the_app_rests_for_long() -> None:
    budget = Budget(None)
    budget.rest(60)
    with pytest.raises(Transient, match="asked not to be called") as caught:
        budget.wait()
    assert caught.value.retry_after is not None
    assert 55 < caught.value.retry_after <= 60


def test_what_counts_as_ill_is_said_by_the_numbers() -> None:
    good, bad = (True, "ann"), (False, "ben")
    assert health.ill([bad] * 7) is None
    assert health.ill([bad] * 8) == "8 of its last 8 calls failed: the app is ill"
    assert health.ill([good] * 12 + [bad] * 8) is None, "one account alone is not an ill app"
    assert health.ill([good] * 12 + [(False, str(number)) for number in range(8)]) is not None
    assert health.ill([(False, str(number)) for number in range(8)] + [good] * 20) is None
    assert health.poisoned([*[good] * 3, *[bad] * 6], "ben") == 6
    assert health.poisoned([bad] * 6, "ben") is None
    assert health.failed({"status": 429}) is None
    assert health.failed({"error": "ReadError"}) is None
    assert health.failed({"status": 503}) is True
    assert health.failed({"status": 404}) is False
