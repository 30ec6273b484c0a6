"""What the ledger keeps for ever of one event, and what it can forget.

A leaf holds opaque ids, the event, the time and a salted digest of the detail. The detail document (names,
before and after) and its salt lie elsewhere and can be erased: the leaf, and so the tree, stays valid.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from usher.domain.canonical import canonical, digest
from usher.domain.clock import BadInstant, as_instant, from_text, to_text
from usher.domain.ids import is_id

LEAF_SCHEMA = "usher.leaf/1"
DETAIL_SCHEMA = "usher.detail/1"
SALT_BYTES = 32
"""Long enough that nobody finds a name by trying all names against the digest."""

_EVENT = re.compile(r"[a-z][a-z0-9_]*(:[a-z][a-z0-9_]*){1,2}")
_WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_FIELDS = {"schema", "event", "at", "workspace", "ids", "detail_digest"}


class BadLeaf(ValueError):
    """The leaf breaks its form: correct the named field before it is written for ever."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One event of a workspace. Carries nothing about a person but opaque ids."""

    event: str
    """`noun:noun:verb`, or `noun:verb`, such as `account:entitlement:grant`."""
    at: datetime
    """When it happened; cut to whole milliseconds."""
    workspace: str
    ids: tuple[str, ...]
    """The things concerned, by opaque id (`pln_...`, `acc_...`); an address or a name is refused."""
    detail_digest: str
    """`salted_digest` of the detail document."""

    def __post_init__(self) -> None:
        if not _EVENT.fullmatch(self.event):
            raise BadLeaf(f"event {self.event!r}: expected noun:noun:verb in small letters")
        if not _WORKSPACE.fullmatch(self.workspace):
            raise BadLeaf(f"workspace {self.workspace!r}: expected letters, digits, '_', '.' and '-'")
        for one in self.ids:
            if not is_id(one):
                raise BadLeaf(f"ids: {one!r} is not an opaque id; names and addresses belong into the detail")
        if not _DIGEST.fullmatch(self.detail_digest):
            raise BadLeaf(f"detail_digest {self.detail_digest!r}: expected 'sha256:' and 64 hexadecimal digits")
        try:
            object.__setattr__(self, "at", as_instant(self.at))
        except BadInstant as error:
            raise BadLeaf(f"at: {error}") from error

    def as_json(self) -> dict[str, object]:
        """Return the leaf as JSON data; `leaf_bytes` is its canonical form."""
        return {
            "schema": LEAF_SCHEMA,
            "event": self.event,
            "at": to_text(self.at),
            "workspace": self.workspace,
            "ids": list(self.ids),
            "detail_digest": self.detail_digest,
        }

    def leaf_bytes(self) -> bytes:
        """Return the bytes that the tree hashes."""
        return canonical(self.as_json())

    @classmethod
    def from_json(cls, data: object) -> Leaf:
        """Read what `as_json` gave, and nothing else; raises `BadLeaf`."""
        if not isinstance(data, Mapping) or set(data) != _FIELDS or data["schema"] != LEAF_SCHEMA:
            raise BadLeaf(f"expected a {LEAF_SCHEMA} with the fields {', '.join(sorted(_FIELDS))}")
        texts = [data[name] for name in ("event", "at", "workspace", "detail_digest")]
        ids = data["ids"]
        if not isinstance(ids, list) or not all(isinstance(one, str) for one in [*texts, *ids]):
            raise BadLeaf("expected text in every field and a list of texts in ids")
        try:
            at = from_text(data["at"])
        except BadInstant as error:
            raise BadLeaf(f"at: {error}") from error
        return cls(data["event"], at, data["workspace"], tuple(ids), data["detail_digest"])


@dataclass(frozen=True, slots=True)
class Detail:
    """The erasable half of an event: erase document and salt together."""

    salt: bytes
    document: Mapping[str, object]

    def digest(self) -> str:
        """Return the salted digest that the leaf holds."""
        return salted_digest(self.salt, self.document)


def new_salt(randomness: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """Return a fresh salt; use each one once."""
    return randomness(SALT_BYTES)


def salted_digest(salt: bytes, detail: Mapping[str, object]) -> str:
    """Return `digest("usher.detail/1", {"detail": detail, "salt": <hex>})`.

    Raises `BadLeaf` on a salt of another length than `SALT_BYTES`, `NotCanonical` on a detail without a canonical form.
    """
    if len(salt) != SALT_BYTES:
        raise BadLeaf(f"salt: expected {SALT_BYTES} bytes, found {len(salt)}")
    return digest(DETAIL_SCHEMA, {"detail": detail, "salt": salt.hex()})
