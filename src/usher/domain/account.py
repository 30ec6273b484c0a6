"""An account as an app reports it: the value that crosses every connector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class AccountState(StrEnum):
    """What an app says of an account; `unknown` is an answer, never a guess."""

    INVITED = "invited"
    ACTIVE = "active"
    FROZEN = "frozen"
    LOCKED = "locked"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"
    DELETED = "deleted"
    UNKNOWN = "unknown"

    @property
    def can_sign_in(self) -> bool:
        """True where the app would let the account in, or may soon (invited)."""
        return self in (AccountState.ACTIVE, AccountState.INVITED)

    @property
    def is_off(self) -> bool:
        """True where somebody has taken access away for good. Locked is not: it ends by itself, or by a help desk."""
        return self in (AccountState.FROZEN, AccountState.SUSPENDED, AccountState.ARCHIVED, AccountState.DELETED)


class AccountKind(StrEnum):
    """Whose an account is meant to be."""

    PERSON = "person"
    SHARED = "shared"
    SERVICE = "service"
    GUEST = "guest"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as the app reports it. Absent is None: never guess a value (RFC 7643 section 2.5).

    `id` is the app's immutable id, or, on a connection with `key: mutable`, the address or login that the app
    shows. `entitlements` are texts `kind:name` such as `role:Rep`, `module:Core`, `group:all-staff`, `node:EMEA`.
    `attributes` holds what policies and correlation read: department, title, manager, start_date, ... as text.
    """

    id: str
    user_name: str
    emails: tuple[str, ...] = ()
    display_name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    employee_number: str | None = None
    external_id: str | None = None
    state: AccountState = AccountState.UNKNOWN
    kind: AccountKind = AccountKind.PERSON
    created: datetime | None = None
    last_login: datetime | None = None
    entitlements: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    raw: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """Something an account can hold: a role, group, module, team or licence, as `kind:name`."""

    id: str
    kind: str
    name: str
    seats_total: int | None = None
    seats_used: int | None = None

    @property
    def text(self) -> str:
        """The form in which accounts hold it."""
        return f"{self.kind}:{self.name}"
