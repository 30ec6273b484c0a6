"""The schema of a browser recipe: what to fill, click, find and see in one app's console, checked before any use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from usher.connectors.browser.steps import See, Step, Target, Words
from usher.domain.connection import Strict
from usher.domain.located import Expected, problems_of

VERBS = ("create", "update", "deactivate", "reactivate", "grant", "revoke")


class RecipeError(Exception):
    """A recipe cannot be used; each line of `problems` names the field and what was expected there."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


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
    values: dict[str, str] = Field(default_factory=dict)
    """What the console says -> the name of the entitlement, where the two differ."""
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


class Boxes(Strict):
    """Ticked boxes of an account's own page that are entitlements of one kind."""

    as_: str = Field(alias="as", pattern=r"^[a-z][a-z0-9-]*$")
    besides: tuple[str, ...] = ()
    """Labels of boxes that mean something else."""


class Details(Strict):
    """What only an account's own page shows; it is opened for each account that is read."""

    link: Words
    """The link in the row that leads there."""
    fields: dict[Literal["emails", "display_name", "given_name", "family_name", "employee_number"], Words] = Field(
        default_factory=dict
    )
    """Attribute -> label of the field that holds it."""
    tab: Words | None = None
    """The tab with the boxes."""
    boxes: Boxes | None = None


class Accounts(Strict):
    """Where and how the accounts are listed."""

    at: tuple[Step, ...] = ()
    """From the start page to the list."""
    rows: Rows
    next: Next | None = None
    """None: the list has one page."""
    total: tuple[str, ...] = ()
    """Texts of the page with the count, `{from}-{to} of {total}` for example, to check completeness by."""
    details: Details | None = None
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
    sockets: tuple[str, ...] = ()
    """Origins to which the console may open web sockets (`wss://app.example`); what they carry is not seen, so none is
    open unless it is named here."""
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
