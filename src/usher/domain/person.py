"""A person and the employments that decide whether the person still works here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EmploymentStatus(StrEnum):
    """What a source says of an employment."""

    PENDING = "pending"
    ACTIVE = "active"
    ON_LEAVE = "on leave"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


class Standing(StrEnum):
    """What all employments of one person say together."""

    WORKING = "working"
    ON_LEAVE = "on leave"
    NOT_STARTED = "not started"
    LEFT = "left"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Employment:
    """One contract of a person with a source.

    `ends` is the instant at which access must be off; the source's day has been turned into an instant
    already. `present` is False when the row was not in the last complete reading: that alone ends nothing.
    """

    source: str
    row_id: str
    status: EmploymentStatus
    starts: datetime | None = None
    ends: datetime | None = None
    said_at: datetime | None = None
    present: bool = True

    def ended(self, now: datetime) -> bool:
        """Say whether a positive signal ended it: a leave date that has come, or a status without a later date."""
        if self.ends is not None:
            return self.ends <= now
        return self.status is EmploymentStatus.TERMINATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A human being under an opaque id of ours; `attributes` are what sources say, as text."""

    id: str
    display_name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    employments: tuple[Employment, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)

    def standing(self, now: datetime) -> Standing:
        """Return the person's standing at an instant."""
        return standing(self.employments, now)

    @property
    def label(self) -> str:
        """How the person is called on screens."""
        names = " ".join(name for name in (self.given_name, self.family_name) if name)
        return self.display_name or names or self.id


def standing(employments: Iterable[Employment], now: datetime) -> Standing:
    """Judge all employments together: a person has left only when the last one has ended.

    Someone on leave has not left; someone without any employment is unknown, never a leaver.
    """
    known = tuple(employments)
    open_ones = [employment for employment in known if not employment.ended(now)]
    if not open_ones:
        return Standing.LEFT if known else Standing.UNKNOWN
    each = {_open_standing(employment, now) for employment in open_ones}
    order = (Standing.WORKING, Standing.ON_LEAVE, Standing.UNKNOWN, Standing.NOT_STARTED)
    return next(candidate for candidate in order if candidate in each)


def left_at(employments: Iterable[Employment], now: datetime) -> datetime | None:
    """Return when the last employment ended, or None when it has not or the source gives no time."""
    known = tuple(employments)
    if standing(known, now) is not Standing.LEFT:
        return None
    times = [employment.ends or employment.said_at for employment in known]
    return max((time for time in times if time is not None), default=None)


def leaves_at(employments: Iterable[Employment]) -> datetime | None:
    """Return when the last employment ends or ended; None while one of them names no end."""
    times = [
        employment.ends or (employment.said_at if employment.status is EmploymentStatus.TERMINATED else None)
        for employment in employments
    ]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _open_standing(employment: Employment, now: datetime) -> Standing:
    if employment.status is EmploymentStatus.UNKNOWN:
        return Standing.UNKNOWN
    if employment.status is EmploymentStatus.PENDING or (employment.starts is not None and employment.starts > now):
        return Standing.NOT_STARTED
    return Standing.ON_LEAVE if employment.status is EmploymentStatus.ON_LEAVE else Standing.WORKING
