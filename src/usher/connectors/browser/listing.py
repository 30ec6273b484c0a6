"""Walks the list of accounts page by page, seeks one row, and turns rows into accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from usher.connectors.browser.finding import Finder, Row, Table, plain
from usher.connectors.browser.recipe import Held, Mapped, Next, Recipe

MOST_PAGES = 2000


def walk(finder: Finder) -> Iterator[Table]:
    """Yield every page of the list, from the present one, which is the first, to the last; two equal ids stop it."""
    accounts = finder.recipe.accounts
    seen: set[str] = set()
    for _ in range(MOST_PAGES):
        finder.line = "accounts.rows"
        table = finder.table()
        ids = {plain(row.cell(accounts.rows.find_by)) for row in table.rows}
        if ids & seen:
            raise finder.doubt("two rows of one listing have the same id")
        seen |= ids
        yield table
        finder.line = "accounts.next"
        if accounts.next is None or not _turn(finder, accounts.next, table):
            _check_total(finder, len(seen))
            return
    raise finder.doubt(f"the list did not end after {MOST_PAGES} pages")


def _turn(finder: Finder, turner: Next, table: Table) -> bool:
    """Turn to the next page and wait for another first row; False on the last page."""
    if turner.last == "absent" and finder.locate(turner).count() == 0:
        return False
    control = finder.one(turner)
    if control.is_disabled() or control.get_attribute("aria-disabled") == "true":
        return False
    control.click(timeout=finder.patience * 1000)

    def changed() -> bool:
        now = finder.read_table()
        return now is not None and now.first != table.first

    if not finder.poll(changed):
        raise finder.doubt("the page was turned and its first row stayed the same")
    return True


def _check_total(finder: Finder, count: int) -> None:
    patterns = finder.recipe.accounts.total
    if not patterns:
        return
    finder.line = "accounts.total"
    text = " ".join(finder.page.inner_text("body").split())
    found = next((match for pattern in patterns if (match := re.search(_counting(pattern), text))), None)
    if found is None:
        raise finder.doubt(f"expected a text like {' or '.join(map(repr, patterns))}")
    total = int(re.sub(r"\D", "", found["total"]))
    if total != count:
        raise finder.doubt(f"the console counts {total} accounts, {count} rows were read")


def _counting(pattern: str) -> str:
    """The expression that finds a text like `{from}-{to} of {total}`."""
    parts = re.split(r"\{(\w+)\}", " ".join(pattern.split()))
    return "".join(
        (r"(?P<total>\d[\d,.]*)" if part == "total" else r"\d[\d,.]*") if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )


def row_with(finder: Finder, table: Table, wanted: str) -> Row | None:
    """The row of one page whose id is this text."""
    find_by = finder.recipe.accounts.rows.find_by
    return next((row for row in table.rows if plain(row.cell(find_by)) == plain(wanted)), None)


def account_of(row: Row, recipe: Recipe) -> dict[str, Any]:
    """What a row says of an account, as the fields of `usher.domain.account.Account`."""
    fields = recipe.accounts.fields
    found: dict[str, Any] = {
        "id": row.cell(recipe.accounts.rows.find_by),
        "user_name": row.cell(fields.user_name),
        "emails": [text] if fields.emails and (text := row.cell(fields.emails)) else [],
        "state": _mapped(row, fields.state),
        "entitlements": sorted({text for held in fields.entitlements for text in _held(row, held)}),
        "attributes": {name: text for name, column in fields.attributes.items() if (text := row.cell(column))},
        "raw": dict(row.cells),
    }
    if fields.kind is not None:
        found["kind"] = _mapped(row, fields.kind)
    for name in ("display_name", "given_name", "family_name"):
        column = getattr(fields, name)
        found[name] = (row.cell(column) or None) if column else None
    return found


def _mapped(row: Row, mapped: Mapped | None) -> str:
    if mapped is None:
        return "unknown"
    known: Mapping[str, str] = {plain(word): meaning for word, meaning in mapped.values.items()}
    return known.get(plain(row.cell(mapped.from_)), "unknown")


def _held(row: Row, held: Held) -> list[str]:
    cell = row.cell(held.from_)
    parts = [part.strip() for part in (cell.split(held.split) if held.split else [cell])]
    nothing = {plain(word) for word in held.nothing}
    return [f"{held.as_}:{held.values.get(part, part)}" for part in parts if plain(part) not in nothing]
