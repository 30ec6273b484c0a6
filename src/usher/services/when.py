"""When: at which instant a plan shall begin, from what a person typed or from the day that the source says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from usher.domain.clock import to_text
from usher.domain.moments import BadMoment, Moment, in_words, is_zone, read_moment
from usher.domain.person import Person, Standing, leaves_at
from usher.domain.plan import PlanKind
from usher.services.workspace import Workspace

NOW = "now"
ZONE_COLUMNS = ("time_zone", "timezone")
"""Attributes of a person that name a time zone; the second is SCIM's own (RFC 7643 section 4.1.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a plan shall be carried out, as its requester says it; `at` is the text that he typed."""

    at: str | None = None
    urgent: bool = False
    confidential: bool = False
    emergency: bool = False


AS_USUAL = How()


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The instant (stored text) at which a plan begins and the zone it was said in; None: once it is approved."""

    act_at: str | None = None
    zone: str | None = None
    notes: tuple[str, ...] = ()


def zone_of(workspace: Workspace, row: Mapping[str, str]) -> str:
    """The zone in which a person works: what the source's row says, else the company's."""
    said = said_zone(row)
    return said if said and is_zone(said) else workspace.zone


def said_zone(row: Mapping[str, str]) -> str | None:
    """What a source's row holds as time zone, readable or not."""
    return next((text for name in ZONE_COLUMNS if (text := row.get(name, "").strip())), None)


def when(workspace: Workspace, person: Person, kind: PlanKind, how: How) -> When:
    """The instant at which a plan begins; BadMoment where what was typed names none, or one that is past.

    A leaver whose source names a day to come leaves then, unless something else was typed.
    """
    zone = zone_of(workspace, person.attributes)
    said = said_zone(person.attributes)
    unread = () if said in (None, zone) else (f"the source's time zone {said!r} cannot be read; {zone} is taken",)
    if how.at is not None and how.at.strip().casefold() != NOW:
        return _typed(workspace, read_moment(how.at, zone), unread)
    if how.at is None and kind is PlanKind.LEAVE and not how.emergency:
        return _from_source(workspace, person, zone, unread)
    return When()


def _typed(workspace: Workspace, moment: Moment, unread: tuple[str, ...]) -> When:
    if moment.instant <= workspace.clock.now():
        raise BadMoment(
            f"{in_words(moment.instant, moment.zone)} is past; leave --at out, or give --at now, to begin once approved"
        )
    begins = f"begins at {in_words(moment.instant, moment.zone)} ({to_text(moment.instant)})"
    return When(act_at=to_text(moment.instant), zone=moment.zone, notes=(begins, *moment.notes, *unread))


def _from_source(workspace: Workspace, person: Person, zone: str, unread: tuple[str, ...]) -> When:
    leaves = leaves_at(person.employments)
    if leaves is None or leaves <= workspace.clock.now() or person.standing(workspace.clock.now()) is Standing.LEFT:
        return When()
    begins = f"begins at {in_words(leaves, zone)} ({to_text(leaves)}), when the source says the last employment ends"
    return When(act_at=to_text(leaves), zone=zone, notes=(begins, "to begin once approved instead: --at now", *unread))
