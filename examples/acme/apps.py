"""The accounts that Acme's people have in each app while nothing is wrong: what policies/roles.yaml says, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from roster import DOMAIN, SALES, Employment, chance_of

IN_FORECASTLY: dict[str, tuple[str, tuple[str, ...]]] = {
    "Chief Revenue Officer": ("Manager", ("Core",)),
    "VP Sales": ("Manager", ("Core",)),
    "Sales Manager": ("Manager", ("Core", "Copilot")),
    "Account Executive": ("Rep", ("Core", "Copilot")),
    "Sales Development Representative": ("Rep", ("Core", "Groove")),
    "Head of Revenue Operations": ("Admin", ("Core",)),
    "Revenue Operations Analyst": ("Manager", ("Core",)),
    "Head of Customer Success": ("Manager", ("Core",)),
    "Customer Success Manager": ("Rep", ("Core",)),
}
TEAMS = (*SALES, "Revenue Operations")
IN_EXPENSES: dict[str, str] = {
    **dict.fromkeys(("Chief Executive Officer", "Chief Financial Officer", "Chief Revenue Officer"), "approver"),
    **dict.fromkeys(("VP Sales", "Sales Manager", "Head of Customer Success", "Head of Marketing"), "approver"),
    **dict.fromkeys(("Account Executive", "Sales Development Representative", "Customer Success Manager"), "member"),
    **dict.fromkeys(("Product Marketing Manager", "Demand Generation Manager", "Content Manager"), "member"),
}


@dataclass
class DirectoryUser:
    """A user of the company's directory, read and written by SCIM."""

    address: str
    first: str
    last: str
    number: str = ""
    department: str = ""
    title: str = ""
    active: bool = True
    former_address: str = ""
    groups: list[str] = field(default_factory=list)


@dataclass
class WikiUser:
    """A user of the wiki, which knows addresses and names only."""

    address: str
    name: str
    created: str
    active: bool = True


@dataclass
class ForecastlyUser:
    """A row of Settings > Users in the revenue platform without an API."""

    first: str
    last: str
    email: str
    role: str
    team: str
    modules: list[str]
    status: str
    last_active: str


@dataclass
class ExpensesUser:
    """A row of the expenses app's user export."""

    id: str
    login: str
    email: str
    full_name: str
    status: str
    role: str
    last_login: str
    created: str


@dataclass
class World:
    """Everything that the demo's systems hold when it begins."""

    today: date
    people: list[Employment]
    directory: list[DirectoryUser]
    wiki: list[WikiUser]
    forecastly: list[ForecastlyUser]
    expenses: list[ExpensesUser]

    def person(self, name: str) -> Employment:
        """Return the employment of the one person of this name."""
        (row,) = [row for row in self.people if row.name == name]
        return row


def healthy_world(today: date, people: list[Employment]) -> World:
    """Give each person what policy says."""
    return World(
        today,
        list(people),
        [_directory_user(row) for row in people],
        [WikiUser(row.email, row.name, made(row.start_date)) for row in people],
        [forecastly_user(today, row) for row in people if row.title in IN_FORECASTLY],
        [expenses_user(today, row) for row in people if row.title in IN_EXPENSES],
    )


def groups_of(row: Employment) -> list[str]:
    """Return the directory groups that policy gives."""
    groups = ["all-staff"]
    if row.department in (*SALES, "Sales Leadership"):
        groups.append("sales")
    if row.department == "Engineering":
        groups.append("engineering")
    if row.title in IN_FORECASTLY:
        groups.append("forecastly-users")
    return groups


def _directory_user(row: Employment) -> DirectoryUser:
    return DirectoryUser(row.email, row.first_name, row.last_name, row.employee_number, row.department, row.title,
                         groups=groups_of(row))  # fmt: skip


def forecastly_user(today: date, row: Employment) -> ForecastlyUser:
    """Return the account that policy gives in the revenue platform."""
    role, modules = IN_FORECASTLY[row.title]
    team = row.department if row.department in TEAMS else ""
    return ForecastlyUser(row.first_name, row.last_name, row.email, role, team, list(modules), "Active",
                          seen(today, "forecastly", row.employee_number))  # fmt: skip


def expenses_user(today: date, row: Employment) -> ExpensesUser:
    """Return the account that policy gives in the expenses app."""
    login = row.email.removesuffix(f"@{DOMAIN}").replace(".", "-")
    return ExpensesUser(f"X{row.employee_number[1:]}", login, row.email, row.name, "active", IN_EXPENSES[row.title],
                        seen(today, "expenses", row.employee_number), made(row.start_date))  # fmt: skip


def made(start: str) -> str:
    """Return the instant at which an account was made for somebody who started on a day."""
    return f"{date.fromisoformat(start) + timedelta(days=3)}T09:00:00Z"


def seen(today: date, app: str, number: str, days: int | None = None) -> str:
    """Return an instant of last use: `days` ago, or one to twenty days ago by chance."""
    chance = chance_of(app, number)
    day = today - timedelta(days=days if days is not None else chance.randrange(1, 20))
    return f"{day.isoformat()}T{chance.randrange(8, 18):02d}:{chance.randrange(60):02d}:00Z"
