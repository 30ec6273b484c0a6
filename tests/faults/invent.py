"""Invent a company from a seed: its people, who of them joins, moves or leaves, and what its apps hold at the start."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
FIRST = ("Ada", "Ben", "Cleo", "Dov", "Eva", "Finn", "Gil", "Hana", "Ivo", "Jo")
LAST = ("Archer", "Brook", "Crane", "Dale", "Ember", "Frost", "Gray", "Holt")
DEPARTMENTS = ("Sales", "Sales", "Sales", "IT", "IT", "Support", "Finance", "Finance", "Legal")
HR_HEADINGS = ("employment_id", "employee_number", "first_name", "last_name", "email", "status", "start_date",
               "end_date", "department", "title")  # fmt: skip
CSV_HEADINGS = ("id", "user_name", "email", "display_name", "employee_number", "status", "role")


@dataclass(frozen=True)
class Weather:
    """What goes wrong in the apps, as rates; every fault is drawn from the seed and the request."""

    lost_reply: float = 0.2
    rate_limited: float = 0.05
    server_error: float = 0.03
    server_error_after: float = 0.05

    def faults(self, real_lag: float) -> dict[str, Any]:
        """The content of a faults file for an app of this lag."""
        found: dict[str, Any] = {
            "lost_reply": self.lost_reply,
            "rate_limited": {"rate": self.rate_limited, "amount": 1},
            "server_error": self.server_error,
            "server_error_after": self.server_error_after,
        }
        return {**found, "lag": {"amount": real_lag}} if real_lag else found


@dataclass(frozen=True)
class App:
    """One app of the company. `departments` None: everybody has an account there."""

    name: str
    part: str = "app"
    unique: bool = True
    declared_lag: float = 0.0
    real_lag: float = 0.0
    departments: tuple[str, ...] | None = None
    role: str | None = None
    modules: tuple[str, ...] = ()
    by_person: bool = False


PAPERS = App("papers", departments=("Legal",), role="Reader", by_person=True)
MIXED = (
    App("directory", part="idp", declared_lag=0.5, real_lag=0.5),
    App("wiki"),
    App("crm", unique=False, declared_lag=0.5, real_lag=0.5, departments=("Sales",), role="Rep", modules=("Core",)),
    App("desk", declared_lag=5.0, real_lag=5.0, departments=("Support",), role="Agent"),
    App("board", unique=False, declared_lag=0.5, real_lag=3.0, departments=("Finance",), role="Reader"),
    PAPERS,
)
"""Every lag in one company: none, 0.5 s, 5 s, and 3 s where 0.5 s is declared; with and without uniqueness."""


def apps_of(lag: str, unique: bool) -> tuple[App, ...]:
    """The apps for one setting of the command line: `mixed`, `above`, or seconds for all of them."""
    if lag == "mixed":
        declared, real = None, None
    elif lag == "above":
        declared, real = 0.5, 3.0
    else:
        declared = real = float(lag)
    found = []
    for app in MIXED:
        lags = {} if declared is None or app.by_person else {"declared_lag": declared, "real_lag": real}
        found.append(App(**{**app.__dict__, **lags, "unique": app.unique and unique}))
    return tuple(found)


@dataclass
class Person:
    """One person of the HR export; `event` is join, move, leave or stay."""

    number: int
    first: str
    last: str
    department: str
    event: str
    moves_to: str | None = None

    @property
    def key(self) -> str:
        """The id of the employment in the HR export."""
        return f"C{self.number}"

    @property
    def employee_number(self) -> str:
        return f"E{self.number:04}"

    @property
    def email(self) -> str:
        return f"{self.first}.{self.last}.{self.number}@acme.test".lower()

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


@dataclass
class Company:
    """People and apps, with what each app holds before anything happens: app name -> accounts."""

    people: list[Person]
    apps: tuple[App, ...]
    accounts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def hr(self, *, after: bool) -> str:
        """The HR export before or after everything that shall be planned."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HR_HEADINGS)
        for one in self.people:
            if one.event == "join" and not after:
                continue
            left = after and one.event == "leave"
            department = one.moves_to if after and one.moves_to else one.department
            status, end = ("terminated", "2026-01-31") if left else ("active", "")
            writer.writerow((one.key, one.employee_number, one.first, one.last, one.email, status, "2020-01-01", end,
                             department, "Member"))  # fmt: skip
        return text.getvalue()

    def planned(self) -> list[Person]:
        """Those about whom a plan is made."""
        return [one for one in self.people if one.event != "stay"]


def invent(seed: int, plans: int, apps: tuple[App, ...], events: Iterable[str] = ()) -> Company:
    """A company with so many people who join, move or leave, and more who stay. `events` sets them one by one."""
    dice = random.Random(f"company {seed}")
    given = list(events) or [dice.choices(("leave", "join", "move"), (10, 9, 1))[0] for _ in range(plans)]
    people = []
    staying = 10 + given.count("leave")  # the guard lets go no more people than there are
    for number, event in enumerate([*given, *(["stay"] * staying)], 1):
        # Few names for many people: twins of one name are common, so that a name never tells two people apart.
        one = Person(number, dice.choice(FIRST), dice.choice(LAST), dice.choice(DEPARTMENTS), event)
        if event == "move":
            one.department, one.moves_to = "IT", "Sales"
        if event == "stay":  # so that no department, and no app, is empty
            one.department = DEPARTMENTS[number % len(DEPARTMENTS)]
        people.append(one)
    dice.shuffle(people)
    company = Company(people, apps)
    for app in apps:
        company.accounts[app.name] = [
            account(app, one)
            for one in people
            if one.event != "join" and (app.departments is None or one.department in app.departments)
        ]
    return company


def account(app: App, one: Person) -> dict[str, Any]:
    """A person's account as SCIM says it (the CSV app is written from the same)."""
    made: dict[str, Any] = {
        "schemas": [USER, ENTERPRISE],
        "id": f"{app.name}-{one.number}",
        "userName": one.email,
        "name": {"givenName": one.first, "familyName": one.last},
        "displayName": one.name,
        "emails": [{"value": one.email, "primary": True}],
        "active": True,
        ENTERPRISE: {"employeeNumber": one.employee_number, "department": one.department},
    }
    if app.role:
        made["roles"] = [{"value": app.role}]
    if app.modules:
        made["entitlements"] = [{"value": name, "type": "module"} for name in app.modules]
    return made


def groups(company: Company) -> list[dict[str, Any]]:
    """The directory's groups: one a department."""
    names = [f"dept-{name}" for name in dict.fromkeys(DEPARTMENTS)]
    found = []
    for name in names:
        members = [
            {"value": f"directory-{one.number}"}
            for one in company.people
            if one.event != "join" and name == f"dept-{one.department}"
        ]
        found.append({"id": f"group-{name}", "displayName": name, "members": members})
    return found


def csv_text(accounts: Iterable[dict[str, Any]]) -> str:
    """The CSV app's export of accounts in the SCIM form."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADINGS)
    for one in accounts:
        number = one.get(ENTERPRISE, {}).get("employeeNumber", "")
        role = ";".join(item["value"] for item in one.get("roles", []))
        status = "active" if one.get("active", True) else "inactive"
        address = one["emails"][0]["value"] if one.get("emails") else ""
        writer.writerow((one["id"], one["userName"], address, one.get("displayName", ""), number, status, role))
    return text.getvalue()
