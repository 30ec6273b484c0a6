"""How fast the ledger takes events in, beside its floor: SHA-256 of the same bytes.

    python -m benchmarks.ledger [--events 20000] [--batch 100]

Prints events a second for each part and the ratio to the floor, all measured in one run on one thread:
  floor    one SHA-256 over the bytes of each leaf and its detail
  tree     leaf hash and frontier, bytes given
  append   all of it: salt, detail digest, leaf, canonical bytes, frontier, and a signed head each batch
  verify   our verifier over the result, with every detail
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from usher.domain.canonical import canonical
from usher.domain.clock import SystemClock
from usher.domain.ids import IdFactory
from usher.domain.ledger.head import Head, SignedHead, sign_head
from usher.domain.ledger.leaf import Detail, Leaf, new_salt
from usher.domain.ledger.tree import Frontier, leaf_hash
from usher.domain.ledger.verify import verify
from usher.domain.signing import key_id, new_private_key, public_of

DETAIL = {
    "app": "clari",
    "login": "ada@example.test",
    "before": None,
    "after": {"role": "Manager", "modules": ["a", "b"]},
}


def append_all(events: int, batch: int, private: str) -> tuple[list[Leaf], list[Detail], list[SignedHead]]:
    """Append events as the sequencer does, signing a head after each batch."""
    ids, frontier = IdFactory(SystemClock()), Frontier()
    signer = key_id(public_of(private))
    leaves, details, heads = [], [], []
    for number in range(1, events + 1):
        detail = Detail(new_salt(), DETAIL)
        at = datetime.now(UTC)
        leaf = Leaf("account:entitlement:grant", at, "acme", (ids.new("acc"), ids.new("stp")), detail.digest())
        frontier.append(leaf_hash(leaf.leaf_bytes()))
        if number % batch == 0 or number == events:
            heads.append(sign_head(private, Head("acme", frontier.size, frontier.root().hex(), at, signer)))
        leaves.append(leaf)
        details.append(detail)
    return leaves, details, heads


def hash_all(pairs: list[tuple[bytes, bytes]]) -> None:
    """Do the least that any tamper-evident record must do."""
    for leaf, detail in pairs:
        hashlib.sha256(leaf + detail).digest()


def grow(pairs: list[tuple[bytes, bytes]]) -> None:
    """Grow the tree alone."""
    frontier = Frontier()
    for leaf, _ in pairs:
        frontier.append(leaf_hash(leaf))


def timed(work: Callable[[], object]) -> float:
    """Return the best of three runs, in seconds: the machine may be busy with other things."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=100)
    given = parser.parse_args()
    private = new_private_key()
    leaves, details, heads = append_all(given.events, given.batch, private)
    pairs = [(leaf.leaf_bytes(), canonical(detail.document)) for leaf, detail in zip(leaves, details, strict=True)]
    report = verify(enumerate(leaves), dict(enumerate(details)), heads, public_of(private), heads[-1:])
    if not report.ok or report.anchored != given.events:
        raise SystemExit(f"the measured ledger does not verify: {report.verdict()}")
    rows = {
        "floor": timed(lambda: hash_all(pairs)),
        "tree": timed(lambda: grow(pairs)),
        "append": timed(lambda: append_all(given.events, given.batch, private)),
        "verify": timed(lambda: verify(enumerate(leaves), dict(enumerate(details)), heads, public_of(private))),
    }
    size = sum(len(leaf) + len(detail) for leaf, detail in pairs) // given.events
    print(f"{given.events} events of {size} bytes, a signed head each {given.batch}")
    for name, seconds in rows.items():
        print(f"{name:7} {given.events / seconds:12,.0f} events/s   {seconds / rows['floor']:8.1f} x floor")


if __name__ == "__main__":
    main()
