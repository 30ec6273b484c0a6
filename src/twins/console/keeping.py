"""Read a seed file and keep the state on disk, so that a restarted console still has its users."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twins.console.directory import Effect, Status, User, Version, new_id
from twins.console.settings import MODULES, ROLES
from twins.serving import Journal, write_json_atomically

SEED_COLUMNS = ("first_name", "last_name", "email", "role", "team", "modules", "status", "last_active")
STATE_VERSION = 1
EVER = datetime.min.replace(tzinfo=UTC)


class BadInputError(Exception):
    """A seed or a state file cannot be read; print the message, start nothing."""


def read_seed(path: Path) -> list[User]:
    """Return the users of a CSV file with the columns of SEED_COLUMNS; raises BadInputError naming line and field."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in SEED_COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise BadInputError(f"{path}: line 1: missing columns {', '.join(missing)}")
            users = [_seed_user(f"{path}: line {reader.line_num}", row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path}: expected a readable UTF-8 CSV file ({error})") from error
    seen: set[str] = set()
    for user in users:
        if user.email in seen:
            raise BadInputError(f"{path}: email: {user.email} appears twice, expected one row a user")
        seen.add(user.email)
    return users


def _seed_user(place: str, row: dict[str, str]) -> User:
    def expect(field: str, fine: bool, expected: str) -> None:
        if not fine:
            raise BadInputError(f"{place}: {field}: {row[field]!r}, expected {expected}")

    # A short line leaves fields out, a long one puts the rest under the key None.
    if any(row.get(column) is None for column in SEED_COLUMNS) or None in row:
        raise BadInputError(f"{place}: expected {len(SEED_COLUMNS)} fields")
    modules = tuple(part.strip() for part in row["modules"].split(";") if part.strip())
    expect("first_name", bool(row["first_name"].strip()), "a name")
    expect("last_name", bool(row["last_name"].strip()), "a name")
    expect("email", "@" in row["email"], "an e-mail address")
    expect("role", row["role"] in ROLES, f"one of {', '.join(ROLES)}")
    expect("modules", set(modules) <= set(MODULES), f"some of {'; '.join(MODULES)}")
    expect("status", row["status"] in list(Status), f"one of {', '.join(Status)}")
    try:
        last_active = _instant(row["last_active"])
    except ValueError:
        expect("last_active", False, "an ISO 8601 instant or nothing")
    status = Status(row["status"])
    return User(
        id=new_id(),
        first_name=row["first_name"].strip(),
        last_name=row["last_name"].strip(),
        email=row["email"].strip().lower(),
        role=row["role"],
        team=row["team"].strip() or None,
        modules=() if status is Status.DEACTIVATED else tuple(m for m in MODULES if m in modules),
        status=status,
        last_active=last_active,
        accepted=status is not Status.INVITED,
    )


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class StateFile:
    """The state of a console as one JSON file, replaced as a whole at each change; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._greeted: set[str] = set()
        self._histories: Sequence[Sequence[Version]] = ()
        self._effects: Sequence[Effect] = ()

    def load(self, journal: Journal) -> list[list[Version]] | None:
        """Return the kept users, or None when there is no state yet; adds to the journal what a kill left out."""
        if self._path is None or not self._path.exists():
            return None
        try:
            kept = json.loads(self._path.read_bytes())
            if kept["version"] != STATE_VERSION:
                raise BadInputError(f"{self._path}: version: {kept['version']}, expected {STATE_VERSION}")
            histories = [[_version(item) for item in history] for history in kept["users"]]
            self._greeted, self._histories, self._effects = set(kept["greeted"]), histories, kept["last_effects"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadInputError(f"{self._path}: expected the state of a console twin ({error!r})") from error
        written = {entry["n"] for entry in journal.entries() if entry.get("effect")}
        for effect in self._effects:
            if effect["n"] not in written:
                journal.append(effect)
        return histories

    def save(self, histories: Sequence[Sequence[Version]], effects: Sequence[Effect]) -> None:
        """Keep the users and the effects that led to them."""
        self._histories = histories
        self._effects = effects or self._effects
        self._write()

    def greeted(self, user_id: str) -> bool:
        """Return whether this user dismissed the What's new dialog."""
        return user_id in self._greeted

    def greet(self, user_id: str) -> None:
        """Keep that this user dismissed the What's new dialog."""
        self._greeted.add(user_id)
        self._write()

    def _write(self) -> None:
        if self._path is not None:
            users = [[_plain(version) for version in history] for history in self._histories]
            write_json_atomically(
                self._path,
                {
                    "version": STATE_VERSION,
                    "greeted": sorted(self._greeted),
                    "last_effects": list(self._effects),
                    "users": users,
                },
            )


def _plain(version: Version) -> dict[str, Any]:
    user = asdict(version.user)
    user["last_active"] = version.user.last_active.isoformat() if version.user.last_active else None
    return {"listed_from": version.listed_from.isoformat(), "user": user}


def _version(item: dict[str, Any]) -> Version:
    fields = {
        **item["user"],
        "modules": tuple(item["user"]["modules"]),
        "status": Status(item["user"]["status"]),
        "last_active": _instant(item["user"]["last_active"]),
    }
    return Version(datetime.fromisoformat(item["listed_from"]), User(**fields))
