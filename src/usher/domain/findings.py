"""A finding: one difference between what is and what shall be, with its evidence, its fix and its money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Rule(StrEnum):
    """What kind of difference it is."""

    GHOST = "ghost"
    HALF = "half off-boarded"
    ORPHAN = "orphan"
    DRIFT = "drift"
    MISSING = "missing"
    RETURNED = "returned"
    ABSENT = "absent"


class Severity(StrEnum):
    """How soon a person should look."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. `evidence` has a canonical form; `money` is what the seats concerned cost, in minor units.

    Where `money` is set, evidence tells `currency`, `per` and `basis`; None means unknown, never nothing.
    """

    rule: Rule
    severity: Severity
    fix: str
    connection: str | None = None
    account_id: str | None = None
    person_id: str | None = None
    evidence: Mapping[str, object] = field(default_factory=dict, hash=False)
    money: int | None = None

    @property
    def key(self) -> str:
        """Return a stable name: the same difference found again is the same finding."""
        return "|".join((self.rule.value, self.connection or "", self.account_id or "", self.person_id or ""))
