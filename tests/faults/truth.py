"""What the apps' own journals say: each app's accounts as they became, replayed from the start, effect by effect."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.invent import ENTERPRISE, Company, groups


@dataclass(frozen=True)
class Effect:
    """One line of an app's journal. `kind` is create, activate, deactivate, update, member_add, member_remove, delete.

    `owner` is the employee number that the account carries, the truth about whose it is.
    """

    app: str
    at: str
    kind: str
    id: str
    user_name: str
    owner: str | None
    line: Mapping[str, Any]

    @property
    def changed(self) -> frozenset[str]:
        """Which attributes an update touched."""
        return frozenset(self.line["after"]) if self.kind == "update" else frozenset()


@dataclass
class Accounts:
    """One app's accounts by id, each as the journal left it; a deleted one is None."""

    by_id: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)

    def named(self, user_name: str) -> list[dict[str, Any]]:
        """The accounts that bear a user name now."""
        found = (one for one in self.by_id.values() if one is not None)
        return [one for one in found if one["userName"].casefold() == user_name.casefold()]

    def entitlements(self, id: str) -> set[str]:
        """What an account holds, as plans say it."""
        one = self.by_id[id] or {}
        roles = {f"role:{item['value']}" for item in one.get("roles") or ()}
        items = one.get("entitlements") or ()
        others = {f"{'module' if item.get('type') == 'module' else 'entitlement'}:{item['value']}" for item in items}
        return roles | others | {f"group:{name}" for name, members in self.members.items() if id in members}


def attribute(account: Mapping[str, Any], name: str) -> Any:
    """An attribute by the name that plans use."""
    if name == "title":
        return account.get("title")
    return (account.get(ENTERPRISE) or {}).get({"employee_number": "employeeNumber"}.get(name, name))


def owner_of(account: Mapping[str, Any] | None) -> str | None:
    """The employee number on an account."""
    return ((account or {}).get(ENTERPRISE) or {}).get("employeeNumber")


def start_of(company: Company) -> dict[str, Accounts]:
    """What each app held before anything happened."""
    found = {}
    for app in company.apps:
        accounts = Accounts({one["id"]: copy.deepcopy(one) for one in company.accounts[app.name]})
        if app.part == "idp":
            for group in groups(company):
                accounts.members[group["displayName"]] = {member["value"] for member in group["members"]}
        found[app.name] = accounts
    return found


def replay(state: dict[str, Accounts], lines: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Effect]:
    """Apply journal lines (app, line) in their order to the state, and return them as effects."""
    return [_apply(app, state[app], line) for app, line in lines]


def _apply(app: str, accounts: Accounts, line: Mapping[str, Any]) -> Effect:
    id, kind = line["id"], line["effect"]
    if line["kind"] == "Group":
        return Effect(app, line["at"], f"group_{kind}", id, line["userName"], None, line)
    before = accounts.by_id.get(id)
    match kind:
        case "create":
            accounts.by_id[id] = {**copy.deepcopy(line["after"]), "id": id}
        case "delete":
            accounts.by_id[id] = None
        case "activate" | "deactivate":
            _known(before, line)["active"] = kind == "activate"
        case "update":
            account = _known(before, line)
            account.update(copy.deepcopy(line["after"]))
        case "member_add":
            accounts.members.setdefault(line["after"], set()).add(id)
        case "member_remove":
            accounts.members.setdefault(line["before"], set()).discard(id)
        case _:
            raise ValueError(f"{app}: the journal has an effect that the checker does not know: {kind!r}")
    after = accounts.by_id.get(id) or before
    return Effect(app, line["at"], kind, id, line["userName"], owner_of(after), line)


def _known(account: dict[str, Any] | None, line: Mapping[str, Any]) -> dict[str, Any]:
    if account is None:
        raise ValueError(f"the journal changes an account that it never made: {line}")
    return account


def wrong(accounts: Accounts, step: Mapping[str, Any], native_id: str | None) -> list[str]:
    """Say where an app's true state is not what a step promises; empty means that the step is effective."""
    after = step["after"]
    id = native_id or next((one["id"] for one in accounts.named(step["user_name"])), None)
    account = accounts.by_id.get(id) if id is not None else None
    if account is None or id is None:
        return ["there is no such account"] if after.get("exists") or after.get("has") else []
    found = []
    if "can_sign_in" in after and account.get("active", True) is not after["can_sign_in"]:
        found.append("it can sign in" if account.get("active", True) else "it cannot sign in")
    holds = accounts.entitlements(id)
    found += [f"it lacks {name}" for name in after.get("has", ()) if name not in holds]
    found += [f"it holds {name}" for name in after.get("lacks", ()) if name in holds]
    for name, value in after.get("attributes", {}).items():
        if attribute(account, name) != value:
            found.append(f"{name} is {attribute(account, name)!r}")
    return found
