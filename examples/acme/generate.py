"""Write Acme's systems as files: `python examples/acme/generate.py OUT [--today YYYY-MM-DD]`; same day, same bytes."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from apps import ExpensesUser, ForecastlyUser, WikiUser, World, healthy_world
from roster import Employment, employments
from trouble import JOINER, LEAVER, as_rows, plant

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DAY = date(2026, 3, 9)


def main(arguments: list[str] | None = None) -> int:
    """Write the files and say how many of what; return 0."""
    parser = argparse.ArgumentParser(description="Write the systems of the demo company Acme as files.")
    parser.add_argument("out", type=Path, help="folder to write into; made when missing")
    parser.add_argument("--today", type=date.fromisoformat, default=DAY, help=f"the day of the story (default {DAY})")
    options = parser.parse_args(arguments)
    world = healthy_world(options.today, employments(options.today))
    troubles = plant(world)
    write(world, options.out)
    _json(options.out / "trouble.json", as_rows(troubles))
    _json(options.out / "story.json", story(world))
    people = len({row.employee_number for row in world.people})
    print(f"acme: {people} people, {len(world.people)} employments, {len(troubles)} planted troubles in {options.out}")
    return 0


def write(world: World, out: Path) -> None:
    """Write one file for each system."""
    _csv(out / "hr" / "people.csv", [field.name for field in fields(Employment)], map(asdict, world.people))
    _json(out / "directory.json", directory(world))
    _json(out / "wiki.json", {"users": [wiki_user(user) for user in world.wiki]})
    (out / "forecastly.login").write_text("it-admin@acme.test", encoding="utf-8")
    (out / "forecastly.login").chmod(0o600)
    header = ["first_name", "last_name", "email", "role", "team", "modules", "status", "last_active"]
    _csv(out / "forecastly.csv", header, map(forecastly_row, world.forecastly))
    _csv(out / "expenses" / "users.csv", [field.name for field in fields(ExpensesUser)], map(asdict, world.expenses))


def directory(world: World) -> dict[str, list[dict[str, Any]]]:
    """Return SCIM users, and groups whose members are named by userName until the server gives ids."""
    users = []
    for user in world.directory:
        emails = [{"value": user.address, "type": "work", "primary": True}]
        if user.former_address:
            emails.append({"value": user.former_address, "type": "other", "primary": False})
        document: dict[str, Any] = {
            "schemas": [USER],
            "userName": user.address,
            "name": {"givenName": user.first, "familyName": user.last},
            "displayName": f"{user.first} {user.last}",
            "emails": emails,
            "active": user.active,
        }
        if user.number:
            document["schemas"].append(ENTERPRISE)
            document["title"] = user.title
            document[ENTERPRISE] = {"employeeNumber": user.number, "department": user.department}
        users.append(document)
    names = sorted({group for user in world.directory for group in user.groups})
    groups = [
        {
            "schemas": [GROUP],
            "displayName": name,
            "members": [user.address for user in world.directory if name in user.groups],
        }
        for name in names
    ]
    return {"users": users, "groups": groups}


def wiki_user(user: WikiUser) -> dict[str, Any]:
    """Return a SCIM user of an app that knows no employee numbers."""
    first, _, last = user.name.partition(" ")
    return {
        "schemas": [USER],
        "userName": user.address,
        "name": {"givenName": first, "familyName": last},
        "displayName": user.name,
        "emails": [{"value": user.address, "primary": True}],
        "active": user.active,
        "meta": {"created": user.created},
    }


def forecastly_row(user: ForecastlyUser) -> dict[str, str]:
    """Return a row of the console's seed file."""
    return {
        "first_name": user.first,
        "last_name": user.last,
        "email": user.email,
        "role": user.role,
        "team": user.team,
        "modules": ";".join(user.modules),
        "status": user.status,
        "last_active": user.last_active,
    }


def story(world: World) -> dict[str, dict[str, Any]]:
    """Name the two people whom the demo is about, and what a clerk will write about them in the HR export."""
    last_day = (world.today - timedelta(days=1)).isoformat()
    leaver, joiner = world.person(LEAVER), world.person(JOINER)
    return {
        "leaver": {**_who(leaver), "hr_change": {"status": "terminated", "end_date": last_day}},
        "joiner": {**_who(joiner), "hr_change": {"status": "active"}},
    }


def _who(row: Employment) -> dict[str, str]:
    return {
        "employment_id": row.employment_id,
        "employee_number": row.employee_number,
        "name": row.name,
        "email": row.email,
        "title": row.title,
        "department": row.department,
    }


def _csv(path: Path, header: list[str], rows: Iterable[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
