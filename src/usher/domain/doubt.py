"""Doubt: what a reading would change at one stroke that a slip of a source or of an app changes, and people rarely do.

A filter that slipped, a column that was renamed, a source that came back from a backup: each gives a listing that is
whole and says something untrue of many people. Such a reading is believed when a person says that it really is so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from usher.domain.account import AccountState

Document = Mapping[str, Any]
"""An account as it is stored: id, user_name, emails, state, entitlements, attributes, ..."""

IDENTITY = ("user_name", "emails", "display_name", "given_name", "family_name", "employee_number")
"""What names a person: many of these do not change on one day."""
FEW = 3
"""So many people may leave, come back, marry or change teams between two readings of any company, however small."""


def doubts(before: Iterable[Document], now: Iterable[Document], *, percent: int, own: frozenset[str]) -> list[str]:
    """Say what changed for more accounts than `percent` of those that it could change for, and than a few; or for all.

    `before` is the last reading that was believed. `own` holds the ids whose changes are our own steps'. Accounts that
    are in one of the two readings alone are not compared: their number is judged elsewhere.
    """
    earlier = {one["id"]: one for one in before if one["id"] not in own}
    pairs = [(earlier[one["id"]], one) for one in now if one["id"] in earlier]
    return [*_states(pairs, percent), *_attributes(pairs, percent), *_entitlements(pairs)]


def let_in_again(before: Iterable[Document], now: Iterable[Document]) -> list[str]:
    """The ids of the accounts that were off and can sign in again."""
    off = {one["id"] for one in before if AccountState(one["state"]).is_off}
    return [one["id"] for one in now if one["id"] in off and AccountState(one["state"]).can_sign_in]


def _too_many(count: int, of: int, percent: int) -> bool:
    return count > max(FEW, of * percent // 100) or count == of >= FEW


def _states(pairs: list[tuple[Document, Document]], percent: int) -> Iterator[str]:
    states = [(AccountState(before["state"]), AccountState(now["state"])) for before, now in pairs]
    on = [now for before, now in states if before.can_sign_in]
    off = [now for before, now in states if before.is_off]
    for among, changed, what in (
        (on, [now for now in on if now.is_off], "can no longer sign in"),
        (on, [now for now in on if now is AccountState.UNKNOWN], "no longer say whether they can sign in"),
        (off, [now for now in off if now.can_sign_in], "that were off can sign in again"),
    ):
        if _too_many(len(changed), len(among), percent):
            yield f"{len(changed)} of {len(among)} accounts {what}"


def _attributes(pairs: list[tuple[Document, Document]], percent: int) -> Iterator[str]:
    had: Counter[str] = Counter()
    blanked: Counter[str] = Counter()
    renamed: Counter[str] = Counter()
    for before, now in pairs:
        after = _values(now)
        for name, value in _values(before).items():
            had[name] += 1
            blanked[name] += name not in after
            renamed[name] += name in after and name in IDENTITY and after[name] != value
    for name in sorted(had):
        if _too_many(blanked[name], had[name], percent):
            yield f"{blanked[name]} of {had[name]} accounts no longer have a value for {name}"
        if _too_many(renamed[name], had[name], percent):
            yield f"{renamed[name]} of {had[name]} accounts have another {name}"


def _values(document: Document) -> dict[str, Any]:
    """Everything that has a value, by its name."""
    named = {name: document.get(name) for name in IDENTITY} | dict(document["attributes"])
    return {name: value for name, value in named.items() if value}


def _entitlements(pairs: list[tuple[Document, Document]]) -> Iterator[str]:
    """Name each entitlement that lost most of its holders: who leaves a group leaves it alone."""
    held, kept = Counter[str](), Counter[str]()
    for before, now in pairs:
        held.update(before["entitlements"])
        kept.update(set(before["entitlements"]) & set(now["entitlements"]))
    for name in sorted(held):
        lost = held[name] - kept[name]
        if lost > kept[name] and (lost > FEW or (lost == FEW and kept[name] == 0)):
            yield f"{lost} of {held[name]} accounts no longer have {name}"
