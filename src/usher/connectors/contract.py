"""The connector contract: one base class, two required methods, and every other verb optional by overriding it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from usher.connectors.errors import Unsupported
from usher.domain.account import Account, Entitlement
from usher.domain.residual import Kind

if TYPE_CHECKING:
    from usher.connectors.door import Door

T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


class Capability(StrEnum):
    """What a connection can do beyond listing its accounts."""

    READ_ENTITLEMENTS = "read entitlements"
    READ_CHANGES = "read changes"
    CREATE = "create accounts"
    UPDATE = "update accounts"
    DEACTIVATE = "deactivate accounts"
    REACTIVATE = "reactivate accounts"
    DELETE = "delete accounts"
    GRANT = "grant entitlements"
    REVOKE = "revoke entitlements"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbFacts:
    """What a verb promises; the conformance suite measures it, it does not trust it.

    `idempotent`: doing it twice equals doing it once. `natural_key`: the attribute by which a lost create can be
    found again (None: it cannot). `unique`: the app refuses a second account with the same natural key.
    `lag`: seconds until a write is visible to a reading (None: the connection's declared lag).
    """

    idempotent: bool
    natural_key: str | None = None
    unique: bool = False
    lag: float | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; `next` is None on the last page and only there."""

    items: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The right to one write, made by the engine after the intent is committed."""

    step: str
    intent: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a write sent and got back. `account` is the app's own answer where it gave one (never trusted as proof).

    `sent` and `got` hold no secrets; `pictures` are paths of image files taken as evidence.
    """

    account: Account | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    got: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Everything a call carries besides its subject. New fields are never breaking.

    `agree`: attributes besides the key (attribute name -> text) that must be seen on the same account right before
    a write; connections with `key: mutable` refuse to write where they do not agree.
    """

    door: Door
    idempotency_key: str = ""
    deadline: datetime | None = None
    agree: Mapping[str, str] = field(default_factory=dict)


def optional(capability: Capability) -> Callable[[Method], Method]:
    """Mark a base method as optional: overriding it is what declares the capability."""

    def mark(method: Method) -> Method:
        method.__capability__ = capability  # type: ignore[attr-defined]
        return method

    return mark


class Connector(ABC):
    """Subclass this, implement `check` and `accounts`, override what the app allows."""

    app: ClassVar[str]
    facts: Mapping[Capability, VerbFacts] = {}
    reads_whole: bool = False
    """True where reading one account costs as much as reading the list: one listing then answers several looks."""
    creates_with: frozenset[str] = frozenset()
    """Kinds of entitlement (`role`, `module`, ...) that `create` sets at once from `wanted.entitlements`."""

    proves_closed: Mapping[Kind, str] = {}
    """Kinds of residual access whose end is part of what a fresh reading of a closed account shows, and how."""

    def capabilities(self) -> frozenset[Capability]:
        """What this connection can do; narrow it when a plan or a tier takes some away."""
        return frozenset(
            method.__capability__
            for name, method in vars(Connector).items()
            if hasattr(method, "__capability__") and getattr(type(self), name) is not method
        )

    def facts_of(self, capability: Capability) -> VerbFacts:
        """The declared facts of a verb; undeclared means the worst: not idempotent, no key, not unique."""
        return self.facts.get(capability, VerbFacts(idempotent=False))

    @abstractmethod
    def check(self, call: Call) -> None:
        """Exercise the credentials once; return quietly or raise."""

    @abstractmethod
    def accounts(self, cursor: str | None, call: Call) -> Page[Account]:
        """Return one page of every account, inactive ones included, in a stable order."""

    def find(self, account_id: str, call: Call) -> Account | None:
        """Return the account with this id by a fresh reading, or None where a whole listing does not hold it."""
        return next((a for a in read_all(self, call) if a.id == account_id), None)

    def find_named(self, user_name: str, call: Call) -> tuple[Account, ...]:
        """Return every account whose user name equals this one, ignoring case, by a fresh reading."""
        wanted = user_name.casefold()
        return tuple(a for a in read_all(self, call) if a.user_name.casefold() == wanted)

    @optional(Capability.READ_ENTITLEMENTS)
    def entitlements(self, cursor: str | None, call: Call) -> Page[Entitlement]:
        """Return one page of what accounts can hold here."""
        raise Unsupported(f"{self.app} lists no entitlements")

    @optional(Capability.READ_CHANGES)
    def changes(self, since: datetime, cursor: str | None, call: Call) -> Page[Account]:
        """Return accounts changed since an instant: a delta reading, from which nothing can ever be missing."""
        raise Unsupported(f"{self.app} has no listing of changes")

    @optional(Capability.CREATE)
    def create(self, wanted: Account, call: Call) -> Receipt:
        """Make an account (`wanted.id` is ignored), with its entitlements where the app takes them at once."""
        raise Unsupported(f"{self.app} cannot create accounts")

    @optional(Capability.UPDATE)
    def update(self, account_id: str, changes: Mapping[str, str], call: Call) -> Receipt:
        """Set attributes to absolute values; repeating it changes nothing more."""
        raise Unsupported(f"{self.app} cannot update accounts")

    @optional(Capability.DEACTIVATE)
    def deactivate(self, account_id: str, call: Call) -> Receipt:
        """Take access away and keep history. Deactivating twice is not an error."""
        raise Unsupported(f"{self.app} cannot deactivate accounts")

    @optional(Capability.REACTIVATE)
    def reactivate(self, account_id: str, call: Call) -> Receipt:
        """Give access back to the same account. Reactivating twice is not an error."""
        raise Unsupported(f"{self.app} cannot reactivate accounts")

    @optional(Capability.DELETE)
    def delete(self, account_id: str, call: Call) -> Receipt:
        """Remove for good. usher plans it only after a deactivation and a delay."""
        raise Unsupported(f"{self.app} cannot delete accounts")

    @optional(Capability.GRANT)
    def grant(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Give an entitlement (`kind:name`). Granting twice is not an error."""
        raise Unsupported(f"{self.app} cannot grant entitlements")

    @optional(Capability.REVOKE)
    def revoke(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Take an entitlement away. Revoking twice is not an error."""
        raise Unsupported(f"{self.app} cannot revoke entitlements")


class RepeatedCursor(Exception):
    """A listing gave a cursor twice or an account twice: the reading is not complete and must not be used as such."""


def read_all(connector: Connector, call: Call) -> Iterator[Account]:
    """Yield every account of every page; raises RepeatedCursor where a cursor or an id comes twice."""
    yield from pages(lambda cursor: connector.accounts(cursor, call))


def pages(fetch: Callable[[str | None], Page[Account]]) -> Iterator[Account]:
    """Follow cursors to the last page; a cursor or an account id that comes twice raises RepeatedCursor."""
    cursor: str | None = None
    cursors: set[str] = set()
    ids: set[str] = set()
    while True:
        page = fetch(cursor)
        for account in page.items:
            if account.id in ids:
                raise RepeatedCursor(f"account {account.id!r} came twice in one listing")
            ids.add(account.id)
            yield account
        if page.next is None:
            return
        if page.next in cursors:
            raise RepeatedCursor(f"cursor {page.next!r} came twice in one listing")
        cursors.add(page.next)
        cursor = page.next
