"""Feeds that went wrong: whatever a source or an app says of many people at once, nothing is written before a person's
answer, and a real last leaver still goes through. What was written is read in the app's own journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.helpers.running import Running
from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import EXTENSION, policies, scim

from usher.domain.clock import SystemClock, VirtualClock
from usher.domain.connection import ConnectionConfig
from usher.domain.plan import PlanKind, PlanState
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.observe import Observed, confirm, observe
from usher.services.operators import Acting, acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.run import start
from usher.services.workspace import Refusal, Workspace

PEOPLE = 30
HEADINGS = "id,employee_number,first_name,last_name,email,status,start_date,end_date,department"
POLICY = """
roles:
  - name: everyone
    when: {any: true}
    give: [{app: wiki, account: {}, groups: [readers]}]
"""
Rows = list[dict[str, str]]


@dataclass
class Estate:
    """Thirty people in an HR export, and a wiki where all of them have an account."""

    folder: Path
    workspace: Workspace
    clock: VirtualClock
    wiki: Running
    olga: Acting
    omar: Acting
    rows: Rows

    def feed(self, rows: Rows, headings: str = HEADINGS) -> Observed:
        """Let the HR export say so, and read it."""
        names = HEADINGS.split(",")
        lines = [",".join(row[name] for name in names) for row in rows]
        (self.folder / "hr.csv").write_text("\n".join([headings, *lines]) + "\n")
        read = observe(self.workspace, "hr")
        reconcile(self.workspace)
        return read

    def try_everything(self) -> list[str]:
        """Ask for a leave plan for every leaver and sign and start what can be; returns what hindered the others."""
        hindered = [why for person in self.leavers() for why in self.try_for(person)]
        fence = begin(self.workspace)
        for _ in range(6):
            tick(self.workspace, fence)
            self.clock.advance(timedelta(seconds=2))
        return hindered

    def try_for(self, person: str) -> list[str]:
        """Ask for one leaver as the source says, sign and start; returns what hindered it."""
        try:
            plan = make_plan(self.workspace, PlanKind.LEAVE, person, self.olga)
            with self.workspace.store.read() as unit:
                row = unit.plans.find(plan.id)
            assert row is not None
            if row["state"] == PlanState.HELD.value:
                rows = [*plan.guard["held"], *plan.guard["refused"]]
                return [reason for one in rows for reason in one["reasons"]]
            approve(self.workspace, str(plan.number), plan.digest, self.omar)
            start(self.workspace, str(plan.number))
        except Refusal as refused:
            return [str(refused)]
        return []

    def leavers(self) -> list[str]:
        """Whoever the sources say has left, and whose account is open."""
        with self.workspace.store.read() as unit:
            return sorted({one["person_id"] for one in unit.findings.open() if one["rule"] == "ghost"})

    def written(self) -> list[str]:
        """Every effect that the wiki wrote into its own journal."""
        return [f"{entry['effect']} {entry['userName']}" for entry in self.wiki.entries()]


@pytest.fixture
def estate(tmp_path: Path, start_twin: Any) -> Iterator[Estate]:
    rows = [
        {"id": f"C{n}", "employee_number": f"E{n}", "first_name": f"Given{n}", "last_name": f"Family{n}",
         "email": f"p{n}@acme.test", "status": "active", "start_date": "2020-01-01", "end_date": "",
         "department": "Sales" if n % 2 else "IT"}
        for n in range(PEOPLE)
    ]  # fmt: skip
    users = [
        {"userName": row["email"], "name": {"givenName": row["first_name"], "familyName": row["last_name"]},
         "displayName": f"{row['first_name']} {row['last_name']}", "active": True,
         "emails": [{"value": row["email"], "primary": True}], EXTENSION: {"employeeNumber": row["employee_number"]}}
        for row in rows
    ]  # fmt: skip
    loaded = tmp_path / "users.json"
    loaded.write_text(json.dumps({"users": users, "groups": [{"displayName": "readers", "members": []}]}))
    wiki = start_twin("twins.chaos", "--load", loaded, "--seed", "5")
    hr = ConnectionConfig(
        name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / "hr.csv")
    )  # fmt: skip
    clock = VirtualClock(SystemClock().now())
    workspace = make_workspace(
        tmp_path / "workspace",
        [hr, scim("wiki", wiki.url)],
        clock=clock,
        policies=policies(POLICY),
        secrets={"wiki": {"token": "chaos"}},
        watch_seconds=(1.0,),
    )
    _, key = add_operator(workspace, "olga")
    olga = acting(workspace, "olga", key)
    _, other = add_operator(workspace, "omar", by=olga)
    made = Estate(tmp_path, workspace, clock, wiki, olga, acting(workspace, "omar", other), rows)
    assert observe(workspace, "wiki").kind == "complete"
    assert made.feed(rows).kind == "complete"
    yield made
    workspace.close()


def left(row: dict[str, str]) -> dict[str, str]:
    return {**row, "status": "terminated", "end_date": "2026-01-31"}


def many(change: Callable[[dict[str, str]], dict[str, str]], count: int) -> Callable[[Rows], Rows]:
    return lambda rows: [change(row) if n < count else row for n, row in enumerate(rows)]


FEEDS: dict[str, tuple[Callable[[Rows], Rows], str]] = {
    "an empty feed": (lambda rows: [], "0 accounts, 30 fewer"),
    "half a page": (lambda rows: rows[:15], "15 accounts, 15 fewer"),
    "a filter that slipped": (lambda rows: [row for row in rows if row["department"] == "IT"], "15 fewer"),
    "all terminated": (many(left, PEOPLE), "30 of 30 accounts can no longer sign in"),
    "ten of thirty terminated": (many(left, 10), "10 of 30 accounts can no longer sign in"),
    "a blanked employee number": (
        many(lambda row: {**row, "employee_number": ""}, 20),
        "20 of 30 accounts no longer have a value for employee_number",
    ),
    "a blanked department": (many(lambda row: {**row, "department": ""}, PEOPLE), "value for department"),
    "everybody renamed": (
        many(lambda row: {**row, "last_name": "Smith", "email": row["email"].replace("acme", "other")}, PEOPLE),
        "30 of 30 accounts have another",
    ),
}


@pytest.mark.parametrize("name", FEEDS)
def test_nothing_is_written_after_a_feed_that_went_wrong_before_a_person_answers(estate: Estate, name: str) -> None:
    change, said = FEEDS[name]
    for _ in range(2):  # the same once more is no answer
        read = estate.feed(change(estate.rows))
        assert read.kind == "partial"
        assert said in " ".join(read.reasons)
        assert all("usher observe hr --confirm" in reason for reason in read.reasons if "min_accounts" not in reason)
        estate.try_everything()
    assert estate.written() == []
    assert estate.feed(estate.rows).kind == "complete", "the right feed again needs no answer"
    assert estate.written() == []


@pytest.mark.parametrize("name", ["a heading that was renamed", "a status that nobody knows", "a blanked address"])
def test_what_cannot_be_understood_is_told_and_nothing_is_written(estate: Estate, name: str) -> None:
    if "heading" in name:
        read = estate.feed(estate.rows, HEADINGS.replace("status", "zustand").replace("end_date", "bis"))
    else:
        changes = {"status": "4711"} if "status" in name else {"email": ""}
        read = estate.feed(many(lambda row: {**row, **changes}, PEOPLE)(estate.rows))
    assert read.kind in ("partial", "failed")
    assert read.reasons
    estate.try_everything()
    assert estate.written() == []


def test_after_a_persons_answer_as_many_go_as_the_limits_allow_and_the_others_are_held(estate: Estate) -> None:
    estate.feed(many(left, 10)(estate.rows))
    assert estate.try_everything() == [] and estate.leavers() == []
    assert confirm(estate.workspace, "hr", estate.olga).kind == "complete"
    reconcile(estate.workspace)
    hindered = estate.try_everything()
    assert len([one for one in estate.written() if one.startswith("deactivate")]) == 2, "a tenth of twenty in a day"
    assert hindered and all("within 24 hours" in one for one in hindered if "hours and" in one)


def test_three_leavers_in_each_cycle_are_stopped_by_the_windows(estate: Estate) -> None:
    for gone in range(3, PEOPLE + 1, 3):
        estate.feed(many(left, gone)(estate.rows))
        estate.try_everything()
        estate.clock.advance(timedelta(minutes=30))
    off = [one for one in estate.written() if one.startswith("deactivate")]
    assert 0 < len(off) <= 3, "a tenth of thirty in a day"


def test_a_group_that_was_emptied_makes_the_reading_doubtful(estate: Estate) -> None:
    client = httpx2.Client(base_url=estate.wiki.url, headers={"Authorization": "Bearer chaos"}, trust_env=False)
    with client:
        [group] = client.get("/scim/v2/Groups").json()["Resources"]
        everybody = client.get("/scim/v2/Users", params={"count": 100}).json()["Resources"]
        put_members(client, group["id"], [{"value": user["id"]} for user in everybody])
        assert observe(estate.workspace, "wiki").kind == "complete"
        put_members(client, group["id"], [])
    before = estate.written()
    read = observe(estate.workspace, "wiki")
    assert read.kind == "partial"
    assert "30 of 30 accounts no longer have group:readers" in " ".join(read.reasons)
    estate.feed(many(left, 1)(estate.rows))
    assert any("wiki is partial" in one for one in estate.try_everything())
    assert estate.written() == before


def put_members(client: httpx2.Client, group: str, members: list[dict[str, str]]) -> None:
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "members", "value": members}],
    }
    client.patch(f"/scim/v2/Groups/{group}", json=body).raise_for_status()


def test_a_source_that_came_back_from_a_backup_brings_nobody_back(estate: Estate) -> None:
    estate.feed(many(left, 1)(estate.rows))
    assert estate.try_everything() == []
    assert estate.written() == ["deactivate p0@acme.test"]
    read = estate.feed(estate.rows)
    assert read.kind == "partial"
    assert "was hr restored from a backup?" in " ".join(read.reasons)
    with pytest.raises(Refusal, match="nothing to do"):
        make_plan(estate.workspace, PlanKind.JOIN, "p0@acme.test", estate.olga, "back")
    assert estate.written() == ["deactivate p0@acme.test"]


def test_after_a_jump_of_the_clock_nothing_is_lost_before_everything_was_read_again(estate: Estate) -> None:
    estate.feed(many(left, 1)(estate.rows))
    estate.clock.advance(timedelta(days=400))
    assert any("hours old" in one for one in estate.try_everything())
    assert estate.written() == []


def test_a_real_last_leaver_goes_through(estate: Estate) -> None:
    assert estate.feed(many(left, 1)(estate.rows)).kind == "complete"
    assert estate.try_everything() == []
    assert estate.written() == ["deactivate p0@acme.test"]
    assert observe(estate.workspace, "wiki").kind == "complete", "what our own step changed is no reason to doubt"
