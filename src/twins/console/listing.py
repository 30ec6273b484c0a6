"""Turn all users into the page of the list that a person asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from twins.console.directory import Status, User
from twins.console.settings import PAGE_SIZE

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UNITS = ((365 * _DAY, "year"), (30 * _DAY, "month"), (_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person asked the list for."""

    search: str = ""
    status: str = ""
    page: int = 1
    descending: bool = False

    def query(self) -> str:
        """Return the question as a query string, so that a change comes back to the same page."""
        parts = {
            "q": self.search,
            "status": self.status,
            "page": str(self.page) if self.page > 1 else "",
            "sort": "desc" if self.descending else "",
        }
        return urlencode({key: value for key, value in parts.items() if value})


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """One page of the list; `first` and `last` count from 1 and are 0 when nothing matches."""

    rows: tuple[User, ...]
    number: int
    pages: int
    total: int
    first: int
    last: int


def answer(question: Question, users: Iterable[User], *, hide_deactivated: bool = False) -> ListPage:
    """Return the page that was asked for, or the last one when the list is shorter."""
    words = question.search.casefold().split()
    matching = [
        user
        for user in users
        if all(word in f"{user.name} {user.email}".casefold() for word in words)
        and (not question.status or user.status == question.status)
        and not (hide_deactivated and not question.status and user.status is Status.DEACTIVATED)
    ]
    matching.sort(
        key=lambda user: (user.last_name.casefold(), user.first_name.casefold(), user.email),
        reverse=question.descending,
    )
    pages = max(1, -(-len(matching) // PAGE_SIZE))
    number = min(max(1, question.page), pages)
    start = (number - 1) * PAGE_SIZE
    rows = tuple(matching[start : start + PAGE_SIZE])
    first = start + 1 if rows else 0
    return ListPage(rows=rows, number=number, pages=pages, total=len(matching), first=first, last=start + len(rows))


def relative(moment: datetime | None, now: datetime) -> str:
    """Return an instant as consoles write it: `Never`, `Just now`, `3 days ago`."""
    if moment is None:
        return "Never"
    seconds = (now - moment).total_seconds()
    for size, unit in _UNITS:
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "Just now"
