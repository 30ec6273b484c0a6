"""Find every change to a ledger that was made before a head of it left the building.

Heads kept inside the store show edits by someone without the signing key. Only an exported head shows a
cut tail, a restored backup, or a history rewritten by someone who has the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from usher.domain.ledger.head import SignedHead, verify_head
from usher.domain.ledger.leaf import Detail, Leaf
from usher.domain.ledger.restores import Restored, Restores
from usher.domain.ledger.tree import Frontier, leaf_hash
from usher.domain.signing import key_id

REASONS_SHOWN = 100
"""A ruined ledger gives this many detail problems at most, then one that counts the rest."""


class What(StrEnum):
    """The kinds of problem."""

    MALFORMED = "malformed"
    """A line of an export is not exactly what usher writes, such as after a flipped byte."""
    DELETED = "deleted"
    """The numbering has a gap."""
    SWAPPED = "swapped"
    """Leaves or details are out of their order, or doubled."""
    REWRITTEN = "rewritten"
    """The leaves do not give a signed root: flipped, deleted, swapped or rewritten from this index on."""
    FORK = "fork"
    """The key signed two histories that differ."""
    CUT_TAIL = "cut_tail"
    """The store's own heads promise more leaves than there are."""
    OLD_BACKUP = "old_backup"
    """The store agrees with itself but ends before an exported head."""
    DETAIL_MISMATCH = "detail_mismatch"
    """The detail document is not the one that the leaf's digest was made of."""
    BAD_SIGNATURE = "bad_signature"
    """A head is not signed by a trusted key."""
    OTHER_WORKSPACE = "other_workspace"
    """A leaf or a head belongs to another ledger."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, from which index on, and why it is believed."""

    what: What
    index: int
    """The first leaf concerned; for a head, its size."""
    why: str

    def __str__(self) -> str:
        return f"{self.what} at {self.index}: {self.why}"


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of a verification."""

    leaves: int
    erased: int
    """Leaves whose detail is gone. Not a problem: the tree stays whole."""
    sealed: int
    """Leaves under a head that agrees; the later ones are not signed yet."""
    anchored: int
    """Leaves under an exported head that agrees: what nobody can have changed unseen. 0 without one."""
    problems: tuple[Problem, ...]
    restores: tuple[Restored, ...] = ()
    """Every restore that the ledger tells of, also one that is not believed."""

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems

    def verdict(self) -> str:
        """Return one line for people."""
        state = "whole" if self.ok else f"NOT whole ({len(self.problems)} problems)"
        restored = f", restored {len(self.restores)} times" if self.restores else ""
        return (
            f"ledger {state}: {self.leaves} leaves, {self.sealed} under a signed head, "
            f"{self.anchored} under an exported head, {self.erased} details erased{restored}"
        )


def verify(
    leaves: Iterable[tuple[int, Leaf]],
    details: Mapping[int, Detail],
    signed_heads: Iterable[SignedHead],
    public_key: str,
    exported_heads: Iterable[SignedHead] = (),
) -> Report:
    """Check a whole ledger: order, details, signatures, and the root at the size of each head.

    `leaves` are (index, leaf) in the order of the store, read once; `details` maps an index to its detail,
    an index without one counts as erased; `public_key` is the text of the key file: one key, or several on
    lines of their own after a rotation; `exported_heads` are copies that were kept elsewhere.
    Raises `BadKey` only.
    """
    problems: list[Problem] = []
    stored = _signed_by(public_key, signed_heads, "stored", problems)
    exported = _signed_by(public_key, exported_heads, "exported", problems)
    reading = _read(leaves, details, {one.head.size for one in (*stored, *exported)})
    workspaces = {one.head.workspace for one in (*exported, *stored)} or reading.workspaces.keys()
    problems += _order(reading.order) + _details(reading)
    problems += _workspaces(reading.workspaces, sorted(workspaces))
    restores, others = _explained(reading, exported)
    problems += _roots(reading, stored, others)
    return Report(
        leaves=reading.count,
        erased=reading.erased,
        sealed=max((one.head.size for one in (*stored, *exported) if reading.agrees(one)), default=0),
        anchored=max((one.head.size for one in exported if reading.agrees(one)), default=0),
        problems=tuple(problems),
        restores=restores,
    )


def _explained(reading: _Reading, exported: list[SignedHead]) -> tuple[tuple[Restored, ...], list[SignedHead]]:
    """Judge the restores, and part the exported heads that they explain from those that must fit the leaves."""
    restores = reading.restores.judge(one.head.size for one in exported if reading.agrees(one))
    apart = [one for one in exported if not reading.agrees(one)]
    counted = tuple(replace(each, left=sum(map(each.explains, apart))) for each in restores)
    explained = {one.signature for one in apart if any(each.explains(one) for each in restores)}
    return counted, [one for one in exported if one.signature not in explained]


class _Reading:
    """What one pass over the leaves leaves behind."""

    def __init__(self) -> None:
        self.count = 0
        self.erased = 0
        self.roots: dict[int, str] = {}
        self.workspaces: dict[str, int] = {}
        self.order = _Order()
        self.restores = Restores()
        self.mismatches: list[tuple[int, str, str]] = []
        self.mismatch_count = 0

    def agrees(self, signed: SignedHead) -> bool:
        return self.roots.get(signed.head.size) == signed.head.root


@dataclass(slots=True)
class _Order:
    """The first break of the numbering of each kind."""

    expected: int = 0
    gap: tuple[int, int] | None = None
    backwards: tuple[int, int] | None = None

    def see(self, index: int) -> None:
        if index > self.expected and self.gap is None:
            self.gap = (self.expected, index)
        if index < self.expected and self.backwards is None:
            self.backwards = (self.expected, index)
        self.expected = max(self.expected, index + 1)


def _read(leaves: Iterable[tuple[int, Leaf]], details: Mapping[int, Detail], sizes: set[int]) -> _Reading:
    reading, frontier = _Reading(), Frontier()
    if 0 in sizes:
        reading.roots[0] = frontier.root().hex()
    for index, leaf in leaves:
        reading.order.see(index)
        reading.workspaces.setdefault(leaf.workspace, index)
        frontier.append(leaf_hash(leaf.leaf_bytes()))
        if frontier.size in sizes:
            reading.roots[frontier.size] = frontier.root().hex()
        detail = details.get(index)
        if detail is None:
            reading.erased += 1
        elif (found := detail.digest()) != leaf.detail_digest:
            reading.mismatch_count += 1
            if len(reading.mismatches) < REASONS_SHOWN:
                reading.mismatches.append((index, leaf.detail_digest, found))
            continue
        reading.restores.see(index, leaf, detail)
    reading.count = frontier.size
    return reading


def _signed_by(public_key: str, heads: Iterable[SignedHead], kept: str, problems: list[Problem]) -> list[SignedHead]:
    """Return the heads that a trusted key signed; the others become problems."""
    trusted = {key_id(line): line for line in public_key.split()}
    good = []
    for signed in heads:
        public = trusted.get(signed.head.key_id)
        if public is not None and verify_head(public, signed):
            good.append(signed)
        else:
            why = "its signature does not fit" if public else f"key {signed.head.key_id!r} is not trusted"
            problems.append(Problem(What.BAD_SIGNATURE, signed.head.size, f"{kept} head: {why}"))
    return good


def _order(order: _Order) -> list[Problem]:
    if order.backwards is not None:
        expected, found = order.backwards
        index = order.gap[0] if order.gap else found
        return [Problem(What.SWAPPED, index, f"index {found} comes where {expected} was expected")]
    if order.gap is not None:
        expected, found = order.gap
        return [Problem(What.DELETED, expected, f"indexes {expected} to {found - 1} are missing")]
    return []


def _details(reading: _Reading) -> list[Problem]:
    """Name details that do not fit; two that fit each other's leaf were swapped."""
    problems = []
    owner = {promised: index for index, promised, _ in reading.mismatches}
    for index, _, found in reading.mismatches:
        if found in owner:
            problems.append(Problem(What.SWAPPED, index, f"its detail belongs to the leaf at {owner[found]}"))
        else:
            problems.append(Problem(What.DETAIL_MISMATCH, index, "the detail does not give the digest in the leaf"))
    unshown = reading.mismatch_count - len(reading.mismatches)
    if unshown:
        problems.append(Problem(What.DETAIL_MISMATCH, reading.mismatches[-1][0] + 1, f"and {unshown} details more"))
    return problems


def _workspaces(seen: Mapping[str, int], expected: list[str]) -> list[Problem]:
    problems = [
        Problem(What.OTHER_WORKSPACE, index, f"the leaf is of workspace {name!r}")
        for name, index in seen.items()
        if name not in expected[:1]
    ]
    if len(expected) > 1:
        problems.append(Problem(What.OTHER_WORKSPACE, 0, f"heads or leaves of {', '.join(expected)} are mixed"))
    return problems


def _roots(reading: _Reading, stored: list[SignedHead], exported: list[SignedHead]) -> list[Problem]:
    """Compare each signed root with the leaves, and the heads with each other."""
    present = [one for one in (*stored, *exported) if one.head.size <= reading.count]
    broken = [one.head.size for one in present if not reading.agrees(one)]
    problems = _ends(reading.count, stored, exported)
    if not broken:
        return problems
    first = min(broken)
    fork = any(reading.agrees(one) and one.head.size >= first for one in present)
    # Whoever could sign a second history could sign heads below it too: then only exported heads bound the damage.
    trusted = stored if not fork and any(one.head.size == first for one in stored) else []
    agreeing = [one.head.size for one in (*trusted, *exported) if reading.agrees(one)]
    since = max((size for size in agreeing if size < first), default=0)
    if fork:
        why = f"of the heads signed for {first} leaves or more, one fits the leaves and one does not"
        return [Problem(What.FORK, since, why), *problems]
    why = f"leaves {since} to {first - 1} do not give the root signed for {first} leaves"
    return [Problem(What.REWRITTEN, since, why), *problems]


def _ends(count: int, stored: list[SignedHead], exported: list[SignedHead]) -> list[Problem]:
    """Find leaves that a head promises and that are not there, and heads that contradict each other there."""
    own = max((one.head.size for one in stored), default=0)
    outside = max((one.head.size for one in exported), default=0)
    problems = []
    if own > count:
        problems.append(Problem(What.CUT_TAIL, count, f"a stored head is signed for {own} leaves"))
    elif outside > count:
        why = f"an exported head is signed for {outside} leaves: the tail was cut or an old backup restored"
        problems.append(Problem(What.OLD_BACKUP, count, why))
    promised: dict[int, str] = {}
    for size, root in sorted((one.head.size, one.head.root) for one in (*stored, *exported) if one.head.size > count):
        if promised.setdefault(size, root) != root:
            problems.append(Problem(What.FORK, count, f"two roots are signed for {size} leaves"))
    return problems
