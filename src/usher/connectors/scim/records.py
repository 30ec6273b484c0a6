"""Turn SCIM users into accounts and wanted accounts into SCIM users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from usher.connectors.errors import AccessLost
from usher.connectors.scim.paths import USER, as_text, get_key, set_at, texts_at
from usher.domain.account import Account, AccountState

EMAIL_PARTS = frozenset({"value", "type", "primary"})
OWN_FIELDS = frozenset({"user_name", "display_name", "given_name", "family_name", "external_id", "employee_number"})


def account_of(row: Mapping[str, Any], paths: Mapping[str, str], groups: Iterable[str]) -> Account:
    """Return the account that a SCIM user is. The id wins over `meta.location`, which some servers get wrong."""
    account_id = as_text(get_key(row, "id"))
    if not account_id:
        raise AccessLost("a user without an id was listed: this is not SCIM")
    texts = texts_at(row, paths)
    meta = get_key(row, "meta")
    held = {f"group:{name}" for name in groups} | held_on_user(row)
    return Account(
        id=account_id,
        user_name=texts.get("user_name", ""),
        emails=emails_of(row),
        display_name=texts.get("display_name"),
        given_name=texts.get("given_name"),
        family_name=texts.get("family_name"),
        employee_number=texts.get("employee_number"),
        external_id=texts.get("external_id"),
        state=state_of(get_key(row, "active")),
        created=instant(get_key(meta, "created")) if isinstance(meta, Mapping) else None,
        last_login=instant(texts.get("last_login")),
        entitlements=frozenset(held),
        attributes={name: text for name, text in texts.items() if name not in OWN_FIELDS},
        raw=row,
    )


def state_of(active: Any) -> AccountState:
    """Return what `active` says; some servers say it as text. Absent is unknown, never a guess."""
    match as_text(active).casefold():
        case "true":
            return AccountState.ACTIVE
        case "false":
            return AccountState.SUSPENDED
        case _:
            return AccountState.UNKNOWN


def emails_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses, the primary one first; one object or plain texts stand for a list."""
    parts = items_of(get_key(row, "emails"))
    parts.sort(key=lambda part: as_text(get_key(part, "primary")).casefold() != "true")
    return tuple(dict.fromkeys(value for part in parts if (value := as_text(get_key(part, "value")))))


def items_of(value: Any) -> list[Mapping[str, Any]]:
    """Return a multi-valued attribute as a list of objects, whatever form the server chose."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [item if isinstance(item, Mapping) else {"value": item} for item in values]


def held_on_user(row: Mapping[str, Any]) -> set[str]:
    """Return the roles, entitlements and modules that the user record itself carries."""
    roles = {f"role:{name}" for item in items_of(get_key(row, "roles")) if (name := _name(item))}
    others = {f"{kind_of(item)}:{name}" for item in items_of(get_key(row, "entitlements")) if (name := _name(item))}
    return roles | others


def kind_of(item: Mapping[str, Any]) -> str:
    """Return our kind of an item of `entitlements`: a module says so by its type."""
    return "module" if as_text(get_key(item, "type")).casefold() == "module" else "entitlement"


def _name(item: Mapping[str, Any]) -> str:
    return as_text(get_key(item, "value")) or as_text(get_key(item, "display"))


def instant(value: Any) -> datetime | None:
    """Return an RFC 3339 instant in UTC, None where it is not one."""
    try:
        parsed = datetime.fromisoformat(as_text(value))
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def user_of(wanted: Account, paths: Mapping[str, str], email_parts: frozenset[str]) -> dict[str, Any]:
    """Return the SCIM user to create; `active` is always said, because some servers refuse a create without it."""
    texts = {
        **wanted.attributes,
        **{name: value for name in sorted(OWN_FIELDS) if (value := getattr(wanted, name))},
    }
    active = wanted.state in (AccountState.ACTIVE, AccountState.INVITED, AccountState.UNKNOWN)
    body: dict[str, Any] = {"schemas": [USER], "active": active}
    for name, text in texts.items():
        if name in paths and text:
            set_at(body, paths[name], text)
    if "name" in body:  # some servers want the whole name, whatever its parts
        parts = (wanted.given_name, wanted.family_name)
        body["name"]["formatted"] = wanted.display_name or " ".join(part for part in parts if part)
    if wanted.emails:
        body["emails"] = emails_to(wanted.emails, email_parts)
    for kind, attribute in (("role", "roles"), ("entitlement", "entitlements"), ("module", "entitlements")):
        names = sorted(text.partition(":")[2] for text in wanted.entitlements if text.startswith(f"{kind}:"))
        if names:
            body.setdefault(attribute, []).extend(item_to(kind, name) for name in names)
    body["schemas"] += [key for key in body if key.startswith("urn:")]
    return body


def emails_to(addresses: Iterable[str], parts: frozenset[str] = EMAIL_PARTS) -> list[dict[str, Any]]:
    """Return addresses as SCIM e-mails with the parts that the server takes, the first one primary."""
    whole = (
        {"value": address, "type": "work" if index == 0 else "other", "primary": index == 0}
        for index, address in enumerate(addresses)
    )
    return [{name: value for name, value in email.items() if name in parts} for email in whole]


def item_to(kind: str, name: str) -> dict[str, str]:
    """Return an item of `roles` or `entitlements`."""
    return {"value": name, "type": "module"} if kind == "module" else {"value": name}
