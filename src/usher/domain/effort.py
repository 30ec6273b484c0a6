"""Effort: how much of people's time their acts tell of, at least."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

SAME_SITTING = timedelta(minutes=10)
"""Acts no further apart than this are one sitting, and the time between them was work."""
LONE_ACT = timedelta(minutes=1)
"""What the last act of a sitting counts for."""


def minutes_of(acts: Iterable[datetime]) -> int:
    """Minutes from the first to the last act of each sitting, and one more each, in all; 0 without any act."""
    total, before = timedelta(), None
    for act in sorted(acts):
        if before is None or act - before > SAME_SITTING:
            total += LONE_ACT
        else:
            total += act - before
        before = act
    return round(total / timedelta(minutes=1))
