"""Finds things on a page by what a person reads, exactly one or none, and reads the accounts table by its headers."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator, Page

from usher.connectors.browser.in_page import ROW, TABLES
from usher.connectors.browser.recipe import Accounts, Recipe
from usher.connectors.browser.session import Session
from usher.connectors.browser.steps import Target, Words, substitute
from usher.connectors.errors import InDoubt, Rejected

SETTLED_MS = 200
AMBIGUOUS_SECONDS = 0.8


class NotSeen(InDoubt):
    """A `see` did not hold: before a write that may only mean that there is something to do."""


def plain(text: str) -> str:
    """A text as it is compared: one form of Unicode, single spaces, case ignored."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the accounts table; `mark` stays on its element, `at` are the places of the cells that identify it."""

    mark: str
    cells: Mapping[str, str]
    at: tuple[int, ...]

    def cell(self, column: Words) -> str:
        """The text under the one header among these alternates."""
        return next(self.cells[plain(name)] for name in column if plain(name) in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """One page of the accounts table."""

    rows: tuple[Row, ...]

    @property
    def first(self) -> tuple[str, ...]:
        """What the first row says, to notice that a page was turned."""
        return tuple(self.rows[0].cells.values()) if self.rows else ()


class Finder:
    """Looks on the present page; `line` is the line of the recipe that is being carried out, for messages."""

    def __init__(self, session: Session, recipe: Recipe, patience: float) -> None:
        self.session = session
        self.recipe = recipe
        self.patience = patience
        self.variables: dict[str, str] = {}
        self.row: Row | None = None
        self.line = "start"

    @property
    def page(self) -> Page:
        """The one page of the session."""
        return self.session.page

    def words(self, text: str) -> str:
        """A text of the recipe with its variables replaced; Rejected where one has no value."""
        try:
            return substitute(text, self.variables)
        except KeyError as missing:
            raise Rejected(f"{self.line}: nothing is known to put in place of ${missing.args[0]}") from None

    def doubt(self, message: str, kind: type[InDoubt] = InDoubt) -> InDoubt:
        """Make the error that stops the job, with a picture and an outline of the page."""
        if self.session.gate.trespasses:
            message = f"the page tried {self.session.gate.trespasses[0]}"
        evidence: dict[str, str] = {}
        if kind is not NotSeen:
            evidence = self.evidence("in doubt")
        return kind(self.session.redact(f"{self.line}: {message}"), contract=self.line, evidence=evidence)

    def evidence(self, name: str) -> dict[str, str]:
        """What the page is now; a page that cannot be looked at leaves a note in place of the picture."""
        try:
            found = self.session.evidence()
            picture = self.session.picture(name)
        except PlaywrightError as error:
            return {"picture_missing": str(error).splitlines()[0]}
        return {**found, **({"picture": picture} if picture else {})}

    def check_gate(self) -> None:
        """Stop the job where the page tried what it may not."""
        if self.session.gate.trespasses:
            raise self.doubt("the page tried what it may not")

    def poll(self, look: Callable[[], Any], seconds: float | None = None) -> Any:
        """Look again and again until something true comes, and return the last look."""
        end = time.monotonic() + (self.patience if seconds is None else seconds)
        pauses = chain((60, 60, 90, 135), repeat(200))
        while True:
            self.check_gate()
            self.dismiss()
            found = None
            try:
                found = look()
            except PlaywrightError as error:
                # The page went away under the look: the next page is looked at afresh.
                if self.page.is_closed() or "has been closed" in str(error):
                    raise
            if found or time.monotonic() > end:
                return found
            self.session.wait(next(pauses))

    def dismiss(self) -> None:
        """Close the dialogs that the recipe knows."""
        for target in self.recipe.dismiss:
            found = self.locate(target)
            if found.count() == 1:
                found.click(timeout=2000)

    def locate(self, target: Target) -> Locator:
        """Every visible thing that the target names; nothing is ever found by resemblance."""
        scope: Page | Locator = self.page
        if target.dialog is not None:
            scope = _union(
                [
                    scope.get_by_role(role, name=self.words(word), exact=True)
                    for word in target.dialog
                    for role in ("dialog", "alertdialog")
                ]
            ).filter(visible=True)
        if target.group is not None:
            scope = _union(
                [
                    scope.get_by_role(role, name=self.words(word), exact=True)
                    for word in target.group
                    for role in ("group", "region", "radiogroup")
                ]
            ).filter(visible=True)
        if target.row is not None:
            scope = scope.locator(f'[data-usher-row="{self.row_of(target.row).mark}"]')
        thing = target.thing
        if thing is None:
            return scope if isinstance(scope, Locator) else scope.locator("body")
        return _union([_of(scope, thing, self.words(word)) for word in getattr(target, thing)]).filter(visible=True)

    def one(self, target: Target, seconds: float | None = None) -> Locator:
        """The one thing that the target names; none or several stop the job."""
        several_since: list[float] = []

        def look() -> Locator | None:
            found = self.locate(target)
            count = found.count()
            if count > 1:
                several_since.append(time.monotonic())
                if several_since[-1] - several_since[0] > AMBIGUOUS_SECONDS:
                    raise self.doubt(f"expected one, found {count}")
            else:
                several_since.clear()
            return found if count == 1 else None

        found: Locator | None = self.poll(look, seconds)
        if found is None:
            raise self.doubt(f"expected one, found {self.locate(target).count()}")
        return found

    def row_of(self, text: str) -> Row:
        """The row that was sought, if this text is its id."""
        wanted = self.words(text)
        if self.row is None or plain(self.row.cell(self.recipe.accounts.rows.find_by)) != plain(wanted):
            raise self.doubt("its row was not sought on this page")
        return self.row

    def row_texts(self, row: Row) -> list[str] | None:
        """What identifies a row, read again from the same element; None where the element is gone."""
        cells = self.page.evaluate(ROW, row.mark)
        if cells is None or len(cells) <= max(row.at):
            return None
        return [cells[place] for place in row.at]

    def table(self) -> Table:
        """Read the accounts table once its rows stand still."""
        before: list[Table | None] = [None]

        def look() -> Table | None:
            now = self.read_table()
            steady = now is not None and before[0] == now
            before[0] = now
            if not steady:
                self.session.wait(SETTLED_MS)
            return now if steady else None

        found: Table | None = self.poll(look)
        if found is None:
            raise self.doubt(self._why_no_table())
        self._check_ids(found)
        return found

    def read_table(self) -> Table | None:
        """The accounts table as it is at this instant; None where it is not there or has no rows."""
        fitting = [table for table in self.page.evaluate(TABLES) if self._fits(table)]
        if len(fitting) > 1:
            raise self.doubt("two tables have the columns of the accounts")
        return _table(fitting[0], self.recipe.accounts) if fitting and fitting[0]["rows"] else None

    def _fits(self, table: Mapping[str, Any]) -> bool:
        named = self.recipe.accounts.rows.table
        if named is not None and plain(table["name"]) not in {plain(word) for word in named}:
            return False
        return not _missing(table["headers"], self.recipe.accounts)

    def _why_no_table(self) -> str:
        tables = self.page.evaluate(TABLES)
        if not tables:
            return "no table is on the page"
        missing = [column for table in tables for column in _missing(table["headers"], self.recipe.accounts)]
        if missing:
            headers = ", ".join(repr(header) for table in tables for header in table["headers"] if header)
            return f"expected exactly one column {' or '.join(map(repr, missing[0]))} among {headers}"
        return "the table of accounts has no rows, never stands still or has another name"

    def _check_ids(self, table: Table) -> None:
        ids = [plain(row.cell(self.recipe.accounts.rows.find_by)) for row in table.rows]
        if "" in ids:
            raise self.doubt("a row has no id")
        if len(set(ids)) != len(ids):
            raise self.doubt("two rows of one page have the same id")


def _union(found: Sequence[Locator]) -> Locator:
    union = found[0]
    for other in found[1:]:
        union = union.or_(other)
    return union


def _of(scope: Page | Locator, thing: str, word: str) -> Locator:
    if thing == "label":
        # Consoles mark required fields with a star and end labels with a colon.
        return scope.get_by_label(re.compile(rf"^\s*{_spaced(word)}\s*[*:]*\s*$"))
    if thing == "tab":
        # Some consoles repeat a tab as a button below its panel; the list of tabs holds each once.
        return scope.get_by_role("tablist").get_by_role("tab", name=word, exact=True)
    if thing == "text":
        return scope.get_by_text(word, exact=True)
    if thing == "status":
        return scope.locator("[role=status],[role=alert]").filter(has_text=re.compile(rf"^\s*{_spaced(word)}\s*$"))
    return scope.get_by_role(thing, name=word, exact=True)  # type: ignore[arg-type]


def _spaced(word: str) -> str:
    return r"\s+".join(re.escape(part) for part in word.split())


def columns_of(accounts: Accounts) -> list[tuple[str, ...]]:
    """Every column that the table must have."""
    rows = accounts.rows
    return list(dict.fromkeys([rows.find_by, *rows.also, *accounts.fields.columns()]))


def _missing(headers: Sequence[str], accounts: Accounts) -> list[tuple[str, ...]]:
    present = [plain(header) for header in headers]
    return [column for column in columns_of(accounts) if sum(present.count(plain(word)) for word in set(column)) != 1]


def _table(table: Mapping[str, Any], accounts: Accounts) -> Table:
    headers = [plain(header) for header in table["headers"]]
    identify = [accounts.rows.find_by, *accounts.rows.also]
    at = tuple(next(headers.index(plain(word)) for word in column if plain(word) in headers) for column in identify)
    return Table(
        tuple(
            Row(row["mark"], {header: cell for header, cell in zip(headers, row["cells"], strict=False) if header}, at)
            for row in table["rows"]
        )
    )
