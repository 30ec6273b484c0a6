"""The ledger's rows: leaves in the transaction of what they record, indexes and signed heads by one sequencer."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DatabaseError

from usher.domain.clock import from_text, to_text
from usher.domain.ledger.leaf import BadLeaf, Detail, Leaf, new_salt, salted_digest
from usher.store.repository import Repository, Row, dump, load
from usher.store.tables import ledger_detail, ledger_head, ledger_leaf


class Ledgers(Repository):
    """Append-only; a detail may be erased, its leaf stays."""

    def append(self, event: str, ids: Iterable[str], detail: Mapping[str, Any]) -> None:
        """Record an event (`noun:noun:verb`) with opaque ids and its details, in this transaction; raises BadLeaf."""
        salt = new_salt(secrets.token_bytes)
        # Made here already: a leaf that cannot be read again would stop every later one from being signed.
        leaf = Leaf(event, self.clock.now(), self.workspace, tuple(ids), salted_digest(salt, detail))
        inserted = self.connection.execute(
            ledger_leaf.insert().values(
                position=None,
                event=leaf.event,
                at=to_text(leaf.at),
                ids=dump(list(leaf.ids)),
                detail_digest=leaf.detail_digest,
            )
        )
        key = inserted.inserted_primary_key
        assert key is not None
        self.add(ledger_detail, leaf_id=key[0], salt=salt.hex(), document=dump(detail))

    def unsequenced(self) -> int:
        """How many leaves have no index yet."""
        wanted = select(func.count()).select_from(ledger_leaf).where(ledger_leaf.c.position.is_(None))
        return int(self.connection.execute(wanted).scalar_one())

    def sequence(self) -> list[tuple[int, Leaf]]:
        """Give every waiting leaf its index, in the order of writing; returns them."""
        size = self.size()
        waiting = self.rows(select(ledger_leaf).where(ledger_leaf.c.position.is_(None)).order_by(ledger_leaf.c.id))
        placed = []
        for position, row in enumerate(waiting, size):
            self.connection.execute(update(ledger_leaf).where(ledger_leaf.c.id == row["id"]).values(position=position))
            placed.append((position, _leaf(row, self.workspace)))
        return placed

    def size(self) -> int:
        """How many leaves have an index."""
        highest = self.connection.execute(select(func.max(ledger_leaf.c.position))).scalar()
        return 0 if highest is None else int(highest) + 1

    def leaves(self, start: int = 0) -> Iterator[Leaf]:
        """Every indexed leaf in order."""
        for _, leaf in self.indexed(start):
            yield leaf

    def indexed(self, start: int = 0) -> Iterator[tuple[int, Leaf]]:
        """Every indexed leaf in order, with the index that it was given: a row that was deleted leaves a gap."""
        wanted = select(ledger_leaf).where(ledger_leaf.c.position >= start).order_by(ledger_leaf.c.position)
        for row in self.connection.execute(wanted).mappings():
            yield row["position"], _leaf(dict(row), self.workspace)

    def read_for_proof(self) -> LedgerRows:
        """Everything that a verification needs, of a database that may have been changed by somebody else."""
        found = LedgerRows()
        wanted = (
            select(ledger_leaf, ledger_detail.c.salt, ledger_detail.c.document)
            .join_from(ledger_leaf, ledger_detail, ledger_leaf.c.id == ledger_detail.c.leaf_id, isouter=True)
            .where(ledger_leaf.c.position.is_not(None))
            .order_by(ledger_leaf.c.position)
        )
        try:
            for row in self.connection.execute(wanted).mappings():
                found.take(dict(row), self.workspace)
            found.heads = self.heads()
        except (DatabaseError, ValueError) as error:
            cause = error.orig if isinstance(error, DatabaseError) else error
            found.unreadable.append((len(found.leaves), f"the database cannot be read on from here: {cause}"))
        return found

    def details(self) -> dict[int, tuple[str, Mapping[str, Any]]]:
        """Index -> (salt as hex, detail document), for every detail that was not erased."""
        wanted = select(ledger_leaf.c.position, ledger_detail.c.salt, ledger_detail.c.document).join_from(
            ledger_leaf, ledger_detail, ledger_leaf.c.id == ledger_detail.c.leaf_id
        )
        found = self.rows(wanted.where(ledger_leaf.c.position.is_not(None)))
        return {row["position"]: (row["salt"], load(row["document"])) for row in found}

    def erase(self, position: int) -> None:
        """Erase a detail document; the leaf and the tree stay as they are."""
        wanted = select(ledger_leaf.c.id).where(ledger_leaf.c.position == position).scalar_subquery()
        self.connection.execute(delete(ledger_detail).where(ledger_detail.c.leaf_id == wanted))

    def keep_head(self, size: int, document: Mapping[str, Any], peaks: Iterable[bytes]) -> None:
        """Keep a signed head, with the tree's right edge so that the next head need not hash everything again."""
        edge = dump([peak.hex() for peak in peaks])
        self.add(ledger_head, size=size, document=dump(document), peaks=edge, at=self.now())

    def edge(self) -> tuple[int, list[bytes]]:
        """Size and right edge of the tree at the last head."""
        found = self.row(select(ledger_head).order_by(ledger_head.c.size.desc()))
        return (0, []) if found is None else (found["size"], [bytes.fromhex(peak) for peak in load(found["peaks"])])

    def heads(self) -> list[dict[str, Any]]:
        """Every signed head, smallest first."""
        found = self.rows(select(ledger_head).order_by(ledger_head.c.size))
        return [load(row["document"]) for row in found]

    def newest(self, *events: str) -> Row | None:
        """The newest leaf of any of these events, with or without an index."""
        wanted = select(ledger_leaf).where(ledger_leaf.c.event.in_(events)).order_by(ledger_leaf.c.id.desc()).limit(1)
        return self.row(wanted)

    def first_at(self) -> str | None:
        """When the first event was written down."""
        found: str | None = self.connection.execute(select(func.min(ledger_leaf.c.at))).scalar()
        return found

    def instants_of(self, events: Iterable[str]) -> list[datetime]:
        """When any of these events happened, oldest first."""
        wanted = select(ledger_leaf.c.at).where(ledger_leaf.c.event.in_(tuple(events))).order_by(ledger_leaf.c.id)
        return [from_text(row["at"]) for row in self.rows(wanted)]

    def about(self, id: str, limit: int = 200) -> list[Row]:
        """Events that name an id, oldest first, with their details where they were not erased."""
        wanted = (
            select(ledger_leaf, ledger_detail.c.document)
            .join_from(ledger_leaf, ledger_detail, ledger_leaf.c.id == ledger_detail.c.leaf_id, isouter=True)
            .where(ledger_leaf.c.ids.contains(f'"{id}"', autoescape=True))
            .order_by(ledger_leaf.c.id)
            .limit(limit)
        )
        return self.rows(wanted)


@dataclass(slots=True)
class LedgerRows:
    """Leaves, details and heads as they lie in the database; `unreadable` says where a row is not what was written."""

    leaves: list[tuple[int, Leaf]] = field(default_factory=list)
    details: dict[int, Detail] = field(default_factory=dict)
    heads: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[tuple[int, str]] = field(default_factory=list)

    def take(self, row: Row, workspace: str) -> None:
        """Read one row; one that cannot be read is noted, and the others are read on."""
        index = int(row["position"])
        try:
            _as_written(row["ids"], "the ids")
            self.leaves.append((index, _leaf(row, workspace)))
            if row["salt"] is not None:
                self.details[index] = _detail(row)
        except (ValueError, TypeError, BadLeaf) as error:
            self.details.pop(index, None)
            self.unreadable.append((index, f"the row cannot be read: {error}"))


def _detail(row: Row) -> Detail:
    detail = Detail(bytes.fromhex(row["salt"]), _as_written(row["document"], "the detail"))
    if row["salt"] != detail.salt.hex():
        raise ValueError("the salt is not as it was written")
    detail.digest()
    return detail


def _as_written(text: str, what: str) -> Any:
    """The value of a JSON text that is exactly what `dump` wrote: with two spellings, a flipped bit could go unseen."""
    value = load(text)
    if dump(value) != text:
        raise ValueError(f"{what} is not as it was written")
    return value


def _leaf(row: Row, workspace: str) -> Leaf:
    return Leaf(
        event=row["event"],
        at=from_text(row["at"]),
        workspace=workspace,
        ids=tuple(load(row["ids"])),
        detail_digest=row["detail_digest"],
    )
