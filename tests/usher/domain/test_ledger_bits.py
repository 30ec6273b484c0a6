"""No single bit of an export can be flipped unseen: each one is tried, not a sample."""

import copy
import functools

import pytest
from tests.usher.domain.ledger_tampering import BATCH, build

from usher.domain.ledger import standalone
from usher.domain.ledger.export import verify_export


@pytest.fixture(autouse=True)
def _the_same_signature_is_judged_once(monkeypatch):
    """The verifier without packages takes milliseconds for a signature, and most heads are the same in every try."""
    monkeypatch.setattr(standalone, "ed25519_verify", functools.cache(standalone.ed25519_verify))


@pytest.fixture(scope="module")
def ledger():
    return build(size=BATCH)


def flips(data, start, end, bits=range(8)):
    for where in range(start, end):
        for bit in bits:
            yield (where, bit), data[:where] + bytes([data[where] ^ 1 << bit]) + data[where + 1 :]


def test_every_bit_of_a_leaf_and_its_detail_counts(ledger):
    data, heads = ledger.files()
    last_line = data.rindex(b"\n", 0, -1) + 1
    reader = standalone.Checker(ledger.public)
    reader.read_head(heads.removesuffix(b"\n"), "head", exported=False)
    unseen = []
    for flipped, changed in flips(data, last_line, len(data)):
        if verify_export(changed, heads, ledger.public).ok:
            unseen.append((flipped, "ours"))
        alone = copy.copy(reader)
        alone.reasons = []
        alone.read_leaves(standalone.lines_of(changed))
        if not alone.reasons:
            unseen.append((flipped, "alone"))
    assert unseen == []


def test_every_bit_of_a_head_counts(ledger):
    data, heads = ledger.files()
    unseen = []
    for flipped, changed in flips(heads, 0, len(heads)):
        if verify_export(data, changed, ledger.public).ok:
            unseen.append((flipped, "ours"))
        reader = standalone.Checker(ledger.public)
        reader.read_head(changed.removesuffix(b"\n"), "head", exported=False)
        if not reader.reasons:
            unseen.append((flipped, "alone"))
    assert unseen == []
