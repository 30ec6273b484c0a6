"""The budget of one connection: calls are spread evenly, urgent ones first, and an app that asks for rest gets it."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from usher.connectors.errors import Transient

LONGEST_WAIT = 5.0
"""Seconds of rest that a call sits out; for a longer one it is not made, and whoever wanted it comes back later."""


class Budget:
    """At most `per_minute` calls a minute (None: as many as are wanted); `wait` blocks until the next one is due."""

    def __init__(self, per_minute: int | None, sleep: Callable[[float], None] | None = None) -> None:
        """`sleep` replaces the waiting, for tests."""
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._rest_until = 0.0
        self._line: list[tuple[int, int]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._sleep = sleep

    def wait(self, *, urgent: bool = False) -> None:
        """Stand in line, urgent calls before all others, until a call is due.

        Raises Transient, with nothing sent, where the app has asked for more rest than a call sits out.
        """
        with self._changed:
            place = (0 if urgent else 1, next(self._numbers))
            heapq.heappush(self._line, place)
            try:
                self._until_due(place)
            finally:
                self._line.remove(place)
                heapq.heapify(self._line)
                self._changed.notify_all()

    def _until_due(self, place: tuple[int, int]) -> None:
        while True:
            now = time.monotonic()
            if self._rest_until - now > LONGEST_WAIT:
                left = self._rest_until - now
                raise Transient(f"the app asked not to be called for another {left:.0f} s", retry_after=left)
            at = max(self._next, self._rest_until)
            if self._sleep is not None:
                if at > now:
                    self._sleep(at - now)
                self._next = max(now, at) + self._gap
                return
            first = self._line[0] == place
            if first and at <= now:
                self._next = now + self._gap
                return
            self._changed.wait(at - now if first else None)

    def rest(self, seconds: float) -> None:
        """The app asks for rest: no call begins before it is over (RFC 9110 section 10.2.3)."""
        with self._changed:
            self._rest_until = max(self._rest_until, time.monotonic() + seconds)
            self._changed.notify_all()

    def resting(self) -> float:
        """Seconds of rest that are left, 0 where none is."""
        return max(0.0, self._rest_until - time.monotonic())
