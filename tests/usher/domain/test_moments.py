"""What a person means by a day or a time, in forty zones and on the days on which their clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from usher.domain.moments import BadMoment, in_words, read_moment

ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/Johannesburg", "Africa/Lagos", "Africa/Nairobi",
    "America/Anchorage", "America/Argentina/Buenos_Aires", "America/Asuncion", "America/Bogota", "America/Chicago",
    "America/Denver", "America/Halifax", "America/Havana", "America/Los_Angeles", "America/Mexico_City",
    "America/New_York", "America/Nuuk", "America/Santiago", "America/Sao_Paulo", "America/St_Johns",
    "Asia/Beirut", "Asia/Dubai", "Asia/Hong_Kong", "Asia/Jerusalem", "Asia/Kathmandu",
    "Asia/Kolkata", "Asia/Shanghai", "Asia/Singapore", "Asia/Tehran", "Asia/Tokyo",
    "Atlantic/Azores", "Australia/Adelaide", "Australia/Lord_Howe", "Australia/Melbourne", "Europe/Berlin",
    "Europe/Dublin", "Europe/London", "Pacific/Auckland", "Pacific/Chatham", "UTC",
)  # fmt: skip
YEAR = 2026


def changes(name: str) -> list[tuple[datetime, timedelta, timedelta]]:
    """Every change of a zone's offset in the year: the instant, the offset before and the offset after."""
    zone, found = ZoneInfo(name), []
    moment = datetime(YEAR, 1, 1, tzinfo=UTC)
    while moment.year == YEAR:
        after = moment + timedelta(minutes=15)
        old, new = moment.astimezone(zone).utcoffset(), after.astimezone(zone).utcoffset()
        assert old is not None
        assert new is not None
        if old != new:
            found.append((after, old, new))
        moment = after
    return found


CHANGES = {name: changes(name) for name in ZONES}


def days(name: str) -> set[date]:
    """An ordinary day, and the days on which and next to which the zone's clocks change."""
    found = {date(YEAR, 6, 17)}
    for instant, old, _ in CHANGES[name]:
        day = (instant + old).date()
        found |= {day - timedelta(days=1), day, day + timedelta(days=1)}
    return found


def instants_of(wall: datetime, name: str) -> list[datetime]:
    """Every instant at which the clocks of a zone show this, found by trying, not by the code under test."""
    zone = ZoneInfo(name)
    guess = wall.replace(tzinfo=UTC)
    tried = (guess + timedelta(minutes=15 * step) for step in range(-64, 65))
    return [one for one in tried if one.astimezone(zone).replace(tzinfo=None) == wall]


def test_forty_zones_are_tried() -> None:
    assert len(set(ZONES)) == 40
    assert sum(bool(CHANGES[name]) for name in ZONES) >= 18


@pytest.mark.parametrize("name", ZONES)
def test_a_day_without_a_time_is_over_at_its_end_in_that_zone(name: str) -> None:
    zone = ZoneInfo(name)
    for day in days(name):
        moment = read_moment(day.isoformat(), name)
        assert (moment.instant - timedelta(seconds=1)).astimezone(zone).date() == day
        assert moment.instant.astimezone(zone).date() == day + timedelta(days=1)
        assert name in moment.notes[0]


@pytest.mark.parametrize("at", [time(17), time(0), time(2, 30)])
@pytest.mark.parametrize("name", ZONES)
def test_a_local_time_is_that_time_or_it_is_said_why_not(name: str, at: time) -> None:
    for day in days(name):
        wall = datetime.combine(day, at)
        found = instants_of(wall, name)
        text = f"{wall:%Y-%m-%d %H:%M} {name}"
        if not found:
            with pytest.raises(BadMoment, match="does not exist"):
                read_moment(text, "UTC")
            continue
        moment = read_moment(text, "UTC")
        assert moment.instant == found[0]
        assert moment.zone == name
        assert any("comes twice" in note for note in moment.notes) == (len(found) > 1)


@pytest.mark.parametrize("name", [name for name in ZONES if CHANGES[name]])
def test_the_middle_of_a_gap_is_refused_and_the_middle_of_a_fold_is_its_first(name: str) -> None:
    zone = ZoneInfo(name)
    for instant, old, new in CHANGES[name]:
        middle = (instant + old + (new - old) / 2).replace(tzinfo=None, second=0)
        text = f"{middle:%Y-%m-%d %H:%M}"
        if new > old:
            with pytest.raises(BadMoment) as refused:
                read_moment(text, name)
            last = (instant - timedelta(minutes=1)).astimezone(zone)
            first = instant.astimezone(zone)
            assert f"before is {last:%Y-%m-%d %H:%M}, the first after is {first:%Y-%m-%d %H:%M}" in str(refused.value)
        else:
            moment = read_moment(text, name)
            assert moment.instant < instant
            assert moment.instant.astimezone(zone).replace(tzinfo=None) == middle
            assert "the first is taken" in moment.notes[-1]
            second = moment.notes[-1].partition("write ")[2]
            assert read_moment(second, name).instant == moment.instant + (old - new)


def test_half_past_two_in_the_gap_of_berlin_names_both_neighbours() -> None:
    with pytest.raises(BadMoment, match="before is 2026-03-29 01:59, the first after is 2026-03-29 03:00"):
        read_moment("2026-03-29 02:30", "Europe/Berlin")


def test_a_time_without_a_zone_is_meant_where_the_person_works_and_that_is_said() -> None:
    moment = read_moment("2026-03-09 11:00", "Australia/Melbourne")
    assert moment.instant == datetime(2026, 3, 9, 0, 0, tzinfo=UTC)
    assert moment.notes == ("the time is meant in Australia/Melbourne",)
    assert in_words(moment.instant, moment.zone) == "2026-03-09 11:00 Australia/Melbourne"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tomorrow", "expected 2026-03-09"),
        ("2026-02-30", "there is no day 2026-02-30"),
        ("2026-03-09 25:00", "there is no time 25:00"),
        ("2026-03-09 11:00 Europe/Atlantis", "time zone such as Europe/Berlin"),
        ("2026-03-09 11:00+01:00 Europe/Berlin", "a zone or an offset"),
        ("2026-03-09+01:00", "a day has no offset"),
        ("0001-01-01", "between"),
        ("2026-03-09 11:00 localtime", "time zone such as"),
    ],
)
def test_what_names_no_moment_is_refused_with_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(BadMoment, match=says):
        read_moment(text, "UTC")
