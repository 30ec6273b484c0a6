"""The values that correlation takes and gives: keys with intervals, links, evidence and decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from usher.domain.account import Account, AccountKind


class Situation(StrEnum):
    """Where an account stands between the app and the people."""

    LINKED = "linked"
    UNLINKED = "unlinked"
    """One owner found, not yet linked: a proposal for a person to decide."""
    UNMATCHED = "unmatched"
    DISPUTED = "disputed"
    DELETED = "deleted"


class KeyKind(StrEnum):
    """What identifies a person in other systems, strongest first."""

    EXTERNAL_ID = "external id"
    EMPLOYEE_NUMBER = "employee number"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key that belonged to a person from `valid_from` until before `valid_to`; None is unknown, or still."""

    kind: KeyKind
    value: str
    person_id: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Say whether the key was the person's at that moment, as far as is known."""
        begun = self.valid_from is None or self.valid_from <= moment
        return begun and (self.valid_to is None or moment < self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An account of a connection as the last reading showed it."""

    connection: str
    account: Account
    key_mutable: bool = False
    """True where the account's id is an address or login that may be given to somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reason for or against an owner."""

    kind: str
    value: str
    person_id: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The recorded answer of correlation; `created`, `name` and `employee_number` are the account's at that time."""

    connection: str
    account_id: str
    person_id: str
    valid_from: datetime
    valid_to: datetime | None = None
    created: datetime | None = None
    name: str | None = None
    employee_number: str | None = None
    evidence: tuple[Evidence, ...] = ()
    by_person: bool = False
    """True where a person said whose account it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What correlation says of one account; `person_id` is set only when it is linked or was (deleted)."""

    connection: str
    account_id: str
    situation: Situation
    kind: AccountKind
    person_id: str | None = None
    candidates: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decisions:
    """One decision for each account, in the order of connection and account id."""

    rows: tuple[Decision, ...]

    def __iter__(self) -> Iterator[Decision]:
        return iter(self.rows)

    def of(self, connection: str, account_id: str) -> Decision | None:
        """Return the decision for one account."""
        return next((r for r in self.rows if (r.connection, r.account_id) == (connection, account_id)), None)

    def owners(self) -> dict[tuple[str, str], str]:
        """Return (connection, account id) -> person id of every linked account."""
        return {
            (row.connection, row.account_id): row.person_id
            for row in self.rows
            if row.situation is Situation.LINKED and row.person_id is not None
        }
