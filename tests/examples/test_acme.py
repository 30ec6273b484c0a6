"""The demo company is the same every time, and everything that is wrong in it was planted and is listed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tests.examples.conftest import ACME, Acme

from usher.domain.connection import ConnectionConfig
from usher.domain.policy import evaluate
from usher.domain.policyfiles import Policies, PolicyFile, Rules, gather
from usher.domain.profile import AppProfile
from usher.domain.seats import Contract
from usher.entry.cli.stack import fill_workspace

KINDS = {
    "account of a person in no other system",
    "contractor turned employee",
    "dormant",
    "drift",
    "ghost",
    "half off-boarded",
    "last day ahead",
    "missing account",
    "name twins",
    "on leave",
    "orphan",
    "protected admin",
    "recycled address",
    "rehire",
    "renamed",
    "service account",
    "shared account",
    "starts later",
    "two employments",
}
URLS = {
    "directory": "http://127.0.0.1:1/v2",
    "wiki": "http://127.0.0.1:2/scim/v2",
    "forecastly": "http://127.0.0.1:3",
    "data": "/data",
    "secrets": "/secrets",
}


def yaml(path: Path) -> object:
    return YAML(typ="rt").load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def policies() -> Policies:
    tree = yaml(ACME / "workspace/policies/roles.yaml")
    return gather([("policies/roles.yaml", PolicyFile.model_validate(tree), tree)])


def employed(acme: Acme) -> list[dict[str, str]]:
    return [row for row in acme.rows("hr/people.csv") if row["status"] in ("active", "on leave")]


def test_acme_is_the_same_to_the_byte_every_time(acme: Acme, tmp_path: Path) -> None:
    assert Acme(tmp_path / "again").bytes() == acme.bytes()


def test_another_day_moves_the_dates_and_nobody(acme: Acme, tmp_path: Path) -> None:
    later = Acme(tmp_path / "later", "--today", "2027-01-04")
    assert later.bytes() != acme.bytes()
    people = [[row["employment_id"] for row in world.rows("hr/people.csv")] for world in (acme, later)]
    assert people[0] == people[1]


def test_sixty_people_work_or_worked_at_acme(acme: Acme) -> None:
    rows = acme.rows("hr/people.csv")
    assert len({row["employee_number"] for row in rows}) == 60
    assert len({row["employment_id"] for row in rows}) == len(rows) == 63
    numbers = {row["employee_number"] for row in rows}
    managers = {row["manager_employee_number"] for row in rows} - {""}
    assert managers <= numbers
    assert "60 people" in acme.said


def test_trouble_of_every_kind_is_planted(acme: Acme) -> None:
    assert {trouble["kind"] for trouble in acme.json("trouble.json")} == KINDS


def test_each_trouble_names_an_account_that_the_app_shows(acme: Acme) -> None:
    for trouble in acme.json("trouble.json"):
        there = trouble["account"] in {
            shown
            for login, account in acme.accounts(trouble["app"]).items()
            for shown in (login, account.get("email", login))
        }
        absent = trouble["kind"] in ("missing account", "starts later")
        assert there is not absent, trouble


def test_people_in_no_trouble_hold_exactly_what_policy_gives(acme: Acme, policies: Policies) -> None:
    troubled = {trouble["person"] for trouble in acme.json("trouble.json") if trouble["finding"] is not None}
    groups = acme.json("directory.json")["groups"]
    checked = 0
    for row in employed(acme):
        if row["employee_number"] in troubled:
            continue
        wanted = evaluate(policies, row)
        assert not wanted.refused
        assert not wanted.gaps
        number, former = row["employee_number"], {"sofia.bianchi@acme.test": "sofia.rossi@acme.test"}
        user = next(
            user
            for user in acme.accounts("directory").values()
            if user.get("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", {}).get("employeeNumber")
            == number
        )
        held = {f"group:{group['displayName']}" for group in groups if user["userName"] in group["members"]}
        assert held == set(wanted.entitlements("directory")), row
        seat = acme.accounts("forecastly").get(former.get(row["email"], row["email"]))
        assert (seat is not None) == ("forecastly" in wanted.connections()), row
        if seat is not None:
            held = {f"role:{seat['role']}", *(f"module:{name}" for name in seat["modules"].split(";"))}
            held |= {f"team:{seat['team']}"} if seat["team"] else set()
            assert held == set(wanted.entitlements("forecastly")), row
        claims = [claim for claim in acme.rows("expenses/users.csv") if claim["email"] == row["email"]]
        assert [f"role:{claim['role']}" for claim in claims] == sorted(wanted.entitlements("expenses")), row
        checked += 1
    assert checked > 40


def test_everybody_who_left_is_off_except_where_trouble_says_so(acme: Acme) -> None:
    working = {row["email"] for row in employed(acme)}
    left = {row["email"] for row in acme.rows("hr/people.csv") if row["status"] == "terminated"} - working
    logins = {login: account.get("email", login) for login, account in acme.accounts("expenses").items()}
    planted = {
        (trouble["app"], logins.get(trouble["account"], trouble["account"]))
        for trouble in acme.json("trouble.json")
        if trouble["finding"] or trouble["kind"] == "contractor turned employee"
    }
    on = {
        *(("directory", name) for name, user in acme.accounts("directory").items() if user["active"]),
        *(("wiki", name) for name, user in acme.accounts("wiki").items() if user["active"]),
        *(("forecastly", row["email"]) for row in acme.rows("forecastly.csv") if row["status"] == "Active"),
        *(("expenses", row["email"]) for row in acme.rows("expenses/users.csv") if row["status"] == "active"),
    }
    assert {(app, address) for app, address in on if address in left} <= planted
    assert len({(app, address) for app, address in on if address in left}) == 7


def test_the_leaver_has_an_account_everywhere_and_the_joiner_has_none(acme: Acme) -> None:
    story = acme.json("story.json")
    shown = Counter(
        (who, app)
        for who in ("leaver", "joiner")
        for app in ("directory", "wiki", "forecastly", "expenses")
        for login, account in acme.accounts(app).items()
        if story[who]["email"] in (login, account.get("email"))
    )
    assert shown == {("leaver", app): 1 for app in ("directory", "wiki", "forecastly", "expenses")}
    assert acme.accounts("forecastly")[story["leaver"]["email"]]["modules"] == "Core;Copilot"
    status = {row["email"]: row["status"] for row in acme.rows("hr/people.csv")}
    assert (status[story["leaver"]["email"]], status[story["joiner"]["email"]]) == ("active", "starts later")


def test_the_workspace_files_are_what_usher_expects(tmp_path: Path) -> None:
    fill_workspace(ACME / "workspace", tmp_path, URLS)
    for file in sorted((tmp_path / "connections").iterdir()):
        config = ConnectionConfig.model_validate(yaml(file))
        assert config.name == file.stem
        assert "${" not in file.read_text(encoding="utf-8")
    usher = yaml(tmp_path / "usher.yaml")
    assert isinstance(usher, dict)
    assert Rules.model_validate(usher["rules"]).quorum_request == 2
    assert Contract.model_validate(yaml(tmp_path / "contracts/forecastly.yaml")).billable_until == date(2030, 6, 30)
    assert AppProfile.model_validate(yaml(tmp_path / "apps/expenses.yaml")).guide["deactivate"].steps
    assert ConnectionConfig.model_validate(yaml(tmp_path / "connections/wiki.yaml")).url == URLS["wiki"]


def test_a_clerk_changes_one_row_or_gets_one_clear_line(acme: Acme, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes((acme.folder / "hr/people.csv").read_bytes())

    def change(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, ACME / "change.py", file, *words], capture_output=True, text=True)

    before = file.read_text(encoding="utf-8").splitlines()
    assert change("employment_id=C1006-1", "status=terminated").returncode == 0
    after = file.read_text(encoding="utf-8").splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert "Osei" in changed[0]
    assert "terminated" in changed[0]
    refused = change("employment_id=C1006-1", "state=terminated")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "state: expected FIELD=VALUE" in refused.stderr
    assert change("employee_number=E1041", "status=active").returncode == 2
    assert file.read_text(encoding="utf-8").splitlines() == after
