"""The one way to learn the time, so that every rule about time can be tried at any hour of any day."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Protocol

_TEXT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z", re.ASCII)


class BadInstant(ValueError):
    """The text or datetime is not an instant: give an aware datetime, or `YYYY-MM-DDTHH:MM:SS.mmmZ`."""


class Clock(Protocol):
    """Tells the time. Pass it in; never call `datetime.now` in a rule."""

    def now(self) -> datetime:
        """Return the present instant: aware, UTC, whole milliseconds."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the present instant: aware, UTC, whole milliseconds."""
        return as_instant(datetime.now(UTC))


class VirtualClock:
    """A clock that moves only when it is told to; safe to share between threads."""

    def __init__(self, start: datetime) -> None:
        self._now = _utc(start)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the instant the clock stands at: aware, UTC, whole milliseconds."""
        with self._lock:
            return as_instant(self._now)

    def set(self, instant: datetime) -> None:
        """Put the clock to an instant, also to an earlier one: real clocks jump back too."""
        moved = _utc(instant)
        with self._lock:
            self._now = moved

    def advance(self, by: timedelta) -> datetime:
        """Move the clock and return the new instant."""
        with self._lock:
            self._now += by
            return as_instant(self._now)


def as_instant(moment: datetime) -> datetime:
    """Return the moment in UTC, cut (not rounded) to whole milliseconds; `BadInstant` without a zone."""
    utc = _utc(moment)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def to_text(moment: datetime) -> str:
    """Write an instant as `YYYY-MM-DDTHH:MM:SS.mmmZ`; such texts sort in the order of time."""
    return as_instant(moment).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def from_text(text: str) -> datetime:
    """Read what `to_text` writes, and nothing else; raises `BadInstant`."""
    if not _TEXT.fullmatch(text):
        raise BadInstant(f"{text!r} is not an instant; expected YYYY-MM-DDTHH:MM:SS.mmmZ")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInstant(f"{text!r} is not an instant: {error}") from error


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise BadInstant(f"{moment.isoformat()} has no time zone; expected an aware datetime")
    return moment.astimezone(UTC)
