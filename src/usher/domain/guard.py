"""The guard: judges a whole plan before its first write, so that no mistake removes many people at once.

Losses are counted in accounts for each connection and in people over the whole stack, so that one leaver with
twenty groups counts once. A limit bounds what was done inside a rolling window together with what the plan adds.
What a limit stops is *held* until a person releases it row by row; what can never be right is *refused*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from usher.domain.connection import Strict
from usher.domain.plan import Verb

STACK = "whole stack"


class Limit(Strict):
    """How much may be lost inside one window before a person must look."""

    hours: int = Field(ge=1, le=8760)
    """Length of the rolling window."""
    count: int = Field(ge=1)
    """Never more than this many."""
    percent: int = Field(ge=1, le=100)
    """Never more than this share of the connection's accounts, or of all people."""

    def allowed(self, size: int) -> int:
        """Return the number allowed in something of this size: both bounds hold, but one is always allowed."""
        return max(1, min(self.count, size * self.percent // 100))


class Limits(Strict):
    """The numbers that the guard uses; written under `limits:` in usher.yaml."""

    windows: tuple[Limit, ...] = Field(
        default=(Limit(hours=24, count=10, percent=10), Limit(hours=168, count=25, percent=20)), min_length=1
    )
    """Losses (deactivate, delete, revoke, demote, blank) and, counted apart, reactivations."""
    shrink_percent: int = Field(default=20, ge=0, le=100)
    """A reading that is smaller than the last complete one by more than this allows no loss."""
    stale_hours: int = Field(default=24, ge=1)
    """A reading older than this allows no loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one step would do. `basis` names further connections whose reading the step rests on (its source)."""

    connection: str
    account_id: str
    verb: Verb
    person_id: str | None = None
    privileged: bool = False
    """True where the account administers the app."""
    kind_of_loss: bool = False
    """True where access or data is lost by a verb that does not say so (a demotion, a blanked attribute)."""
    deactivated: bool = False
    """True where the account has already been seen deactivated."""
    basis: tuple[str, ...] = ()
    detail: str = ""
    """The entitlement or attribute concerned."""

    @property
    def is_loss(self) -> bool:
        return self.kind_of_loss or self.verb.is_loss

    @property
    def row(self) -> str:
        """Name the effect inside its plan; this is what a person releases."""
        return "/".join(part for part in (self.connection, self.account_id, self.verb.value, self.detail) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An effect that was carried out, or that an approved plan is still to carry out."""

    connection: str
    at: datetime
    loss: bool
    account_id: str
    person_id: str | None = None
    verb: Verb = Verb.DEACTIVATE


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """How far the last reading of a connection can be believed. `count` is the number of its accounts."""

    connection: str
    complete: bool
    age: timedelta
    count: int
    previous_count: int | None = None
    confirmed_empty: bool = False
    """True where a person has said that this reading really is so small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """An account, or all accounts of a person, that can never be a step."""

    reason: str
    connection: str | None = None
    account_id: str | None = None
    person_id: str | None = None

    def covers(self, effect: Effect) -> bool:
        if self.person_id is not None:
            return effect.person_id == self.person_id
        return (self.connection, self.account_id) == (effect.connection, effect.account_id)


@dataclass(frozen=True, slots=True)
class Row:
    """One effect that was held or refused, with every reason."""

    row: str
    connection: str
    account_id: str
    verb: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """What one limit saw: `done` and `planned` are distinct accounts or people, `allowed` their highest sum."""

    scope: str
    what: str
    hours: int
    size: int
    done: int
    planned: int
    allowed: int

    @property
    def exceeded(self) -> bool:
        return self.planned > 0 and self.done + self.planned > self.allowed


@dataclass(frozen=True, slots=True)
class Verdict:
    """`allowed` is True when nothing is refused and nothing is held."""

    allowed: bool
    held: tuple[Row, ...]
    refused: tuple[Row, ...]
    numbers: tuple[Number, ...]

    def document(self) -> dict[str, Any]:
        """Return the verdict as canonical JSON takes it: text, integers, booleans and lists only."""
        return {
            "allowed": self.allowed,
            "held": [_row_document(row) for row in self.held],
            "refused": [_row_document(row) for row in self.refused],
            "numbers": [
                {name: getattr(number, name) for name in Number.__dataclass_fields__} for number in self.numbers
            ],
        }


def judge(
    effects: Sequence[Effect],
    history: Iterable[Done],
    health: Mapping[str, SourceHealth],
    limits: Limits,
    *,
    now: datetime,
    people: int,
    protected: Iterable[Protected] = (),
    admins: Mapping[str, frozenset[str]] | None = None,
    released: frozenset[str] = frozenset(),
) -> Verdict:
    """Judge all effects of a plan together.

    `people` is the number of active people, the size of the whole stack. `admins` names, for each connection,
    the ids of its active administrators; a privileged loss in a connection that is not named is held.
    `released` holds the rows (`Effect.row`) that people have released; it cannot release what is refused.
    Call it again with fresh values when a step is about to act: another plan may have taken the other admin.
    """
    guarded = tuple(protected)
    lone = _last_admins(effects, admins or {})
    refusals = {index: reasons for index, effect in enumerate(effects)
                if (reasons := _refusals(effect, guarded, lone, health, limits))}  # fmt: skip
    numbers = _numbers(effects, tuple(history), health, limits, now, people)
    held: dict[int, tuple[str, ...]] = {}
    for index, effect in enumerate(effects):
        reasons = _holds(effect, numbers, admins or {})
        if reasons and index not in refusals and effect.row not in released:
            held[index] = reasons
    return Verdict(
        allowed=not refusals and not held,
        held=tuple(_row(effects[index], reasons) for index, reasons in held.items()),
        refused=tuple(_row(effects[index], reasons) for index, reasons in refusals.items()),
        numbers=numbers,
    )


def _refusals(
    effect: Effect,
    protected: tuple[Protected, ...],
    lone: frozenset[tuple[str, str]],
    health: Mapping[str, SourceHealth],
    limits: Limits,
) -> tuple[str, ...]:
    reasons = [f"protected: {rule.reason}" for rule in protected if rule.covers(effect)]
    if not effect.is_loss:
        return tuple(reasons)
    if (effect.connection, effect.account_id) in lone:
        reasons.append(f"{effect.connection} would be left without an administrator")
    if effect.verb is Verb.DELETE and not effect.deactivated:
        reasons.append("an account is deactivated, and seen so, before it is deleted")
    for connection in dict.fromkeys((effect.connection, *effect.basis)):
        reasons += _unhealthy(connection, health.get(connection), limits)
    return tuple(reasons)


def _unhealthy(connection: str, seen: SourceHealth | None, limits: Limits) -> list[str]:
    """Say why the last reading of a connection allows no loss."""
    if seen is None:
        return [f"{connection} has never been read"]
    reasons = []
    if not seen.complete:
        reasons.append(f"the last reading of {connection} is partial")
    if seen.age > timedelta(hours=limits.stale_hours):
        hours = seen.age // timedelta(hours=1)
        reasons.append(f"the last reading of {connection} is {hours} hours old, more than {limits.stale_hours}")
    if seen.confirmed_empty:
        return reasons
    if seen.count == 0:
        reasons.append(f"the last reading of {connection} is empty")
    before = seen.previous_count or 0
    fewer = before - seen.count
    if fewer > 1 and fewer * 100 > before * limits.shrink_percent:
        reasons.append(f"{connection} shrank from {before} to {seen.count} accounts")
    return reasons


def _last_admins(effects: Sequence[Effect], admins: Mapping[str, frozenset[str]]) -> frozenset[tuple[str, str]]:
    """Return the administrators that the plan would take, of apps that it would leave without any."""
    lost: dict[str, set[str]] = {}
    for effect in effects:
        if effect.is_loss and effect.account_id in admins.get(effect.connection, frozenset()):
            lost.setdefault(effect.connection, set()).add(effect.account_id)
    return frozenset((connection, account) for connection, gone in lost.items()
                     if gone >= admins[connection] for account in gone)  # fmt: skip


def _holds(effect: Effect, numbers: tuple[Number, ...], admins: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    what = _counted_as(effect)
    reasons = [
        f"{number.scope}: {number.done} {number.what} within {number.hours} hours and {number.planned} more planned, "
        f"{number.allowed} of {number.size} allowed"
        for number in numbers
        if number.exceeded and number.what == what and number.scope in (STACK, effect.connection)
    ]
    if effect.is_loss and effect.privileged and effect.connection not in admins:
        reasons.append(f"the administrators of {effect.connection} are not known")
    return tuple(reasons)


def _counted_as(effect: Effect) -> str:
    if effect.is_loss:
        return "losses"
    return "reactivations" if effect.verb is Verb.REACTIVATE else "other"


def _numbers(
    effects: Sequence[Effect],
    history: tuple[Done, ...],
    health: Mapping[str, SourceHealth],
    limits: Limits,
    now: datetime,
    people: int,
) -> tuple[Number, ...]:
    """Count what the plan adds to each window, for each connection it touches and for the whole stack."""
    numbers = []
    for what in ("losses", "reactivations"):
        planned = [effect for effect in effects if _counted_as(effect) == what]
        before = [done for done in history if _done_as(done) == what]
        for limit in limits.windows:
            recent = [done for done in before if done.at > now - timedelta(hours=limit.hours)]
            for connection in sorted({effect.connection for effect in planned}):
                seen = health.get(connection)
                size = max(seen.count, seen.previous_count or 0) if seen else 0
                had = {done.account_id for done in recent if done.connection == connection}
                adds = {effect.account_id for effect in planned if effect.connection == connection} - had
                numbers.append(_number(connection, what, limit, size, had, adds))
            if planned:
                had = {_whose(done) for done in recent}
                adds = {_whose(effect) for effect in planned} - had
                numbers.append(_number(STACK, what, limit, people, had, adds))
    return tuple(numbers)


def _number(scope: str, what: str, limit: Limit, size: int, had: set[str], adds: set[str]) -> Number:
    return Number(scope, what, limit.hours, size, len(had), len(adds), limit.allowed(size))


def _done_as(done: Done) -> str:
    if done.loss or done.verb.is_loss:
        return "losses"
    return "reactivations" if done.verb is Verb.REACTIVATE else "other"


def _whose(one: Effect | Done) -> str:
    """Count an account without a known person as a person of its own."""
    return one.person_id or f"{one.connection}/{one.account_id}"


def _row(effect: Effect, reasons: tuple[str, ...]) -> Row:
    return Row(effect.row, effect.connection, effect.account_id, effect.verb.value, reasons)


def _row_document(row: Row) -> dict[str, Any]:
    return {
        "row": row.row,
        "connection": row.connection,
        "account_id": row.account_id,
        "verb": row.verb,
        "reasons": list(row.reasons),
    }
