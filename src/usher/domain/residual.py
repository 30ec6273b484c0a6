"""Residual access: what may outlive a closed account, and when it ends by what is known of the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["sessions", "tokens", "oauth grants", "local password", "shared secrets"]
KINDS: tuple[Kind, ...] = ("sessions", "tokens", "oauth grants", "local password", "shared secrets")
NOBODY_SAID = "nobody has said what becomes of it: name it under `residual` of the connection or of the app"


class ResidualState(StrEnum):
    """Whether access of one kind is over; `unknown` where nobody has said."""

    CLOSED = "closed"
    UNTIL = "open until"
    UNKNOWN = "unknown"


class ResidualFact(BaseModel):
    """What becomes of one kind of access when its account is closed, and who says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ends: Literal["at once", "later", "never"]
    """`later`: by itself, after `minutes`. `never`: somebody must end it."""
    minutes: int | None = Field(default=None, ge=1)
    """Minutes after the account was closed until it has ended; for `later` alone."""
    source: str = Field(min_length=1)
    """Who says so: a page of the vendor, a setting, a test of your own."""

    @model_validator(mode="after")
    def _minutes_for_later(self) -> Self:
        if (self.ends == "later") != (self.minutes is not None):
            raise ValueError("minutes where ends is `later`, and nowhere else")
        return self


@dataclass(frozen=True, slots=True)
class Residue:
    """One kind of access after its account was closed; `until` None with `open until`: until somebody ends it."""

    kind: Kind
    state: ResidualState
    until: datetime | None
    basis: str


def residues(facts: Mapping[Kind, ResidualFact], closed_at: datetime) -> tuple[Residue, ...]:
    """Judge every kind of access of an account that was seen to be closed at an instant."""
    return tuple(_residue(kind, facts.get(kind), closed_at) for kind in KINDS)


def now_closed(state: ResidualState, until: datetime | None, now: datetime) -> bool:
    """Say whether access is over by now: it was closed, or its time has run out."""
    return state is ResidualState.CLOSED or (state is ResidualState.UNTIL and until is not None and until <= now)


def _residue(kind: Kind, fact: ResidualFact | None, closed_at: datetime) -> Residue:
    if fact is None:
        return Residue(kind, ResidualState.UNKNOWN, None, NOBODY_SAID)
    if fact.ends == "at once":
        return Residue(kind, ResidualState.CLOSED, None, fact.source)
    until = closed_at + timedelta(minutes=fact.minutes) if fact.minutes else None
    return Residue(kind, ResidualState.UNTIL, until, fact.source)
