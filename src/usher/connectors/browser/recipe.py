"""The schema of a browser recipe: what to fill, click, find and see in one app's console, checked before any use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from usher.domain.connection import Strict
from usher.domain.located import Expected, problems_of

VARIABLES = frozenset(
    ("id", "user_name", "name", "email", "given_name", "family_name", "role", "login", "secret", "totp", "entitlement")
)
THINGS = ("button", "link", "label", "heading", "text", "menuitem", "tab", "status")
VERBS = ("create", "update", "deactivate", "reactivate", "grant", "revoke")
_VARIABLE = re.compile(r"\$([A-Za-z_]+)")


class RecipeError(Exception):
    """A recipe cannot be used; each line of `problems` names the field and what was expected there."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def _checked_word(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise Expected("text that is not empty")
    if set(_VARIABLE.findall(value)) - VARIABLES:
        raise Expected("only variables among " + ", ".join(f"${known}" for known in sorted(VARIABLES)))
    return value


Text = Annotated[str, BeforeValidator(_checked_word)]
Words = Annotated[
    tuple[Text, ...], Field(min_length=1), BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
"""One label, or alternates of which the console shows exactly one."""


def substitute(text: str, variables: dict[str, str]) -> str:
    """Put values in place of `$name`; raises KeyError with the name of a variable that has no value."""
    return _VARIABLE.sub(lambda match: variables[match.group(1)], text)


def names_in(text: str) -> tuple[str, ...]:
    """The variables that a text of a recipe uses."""
    return tuple(_VARIABLE.findall(text))


class Target(Strict):
    """One thing on a page, named by what a person reads; a scope narrows where it is looked for."""

    row: Text | None = None
    """Scope: the one row of the accounts table whose `find_by` cell is this text."""
    dialog: Words | None = None
    """Scope: the dialog of this name."""
    group: Words | None = None
    """Scope: the group of fields or region of this name."""
    button: Words | None = None
    link: Words | None = None
    label: Words | None = None
    """A field by its label: text, select, checkbox or radio."""
    heading: Words | None = None
    text: Words | None = None
    menuitem: Words | None = None
    tab: Words | None = None
    status: Words | None = None
    """A passing message (roles status and alert)."""

    @property
    def thing(self) -> str | None:
        """The one kind of thing that is named, or None where only a scope is."""
        return next((name for name in THINGS if getattr(self, name) is not None), None)

    def said(self) -> str:
        """The target as its recipe says it, for messages."""
        parts = []
        for name in (*THINGS, "row", "dialog", "group"):
            value = getattr(self, name)
            if value is not None:
                text = value if isinstance(value, str) else " or ".join(value)
                parts.append(f"{name} {text!r}")
        return " in ".join(parts)

    def texts(self) -> Iterator[str]:
        """Every text of the target in which variables may stand."""
        for name in (*THINGS, "dialog", "group"):
            yield from getattr(self, name) or ()
        if self.row is not None:
            yield self.row

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        named = [name for name in THINGS if getattr(self, name) is not None]
        if len(named) > 1:
            raise Expected("one thing, not " + " and ".join(named))
        return self


class Fill(Target):
    """Set a field: type into it, choose an option by its text, or tick it with yes and untick it with no."""

    with_: Text = Field(alias="with")
    if_asked: bool = False
    """Leave it out where the page does not ask (a second factor)."""

    @model_validator(mode="after")
    def _a_field(self) -> Self:
        if self.label is None:
            raise Expected("a label")
        return self


class Click(Target):
    """Press one thing."""

    write: bool = False
    """True for the one click of a verb with which the app changes the account."""
    if_asked: bool = False
    """Leave it out where the fill before it was left out."""
    accept: Words | None = None
    """The text of the browser's own question that this click may be asked, and accepts."""

    @model_validator(mode="after")
    def _a_thing(self) -> Self:
        if self.thing is None:
            raise Expected("a thing to click: one of " + ", ".join(THINGS))
        return self


class Seek(Strict):
    """Turn the pages of the list until the one row of this id shows."""

    row: Text


class See(Target):
    """Something that must be on the page (or, with `absent`, must not be)."""

    column: Words | None = None
    """With a row: the cell under this header, whose whole text is `text`."""
    item: Text | None = None
    """With a row and a column: one of the comma-separated items of the cell."""
    value: Text | None = None
    """With a label: what the field holds (of a select: the chosen option's text)."""
    ticked: bool | None = None
    """With a label: whether the box is ticked."""
    absent: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.column is not None and (self.row is None or (self.text is None) == (self.item is None)):
            raise Expected("a row and either text or item beside column")
        if (self.value is not None or self.ticked is not None) and self.label is None:
            raise Expected("a label beside value or ticked")
        if self.thing is None and self.row is None and self.dialog is None:
            raise Expected("something to see: a row, a dialog or one of " + ", ".join(THINGS))
        return self

    def texts(self) -> Iterator[str]:
        """Every text in which variables may stand."""
        yield from super().texts()
        yield from (text for text in (self.item, self.value) if text is not None)


class Step(Strict):
    """One line of a recipe: exactly one of the four verbs."""

    fill: Fill | None = None
    click: Click | None = None
    seek: Seek | None = None
    see: See | None = None

    @model_validator(mode="after")
    def _one_verb(self) -> Self:
        if sum(part is not None for part in (self.fill, self.click, self.seek, self.see)) != 1:
            raise Expected("exactly one of fill, click, seek and see")
        return self

    @property
    def writes(self) -> bool:
        """True for the writing click."""
        return self.click is not None and self.click.write

    def names(self) -> set[str]:
        """The variables that the step uses."""
        texts: list[str] = []
        if self.fill:
            texts = [*self.fill.texts(), self.fill.with_]
        elif self.click:
            texts = list(self.click.texts())
        elif self.see:
            texts = list(self.see.texts())
        elif self.seek:
            texts = [self.seek.row]
        return {name for text in texts for name in names_in(text)}

    def said(self) -> str:
        """The step in words, variables unreplaced, so that it can stand in evidence."""
        if self.fill:
            return f"fill {self.fill.said()}"
        if self.click:
            return f"click {self.click.said()}"
        if self.seek:
            return f"seek row {self.seek.row!r}"
        see = self.see
        assert see is not None
        more = [f"column {' or '.join(see.column)!r}"] if see.column else []
        more += [
            f"{name} {value!r}" for name in ("item", "value", "ticked") if (value := getattr(see, name)) is not None
        ]
        return " ".join([f"see {'no ' if see.absent else ''}{see.said()}", *more])


class Mapped(Strict):
    """A column whose words are translated."""

    from_: Words = Field(alias="from")
    values: dict[str, str]
    """What the console says -> what usher calls it; a word that is not here becomes `unknown`."""


class Held(Strict):
    """A column that names entitlements of one kind."""

    from_: Words = Field(alias="from")
    as_: str = Field(alias="as", pattern=r"^[a-z][a-z0-9-]*$")
    """The kind: `role` makes `role:Rep` of the cell Rep."""
    split: str | None = None
    """What stands between several of them in one cell."""
    nothing: tuple[str, ...] = ("", "-", "–", "—", "None")
    """Words of a cell that mean that the account holds none."""


class Fields(Strict):
    """Which column holds which attribute of an account."""

    user_name: Words
    emails: Words | None = None
    display_name: Words | None = None
    given_name: Words | None = None
    family_name: Words | None = None
    state: Mapped | None = None
    kind: Mapped | None = None
    entitlements: tuple[Held, ...] = ()
    attributes: dict[str, Words] = Field(default_factory=dict)
    """Further attributes as the console words them; a relative time stays the words that it is."""

    def columns(self) -> list[tuple[str, ...]]:
        """Every column that must be there."""
        named = [self.user_name, self.emails, self.display_name, self.given_name, self.family_name]
        mapped = [part.from_ for part in (self.state, self.kind) if part]
        return [
            *(c for c in named if c),
            *mapped,
            *(held.from_ for held in self.entitlements),
            *self.attributes.values(),
        ]

    def column_of(self, attribute: str) -> tuple[str, ...] | None:
        """The column in which an attribute of `Call.agree` is read."""
        if attribute in ("email", "emails"):
            return self.emails
        if attribute in ("user_name", "display_name", "given_name", "family_name"):
            found: tuple[str, ...] | None = getattr(self, attribute)
            return found
        if attribute in self.attributes:
            return self.attributes[attribute]
        return next((held.from_ for held in self.entitlements if held.as_ == attribute and held.split is None), None)


class Rows(Strict):
    """How the rows of the accounts table are told apart."""

    table: Words | None = None
    """The table's name; without one, the only table that has all the columns."""
    find_by: Words
    """The column that holds the account's id."""
    also: tuple[Words, ...] = ()
    """Columns that must agree with what is known of the person before a write, because the id can change hands."""
    unique: bool = False
    """True where the app keeps ids unique: a write then needs no look at the other pages for a second row."""


class Next(Target):
    """What turns the page; on the last page it is `disabled` or `absent`."""

    last: Literal["disabled", "absent"] = "disabled"


class Accounts(Strict):
    """Where and how the accounts are listed."""

    at: tuple[Step, ...] = ()
    """From the start page to the list."""
    rows: Rows
    next: Next | None = None
    """None: the list has one page."""
    total: str | None = None
    """A text of the page with the count, `{from}-{to} of {total}` for example, to check completeness by."""
    fields: Fields


class Refusals(Strict):
    """Words by which the console itself refuses a write."""

    exists: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


class Recipe(Strict):
    """One app's console, as far as usher acts in it."""

    start: Words
    """Paths below the connection's url, the list page where possible; alternates are told apart by `known_by`."""
    known_by: See
    """What shows that the start page is the right one."""
    sign_in: tuple[Step, ...] = ()
    dismiss: tuple[Target, ...] = ()
    """What closes dialogs that cover the console at first visits."""
    origins: tuple[str, ...] = ()
    """Other origins that the console needs (an identity provider, a host of its scripts)."""
    harmless_posts: tuple[str, ...] = ()
    """Paths to which the console posts without changing anything (searches, counters)."""
    roles: Literal["set", "none"] = "set"
    """`none` where the app knows no roles; otherwise a create sets the role and reads it back."""
    refused: Refusals = Field(default_factory=Refusals)
    accounts: Accounts
    create: tuple[Step, ...] = ()
    update: tuple[Step, ...] = ()
    deactivate: tuple[Step, ...] = ()
    reactivate: tuple[Step, ...] = ()
    grant: dict[str, tuple[Step, ...]] = Field(default_factory=dict)
    """Kind of entitlement -> steps."""
    revoke: dict[str, tuple[Step, ...]] = Field(default_factory=dict)

    def steps_of(self, verb: str, kind: str | None = None) -> tuple[Step, ...]:
        """The steps of a verb; empty where the recipe does not say how."""
        found = getattr(self, verb)
        if isinstance(found, dict):
            return tuple(found.get(kind or "", ()))
        return tuple(found)

    @model_validator(mode="after")
    def _verbs_are_safe(self) -> Self:
        for verb in VERBS:
            found = getattr(self, verb)
            lists = found.items() if isinstance(found, dict) else [("", found)]
            for kind, steps in lists:
                if steps or kind:
                    _check_verb(f"{verb}.{kind}" if kind else verb, verb, steps, roles=self.roles)
        if any(step.writes for step in (*self.sign_in, *self.accounts.at)):
            raise Expected("no writing click in sign_in or accounts.at")
        if self.sign_in and self.sign_in[0].fill is None:
            raise Expected("sign_in to begin with a fill")
        return self


def _check_verb(name: str, verb: str, steps: Sequence[Step], *, roles: str) -> None:
    writes = [position for position, step in enumerate(steps) if step.writes]
    if len(writes) != 1:
        raise Expected(f"exactly one click with write: true in {name}, not {len(writes)}")
    before, after = steps[: writes[0]], steps[writes[0] + 1 :]
    if not after or after[-1].see is None:
        raise Expected(f"{name} to end in a see after its writing click")
    if not any(step.names() & {"id", "user_name", "email"} for step in after):
        raise Expected(f"{name} to see $id after its writing click")
    if verb != "create" and not any(step.seek or (step.see and step.see.row) for step in before):
        raise Expected(f"{name} to seek the row of $id before its writing click")
    if verb == "create" and roles == "set":
        sets = any(step.fill and "role" in step.names() for step in before)
        reads = any(step.see and "role" in step.names() for step in after)
        if not (sets and reads):
            raise Expected("create to fill $role and to see $role after its writing click (or roles: none)")


def read_recipe(data: Any, where: str = "recipe") -> Recipe:
    """Check a recipe; raises RecipeError with one line for each field that is wrong."""
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{where}.{problem.field}: expected {problem.expected}, got {problem.got}"
            if problem.field != "-"
            else f"{where}: expected {problem.expected}"
            for problem in problems_of(where, error, data, Recipe)
        ]
        raise RecipeError(lines) from error
