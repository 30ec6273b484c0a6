"""Reads what only an account's own page shows: fields by their labels, and ticked boxes as entitlements."""

from __future__ import annotations

from typing import Any

from usher.connectors.browser.finding import Finder, Row
from usher.connectors.browser.in_page import BOXES, FIELD, NAMES_ACCOUNT
from usher.connectors.browser.steps import Target


def address_of(finder: Finder, row: Row) -> str:
    """Where the link of a row leads; empty where the recipe reads no details."""
    details = finder.recipe.accounts.details
    if details is None:
        return ""
    finder.line = "accounts.details.link"
    fields = finder.recipe.accounts.fields
    known = {"id": row.cell(finder.recipe.accounts.rows.find_by), "user_name": row.cell(fields.user_name)}
    if fields.display_name is not None:
        known["name"] = row.cell(fields.display_name)
    kept, finder.row, finder.variables = (finder.row, finder.variables), row, {**finder.variables, **known}
    try:
        link = finder.one(Target(row="$id", link=details.link))
        return str(link.evaluate("(link) => link.href"))
    finally:
        finder.row, finder.variables = kept


def add_details(finder: Finder, account: dict[str, Any]) -> None:
    """Add what the open page says of an account; stops where the page is not that account's."""
    details = finder.recipe.accounts.details
    assert details is not None
    if not finder.poll(lambda: finder.page.evaluate(NAMES_ACCOUNT, account["id"])):
        raise finder.doubt(f"the page does not name {account['id']}")
    for attribute, label in details.fields.items():
        finder.line = f"accounts.details.fields {attribute}"
        text = str(finder.one(Target(label=label)).evaluate(FIELD)["value"]).strip()
        if attribute == "emails":
            account["emails"] = [text] if text else []
        else:
            account[attribute] = text or None
    if details.boxes is None:
        return
    if details.tab is not None:
        finder.line = "accounts.details.tab"
        finder.one(Target(tab=details.tab)).click()
    finder.line = "accounts.details.boxes"
    boxes = finder.poll(lambda: finder.page.evaluate(BOXES))
    if not boxes:
        raise finder.doubt("no box is on the page")
    held = {f"{details.boxes.as_}:{box['label']}" for box in boxes if box["ticked"]}
    held -= {f"{details.boxes.as_}:{label}" for label in details.boxes.besides}
    account["entitlements"] = sorted({*account["entitlements"], *held})
