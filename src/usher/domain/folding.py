"""The one way to compare names and addresses that people typed in different systems."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


def fold(text: str) -> str:
    """Return the text for comparison: NFKC, casefold, no space around it, single spaces inside."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def fold_address(text: str) -> str | None:
    """Return the folded address, or None when the text is not one; plus-addresses are kept as they are."""
    folded = fold(text)
    return folded if _ADDRESS.fullmatch(folded) else None


def same_letters(one: str, other: str) -> bool:
    """Say whether two texts differ by letter case and Unicode form only.

    Casefold alone also equates spellings that can be two mailboxes, such as `strasse` and `straße`.
    """
    return _plain(one) == _plain(other)


def without_plus(address: str) -> str:
    """Return the address without its `+tag`: a hint for a person, never the same address."""
    local, _, host = address.rpartition("@")
    return f"{local.partition('+')[0]}@{host}"


@lru_cache(maxsize=100_000)
def name_words(*names: str | None) -> frozenset[str]:
    """Return the folded words of names without accents, so that `José Núñez` and `Jose Nunez` agree."""
    folded = " ".join(fold(name) for name in names if name)
    bare = (
        folded
        if folded.isascii()
        else "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
    )
    return frozenset(word for word in re.split(r"[\W_]+", bare) if word)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().lower()
