"""Reads a moment as a person writes it, in a zone: a day ends when it ends there, and clocks that change are said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from usher.domain.clock import as_instant
from usher.domain.signals import end_of_day

EXPECTED = "2026-03-09, 2026-03-09 17:00, or 2026-03-09 17:00 Europe/Berlin"
_WRITTEN = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ]\s*(?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?"
    r"\s*(?P<offset>Z|[+-]\d{2}:\d{2})?"
    r"(?:\s+(?P<zone>[A-Za-z][A-Za-z0-9_+\-/]*))?",
    re.ASCII,
)
_FIRST, _LAST = date(1970, 1, 2), date(9998, 12, 30)


class BadMoment(ValueError):
    """The text names no moment: its message completes the sentence "--at: ..."."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instant (UTC) with the zone in which people said it. `notes` say what was taken for granted."""

    instant: datetime
    zone: str
    notes: tuple[str, ...] = ()


def is_zone(name: str) -> bool:
    """Say whether a text names a time zone such as Europe/Berlin."""
    if name in ("localtime", "posixrules", "Factory"):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def read_moment(text: str, zone: str) -> Moment:
    """Read a day or a local time; without a zone it is meant in `zone`.

    A day without a time is over at its end. A time that the clocks skip is refused with its neighbours; of a time that
    comes twice the first is taken, and said. Raises BadMoment.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise BadMoment(f"expected {EXPECTED}, got {text!r}")
    if match["zone"] and match["offset"]:
        raise BadMoment(f"expected a zone or an offset, got both: {text!r}")
    name = match["zone"] or zone
    if not is_zone(name):
        raise BadMoment(f"expected a time zone such as Europe/Berlin, got {name!r}")
    day = _day(match["day"])
    if match["time"] is None:
        if match["offset"]:
            raise BadMoment(f"a day has no offset; expected {EXPECTED}, got {text!r}")
        note = f"{day} without a time is over at its end in {name}"
        return Moment(instant=end_of_day(day, name), zone=name, notes=(note,))
    local = _local(match["day"], match["time"])
    if match["offset"]:
        return Moment(instant=as_instant(local.replace(tzinfo=_offset(match["offset"]))), zone=name)
    return _in_zone(local, name, said=match["zone"] is not None)


def _in_zone(local: datetime, name: str, *, said: bool) -> Moment:
    first = local.replace(tzinfo=ZoneInfo(name), fold=0)
    second = first.replace(fold=1)
    notes = [] if said else [f"the time is meant in {name}"]
    before, after = first.utcoffset() or timedelta(0), second.utcoffset() or timedelta(0)
    if before < after:
        change = _change(second.astimezone(UTC), first.astimezone(UTC), ZoneInfo(name))
        last = (change - timedelta(minutes=1)).astimezone(ZoneInfo(name))
        next_ = change.astimezone(ZoneInfo(name))
        raise BadMoment(
            f"{local:%Y-%m-%d %H:%M} does not exist in {name}: the clocks are put forward; "
            f"the last minute before is {last:%Y-%m-%d %H:%M}, the first after is {next_:%Y-%m-%d %H:%M}"
        )
    if before > after:
        notes.append(
            f"{local:%Y-%m-%d %H:%M} comes twice in {name}: the first is taken ({_written(before)}); "
            f"for the second write {local:%Y-%m-%d %H:%M}{_written(after)}"
        )
    return Moment(instant=as_instant(first), zone=name, notes=tuple(notes))


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the offset changes between two instants, to the second."""
    old = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high


def in_words(instant: datetime, zone: str) -> str:
    """An instant as the people of a zone read it, with the zone: `2026-03-09 17:00 Europe/Berlin`."""
    local = instant.astimezone(ZoneInfo(zone) if is_zone(zone) else UTC)
    form = "%Y-%m-%d %H:%M" if local.second == 0 else "%Y-%m-%d %H:%M:%S"
    return f"{local.strftime(form)} {zone if is_zone(zone) else 'UTC'}"


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadMoment(f"there is no day {text}; expected {EXPECTED}") from None
    if not _FIRST <= day <= _LAST:
        raise BadMoment(f"expected a day between {_FIRST} and {_LAST}, got {text}")
    return day


def _local(day: str, time: str) -> datetime:
    _day(day)
    try:
        return datetime.fromisoformat(f"{day}T{time}")
    except ValueError:
        raise BadMoment(f"there is no time {time}; expected {EXPECTED}") from None


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59:
        raise BadMoment(f"expected an offset such as +01:00, got {text!r}")
    return timezone((1 if text[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))


def _written(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
