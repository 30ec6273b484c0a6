"""usher's record: a Merkle tree that only grows, with signed heads, so that no change to it goes unseen."""
