"""Find and set attributes of a SCIM record by their paths, ignoring case as RFC 7643 section 2.1 asks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
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
    """Return the attributes that a record holds, by our names, as text; empty ones are absent.

    Every account of a listing comes through here, so each level's keys are folded once instead of once a path.
    """
    top = {name.casefold(): value for name, value in record.items()}
    below: dict[str, dict[str, Any]] = {}
    texts: dict[str, str] = {}
    for name, path in paths.items():
        first, *rest = _folded_steps(path)
        value = top.get(first)
        if value is None:
            continue
        if rest:
            if not isinstance(value, dict):
                value = value if rest == ["value"] else None
            else:
                if first not in below:
                    below[first] = {key.casefold(): one for key, one in value.items()}
                value = _down(below[first], rest)
        if text := as_text(value):
            texts[name] = text
    return texts


def _down(folded: Mapping[str, Any], keys: list[str]) -> Any:
    value = folded.get(keys[0])
    for key in keys[1:]:
        if isinstance(value, dict):
            value = get_key(value, key)
        elif key != "value":
            return None
    return value


@cache
def _folded_steps(path: str) -> tuple[str, ...]:
    return tuple(key.casefold() for key in steps(path))


def as_text(value: Any) -> str:
    """Return a simple value as text; nothing for what is not simple."""
    if type(value) is str:
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""
