"""Turns a change of a source's row into a joiner, mover or leaver signal: once, and with its three times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from usher.domain.canonical import digest
from usher.domain.clock import as_instant, to_text
from usher.domain.person import EmploymentStatus


class SignalKind(StrEnum):
    """The three lifecycle events, and the withdrawal of a leave that was announced."""

    JOINER = "joiner"
    MOVER = "mover"
    LEAVER = "leaver"
    STAYS = "leave withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One employment as its source says it now; `starts` and `ends` are instants already (see `end_of_day`)."""

    source: str
    row_id: str
    status: EmploymentStatus
    starts: datetime | None = None
    ends: datetime | None = None
    said_at: datetime | None = None
    """When the source says that it changed the row; None where it does not say."""
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    doubtful: bool = False
    """True where the row names a day that cannot be read: it says no beginning then, and takes no ending back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A lifecycle event of one employment.

    `true_at` is when it is or will be true, `said_at` when the source said it, `seen_at` when we saw it. A signal
    that is not due yet (a leave date to come) is planned for and not acted on before `true_at`. `key` is the
    same for the same statement, so that a reading that is repeated says nothing new.
    """

    kind: SignalKind
    source: str
    row_id: str
    true_at: datetime
    said_at: datetime | None
    seen_at: datetime
    due: bool
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """Return a stable name of what was said; a moved leave date is a new statement."""
        said = [self.source, self.row_id, self.kind.value, to_text(self.true_at),
                {name: list(pair) for name, pair in sorted(self.changes.items())}]  # fmt: skip
        return digest("usher.signal/1", said)


def start_of_day(day: date, zone: str) -> datetime:
    """Return the instant (UTC) at which a day begins in a zone."""
    return as_instant(datetime.combine(day, time(), ZoneInfo(zone)))


def end_of_day(day: date, zone: str) -> datetime:
    """Return the instant (UTC) at which a day is over in a zone: a last day without a time ends there."""
    return start_of_day(day + timedelta(days=1), zone)


def signals(
    previous: SourceRow | None,
    current: SourceRow | None,
    now: datetime,
    *,
    watched: frozenset[str] | None = None,
    first_reading: bool = False,
) -> tuple[Signal, ...]:
    """Return what the change from `previous` to `current` says.

    `previous` is the row as last seen, also when it was absent in between; `current` None means that it is
    absent now, which says nothing. `watched` names the attributes whose change makes a mover (None: all).
    In the first reading of a source only what is still to come is news.
    """
    if current is None:
        return ()
    news = _lifecycle(previous, current, now) or _moves(previous, current, now, watched)
    return tuple(signal for signal in news if not (first_reading and signal.due))


def _lifecycle(previous: SourceRow | None, current: SourceRow, now: datetime) -> tuple[Signal, ...]:
    leaves, left = _leaves_at(current, now), _leaves_at(previous, now) if previous else None
    if leaves is not None:
        already = previous is not None and left is not None and _same_leave(previous, current)
        return () if already else (_signal(SignalKind.LEAVER, current, leaves, now),)
    if current.doubtful:
        return ()
    if previous is None:
        return (_signal(SignalKind.JOINER, current, current.starts or current.said_at or now, now),)
    if left is not None:
        over = left <= now
        kind = SignalKind.JOINER if over else SignalKind.STAYS
        since = current.starts if over and current.starts != previous.starts else None
        return (_signal(kind, current, since or current.said_at or now, now),)
    news = previous.doubtful or current.starts != previous.starts
    moved = news and current.starts is not None and current.starts > now
    begun = previous.status is EmploymentStatus.PENDING and current.status is EmploymentStatus.ACTIVE
    if moved or begun:
        return (_signal(SignalKind.JOINER, current, current.starts or current.said_at or now, now),)
    return ()


def _moves(
    previous: SourceRow | None, current: SourceRow, now: datetime, watched: frozenset[str] | None
) -> tuple[Signal, ...]:
    if previous is None or _leaves_at(current, now) not in (None, current.ends):
        return ()
    if current.ends is not None and current.ends <= now:
        return ()
    names = sorted(previous.attributes.keys() | current.attributes.keys())
    changes = {
        name: (previous.attributes.get(name, ""), current.attributes.get(name, ""))
        for name in names
        if (watched is None or name in watched)
        and previous.attributes.get(name, "") != current.attributes.get(name, "")
    }
    doubtful = previous.doubtful or current.doubtful
    if (
        previous.status is not current.status
        and not doubtful
        and EmploymentStatus.ON_LEAVE in (previous.status, current.status)
    ):
        changes["status"] = (previous.status.value, current.status.value)
    return (_signal(SignalKind.MOVER, current, current.said_at or now, now, changes),) if changes else ()


def _leaves_at(row: SourceRow, now: datetime) -> datetime | None:
    """Return when the row says the employment ends; a terminated row without a date ended when that was said."""
    if row.ends is not None:
        return row.ends
    return (row.said_at or now) if row.status is EmploymentStatus.TERMINATED else None


def _same_leave(previous: SourceRow, current: SourceRow) -> bool:
    """Say whether both rows announce one leave; a status that follows its date is no news."""
    if previous.ends is not None or current.ends is not None:
        return previous.ends == current.ends
    return True


def _signal(
    kind: SignalKind,
    row: SourceRow,
    true_at: datetime,
    now: datetime,
    changes: Mapping[str, tuple[str, str]] | None = None,
) -> Signal:
    return Signal(kind=kind, source=row.source, row_id=row.row_id, true_at=true_at, said_at=row.said_at,
                  seen_at=now, due=true_at <= now, changes=changes or {})  # fmt: skip
