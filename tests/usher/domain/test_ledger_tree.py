"""The Merkle tree against the published vectors of Certificate Transparency, and against its own definition."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.ledger.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

# The reference vectors of the Certificate Transparency implementation (merkle_tree_test.cc).
PUBLISHED_LEAVES = [
    leaf_hash(bytes.fromhex(data))
    for data in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
PUBLISHED_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
H01 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
H03 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
H0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
H1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
H23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
H4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
H45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
H47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
H67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
PUBLISHED_INCLUSION = [(0, 1, []), (0, 8, [H1, H23, H47]), (5, 8, [H4, H67, H03]), (2, 3, [H01]), (1, 5, [H0, H23, H4])]
PUBLISHED_CONSISTENCY = [(1, 1, []), (1, 8, [H1, H23, H47]), (6, 8, [H45, H67, H03]), (2, 5, [H23, H4])]

SIZES = st.integers(0, 64) | st.integers(65, 400)


def leaves_of(size):
    return [leaf_hash(str(number).encode()) for number in range(size)]


def defined_root(leaves):
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


def test_the_empty_tree_has_the_published_root():
    assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_each_published_tree_has_its_published_root(size):
    assert root(PUBLISHED_LEAVES[:size]).hex() == PUBLISHED_ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "proof"), PUBLISHED_INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index, size, proof):
    made = inclusion_proof(index, PUBLISHED_LEAVES[:size])
    assert [part.hex() for part in made] == proof
    assert verify_inclusion(PUBLISHED_LEAVES[index], index, size, made, bytes.fromhex(PUBLISHED_ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "size", "proof"), PUBLISHED_CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old, size, proof):
    made = consistency_proof(old, PUBLISHED_LEAVES[:size])
    assert [part.hex() for part in made] == proof
    roots = [bytes.fromhex(PUBLISHED_ROOTS[at - 1]) for at in (old, size)]
    assert verify_consistency(old, size, made, *roots)


@pytest.mark.parametrize("size", range(65))
def test_in_every_tree_up_to_64_each_leaf_and_each_earlier_size_is_proven(size):
    leaves = leaves_of(size)
    whole = defined_root(leaves)
    assert root(leaves) == whole
    for index in range(size):
        assert verify_inclusion(leaves[index], index, size, inclusion_proof(index, leaves), whole)
    for old in range(size + 1):
        assert verify_consistency(old, size, consistency_proof(old, leaves), defined_root(leaves[:old]), whole)


@given(SIZES.filter(bool), st.data())
def test_a_proof_of_inclusion_holds_for_nothing_but_its_leaf_place_and_root(size, data):
    leaves = leaves_of(size)
    whole = root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, leaves)
    assert verify_inclusion(leaves[index], index, size, proof, whole)
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, whole)
    assert not verify_inclusion(leaves[index], index, size, proof, leaf_hash(b"other"))
    assert not verify_inclusion(leaves[index], index, size, [*proof, whole], whole)
    wrong = data.draw(st.integers(-1, size).filter(lambda other: other != index))
    assert not verify_inclusion(leaves[index], wrong, size, proof, whole)
    if proof:
        assert not verify_inclusion(leaves[index], index, size, proof[:-1], whole)
        spoiled = data.draw(st.integers(0, len(proof) - 1))
        proof[spoiled] = leaf_hash(proof[spoiled])
        assert not verify_inclusion(leaves[index], index, size, proof, whole)


@given(SIZES, st.data())
def test_a_proof_of_consistency_holds_only_when_nothing_old_was_changed(size, data):
    old = data.draw(st.integers(0, size))
    leaves = leaves_of(size)
    proof = consistency_proof(old, leaves)
    before, after = root(leaves[:old]), root(leaves)
    assert verify_consistency(old, size, proof, before, after)
    assert not verify_consistency(old, size, [*proof, after], before, after)
    assert not verify_consistency(size + 1, size, proof, before, after)
    if old:
        changed = data.draw(st.integers(0, old - 1))
        rewritten = [*leaves[:changed], leaf_hash(b"other"), *leaves[changed + 1 :]]
        assert not verify_consistency(old, size, consistency_proof(old, rewritten), before, root(rewritten))
    if proof:
        assert not verify_consistency(old, size, proof[:-1], before, after)
        assert not verify_consistency(old, size, [], before, after)
        spoiled = data.draw(st.integers(0, len(proof) - 1))
        proof[spoiled] = leaf_hash(proof[spoiled])
        assert not verify_consistency(old, size, proof, before, after)


@given(SIZES, SIZES)
def test_a_frontier_that_was_kept_and_taken_up_again_gives_the_same_root(before, after):
    leaves = leaves_of(before + after)
    kept = Frontier()
    for leaf in leaves[:before]:
        kept.append(leaf)
    assert kept.root() == defined_root(leaves[:before])
    taken_up = Frontier(kept.size, kept.peaks)
    for leaf in leaves[before:]:
        taken_up.append(leaf)
    assert taken_up.size == len(leaves)
    assert taken_up.root() == defined_root(leaves)
    assert len(taken_up.peaks) == len(leaves).bit_count()


def test_a_frontier_whose_peaks_do_not_fit_its_size_is_refused():
    for size, peaks in ((1, []), (2, [EMPTY_ROOT, EMPTY_ROOT]), (1, [b"short"]), (-1, [EMPTY_ROOT])):
        with pytest.raises(ValueError, match="peaks of 32 bytes"):
            Frontier(size, peaks)


def test_a_leaf_is_never_taken_for_a_node():
    left, right = leaves_of(2)
    assert leaf_hash(left + right) != node_hash(left, right)


def test_proofs_of_what_is_not_in_the_tree_are_refused():
    with pytest.raises(IndexError, match="leaf 3 is not in a tree of 3"):
        inclusion_proof(3, leaves_of(3))
    with pytest.raises(IndexError, match="no earlier size 4"):
        consistency_proof(4, leaves_of(3))
