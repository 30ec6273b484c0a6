"""Carries one job out in a console: sign in, read, or change one account and see the change on a fresh page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urldefrag, urljoin

from playwright.sync_api import Error as PlaywrightError

from usher.connectors.browser.acting import Actor, HeldBack
from usher.connectors.browser.details import add_details, address_of
from usher.connectors.browser.finding import NotSeen, Row, plain
from usher.connectors.browser.job import Job
from usher.connectors.browser.listing import account_of, row_with, walk
from usher.connectors.browser.recipe import Recipe
from usher.connectors.browser.session import Session
from usher.connectors.browser.steps import Step
from usher.connectors.browser.totp import STEP_SECONDS, totp
from usher.connectors.errors import (
    AccessLost,
    AlreadyExists,
    ConnectorError,
    InDoubt,
    NotPermitted,
    OutcomeUnknown,
    Rejected,
    Transient,
)

LAST_START_PATIENCE = 3.0


class Runner:
    """One job in one session. `wrote` is True from the writing click on, unless that click surely was held back."""

    def __init__(
        self,
        job: Job,
        recipe: Recipe,
        session: Session,
        ask_leave: Callable[[str], bool],
        progress: Callable[..., None],
    ) -> None:
        self.job = job
        self.recipe = recipe
        self.session = session
        self.wrote = False
        self.refused = False
        """True once the page itself was read to refuse the write: the only proof that nothing was done."""
        self._ask_leave = ask_leave
        self._progress = progress
        self._actor = Actor(session, recipe, job.patience)
        secrets = {name: value for name, value in job.secrets.items() if name != "totp"}
        # A password that a new account needs and that nobody ever learns: its owner sets one of their own.
        password = f"{token_urlsafe(18)}-7aZ"
        session.secret_values += (password,)
        self._actor.variables = {**job.variables, **secrets, "new_password": password}
        self._start = ""
        self._key: str = job.key
        self._pictures: list[str] = []
        self._account: dict[str, Any] | None = None
        self._address = ""

    def run(self) -> dict[str, Any]:
        """Do the job and return its result; raises the contract's errors."""
        self._sign_in()
        if self.job.job == "check":
            self._fresh()
            self._actor.table()
            return {}
        if self.job.job == "list":
            return {"accounts": self._read(lambda row: True)}
        if self.job.job == "find":
            return {"accounts": self._found()}
        return self._verb(self.job.verb or "")

    # Reading

    def _read(self, wanted: Callable[[Row], bool], *, once: bool = False) -> list[dict[str, Any]]:
        """The wanted accounts of the whole list (with `once`: the first one), with their details."""
        self._fresh()
        found: list[tuple[dict[str, Any], str]] = []
        for table in walk(self._actor):
            rows = [row for row in table.rows if wanted(row)]
            found += [(account_of(row, self.recipe), address_of(self._actor, row)) for row in rows]
            if once and found:
                break
        for account, address in found:
            self._add_details(account, address)
        return [account for account, _address in found]

    def _found(self) -> list[dict[str, Any]]:
        """The accounts sought: by id the first one, by user name every one of the whole list."""
        by_id = self.job.wanted_in == "id"
        accounts, wanted = self.recipe.accounts, plain(self.job.wanted or "")
        column = accounts.rows.find_by if by_id else accounts.fields.user_name
        return self._read(lambda row: plain(row.cell(column)) == wanted, once=by_id)

    def _add_details(self, account: dict[str, Any], address: str) -> None:
        if address:
            self._actor.line = "accounts.details"
            self._open(address)
            add_details(self._actor, account)

    # Signing in

    def _sign_in(self) -> None:
        """Open the first start page that is the right one, signing in where the console asks."""
        actor, steps = self._actor, self.recipe.sign_in
        for place, path in enumerate(self.recipe.start):
            last = place == len(self.recipe.start) - 1
            actor.line = f"start {path}"
            self._open(path)
            if steps and self._asked_to_sign_in(last):
                self._go_through_sign_in(steps, path)
                steps = ()
            if self._right_page(self.job.patience if last else LAST_START_PATIENCE):
                self._start = path
                self.session.gate.open = False
                self.session.gate.sent.clear()
                self._progress("signed in")
                return
        actor.line = f"known_by {self.recipe.known_by.said()}"
        raise actor.doubt("no start page shows it")

    def _asked_to_sign_in(self, last: bool) -> bool:
        first = self.recipe.sign_in[0].fill
        assert first is not None

        def look() -> str | None:
            if self._actor.locate(first).count():
                return "sign in"
            return "right" if self._actor.locate(self.recipe.known_by).count() else None

        return bool(self._actor.poll(look, self.job.patience if last else LAST_START_PATIENCE) == "sign in")

    def _go_through_sign_in(self, steps: Sequence[Step], path: str) -> None:
        self._actor.one_time_code = self._one_time_code
        try:
            self._actor.run("sign_in", steps)
        except InDoubt as doubt:
            raise AccessLost(f"signing in failed at {doubt}", evidence=doubt.evidence) from doubt
        self._actor.line = f"start {path}"
        self._open(path)

    def _one_time_code(self) -> str:
        """A code of a half minute in which none was used yet: consoles refuse one twice (RFC 6238 section 5.2)."""
        if int(time.time()) // STEP_SECONDS <= self.job.totp_after:
            self._progress("waiting for the next one-time code")
            self.session.wait(round(((self.job.totp_after + 1) * STEP_SECONDS - time.time() + 0.2) * 1000))
        now = time.time()
        self._progress("one-time code used", counter=int(now) // STEP_SECONDS)
        code = totp(self.job.secrets.get("totp", ""), now)
        self.session.secret_values += (code,)
        return code

    def _right_page(self, seconds: float) -> bool:
        return bool(self._actor.poll(lambda: self._actor.locate(self.recipe.known_by).count() == 1, seconds))

    def _open(self, path: str) -> None:
        """Load a page afresh; Transient where the console does not answer or is ill."""
        actor = self._actor
        actor.row = None
        actor.filled.clear()
        page = self.session.page
        try:
            address = urljoin(self.job.base_url.rstrip("/") + "/", path.lstrip("/"))
            if urldefrag(address).fragment and urldefrag(address).url == urldefrag(page.url).url:
                # An address that differs by its fragment alone would not be loaded again.
                page.goto("about:blank")
            answer = page.goto(address, wait_until="load")
        except PlaywrightError as error:
            actor.check_gate()
            raise Transient(f"{actor.line}: the console did not answer ({str(error).splitlines()[0]})") from error
        actor.check_gate()
        if answer is not None and (answer.status >= 500 or answer.status == 429):
            raise Transient(f"{actor.line}: the console answered {answer.status}")

    def _fresh(self) -> None:
        """Go to the list by a freshly loaded page."""
        self._actor.line = f"start {self._start}"
        self._open(self._start)
        if not self._right_page(self.job.patience):
            self._actor.line = f"known_by {self.recipe.known_by.said()}"
            raise self._actor.doubt("the start page does not show it")
        self._actor.run("accounts.at", self.recipe.accounts.at)

    # Changing

    def _verb(self, verb: str) -> dict[str, Any]:
        steps = self.recipe.steps_of(verb, self.job.kind)
        if verb == "update":
            steps = self._about_given(steps)
        place = next(place for place, step in enumerate(steps) if step.writes)
        before, writing, after = steps[:place], steps[place], steps[place + 1 :]
        name = f"{verb}.{self.job.kind}" if self.job.kind else verb
        actor = self._actor
        actor.seek = self._seek
        if verb == "create":
            self._refuse_existing()
        elif self._holds(name, after, place + 1):
            # Whoever has no right to write learns it here too, although nothing is left to press.
            self._need_leave(f"{name} step {place + 1}: {writing.said()}, which is not needed any more")
            return self._result(already=True)
        if verb == "create" or actor.row is None or any(step.click or step.fill for step in after):
            self._fresh()
        actor.run(name, before)
        self._write(f"{name} step {place + 1}: {writing.said()}", writing, creating=verb == "create")
        self._prove(name, after, place + 1)
        return self._result(already=False)

    def _about_given(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        """An update fills and sees only the attributes that change."""
        given = {"id", *self.job.variables}
        return tuple(step for step in steps if not (step.fill or step.see) or step.names() <= given)

    def _refuse_existing(self) -> None:
        wanted = self._actor.words("$id")
        self._fresh()
        if any(row_with(self._actor, table, wanted) for table in list(walk(self._actor))):
            raise AlreadyExists(f"the list already holds {wanted}")

    def _seek(self, wanted: str) -> None:
        """Go to the page that holds the one row of this id, and make sure of the person."""
        actor, line = self._actor, self._actor.line
        if actor.row is not None and plain(actor.row.cell(self.recipe.accounts.rows.find_by)) == plain(wanted):
            if actor.row_texts(actor.row) is not None:
                return
            self._fresh()
        unique = self.recipe.accounts.rows.unique
        found_on, page_number = 0, 0
        for page_number, table in enumerate(walk(actor), start=1):
            if row := row_with(actor, table, wanted):
                actor.row, found_on = row, page_number
                if unique:
                    break
        actor.line = line
        if not found_on:
            raise actor.doubt("the list was read to its end and does not hold it")
        if page_number != found_on:
            self._back_to(found_on, wanted)
        actor.line = line
        assert actor.row is not None
        self._agree(actor.row)
        self._address = address_of(actor, actor.row)
        self._account = account_of(actor.row, self.recipe)
        display = self.recipe.accounts.fields.display_name
        if display is not None and not (self.job.verb == "update" and "name" in self.job.variables):
            actor.variables["name"] = actor.row.cell(display)

    def _back_to(self, number: int, wanted: str) -> None:
        self._fresh()
        for page_number, table in enumerate(walk(self._actor), start=1):
            if page_number == number:
                self._actor.row = row_with(self._actor, table, wanted)
                break
        if self._actor.row is None:
            raise self._actor.doubt("its row moved to another page while it was sought")

    def _agree(self, row: Row) -> None:
        """Compare what else is known of the person, because a name or an address can pass to somebody else."""
        compared = 0
        also = {word for column in self.recipe.accounts.rows.also for word in column}
        for attribute, text in self.job.agree.items():
            column = self.recipe.accounts.fields.column_of(attribute)
            if column is None:
                continue
            compared += bool(also.intersection(column))
            if plain(row.cell(column)) != plain(text):
                self._actor.line = f"accounts.rows.also {' or '.join(column)}"
                raise self._actor.doubt(f"expected {text!r} in the row, read {row.cell(column)!r}")
        if self._key == "mutable" and also and not compared:
            self._actor.line = "accounts.rows.also"
            raise self._actor.doubt("nothing is known that could be compared with " + " or ".join(sorted(also)))

    def _holds(self, name: str, after: Sequence[Step], offset: int) -> bool:
        """True where the account already is as the verb would leave it."""
        self._actor.probing = True
        try:
            self._fresh()
            self._actor.run(name, after, offset)
        except NotSeen:
            return False
        finally:
            self._actor.probing = False
        return True

    def _write(self, line: str, step: Step, *, creating: bool) -> None:
        actor = self._actor
        actor.line = line
        assert step.click is not None
        ready = actor.ready_to_write(step.click, creating=creating)
        self._keep(self.session.picture("before"))
        self._progress("ready to write")
        self._need_leave(actor.words_of(step.click))
        self.wrote = True
        page_before = plain(self.session.page.inner_text("body"))
        self.session.gate.sent.clear()
        self.session.gate.answers.clear()
        self.session.gate.open = True
        try:
            actor.press(ready)
            actor.settle()
        except HeldBack:
            self.wrote = bool(self.session.gate.sent)
            raise
        finally:
            self.session.gate.open = False
        self._refused(page_before)

    def _need_leave(self, what: str) -> None:
        if not self._ask_leave(what):
            raise NotPermitted(f"{what}: leave was refused")

    def _refused(self, page_before: str) -> None:
        """Raise what the console itself says against the write, if it says anything that it did not say before."""
        now = plain(self.session.page.inner_text("body"))
        for words, kind in ((self.recipe.refused.exists, AlreadyExists), (self.recipe.refused.rejected, Rejected)):
            for word in words:
                if plain(word) in now and plain(word) not in page_before:
                    self.refused = True
                    raise kind(f"{self._actor.line}: the console says {word!r}", evidence=self._evidence())

    def _prove(self, name: str, after: Sequence[Step], offset: int) -> None:
        """See the change on freshly loaded pages, again and again until the declared lag is over."""
        self._forget_what_changed()
        end = time.monotonic() + self.job.lag
        while True:
            try:
                self._fresh()
                self._actor.run(name, after, offset)
                break
            except (ConnectorError, PlaywrightError) as error:
                if time.monotonic() > end:
                    evidence = error.evidence if isinstance(error, ConnectorError) and error.evidence else None
                    raise OutcomeUnknown(
                        f"the writing click was made and its effect was not seen: {error}",
                        evidence=evidence or self._evidence(),
                    ) from error
                self.session.wait(500)
        self._progress("seen on a fresh page")

    def _forget_what_changed(self) -> None:
        """After an update the old name or address is no longer what the row must agree with."""
        if self.job.verb == "update":
            for attribute in ("display_name", "email", "given_name", "family_name"):
                self.job.agree.pop(attribute, None)
            self._key = "immutable"

    def _result(self, *, already: bool) -> dict[str, Any]:
        row = self._actor.row
        if row is not None and self._actor.row_texts(row) is not None:
            self._keep(self.session.picture("row", self.session.page.locator(f'[data-usher-row="{row.mark}"]')))
        if self._account is not None:
            self._add_details(self._account, self._address)
        return {
            "already": already,
            "account": self._account,
            "requests": self.session.gate.sent[-5:],
            "pictures": self._pictures,
        }

    def _keep(self, picture: str | None) -> None:
        if picture is not None:
            self._pictures.append(picture)

    def _evidence(self) -> dict[str, str]:
        kept = {f"picture_{number}": path for number, path in enumerate(self._pictures, start=1)}
        return {**self._actor.evidence("stopped"), **kept}
