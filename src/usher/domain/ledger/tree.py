"""The Merkle tree of RFC 6962 section 2.1: one root for a whole history, and short proofs about it.

All functions take *leaf hashes* (`leaf_hash(data)`), not leaf data, because a store keeps the hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: enough to append and to give the root, in O(log n) time and space.

    Holds the root of each complete subtree, largest first; there is one for each 1 in the binary `size`.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Start empty, or go on from a kept `size` and `peaks`; raises ValueError when they do not fit."""
        self._size = size
        self._peaks = list(peaks)
        if size < 0 or len(self._peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in self._peaks):
            raise ValueError(f"a tree of {size} leaves has {max(size, 0).bit_count()} peaks of {HASH_BYTES} bytes")

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, largest first; keep them with `size` to go on later."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        carried, remaining = leaf, self._size
        while remaining & 1:
            carried = node_hash(self._peaks.pop(), carried)
            remaining >>= 1
        self._peaks.append(carried)
        self._size += 1

    def root(self) -> bytes:
        """Return the root of the tree so far (RFC 6962 `MTH`)."""
        if not self._peaks:
            return EMPTY_ROOT
        result = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            result = node_hash(peak, result)
        return result


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of the leaf hashes (RFC 6962 section 2.1)."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the audit path of a leaf, nearest sibling first (RFC 6962 section 2.1.1); IndexError outside."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} is not in a tree of {len(leaves)}")
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root(leaves[middle:end]))
            end = middle
        else:
            path.append(root(leaves[start:middle]))
            start = middle
    return path[::-1]


def consistency_proof(old_size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the proof that the first `old_size` leaves are a prefix (RFC 6962 section 2.1.2).

    Empty when `old_size` is 0 or all leaves; IndexError when it is more than the leaves.
    """
    if not 0 <= old_size <= len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves has no earlier size {old_size}")
    proof: list[bytes] = []
    start, end = 0, len(leaves)
    while old_size not in (0, end):
        middle = start + _split(end - start)
        if old_size <= middle:
            proof.append(root(leaves[middle:end]))
            end = middle
        else:
            proof.append(root(leaves[start:middle]))
            start = middle
    # The old tree is known by its root alone; any other complete subtree at the end must be named.
    if start > 0:
        proof.append(root(leaves[start:end]))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Say whether the proof shows the leaf hash at `index` in the tree of `size` leaves (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and result == expected_root


def verify_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Say whether the tree of `size` leaves only added to the tree of `old_size` (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old_size.bit_count() == 1:
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_result, new_result = node_hash(sibling, old_result), node_hash(sibling, new_result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_result = node_hash(new_result, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old_result == old_root and new_result == new_root


def _split(size: int) -> int:
    """Return the largest power of two below `size` (`k` in RFC 6962)."""
    return 1 << (size - 1).bit_length() - 1
