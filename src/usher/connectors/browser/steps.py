"""The lines of a recipe: one thing on a page, named by what a person reads, and what is done with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from usher.domain.connection import Strict
from usher.domain.located import Expected

VARIABLES = frozenset(
    (
        "id",
        "user_name",
        "name",
        "email",
        "given_name",
        "family_name",
        "role",
        "login",
        "secret",
        "totp",
        "entitlement",
        "new_password",
    )
)
THINGS = ("button", "link", "label", "heading", "text", "menuitem", "tab", "status")
_VARIABLE = re.compile(r"\$([A-Za-z_]+)")


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
