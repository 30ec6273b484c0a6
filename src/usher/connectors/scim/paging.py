"""Follow a SCIM listing to its true end, although servers are wrong about totals, page sizes and start indexes.

A listing ends where a page beyond the claimed total brings nothing new. One request more than the total asks for is the
price of never taking half a listing for a whole one. A listing that ends before its claimed total is not whole, however
often the server says that nothing follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from usher.connectors.contract import RepeatedCursor
from usher.connectors.errors import AccessLost
from usher.connectors.scim.paths import as_text, get_key


class EndedEarly(RepeatedCursor):
    """A listing ended with fewer rows than the server itself counts: what it gave is not the whole."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page as the server answered it; `total` is None where it gave no number."""

    rows: tuple[Mapping[str, Any], ...]
    total: int | None


@dataclass(slots=True)
class Listing:
    """What one listing has seen so far."""

    seen: set[str] = field(default_factory=set)
    claimed: int | None = None
    asked_again: bool = False
    fewest: int | None = None
    """The smallest total that any of its pages claimed: accounts may go while it is read."""
    trust_total: bool = True
    """False for a server that is known to count more than it lists."""

    def beyond(self, start: int) -> bool:
        """Tell whether the server has said that nothing comes from this index on."""
        return self.claimed is not None and start > self.claimed

    def take(self, page: ListPage, start: int) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        """Return the rows to use and the next start index, None at the end; raises RepeatedCursor or EndedEarly."""
        if page.total is not None:
            self.fewest = page.total if self.fewest is None else min(self.fewest, page.total)
        rows, following = self._next(page, start)
        if following is None:
            self.end()
        return rows, following

    def end(self) -> None:
        """Make sure at the end that it is whole; raises EndedEarly."""
        if self.trust_total and self.fewest is not None and len(self.seen) < self.fewest:
            raise EndedEarly(
                f"the server counts {self.fewest} and listed {len(self.seen)} (total: ignored, if it always overstates)"
            )

    def _next(self, page: ListPage, start: int) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        ids = [row_id(row) for row in page.rows]
        if not ids:
            return (), self._after_nothing(page, start)
        if start > 1 and self.seen.issuperset(ids) and (self.beyond(start) or self._is_everything(page, ids)):
            return (), None  # a server that knows no paging, or shows its last page again, has shown everything
        if repeated := self._repeated(ids):
            raise RepeatedCursor(f"{repeated!r} came twice in one listing (from index {start})")
        self.seen.update(ids)
        self.claimed = page.total
        return page.rows, start + len(ids)

    def _after_nothing(self, page: ListPage, start: int) -> int | None:
        # An empty page below the claimed total may be a stumble: it is believed when it comes a second time.
        if self.beyond(start) or self.asked_again or (self.claimed is None and not page.total):
            return None
        if self.claimed is None and page.total is not None and page.total < start:
            return None
        self.asked_again = True
        return start

    def _is_everything(self, page: ListPage, ids: list[str]) -> bool:
        return page.total is None and len(ids) == len(self.seen)

    def _repeated(self, ids: list[str]) -> str | None:
        here: set[str] = set()
        for one in ids:
            if one in self.seen or one in here:
                return one
            here.add(one)
        return None


def row_id(row: Mapping[str, Any]) -> str:
    """Return a row's id; AccessLost where it has none."""
    found = as_text(get_key(row, "id"))
    if not found:
        raise AccessLost("a row without an id was listed: this is not SCIM")
    return found


def list_page(content: Mapping[str, Any], what: str) -> ListPage:
    """Read a ListResponse (RFC 7644 section 3.4.2); AccessLost where it is not one."""
    resources, total = get_key(content, "Resources"), get_key(content, "totalResults")
    if resources is None and total is None:
        raise AccessLost(f"{what} answered something that is not a SCIM list")
    if not isinstance(resources or [], list) or not all(isinstance(row, dict) for row in resources or []):
        raise AccessLost(f"{what} answered a list whose rows are not records")
    number = as_text(total)
    return ListPage(tuple(resources or ()), int(number) if number.isdigit() else None)
