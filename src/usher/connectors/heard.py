"""Heard: what time the apps' answers say it is, so that a wrong clock of this machine is noticed."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

KEPT = 20
RECENT_SECONDS = 900.0
ENOUGH = 3
"""Fewer recent answers than this say nothing."""


class Heard:
    """The Date headers of the newest answers (RFC 9110 section 6.6.1), against this machine's clock."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._offsets: dict[str, deque[tuple[float, float]]] = {}

    def hook(self, connection: str) -> Callable[[httpx2.Response], None]:
        """What a client of one connection calls with each response."""

        def note(response: httpx2.Response) -> None:
            # An answer out of a cache tells when it was made, not what time it is.
            if response.headers.get("age", "0").strip() == "0":
                self.note(connection, response.headers.get("date"))

        return note

    def note(self, connection: str, date: str | None) -> None:
        """Keep one answer's date; one that cannot be read says nothing."""
        try:
            said = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        with self._lock:
            kept = self._offsets.setdefault(connection, deque(maxlen=KEPT))
            kept.append((self._steady(), said - self._wall()))

    def offset(self) -> float | None:
        """Seconds by which the apps are ahead of this machine: the middle of each app's middle; None: too few answers.

        One app whose own clock is wrong does not outvote the others.
        """
        since = self._steady() - RECENT_SECONDS
        with self._lock:
            recent = [[offset for at, offset in kept if at >= since] for kept in self._offsets.values()]
        if sum(map(len, recent)) < ENOUGH:
            return None
        return statistics.median([statistics.median(one) for one in recent if one])
