"""Instants: UTC, whole milliseconds, one text form; and a clock that tests can move."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.clock import BadInstant, SystemClock, VirtualClock, as_instant, from_text, to_text

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
INSTANTS = st.datetimes(timezones=st.just(UTC)).map(as_instant)


def test_an_instant_is_written_in_utc_with_milliseconds_and_z():
    in_sydney = datetime(2026, 3, 1, 23, 30, 0, 7_999, tzinfo=timezone(timedelta(hours=11)))
    assert to_text(in_sydney) == "2026-03-01T12:30:00.007Z"


@given(INSTANTS)
def test_reading_back_what_was_written_gives_the_same_instant(instant):
    assert from_text(to_text(instant)) == instant


@given(INSTANTS, INSTANTS)
def test_texts_sort_in_the_order_of_time(one, other):
    assert (to_text(one) < to_text(other)) == (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.000",
        "2026-03-01T12:00:00.000+00:00",
        "2026-03-01 12:00:00.000Z",
        "2026-02-30T12:00:00.000Z",
        "2026-03-01T12:00:00.000Z\n",
        "٢٠٢٦-03-01T12:00:00.000Z",
    ],
)
def test_a_text_in_any_other_form_is_refused(text):
    with pytest.raises(BadInstant):
        from_text(text)


def test_a_moment_without_a_zone_is_refused_everywhere():
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - the point of this test
    for give in (to_text, as_instant, VirtualClock, VirtualClock(NOON).set):
        with pytest.raises(BadInstant, match="no time zone"):
            give(naive)


def test_the_system_clock_tells_this_moment_in_utc_and_whole_milliseconds():
    before = as_instant(datetime.now(UTC))
    told = SystemClock().now()
    assert before <= told <= datetime.now(UTC)
    assert told.utcoffset() == timedelta(0)
    assert told.microsecond % 1000 == 0


def test_a_virtual_clock_stands_still_until_it_is_moved():
    clock = VirtualClock(NOON)
    assert clock.now() == clock.now() == NOON
    assert clock.advance(timedelta(days=30)) == NOON + timedelta(days=30) == clock.now()
    clock.set(NOON - timedelta(seconds=1))
    assert clock.now() == NOON - timedelta(seconds=1)


def test_small_advances_add_up():
    clock = VirtualClock(NOON)
    for _ in range(10):
        clock.advance(timedelta(microseconds=100))
    assert clock.now() == NOON + timedelta(milliseconds=1)


def test_a_virtual_clock_loses_no_advance_between_threads():
    clock = VirtualClock(NOON)
    threads = [
        threading.Thread(target=lambda: [clock.advance(timedelta(milliseconds=1)) for _ in range(500)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == NOON + timedelta(seconds=4)
