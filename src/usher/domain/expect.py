"""Expectations of an account: how a step's before and after are said, compared and explained.

An expectation is a JSON object with any of these parts; a part that is absent is not looked at:

    {"exists": true|false}                     the app lists the account (not: deleted)
    {"can_sign_in": true|false}                its state lets a person in, or not
    {"has": ["module:Core"], "lacks": [...]}   entitlements that the step changes
    {"attributes": {"department": "Sales"}}    attributes that the step changes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usher.domain.account import Account, AccountState

FIELDS = ("user_name", "display_name", "given_name", "family_name", "employee_number")


def differences(expected: Mapping[str, Any], account: Account | None) -> list[str]:
    """Say in words where an account is not as expected; empty means that it is."""
    present = account is not None and account.state is not AccountState.DELETED
    if "exists" in expected and expected["exists"] != present:
        return ["the account is not there" if expected["exists"] else "the account is there"]
    if account is None or not present:
        return _absent(expected)
    found: list[str] = []
    if "can_sign_in" in expected:
        if account.state is AccountState.UNKNOWN:
            found.append("the app does not say whether the account is active")
        elif not (account.state.can_sign_in if expected["can_sign_in"] else account.state.is_off):
            found.append(f"the account is {account.state}")
    found += [f"{name} is missing" for name in expected.get("has", ()) if name not in account.entitlements]
    found += [f"{name} is still there" for name in expected.get("lacks", ()) if name in account.entitlements]
    for name, value in expected.get("attributes", {}).items():
        seen = attribute(account, name)
        if seen != value:
            found.append(f"{name} is {seen!r}, not {value!r}")
    return found


def _absent(expected: Mapping[str, Any]) -> list[str]:
    """An absent account can do nothing and holds nothing; anything else expected of it is a difference."""
    wants_more = expected.get("can_sign_in") or expected.get("has") or expected.get("attributes")
    return ["the account is not there"] if wants_more else []


def holds(expected: Mapping[str, Any], account: Account | None) -> bool:
    """True where the account is as expected."""
    return not differences(expected, account)


def attribute(account: Account, name: str) -> str | None:
    """An attribute by name, whether the contract names it or the app's own attributes hold it."""
    if name in FIELDS:
        value: str | None = getattr(account, name)
        return value
    if name == "email":
        return account.emails[0] if account.emails else None
    return account.attributes.get(name)


def seen(account: Account | None) -> dict[str, Any]:
    """What evidence keeps of an account: ids, state and entitlements, nothing volatile."""
    if account is None:
        return {"exists": False}
    return {
        "exists": account.state is not AccountState.DELETED,
        "id": account.id,
        "user_name": account.user_name,
        "state": account.state.value,
        "entitlements": sorted(account.entitlements),
    }
