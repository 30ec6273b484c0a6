"""By usher's own rules, what is wrong at Acme is what was planted, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.examples.conftest import ACME, Acme

from usher.domain.account import Account, AccountState
from usher.domain.correlate import correlate
from usher.domain.links import Decisions, KeyKind, KeyRow, Seen, Situation
from usher.domain.person import Employment, EmploymentStatus, Person, Standing
from usher.domain.policy import evaluate
from usher.domain.policyfiles import Policies, PolicyFile, gather
from usher.domain.reconcile import Estate, reconcile
from usher.domain.signals import end_of_day, start_of_day

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
STATUS = {
    "active": EmploymentStatus.ACTIVE,
    "on leave": EmploymentStatus.ON_LEAVE,
    "terminated": EmploymentStatus.TERMINATED,
    "starts later": EmploymentStatus.PENDING,
}
IGNORED = {
    ("directory", "svc-usher@acme.test"),
    ("wiki", "svc-backup@acme.test"),
    ("forecastly", "sales-ops@acme.test"),
}


def employment(row: dict[str, str]) -> Employment:
    return Employment(
        source="hr",
        row_id=row["employment_id"],
        status=STATUS[row["status"]],
        starts=start_of_day(date.fromisoformat(row["start_date"]), "UTC"),
        ends=end_of_day(date.fromisoformat(row["end_date"]), "UTC") if row["end_date"] else None,
    )


def people_and_keys(acme: Acme) -> tuple[list[Person], list[KeyRow]]:
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in acme.rows("hr/people.csv"):
        rows[row["employee_number"]].append(row)
    people, keys = [], []
    for number, mine in rows.items():
        last = mine[-1]
        employments = tuple(map(employment, mine))
        people.append(
            Person(
                id=number,
                given_name=last["first_name"],
                family_name=last["last_name"],
                employments=employments,
                attributes=last,
            )
        )
        keys.append(KeyRow(kind=KeyKind.EMPLOYEE_NUMBER, value=number, person_id=number))
        for row, one in zip(mine, employments, strict=True):
            until = one.ends if one.ended(NOW) else None
            keys.append(
                KeyRow(
                    kind=KeyKind.ADDRESS,
                    value=row["email"],
                    person_id=number,
                    valid_from=one.starts,
                    valid_to=until,
                )
            )
    # The directory keeps a former address beside the present one: it was, and is, the same person's.
    for user in acme.json("directory.json")["users"]:
        number = user.get(ENTERPRISE, {}).get("employeeNumber")
        for email in user["emails"][1:] if number else ():
            keys.append(KeyRow(kind=KeyKind.ADDRESS, value=email["value"], person_id=number))
    return people, keys


def scim(acme: Acme, app: str) -> list[Account]:
    content = acme.json(f"{app}.json")
    held: dict[str, set[str]] = defaultdict(set)
    for group in content.get("groups", ()):
        for member in group["members"]:
            held[member].add(f"group:{group['displayName']}")
    return [_scim_account(user, held[user["userName"]]) for user in content["users"]]


def _scim_account(user: dict[str, Any], groups: set[str]) -> Account:
    extension, created = user.get(ENTERPRISE, {}), user.get("meta", {}).get("created")
    return Account(
        id=user["userName"],
        user_name=user["userName"],
        emails=tuple(email["value"] for email in user["emails"]),
        given_name=user["name"]["givenName"],
        family_name=user["name"]["familyName"],
        employee_number=extension.get("employeeNumber"),
        state=AccountState.ACTIVE if user["active"] else AccountState.SUSPENDED,
        created=datetime.fromisoformat(created) if created else None,
        entitlements=frozenset(groups),
        attributes={"title": user.get("title", ""), "department": extension.get("department", "")},
    )


def forecastly(acme: Acme) -> list[Account]:
    return [
        Account(
            id=row["email"],
            user_name=row["email"],
            emails=(row["email"],),
            display_name=f"{row['first_name']} {row['last_name']}",
            state=AccountState.ACTIVE if row["status"] == "Active" else AccountState.SUSPENDED,
            entitlements=frozenset(
                {f"role:{row['role']}"}
                | {f"module:{name}" for name in row["modules"].split(";") if name}
                | ({f"team:{row['team']}"} if row["team"] else set())
            ),
        )
        for row in acme.rows("forecastly.csv")
    ]


def expenses(acme: Acme) -> list[Account]:
    return [
        Account(
            id=row["id"],
            user_name=row["login"],
            emails=(row["email"],) if row["email"] else (),
            display_name=row["full_name"],
            state=AccountState.ACTIVE if row["status"] == "active" else AccountState.SUSPENDED,
            created=datetime.fromisoformat(row["created"]) if row["created"] else None,
            entitlements=frozenset({f"role:{row['role']}"}),
        )
        for row in acme.rows("expenses/users.csv")
    ]


@pytest.fixture(scope="module")
def seen(acme: Acme) -> list[Seen]:
    apps = {
        "directory": scim(acme, "directory"),
        "wiki": scim(acme, "wiki"),
        "forecastly": forecastly(acme),
        "expenses": expenses(acme),
    }
    return [
        Seen(connection=app, account=account, key_mutable=app == "forecastly")
        for app, accounts in apps.items()
        for account in accounts
        if (app, account.user_name) not in IGNORED
    ]


@pytest.fixture(scope="module")
def decisions(acme: Acme, seen: list[Seen]) -> Decisions:
    people, keys = people_and_keys(acme)
    return correlate(people, keys, seen)


def planted(acme: Acme, *, disputed: bool) -> set[tuple[str, str, str]]:
    return {
        (trouble["finding"], trouble["app"], trouble["account"])
        for trouble in acme.json("trouble.json")
        if trouble["finding"] is not None and (trouble["finding"] == "disputed") is disputed
    }


def test_the_findings_are_exactly_those_that_were_planted(acme: Acme, seen: list[Seen], decisions: Decisions) -> None:
    people, _ = people_and_keys(acme)
    tree = YAML(typ="rt").load((ACME / "workspace/policies/roles.yaml").read_text(encoding="utf-8"))
    policies: Policies = gather([("policies/roles.yaml", PolicyFile.model_validate(tree), tree)])
    here = {Standing.WORKING, Standing.ON_LEAVE}
    assigned = {
        person.id: evaluate(policies, person.attributes, active=person.standing(NOW) in here) for person in people
    }
    estate = Estate(complete=frozenset({"directory", "wiki", "forecastly", "expenses"}))
    names = {(one.connection, one.account.id): one.account.user_name for one in seen}
    addresses = {person.id: person.attributes["email"] for person in people}
    found = {
        (
            finding.rule.value,
            finding.connection or "forecastly",
            names.get((finding.connection or "", finding.account_id or ""), addresses.get(finding.person_id or "", "")),
        )
        for finding in reconcile(people, seen, decisions, assigned, estate, NOW)
    }
    assert found == planted(acme, disputed=False)


def test_usher_leaves_the_recycled_address_to_a_person(acme: Acme, seen: list[Seen], decisions: Decisions) -> None:
    names = {(one.connection, one.account.id): one.account.user_name for one in seen}
    disputed = {
        ("disputed", row.connection, names[(row.connection, row.account_id)])
        for row in decisions
        if row.situation is Situation.DISPUTED
    }
    assert disputed == planted(acme, disputed=True)


def test_only_closed_accounts_known_by_an_address_alone_wait_for_a_person(
    seen: list[Seen], decisions: Decisions
) -> None:
    states = {(one.connection, one.account.id): one.account.state for one in seen}
    waiting = [row for row in decisions if row.situation is Situation.UNLINKED]
    assert waiting
    assert {states[(row.connection, row.account_id)] for row in waiting} == {AccountState.SUSPENDED}
