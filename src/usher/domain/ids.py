"""Opaque identifiers that sort by the time they were made, so that no name or address ever serves as a key."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from usher.domain.clock import Clock

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that an id can be read aloud."""

BODY_LENGTH = 26
_RANDOM_BITS = 80
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = re.compile(r"[a-z]{2,12}")
_ID = re.compile(rf"([a-z]{{2,12}})_([0-7][{ALPHABET}]{{{BODY_LENGTH - 1}}})")


class BadId(ValueError):
    """The text is not an id, or the prefix is not one: correct the input."""


class IdFactory:
    """Makes ids in the ULID layout: 48 bits of milliseconds, then 80 random bits, strictly increasing.

    Within one millisecond, and while the clock stands behind the last id, the random part counts up; so ids
    of one factory never repeat and never go back. Safe to share between threads.
    """

    def __init__(self, clock: Clock, randomness: Callable[[int], bytes] = secrets.token_bytes) -> None:
        """`randomness(n)` returns n bytes; give `random.Random(seed).randbytes` for ids that repeat in a demo."""
        self._clock = clock
        self._randomness = randomness
        self._lock = threading.Lock()
        self._last = -1

    def new(self, prefix: str) -> str:
        """Return a new id such as `pln_01J9Z3...`: the prefix, `_` and 26 characters; `BadId` on a bad prefix."""
        if not _PREFIX.fullmatch(prefix):
            raise BadId(f"{prefix!r} is not a prefix; expected 2 to 12 small letters")
        with self._lock:
            milliseconds = (self._clock.now() - _EPOCH) // timedelta(milliseconds=1)
            if milliseconds > self._last >> _RANDOM_BITS:
                random_part = int.from_bytes(self._randomness(_RANDOM_BITS // 8), "big")
                self._last = milliseconds << _RANDOM_BITS | random_part
            else:
                self._last += 1
            return f"{prefix}_{_encode(self._last)}"


def is_id(text: str, prefix: str | None = None) -> bool:
    """Say whether the text is an id, and of the given prefix when one is given."""
    match = _ID.fullmatch(text)
    return match is not None and prefix in (None, match[1])


def made_at(text: str) -> datetime:
    """Return the instant (UTC, whole milliseconds) that an id carries; raises `BadId`."""
    match = _ID.fullmatch(text)
    if match is None:
        raise BadId(f"{text!r} is not an id; expected a prefix, '_' and {BODY_LENGTH} characters of base 32")
    number = 0
    for character in match[2]:
        number = number << 5 | ALPHABET.index(character)
    return _EPOCH + timedelta(milliseconds=number >> _RANDOM_BITS)


def _encode(number: int) -> str:
    return "".join(ALPHABET[number >> shift & 31] for shift in range(5 * (BODY_LENGTH - 1), -1, -5))
