"""Read who is in which group, and put accounts into groups or take them out, a hundred at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import orjson

from usher.connectors.contract import Call
from usher.connectors.errors import Rejected
from usher.connectors.scim.api import Change, Record, ScimApi, Written
from usher.connectors.scim.paging import row_id
from usher.connectors.scim.paths import as_text, get_key
from usher.connectors.scim.records import items_of

GROUPS = "/Groups"
MEMBERS_AT_ONCE = 100  # what the strictest known server takes in one request
Removal = Literal["filter", "value", "replace"]
WITHOUT_MEMBERS = {"excludedAttributes": "members"}


@dataclass(frozen=True, slots=True)
class Memberships:
    """Every group's name by its id, and every account's group names by its id, as of one reading."""

    names: Mapping[str, str]
    of_account: Mapping[str, frozenset[str]]


def read_memberships(api: ScimApi, call: Call) -> Memberships:
    """Read all groups with their members in one pass."""
    names: dict[str, str] = {}
    held: dict[str, set[str]] = {}
    for row in api.list_all(call, GROUPS):
        names[row_id(row)] = name = group_name(row)
        for member in items_of(get_key(row, "members")):
            held.setdefault(as_text(get_key(member, "value")), set()).add(name)
    return Memberships(names, {account_id: frozenset(groups) for account_id, groups in held.items()})


def group_name(row: Mapping[str, Any]) -> str:
    """Return the name that people know a group by, its id where it has none."""
    return as_text(get_key(row, "displayName")) or row_id(row)


def group_named(api: ScimApi, call: Call, name: str) -> str:
    """Return the id of the one group with this name; Rejected where there is none or more than one."""
    rows = api.search(call, GROUPS, "displayName", name, WITHOUT_MEMBERS)
    found = _ids(rows or (), name)
    if not found:  # an empty answer of a filter proves nothing
        found = _ids(api.list_all(call, GROUPS, query=WITHOUT_MEMBERS), name)
    if len(found) != 1:
        raise Rejected(f"{len(found)} groups are named {name!r}: expected exactly one")
    return found[0]


def _ids(rows: Iterable[Mapping[str, Any]], name: str) -> list[str]:
    return [row_id(row) for row in rows if group_name(row) == name]


def change_members(
    api: ScimApi,
    call: Call,
    group_id: str,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    removal: Removal = "filter",
) -> list[Written]:
    """Add and remove members by their `value`, at most 100 a request; return what was written.

    `removal`: how removed members are named. By RFC 7644 a `remove` of `members` without a filter empties the group, so
    `value` is only for servers known to want it; `replace` sends all who stay.
    """
    written = []
    for values, adding in ((add, True), (remove, False)):
        query = {} if removal == "replace" and not adding else WITHOUT_MEMBERS
        for first in range(0, len(values), MEMBERS_AT_ONCE):
            wanted = partial(_changes, values=values[first : first + MEMBERS_AT_ONCE], adding=adding, removal=removal)
            done = api.change(call, GROUPS, group_id, wanted, query=query)
            written += [done] if done else []
    return written


def _changes(group: Record, values: Sequence[str], adding: bool, removal: Removal) -> list[Change]:
    members = [dict(member) for member in items_of(get_key(group, "members"))]
    staying = [member for member in members if as_text(get_key(member, "value")) not in values]
    named = [{"value": one} for one in values]
    if adding:
        return [Change("members", staying + named, {"op": "add", "path": "members", "value": named})]
    match removal:
        case "replace":
            return [Change("members", staying)] if len(staying) < len(members) else []
        case "value":
            return [Change("members", staying, {"op": "remove", "path": "members", "value": named})]
        case "filter":
            return [Change("members", staying, {"op": "remove", "path": _filter(one)}) for one in values]


def _filter(member_id: str) -> str:
    return f"members[value eq {orjson.dumps(member_id).decode()}]"
