"""The signed root of the ledger at one size: whoever keeps a copy can later prove any change before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from usher.domain import signing
from usher.domain.canonical import digest
from usher.domain.clock import BadInstant, as_instant, from_text, to_text

HEAD_SCHEMA = "usher.head/1"
"""Names the shape, and is the context of the signature."""

_ROOT = re.compile(r"[0-9a-f]{64}")
_FIELDS = {"schema", "workspace", "size", "root", "at", "key_id", "signature"}


class BadHead(ValueError):
    """The text or data is not a signed head: give the file that was exported."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the ledger of a workspace was at one moment."""

    workspace: str
    size: int
    """The number of leaves."""
    root: str
    """The root of the tree over these leaves, 64 hexadecimal digits."""
    at: datetime
    key_id: str
    """`signing.key_id` of the key that signs."""

    def __post_init__(self) -> None:
        if self.size < 0:
            raise BadHead(f"size {self.size}: expected 0 or more")
        if not _ROOT.fullmatch(self.root):
            raise BadHead(f"root {self.root!r}: expected 64 hexadecimal digits")
        object.__setattr__(self, "at", as_instant(self.at))

    def digest(self) -> str:
        """Return the digest that is signed."""
        return digest(HEAD_SCHEMA, self._fields())

    def _fields(self) -> dict[str, object]:
        return {
            "workspace": self.workspace,
            "size": self.size,
            "root": self.root,
            "at": to_text(self.at),
            "key_id": self.key_id,
        }


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head and its signature."""

    head: Head
    signature: str

    def as_json(self) -> dict[str, object]:
        """Return the flat JSON form that is exported."""
        return {"schema": HEAD_SCHEMA, **self.head._fields(), "signature": self.signature}

    @classmethod
    def from_json(cls, data: object) -> SignedHead:
        """Read what `as_json` gave, and nothing else; raises `BadHead`. Says nothing about the signature."""
        if not isinstance(data, Mapping) or set(data) != _FIELDS or data["schema"] != HEAD_SCHEMA:
            raise BadHead(f"expected a {HEAD_SCHEMA} with the fields {', '.join(sorted(_FIELDS))}")
        texts = [data[name] for name in _FIELDS - {"size"}]
        if type(data["size"]) is not int or not all(isinstance(text, str) for text in texts):
            raise BadHead("expected a whole number in size and text in the other fields")
        try:
            at = from_text(data["at"])
        except BadInstant as error:
            raise BadHead(f"at: {error}") from error
        return cls(Head(data["workspace"], data["size"], data["root"], at, data["key_id"]), data["signature"])


def sign_head(private_key: str, head: Head) -> SignedHead:
    """Sign a head; raises `BadHead` when it names another key than the one that signs, and `BadKey`."""
    if head.key_id != signing.key_id(signing.public_of(private_key)):
        raise BadHead(f"key_id {head.key_id!r} is not the id of the key that signs")
    return SignedHead(head, signing.sign(private_key, head.digest(), HEAD_SCHEMA))


def verify_head(public_key: str, signed: SignedHead) -> bool:
    """Say whether the head is this key's, unchanged; raises only `BadKey`."""
    head = signed.head
    return head.key_id == signing.key_id(public_key) and signing.verify(
        public_key, head.digest(), HEAD_SCHEMA, signed.signature
    )
