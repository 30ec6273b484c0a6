"""Find and set attributes of a SCIM record by their paths, ignoring case as RFC 7643 section 2.1 asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

PATHS: Mapping[str, str] = {
    "user_name": "userName",
    "display_name": "displayName",
    "given_name": "name.givenName",
    "family_name": "name.familyName",
    "external_id": "externalId",
    "title": "title",
    "user_type": "userType",
    "nickname": "nickName",
    "locale": "locale",
    "timezone": "timezone",
    "preferred_language": "preferredLanguage",
    "employee_number": f"{ENTERPRISE}:employeeNumber",
    "department": f"{ENTERPRISE}:department",
    "division": f"{ENTERPRISE}:division",
    "organization": f"{ENTERPRISE}:organization",
    "cost_center": f"{ENTERPRISE}:costCenter",
    "manager": f"{ENTERPRISE}:manager.value",
}
"""Our name of an attribute -> its SCIM path; a connection adds its own under `options: {attributes: ...}`."""


def steps(path: str) -> list[str]:
    """Return the keys that lead to a path: an extension's URN is one key (RFC 7644 section 3.10)."""
    if not path.startswith("urn:"):
        return path.split(".")
    schema, _, attribute = path.rpartition(":")
    names = attribute.split(".")
    return names if schema.casefold() == USER.casefold() else [schema, *names]


def get_at(record: Mapping[str, Any], path: str) -> Any:
    """Return the value at a path, None where there is none; a plain value stands for its own `value`."""
    value: Any = record
    for key in steps(path):
        if isinstance(value, Mapping):
            value = get_key(value, key)
        elif key != "value":
            return None
    return value


def get_key(record: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key in any case."""
    if key in record:
        return record[key]
    wanted = key.casefold()
    return next((value for name, value in record.items() if name.casefold() == wanted), None)


def set_at(record: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a path, None removes it; keys keep the case in which the record has them."""
    *parents, last = steps(path)
    here = record
    for key in parents:
        name = _name_in(here, key)
        if not isinstance(here.get(name), dict):
            if value is None:
                return
            here[name] = {}
        here = here[name]
    if value is None:
        here.pop(_name_in(here, last), None)
    else:
        here[_name_in(here, last)] = value


def _name_in(record: Mapping[str, Any], key: str) -> str:
    wanted = key.casefold()
    return next((name for name in record if name.casefold() == wanted), key)


def texts_at(record: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that a record holds, by our names, as text; empty ones are absent."""
    found = ((name, get_at(record, path)) for name, path in paths.items())
    return {name: text for name, value in found if (text := as_text(value))}


def as_text(value: Any) -> str:
    """Return a simple value as text; nothing for what is not simple."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() if isinstance(value, str | int | float) else ""
