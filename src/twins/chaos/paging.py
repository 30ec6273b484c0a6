"""Cut a listing into pages, rightly or in one of the wrong ways that apps are known for."""

from dataclasses import dataclass
from typing import Any

from twins.chaos.weather import Strikes, chance


@dataclass(frozen=True, slots=True)
class Cut:
    """One page: its rows, the offset that it claims (from 0) and the total that it claims."""

    rows: list[dict[str, Any]]
    offset: int
    total: int


def cut(rows: list[dict[str, Any]], offset: int, limit: int, strikes: Strikes) -> Cut:
    """Return the page of at most `limit` rows from `offset`, spoilt by the paging faults that strike."""
    if "shuffled_pages" in strikes:
        rows = sorted(rows, key=lambda row: chance(strikes.token, "order", row["id"]))
    if "repeated_cursor" in strikes:
        offset = 0
    if "short_pages" in strikes and limit > 1:
        limit = limit // 2
    page = rows[offset : offset + limit]
    total = len(rows)
    if "wrong_total" in strikes:
        # The size of the page is the mistake seen in the field; a page that holds all needs another to be wrong.
        total = len(page) if len(page) < total else total + 3
    return Cut(page, offset, total)
