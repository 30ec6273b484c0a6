"""Does the lines of a recipe on the present page: fills, clicks and sees, and makes sure before the one that writes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Locator

from usher.connectors.browser.finding import Finder, NotSeen, plain
from usher.connectors.browser.in_page import FIELD, GUARD, GUARD_STATE, NAMES_ACCOUNT
from usher.connectors.browser.recipe import Recipe
from usher.connectors.browser.session import Session
from usher.connectors.browser.steps import Click, Fill, See, Step, names_in
from usher.connectors.errors import InDoubt, Rejected

SECRETS = (("secret",), ("totp",), ("new_password",))
TICKS = {"yes": True, "no": False}
PROBE_SECONDS = 0.5


class HeldBack(InDoubt):
    """The writing click met another element or another row, and was stopped before the page could see it."""


def _nowhere(wanted: str) -> None:
    raise Rejected(f"a row is sought ({wanted}) outside a verb")


class Actor(Finder):
    """Carries steps out; `probing` asks whether something holds without waiting for it to come true."""

    def __init__(self, session: Session, recipe: Recipe, patience: float) -> None:
        super().__init__(session, recipe, patience)
        self.probing = False
        self.seek: Callable[[str], None] = _nowhere
        self.one_time_code: Callable[[], str] = str
        self.filled: list[tuple[Fill, str]] = []
        """The fields set since the page was loaded, with what they must hold when the writing click comes."""

    def run(self, name: str, steps: Sequence[Step], offset: int = 0) -> None:
        """Do steps in order; the writing click is none of them."""
        asked = True
        for place, step in enumerate(steps, start=offset + 1):
            self.line = f"{name} step {place}: {step.said()}"
            self.check_gate()
            if step.fill is not None:
                later = next((after.see for after in steps[place - offset :] if after.see), self.recipe.known_by)
                asked = self._fill(step.fill, later)
            elif step.click is not None:
                if asked or not step.click.if_asked:
                    self._click(step.click)
            elif step.seek is not None:
                self.seek(self.words(step.seek.row))
            elif step.see is not None:
                self._see(step.see)

    # fill

    def _fill(self, fill: Fill, later: See) -> bool:
        if fill.if_asked and not self._asks(fill, later):
            return False
        field = self.one(fill)
        if fill.with_ == "$totp":
            self.variables["totp"] = self.one_time_code()
        value = self.words(fill.with_)
        if names_in(fill.with_) in SECRETS:
            self.session.secret_fields.append(field)
            field.fill(value, timeout=self.patience * 1000)
            return True
        self._set(field, field.evaluate(FIELD), value)
        self._holds_value(fill, value)
        self.filled.append((fill, value))
        return True

    def _asks(self, fill: Fill, later: See) -> bool:
        """True where the field shows before what comes later does."""

        def look() -> str | None:
            if self.locate(fill).count():
                return "asked"
            return "not asked" if self.locate(later).count() else None

        return bool(self.poll(look) == "asked")

    def _set(self, field: Locator, now: dict[str, Any], value: str) -> None:
        wait = self.patience * 1000
        try:
            if now["kind"].startswith("select"):
                places = [place for place, option in enumerate(now["options"]) if plain(option) == plain(value)]
                if len(places) != 1:
                    raise self.doubt(f"expected one option {value!r} among {', '.join(map(repr, now['options']))}")
                field.select_option(index=places[0], timeout=wait)
            elif now["kind"] in ("checkbox", "radio", "switch"):
                if value not in TICKS:
                    raise self.doubt(f"a box takes yes or no, not {value!r}")
                field.set_checked(TICKS[value], timeout=wait)
            else:
                field.fill(value, timeout=wait)
        except PlaywrightError as error:
            raise self.doubt(f"the field cannot be set ({_first_line(error)})") from error

    def _holds_value(self, fill: Fill, value: str) -> None:
        """Read a field back; what it holds must be what was set."""
        now = self.one(fill).evaluate(FIELD)
        if now["kind"] in ("checkbox", "radio", "switch"):
            fine = now["ticked"] == TICKS[value]
        else:
            fine = plain(now["value"]) == plain(value)
        if not fine:
            raise self.doubt(f"{fill.said()} was set and does not hold what was set")

    # click

    def _click(self, click: Click) -> None:
        found = self.one(click)
        guarded = click.row is not None
        try:
            # Consoles close an opened menu when the page scrolls, so the scrolling comes first.
            found.scroll_into_view_if_needed(timeout=self.patience * 1000)
            if guarded:
                # Who an opened dialog is about is decided by this click: it must meet the row that was sought.
                self._guard(found)
            found.click(timeout=self.patience * 1000)
        except PlaywrightError as error:
            self.check_gate()
            raise self.doubt(f"it cannot be clicked ({_first_line(error)})") from error
        if guarded and (blocked := self._blocked()):
            raise self.doubt(blocked)

    def _guard(self, found: Locator) -> None:
        row = self.row
        texts = self.row_texts(row) if row is not None else None
        mark = row.mark if row is not None and texts is not None else None
        found.evaluate(GUARD, {"mark": mark, "at": list(row.at) if row else [], "texts": texts or []})

    def _blocked(self) -> str:
        with contextlib.suppress(PlaywrightError):  # a click that leads to another page takes the guard with it
            state = self.page.evaluate(GUARD_STATE)
            return str(state["blocked"]) if state else ""
        return ""

    def words_of(self, click: Click) -> str:
        """What is about to be pressed, and for whom."""
        return f"{self.line} for {self.variables.get('id', '?')}"

    # the writing click

    def ready_to_write(self, click: Click, *, creating: bool) -> Locator:
        """Make sure of everything that can be seen beforehand, and return the one thing to press."""
        for fill, value in self.filled:
            if self.locate(fill).count() == 1:
                self._holds_value(fill, value)
        if not creating:
            self._names_the_account()
        found = self.one(click)
        if not found.is_enabled():
            raise self.doubt("it cannot be pressed")
        try:
            found.click(trial=True, timeout=self.patience * 1000)
        except PlaywrightError as error:
            raise self.doubt(f"it cannot be pressed ({_first_line(error)})") from error
        self.session.accepts = tuple(self.words(word) for word in click.accept or ())
        self.check_gate()
        return found

    def _names_the_account(self) -> None:
        """The row that was sought stands here unchanged, or the page that it led to names the account."""
        row, wanted = self.row, self.variables.get("id", "")
        if row is None:
            raise self.doubt("no row was sought before the writing click")
        texts = self.row_texts(row)
        if texts is None:
            if not self.page.evaluate(NAMES_ACCOUNT, wanted):
                raise self.doubt(f"the page does not name {wanted}")
            return
        if plain(wanted) not in plain(texts[0]):
            raise self.doubt(f"the row that was sought now reads {texts[0]!r}")

    def press(self, found: Locator) -> None:
        """Make the writing click, guarded against a row or a button that changes at the last moment."""
        self._guard(found)
        try:
            found.click(timeout=self.patience * 1000, no_wait_after=True)
        finally:
            blocked = self._blocked()
        if blocked:
            raise self.doubt(f"the writing click was held back: {blocked}", HeldBack)

    def settle(self) -> None:
        """Wait until the console has answered the write, as far as that can be seen."""
        gate = self.session.gate
        end = time.monotonic() + self.patience
        quiet = time.monotonic() + 2.0
        while time.monotonic() < end and not gate.answers:
            if not gate.sent and time.monotonic() > quiet:
                break
            self.session.wait(50)
        while gate.leads_on and time.monotonic() < end and self._old_page():
            self.session.wait(50)
        with contextlib.suppress(PlaywrightError):  # a page that never falls silent has still been waited for
            self.page.wait_for_load_state("load", timeout=5000)
            self.page.wait_for_load_state("networkidle", timeout=2000)

    def _old_page(self) -> bool:
        """True while the page of the writing click is still shown: its guard is gone with it."""
        with contextlib.suppress(PlaywrightError):
            return self.page.evaluate(GUARD_STATE) is not None
        return True

    # see

    def _see(self, see: See) -> None:
        seconds = PROBE_SECONDS if self.probing else self.patience
        if see.row is not None and see.column is not None:
            self._see_cell(see)
        elif see.row is not None and see.thing is None:
            self.row_of(see.row)
        elif see.value is not None or see.ticked is not None:
            self._see_field(see, seconds)
        elif see.absent:
            if not self.poll(lambda: self.locate(see).count() == 0, seconds):
                raise self._unseen("it is on the page")
        elif not self.poll(lambda: self.locate(see).count() == 1, seconds):
            raise self._unseen(f"expected one, found {self.locate(see).count()}")

    def _unseen(self, message: str) -> InDoubt:
        return self.doubt(message, NotSeen if self.probing else InDoubt)

    def _see_cell(self, see: See) -> None:
        row = self.row_of(see.row or "")
        assert see.column is not None
        if not any(plain(word) in row.cells for word in see.column):
            raise self.doubt(f"expected a column {' or '.join(see.column)}")
        cell = row.cell(see.column)
        if see.item is not None:
            seen = plain(self.words(see.item)) in [plain(part) for part in cell.split(",")]
        else:
            seen = plain(cell) in [plain(self.words(word)) for word in see.text or ()]
        if seen == see.absent:
            raise self._unseen(f"the cell reads {cell!r}")

    def _see_field(self, see: See, seconds: float) -> None:
        self.one(see, self.patience)

        def look() -> bool:
            now = self.locate(see).evaluate(FIELD)
            ticked = see.ticked is None or now["ticked"] == see.ticked
            value = see.value is None or plain(now["value"]) == plain(self.words(see.value))
            return bool((ticked and value) != see.absent)

        if not self.poll(look, seconds):
            raise self._unseen("the field holds something else")


def _first_line(error: PlaywrightError) -> str:
    return str(error).splitlines()[0]
