"""A real ledger to tamper with, and the ways to tamper with it: each returns the two files of the changed export."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from usher.domain.clock import VirtualClock
from usher.domain.ids import IdFactory
from usher.domain.ledger.export import head_line, ledger_line
from usher.domain.ledger.head import Head, SignedHead, sign_head
from usher.domain.ledger.leaf import Detail, Leaf, new_salt, salted_digest
from usher.domain.ledger.tree import Frontier, leaf_hash
from usher.domain.signing import key_id, new_private_key, public_of

SIZE = 60
BATCH = 10
EXPORTED_SIZE = 50
"""The head after this many leaves left the building; what comes later is not protected yet."""


@dataclass
class Ledger:
    """Leaves with their details, and a signed head after each batch."""

    private: str = field(default_factory=new_private_key)
    entries: list[tuple[Leaf, Detail | None]] = field(default_factory=list)
    heads: list[SignedHead] = field(default_factory=list)

    @property
    def public(self):
        return public_of(self.private)

    @property
    def exported(self):
        return next(signed for signed in self.heads if signed.head.size == EXPORTED_SIZE)

    def indexed(self):
        return [(index, leaf) for index, (leaf, _) in enumerate(self.entries)]

    def details(self):
        return {index: detail for index, (_, detail) in enumerate(self.entries) if detail is not None}

    def files(self):
        return write(enumerate(self.entries)), b"".join(map(head_line, self.heads))


def write(numbered):
    """The ledger file of (index, (leaf, detail)) pairs."""
    return b"".join(ledger_line(index, leaf, detail) for index, (leaf, detail) in numbered)


def build(seed=1, size=SIZE, workspace="acme"):
    rng = random.Random(seed)
    clock = VirtualClock(datetime(2026, 3, 1, 8, tzinfo=UTC))
    ids = IdFactory(clock, rng.randbytes)
    ledger = Ledger()
    for number in range(size):
        clock.advance(timedelta(milliseconds=rng.randrange(900)))
        document = {"login": f"person{number}@example.test", "before": None, "after": {"role": "Manager – Vertrieb"}}
        detail = Detail(new_salt(rng.randbytes), document)
        things = (ids.new("acc"), ids.new("stp"))
        ledger.entries.append(
            (Leaf("account:entitlement:grant", clock.now(), workspace, things, detail.digest()), detail)
        )
    ledger.heads = sign_heads(ledger.entries, ledger.private, clock.now())
    return ledger


def sign_heads(entries, private, at, workspace="acme"):
    """A head after each batch, as the sequencer signs them."""
    frontier, heads = Frontier(), []
    for leaf, _ in entries:
        frontier.append(leaf_hash(leaf.leaf_bytes()))
        if frontier.size % BATCH == 0:
            root = frontier.root().hex()
            heads.append(sign_head(private, Head(workspace, frontier.size, root, at, key_id(public_of(private)))))
    return heads


def forged(rng, leaf, detail):
    """The event as its forger wants it: leaf and detail fit each other."""
    document = {**detail.document, "login": f"someone{rng.randrange(10**6)}@example.test"}
    return (
        Leaf(leaf.event, leaf.at, leaf.workspace, leaf.ids, salted_digest(detail.salt, document)),
        Detail(detail.salt, document),
    )


def lines_before_export(ledger):
    return ledger.files()[0].split(b"\n")[:EXPORTED_SIZE]


def flip_a_bit(ledger, rng):
    data, heads = ledger.files()
    where = rng.randrange(len(b"\n".join(lines_before_export(ledger))))
    return data[:where] + bytes([data[where] ^ 1 << rng.randrange(8)]) + data[where + 1 :], heads


def flip_a_bit_of_a_head(ledger, rng):
    data, heads = ledger.files()
    where = rng.randrange(len(heads) - 1)
    return data, heads[:where] + bytes([heads[where] ^ 1 << rng.randrange(8)]) + heads[where + 1 :]


def delete_a_leaf(ledger, rng):
    numbered = list(enumerate(ledger.entries))
    del numbered[rng.randrange(EXPORTED_SIZE)]
    return write(numbered), ledger.files()[1]


def delete_a_leaf_and_renumber(ledger, rng):
    entries = list(ledger.entries)
    del entries[rng.randrange(EXPORTED_SIZE)]
    return write(enumerate(entries)), ledger.files()[1]


def swap_two_leaves(ledger, rng):
    numbered = list(enumerate(ledger.entries))
    one, other = rng.sample(range(EXPORTED_SIZE), 2)
    numbered[one], numbered[other] = numbered[other], numbered[one]
    return write(numbered), ledger.files()[1]


def swap_two_leaves_and_renumber(ledger, rng):
    entries = list(ledger.entries)
    one, other = rng.sample(range(EXPORTED_SIZE), 2)
    entries[one], entries[other] = entries[other], entries[one]
    return write(enumerate(entries)), ledger.files()[1]


def swap_two_details(ledger, rng):
    entries = list(ledger.entries)
    one, other = rng.sample(range(EXPORTED_SIZE), 2)
    entries[one], entries[other] = (entries[one][0], entries[other][1]), (entries[other][0], entries[one][1])
    return write(enumerate(entries)), ledger.files()[1]


def change_a_detail(ledger, rng):
    entries = list(ledger.entries)
    at = rng.randrange(EXPORTED_SIZE)
    entries[at] = (entries[at][0], forged(rng, *entries[at])[1])
    return write(enumerate(entries)), ledger.files()[1]


def insert_a_leaf(ledger, rng):
    entries = list(ledger.entries)
    at = rng.randrange(EXPORTED_SIZE)
    entries.insert(at, forged(rng, *entries[at]))
    return write(enumerate(entries)), ledger.files()[1]


def cut_the_tail(ledger, rng):
    return write(enumerate(ledger.entries[: rng.randrange(EXPORTED_SIZE)])), ledger.files()[1]


def cut_the_tail_and_its_heads(ledger, rng):
    kept = rng.randrange(EXPORTED_SIZE)
    heads = [signed for signed in ledger.heads if signed.head.size <= kept]
    return write(enumerate(ledger.entries[:kept])), b"".join(map(head_line, heads))


def restore_an_old_backup(ledger, rng):
    """The store as it was right after an earlier head: nothing in it contradicts itself."""
    kept = rng.randrange(0, EXPORTED_SIZE, BATCH)
    heads = [signed for signed in ledger.heads if signed.head.size <= kept]
    return write(enumerate(ledger.entries[:kept])), b"".join(map(head_line, heads))


def rewrite(ledger, rng):
    since = rng.randrange(EXPORTED_SIZE)
    return [*ledger.entries[:since], *(forged(rng, *entry) for entry in ledger.entries[since:])]


def rewrite_from_k(ledger, rng):
    return write(enumerate(rewrite(ledger, rng))), ledger.files()[1]


def rewrite_from_k_without_heads(ledger, rng):
    return write(enumerate(rewrite(ledger, rng))), b""


def rewrite_from_k_and_sign_with_another_key(ledger, rng):
    entries = rewrite(ledger, rng)
    heads = sign_heads(entries, new_private_key(), entries[-1][0].at)
    return write(enumerate(entries)), b"".join(map(head_line, heads))


def fork_with_the_real_key(ledger, rng):
    """The holder of the key rewrites history and signs every head anew."""
    entries = rewrite(ledger, rng)
    heads = sign_heads(entries, ledger.private, entries[-1][0].at)
    return write(enumerate(entries)), b"".join(map(head_line, heads))


def reuse_the_salt_line_of_another_leaf(ledger, rng):
    data, heads = ledger.files()
    lines = data.split(b"\n")
    one, other = rng.sample(range(EXPORTED_SIZE), 2)
    salts = [json.loads(lines[at])["salt"].encode() for at in (one, other)]
    lines[one] = lines[one].replace(salts[0], salts[1])
    return b"\n".join(lines), heads


NEEDS_THE_EXPORTED_HEAD = (
    cut_the_tail_and_its_heads,
    restore_an_old_backup,
    rewrite_from_k_without_heads,
    fork_with_the_real_key,
)
"""Changes after which the store agrees with itself."""

MUTATIONS = (
    flip_a_bit,
    flip_a_bit_of_a_head,
    delete_a_leaf,
    delete_a_leaf_and_renumber,
    swap_two_leaves,
    swap_two_leaves_and_renumber,
    swap_two_details,
    change_a_detail,
    insert_a_leaf,
    cut_the_tail,
    *NEEDS_THE_EXPORTED_HEAD,
    rewrite_from_k,
    rewrite_from_k_and_sign_with_another_key,
    reuse_the_salt_line_of_another_leaf,
)
