"""Effort: sittings count from first to last act, and what lies between sittings does not count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from usher.domain.effort import LONE_ACT, SAME_SITTING, minutes_of

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
ACTS = st.lists(st.integers(0, 100_000).map(lambda seconds: NOON + timedelta(seconds=seconds)))


def at(*minutes: int) -> list[datetime]:
    return [NOON + timedelta(minutes=one) for one in minutes]


def test_nobody_who_did_nothing_worked() -> None:
    assert minutes_of([]) == 0


def test_a_sitting_counts_from_its_first_act_to_its_last_one_and_a_minute_more() -> None:
    assert minutes_of(at(0, 4, 9)) == 10


def test_a_pause_of_hours_is_no_work() -> None:
    assert minutes_of(at(0, 5, 300)) == 7


@given(ACTS)
def test_it_is_never_more_than_a_sitting_for_each_act_nor_than_the_whole_time(acts: list[datetime]) -> None:
    minutes = minutes_of(acts)
    assert 0 <= minutes <= len(acts) * (SAME_SITTING / timedelta(minutes=1))
    if acts:
        assert minutes >= round(LONE_ACT / timedelta(minutes=1))
        assert minutes <= round((max(acts) - min(acts) + LONE_ACT * len(acts)) / timedelta(minutes=1))
    assert minutes_of(reversed(acts)) == minutes
