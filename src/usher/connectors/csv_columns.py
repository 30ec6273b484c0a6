"""Know what exports call their columns and what their words for states mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from usher.domain.account import AccountState

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "account id", "user id", "userid", "uid", "uuid", "guid", "object id", "person id", "worker id"),
    "user_name": ("user name", "username", "login", "login name", "account", "account name", "user", "upn"),
    "email": ("email", "e mail", "email address", "mail", "work email", "primary email"),
    "display_name": ("display name", "name", "full name", "displayname"),
    "given_name": ("given name", "first name", "firstname", "forename", "preferred name"),
    "family_name": ("family name", "last name", "lastname", "surname"),
    "employee_number": ("employee number", "employee id", "employee no", "employeeid", "personnel number", "staff id"),
    "external_id": ("external id", "externalid", "federation id"),
    "state": (
        "state",
        "status",
        "account status",
        "user status",
        "employment status",
        "active",
        "enabled",
        "is active",
    ),
    "kind": ("kind", "account type", "worker type"),
    "department": ("department", "dept", "team"),
    "title": ("title", "job title", "position"),
    "manager": (
        "manager",
        "manager id",
        "manager employee id",
        "manager number",
        "manager email",
        "supervisor",
        "reports to",
    ),
    "division": ("division", "business unit"),
    "cost_center": ("cost center", "cost centre"),
    "time_zone": ("time zone", "timezone", "tz", "work time zone"),
    "location": ("location", "office", "site", "country"),
    "start_date": ("start date", "hire date", "date of hire", "joined", "starts"),
    "end_date": ("end date", "leave date", "termination date", "contract end", "ends"),
    "last_day": ("last day", "last working day", "last day of work"),
    "created": ("created", "created at", "created on", "creation date"),
    "last_login": ("last login", "last sign in", "last signed in", "last active", "last logged in"),
    "roles": ("role", "roles", "access level", "profile"),
    "groups": ("group", "groups"),
    "modules": ("module", "modules", "products", "licences", "licenses"),
}
"""Our name of a column -> headings that are taken for it, compared without case, hyphens and underscores."""

HELD = {"roles": "role", "groups": "group", "modules": "module"}
DATES = frozenset({"start_date", "end_date", "last_day"})
INSTANTS = frozenset({"created", "last_login"})
NEVER = frozenset({"", "-", "–", "never", "n/a", "na", "none", "null", "not yet"})

STATES: Mapping[str, AccountState] = {
    **dict.fromkeys(("active", "enabled", "employed", "current", "working", "yes", "true", "1"), AccountState.ACTIVE),
    **dict.fromkeys(
        ("inactive", "disabled", "deactivated", "suspended", "blocked", "no", "false", "0"), AccountState.SUSPENDED
    ),
    **dict.fromkeys(("leave", "on leave", "leave of absence", "frozen", "paused", "sabbatical"), AccountState.FROZEN),
    **dict.fromkeys(("locked", "locked out"), AccountState.LOCKED),
    **dict.fromkeys(("invited", "pending", "invitation sent", "pre hire", "prehire", "future"), AccountState.INVITED),
    **dict.fromkeys(
        ("terminated", "left", "leaver", "former", "ended", "retired", "resigned", "archived"), AccountState.ARCHIVED
    ),
    **dict.fromkeys(("deleted", "removed"), AccountState.DELETED),
    "unknown": AccountState.UNKNOWN,
}
"""Words of exports -> states; a connection adds its own under `options: {states: ...}`."""


def plain(text: str) -> str:
    """Return a heading or word as it is compared: lower case, with single spaces for hyphens and underscores."""
    return re.sub(r"[\s_\-]+", " ", text).strip().casefold()


def as_date(text: str, form: str | None) -> str | None:
    """Return a day as ISO text (an instant stays one), None where the cell says "none"; raises ValueError."""
    if plain(text) in NEVER:
        return None
    if form is not None:
        return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day has no time zone
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return date.fromisoformat(text).isoformat()
    return datetime.fromisoformat(text).isoformat()


def as_instant(text: str, form: str | None, zone: ZoneInfo) -> datetime | None:
    """Return an instant in UTC, None where the cell says "never"; raises ValueError."""
    if plain(text) in NEVER:
        return None
    parsed = datetime.strptime(text, form) if form is not None else datetime.fromisoformat(text)  # noqa: DTZ007
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).astimezone(UTC)
