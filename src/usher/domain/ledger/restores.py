"""Restores that a ledger tells of: which exported heads each of them explains, and why it is or is not believed.

After a restore the heads of the history that was left go on proving that there was one. They are explained only by a
leaf that an operator signed, whose key stands in the part of the ledger that an exported head covers: whoever holds
the ledger's key alone can write such a leaf, and cannot sign it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from usher.domain.canonical import NotCanonical, digest
from usher.domain.clock import to_text
from usher.domain.ledger.head import SignedHead
from usher.domain.ledger.leaf import Detail, Leaf
from usher.domain.signing import BadKey, verify

RESTORE_EVENT = "workspace:backup:restore"
RESTORE_SCHEMA = "usher.restore/1"
"""Names the shape of a statement, and is the context of the operator's signature."""
ADDED, REVOKED = "operator:operator:add", "operator:operator:revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an operator signs when he restores a backup.

    `size` is how many leaves of the ledger the backup's newest head covers. `up_to` and `until` are the size and the
    time of the newest exported heads that were known of the history that is left (0 and empty: none was).
    """

    backup: str
    made_at: str
    restored_at: str
    by: str
    reason: str
    size: int
    up_to: int
    until: str
    left: int
    """How many exported heads were known of the history that is left."""
    aside: str | None
    """The name under which they were kept."""

    def document(self) -> dict[str, Any]:
        """The statement as canonical JSON takes it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def digest(self) -> str:
        """What is signed."""
        return digest(RESTORE_SCHEMA, self.document())


@dataclass(frozen=True, slots=True)
class Restored:
    """One restore of a ledger. `doubt` says why it explains nothing, None where it is believed.

    `left` counts the given heads that belong to the history it left.
    """

    index: int
    statement: Statement
    doubt: str | None
    left: int = 0

    def __str__(self) -> str:
        said = self.statement
        what = f"restored at {said.restored_at} by {said.by} from the backup of {said.made_at} ({said.reason})"
        lost = f"{said.left} heads of the history that was left were known, the newest signed for {said.up_to} leaves"
        return f"{what}; {lost}" + (f"; NOT believed: {self.doubt}" if self.doubt else "")

    def explains(self, signed: SignedHead) -> bool:
        """True for a head of the history that this restore left."""
        said, head = self.statement, signed.head
        return self.doubt is None and said.size < head.size <= said.up_to and to_text(head.at) <= said.until


@dataclass(slots=True)
class Restores:
    """Collects restores and operators in one pass over the leaves."""

    keys: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Operator -> the index of the leaf that added him, and his public key."""
    found: list[tuple[int, Statement, int, str | None]] = field(default_factory=list)
    """Each restore with the index of the leaf that added its operator, and why it is not believed."""

    def see(self, index: int, leaf: Leaf, detail: Detail | None) -> None:
        """Take one leaf whose detail fits it, in order."""
        if leaf.event == REVOKED and leaf.ids:
            self.keys.pop(leaf.ids[0], None)
        elif detail is not None and leaf.ids and leaf.event == ADDED:
            self.keys.setdefault(leaf.ids[0], (index, str(detail.document.get("public_key"))))
        elif detail is not None and leaf.event == RESTORE_EVENT:
            statement = _statement(detail.document)
            if statement is not None:
                known = self.keys.get(leaf.ids[0]) if leaf.ids else None
                doubt = _unsigned(known, statement, str(detail.document.get("signature")))
                self.found.append((index, statement, known[0] if known else 0, doubt))

    def judge(self, anchors: Iterable[int]) -> tuple[Restored, ...]:
        """Say of each restore whether it is believed; `anchors` are the sizes of exported heads that fit the leaves."""
        sizes = sorted(anchors)
        judged = []
        for index, statement, added, doubt in self.found:
            covered = any(added < size <= statement.size for size in sizes)
            why = "no exported head of the time before the backup was given that covers who signed it"
            judged.append(Restored(index, statement, doubt or (None if covered else why)))
        return tuple(judged)


def _unsigned(known: tuple[int, str] | None, statement: Statement, signature: str) -> str | None:
    if known is None or known[0] >= statement.size:
        return "it is not signed by an operator of the time before the backup"
    try:
        good = verify(known[1], statement.digest, RESTORE_SCHEMA, signature)
    except (BadKey, NotCanonical):
        good = False
    return None if good else f"the signature of {statement.by} does not fit"


def _statement(document: Mapping[str, Any]) -> Statement | None:
    values = {name: value for name, value in document.items() if name != "signature"}
    if set(values) != set(Statement.__slots__) or type(values["size"]) is not int or type(values["up_to"]) is not int:
        return None
    return Statement(**values)
