"""Children that wait a few seconds for another job of the same connection: starting a browser is the dear part."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from usher.connectors.browser.job import IDLE_SECONDS


class Child(Protocol):
    """What is kept."""

    def is_alive(self) -> bool:
        """False once its process has ended."""

    def end(self) -> None:
        """End it and everything that it started."""


C = TypeVar("C", bound=Child)


class Kept(Generic[C]):
    """At most as many waiting children as there are slots that nobody uses; each ends after `seconds`, or with us."""

    def __init__(self, seconds: float = IDLE_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, C, threading.Timer]] = []
        atexit.register(self.end_all)

    def take(self, key: str) -> C | None:
        """A child that waits for jobs of this key; it is the caller's now."""
        while found := self._remove(lambda kept, child: kept == key):
            if found.is_alive():
                return found
            found.end()
        return None

    def keep(self, key: str, child: C) -> None:
        """Let a child wait for another job of this key."""
        timer = threading.Timer(self._seconds, self._end, (child,))
        timer.daemon = True
        with self._lock:
            self._waiting.append((key, child, timer))
        timer.start()

    def leave_at_most(self, count: int) -> None:
        """End those that have waited longest, until so many are left."""
        while len(self._waiting) > max(count, 0) and (oldest := self._remove(lambda kept, child: True)):
            oldest.end()

    def end_all(self) -> None:
        """End every child that waits."""
        self.leave_at_most(0)

    def _end(self, child: C) -> None:
        if self._remove(lambda kept, other: other is child):
            child.end()

    def _remove(self, wanted: Callable[[str, C], bool]) -> C | None:
        with self._lock:
            for place, (key, child, timer) in enumerate(self._waiting):
                if wanted(key, child):
                    del self._waiting[place]
                    timer.cancel()
                    return child
        return None
