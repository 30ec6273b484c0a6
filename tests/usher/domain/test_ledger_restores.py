"""A restore explains the heads it left only where an operator of before signed that; else they are a fork."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from usher.domain.clock import SystemClock, to_text
from usher.domain.ids import IdFactory
from usher.domain.ledger.head import Head, SignedHead, sign_head
from usher.domain.ledger.leaf import Detail, Leaf, new_salt
from usher.domain.ledger.restores import ADDED, RESTORE_EVENT, RESTORE_SCHEMA, REVOKED, Statement
from usher.domain.ledger.tree import Frontier, leaf_hash
from usher.domain.ledger.verify import Report, What, verify
from usher.domain.signing import key_id, new_private_key, public_of, sign

IDS = IdFactory(SystemClock())
LEDGER_KEY = new_private_key()
BEGAN = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass
class Book:
    """A ledger that is written leaf by leaf, with a head at each size."""

    leaves: list[tuple[Leaf, Detail]] = field(default_factory=list)

    def write(self, event: str, ids: tuple[str, ...], document: Mapping[str, Any]) -> None:
        """Add one leaf; each is a minute later."""
        detail = Detail(new_salt(), document)
        at = BEGAN + timedelta(minutes=len(self.leaves))
        self.leaves.append((Leaf(event, at, "acme", ids, detail.digest()), detail))

    def heads(self, start: int = 1) -> list[SignedHead]:
        """The signed heads from a size on."""
        frontier, made = Frontier(), []
        for leaf, _ in self.leaves:
            frontier.append(leaf_hash(leaf.leaf_bytes()))
            head = Head("acme", frontier.size, frontier.root().hex(), leaf.at, key_id(public_of(LEDGER_KEY)))
            made.append(sign_head(LEDGER_KEY, head))
        return made[start - 1 :]

    def until(self, size: int) -> Book:
        """The ledger as a backup holds it."""
        return Book(self.leaves[:size])

    def verified(self, exported: list[SignedHead]) -> Report:
        """What a verification against exported heads says."""
        details = {index: detail for index, (_, detail) in enumerate(self.leaves)}
        leaves = [(index, leaf) for index, (leaf, _) in enumerate(self.leaves)]
        return verify(leaves, details, self.heads(), public_of(LEDGER_KEY), exported)


@dataclass
class Olga:
    """An operator."""

    key: str = field(default_factory=new_private_key)
    id: str = field(default_factory=lambda: IDS.new("opr"))

    def join(self, book: Book) -> None:
        """Become an operator."""
        book.write(ADDED, (self.id,), {"name": "olga", "public_key": public_of(self.key)})


def statement(size: int, left: list[SignedHead], **more: Any) -> Statement:
    """What is signed at a restore of the backup of so many leaves."""
    made = Statement(
        backup="sha256:" + "0" * 64,
        made_at=to_text(BEGAN),
        restored_at=to_text(BEGAN + timedelta(days=1)),
        by="olga",
        reason="the disk died",
        size=size,
        up_to=max(one.head.size for one in left),
        until=max(to_text(one.head.at) for one in left),
        left=len(left),
        aside="heads-left.jsonl",
    )
    return replace(made, **more)


def tell(book: Book, olga: Olga, said: Statement, key: str | None = None) -> Book:
    """Write the restore's leaf, and go on."""
    signature = sign(key or olga.key, said.digest, RESTORE_SCHEMA)
    book.write(RESTORE_EVENT, (olga.id,), {**said.document(), "signature": signature})
    book.write("app:accounts:observe", (), {"n": "after"})
    return book


@pytest.fixture
def olga() -> Olga:
    """An operator whose key nobody else has."""
    return Olga()


@pytest.fixture
def old(olga: Olga) -> Book:
    """The history that will be left: an operator, then ten events."""
    book = Book()
    olga.join(book)
    for number in range(10):
        book.write("app:accounts:observe", (), {"n": str(number)})
    return book


def kinds(report: Report) -> set[What]:
    """The kinds of problem."""
    return {one.what for one in report.problems}


def test_a_signed_restore_explains_the_heads_that_it_left_and_is_shown(olga: Olga, old: Book) -> None:
    report = tell(old.until(5), olga, statement(5, old.heads(6))).verified(old.heads())
    assert report.ok, report.problems
    [restored] = report.restores
    assert restored.doubt is None and restored.left == 6
    assert "restored 1 times" in report.verdict() and "the disk died" in str(restored)


def test_an_old_backup_put_in_place_by_hand_is_found_and_also_after_the_work_has_gone_on(old: Book) -> None:
    assert kinds(old.until(5).verified(old.heads())) == {What.OLD_BACKUP}
    book = old.until(5)
    for number in range(9):
        book.write("app:accounts:observe", (), {"n": f"other {number}"})
    assert What.FORK in kinds(book.verified(old.heads()))


def test_a_restore_that_nobody_signed_explains_nothing(olga: Olga, old: Book) -> None:
    report = tell(old.until(5), olga, statement(5, old.heads(6)), key=LEDGER_KEY).verified(old.heads())
    assert not report.ok
    assert "does not fit" in str(report.restores[0].doubt)


def test_an_operator_who_came_with_the_restore_explains_nothing(old: Book) -> None:
    """Whoever holds the ledger's key adds an operator of his own to the copy, and signs with him."""
    book, mallory = old.until(5), Olga()
    mallory.join(book)
    report = tell(book, mallory, statement(5, old.heads(6))).verified(old.heads())
    assert not report.ok and "of the time before the backup" in str(report.restores[0].doubt)


def test_a_history_invented_from_its_beginning_explains_nothing(old: Book) -> None:
    """His operator stands at the very beginning, where a statement of a small size would leave nearly every head."""
    book, mallory = Book(), Olga()
    mallory.join(book)
    report = tell(book, mallory, statement(1, old.heads(2))).verified(old.heads())
    assert not report.ok and "no exported head" in str(report.restores[0].doubt)
    assert not tell(book, mallory, statement(1, old.heads(2))).verified(old.heads(7)).ok


def test_a_revoked_operator_explains_nothing(olga: Olga, old: Book) -> None:
    book = old.until(5)
    book.write(REVOKED, (olga.id,), {"name": "olga"})
    assert not tell(book, olga, statement(5, old.heads(6))).verified(old.heads()).ok


def test_a_head_that_is_newer_than_what_was_named_is_not_explained(olga: Olga, old: Book) -> None:
    known = old.heads(6)[:3]
    report = tell(old.until(5), olga, statement(5, known)).verified(old.heads())
    assert not report.ok
    assert report.restores[0].left == 3


def test_a_fork_made_after_the_restore_is_found(olga: Olga, old: Book) -> None:
    """Another history, signed with the ledger's key after the restore, is not one of those that it left."""
    report_of = tell(old.until(5), olga, statement(5, old.heads(6)[:2]))
    other = old.until(5)
    for number in range(20):
        other.write("app:accounts:observe", (), {"n": f"fork {number}"})
    assert not report_of.verified([*old.heads()[:7], *other.heads(10)]).ok


def test_a_change_of_what_was_signed_is_found(olga: Olga, old: Book) -> None:
    said = statement(5, old.heads(6)[:1])
    book = old.until(5)
    wider = replace(said, up_to=11, until=to_text(BEGAN + timedelta(days=2)))
    signature = sign(olga.key, said.digest, RESTORE_SCHEMA)
    book.write(RESTORE_EVENT, (olga.id,), {**wider.document(), "signature": signature})
    assert not book.verified(old.heads()).ok


def test_two_restores_one_after_the_other_are_both_explained(olga: Olga, old: Book) -> None:
    first = tell(old.until(8), olga, statement(8, old.heads(9)))
    left = [*old.heads(6), *first.heads(6)]
    second = tell(old.until(5), olga, statement(5, left))
    report = second.verified([*old.heads(), *first.heads()])
    assert report.ok, report.problems
    assert [one.statement.size for one in report.restores] == [5], "the first one lies in a history that was left"
