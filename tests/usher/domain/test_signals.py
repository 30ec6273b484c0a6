"""What a changed row of a source says: once, with the time it is true, the time it was said and the time we saw it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from usher.domain.person import EmploymentStatus
from usher.domain.signals import SignalKind, SourceRow, end_of_day, signals, start_of_day

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SAID = NOW - timedelta(hours=2)
ROW = SourceRow(
    source="hr",
    row_id="e-17",
    status=EmploymentStatus.ACTIVE,
    starts=NOW - 400 * DAY,
    said_at=SAID,
    attributes={"department": "Sales", "title": "AE"},
)


def only(previous, current, now=NOW, **options):
    (signal,) = signals(previous, current, now, **options)
    return signal


def test_a_leave_date_in_the_past_is_a_leaver_that_is_due_with_three_times():
    signal = only(ROW, replace(ROW, ends=NOW - DAY))
    assert (signal.kind, signal.true_at, signal.said_at, signal.seen_at) == (SignalKind.LEAVER, NOW - DAY, SAID, NOW)
    assert signal.due


def test_a_leave_date_to_come_is_a_planned_leaver_that_is_not_due():
    signal = only(ROW, replace(ROW, ends=NOW + 30 * DAY))
    assert signal.kind is SignalKind.LEAVER
    assert not signal.due


def test_a_status_without_a_date_is_true_from_when_it_was_said():
    signal = only(ROW, replace(ROW, status=EmploymentStatus.TERMINATED))
    assert (signal.true_at, signal.due) == (SAID, True)
    assert only(ROW, replace(ROW, status=EmploymentStatus.TERMINATED, said_at=None)).true_at == NOW


def test_a_leaver_is_signalled_once():
    announced = replace(ROW, ends=NOW + DAY)
    assert signals(announced, announced, NOW) == ()
    gone = replace(announced, status=EmploymentStatus.TERMINATED, said_at=NOW + DAY)
    assert signals(announced, gone, NOW + 2 * DAY) == ()
    assert signals(gone, replace(gone, said_at=NOW + 3 * DAY), NOW + 3 * DAY) == ()


def test_one_statement_has_one_key_and_a_moved_date_has_another():
    first = only(ROW, replace(ROW, ends=NOW + DAY))
    again = only(ROW, replace(ROW, ends=NOW + DAY), NOW + timedelta(hours=1))
    moved = only(replace(ROW, ends=NOW + DAY), replace(ROW, ends=NOW + 9 * DAY))
    assert first.key == again.key
    assert moved.key != first.key


def test_a_leave_that_is_withdrawn_before_its_day_says_so():
    assert only(replace(ROW, ends=NOW + DAY), ROW).kind is SignalKind.STAYS


def test_a_rehire_is_a_joiner():
    left = replace(ROW, status=EmploymentStatus.TERMINATED, ends=NOW - 90 * DAY)
    signal = only(left, replace(ROW, starts=NOW + DAY))
    assert (signal.kind, signal.true_at, signal.due) == (SignalKind.JOINER, NOW + DAY, False)


def test_a_row_that_vanishes_says_nothing_and_its_return_neither():
    assert signals(ROW, None, NOW) == ()
    assert signals(ROW, ROW, NOW) == ()


def test_on_leave_is_a_move_and_never_a_leaver():
    signal = only(ROW, replace(ROW, status=EmploymentStatus.ON_LEAVE))
    assert (signal.kind, signal.changes) == (SignalKind.MOVER, {"status": ("active", "on leave")})


def test_a_new_department_is_a_mover_with_what_changed():
    changed = replace(ROW, attributes={"department": "Finance", "title": "AE", "phone": "1"})
    assert only(ROW, changed, watched=frozenset({"department", "title"})).changes == {
        "department": ("Sales", "Finance")
    }
    assert (
        signals(ROW, replace(ROW, attributes=ROW.attributes | {"phone": "2"}), NOW, watched=frozenset({"title"})) == ()
    )


def test_a_move_of_someone_who_will_leave_later_is_still_a_move():
    leaving = replace(ROW, ends=NOW + 30 * DAY)
    assert only(leaving, replace(leaving, attributes={"department": "Finance", "title": "AE"})).kind is SignalKind.MOVER


def test_a_change_of_someone_who_has_left_is_not_a_move():
    left = replace(ROW, status=EmploymentStatus.TERMINATED, ends=NOW - DAY)
    assert signals(left, replace(left, attributes={}), NOW) == ()


def test_a_new_row_is_a_joiner_from_its_first_day():
    signal = only(None, replace(ROW, starts=NOW + 7 * DAY))
    assert (signal.kind, signal.true_at, signal.due) == (SignalKind.JOINER, NOW + 7 * DAY, False)


def test_the_first_reading_of_a_source_tells_only_what_is_still_to_come():
    assert signals(None, ROW, NOW, first_reading=True) == ()
    assert signals(None, replace(ROW, ends=NOW - DAY), NOW, first_reading=True) == ()
    assert only(None, replace(ROW, ends=NOW + DAY), first_reading=True).kind is SignalKind.LEAVER


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Pacific/Auckland", datetime(2026, 6, 30, 12, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 7, 1, 7, tzinfo=UTC)),
        ("UTC", datetime(2026, 7, 1, tzinfo=UTC)),
    ],
)
def test_a_last_day_without_a_time_ends_with_the_day_in_the_persons_zone(zone, expected):
    assert end_of_day(date(2026, 6, 30), zone) == expected


def test_a_day_with_a_changed_clock_is_as_long_as_it_is():
    day = date(2026, 3, 29)
    assert end_of_day(day, "Europe/Berlin") - start_of_day(day, "Europe/Berlin") == timedelta(hours=23)


def test_a_pending_employment_that_becomes_active_is_a_joiner_once() -> None:
    starts = NOW - timedelta(days=1)
    before = SourceRow(source="hr", row_id="C1", status=EmploymentStatus.PENDING, starts=starts)
    after = SourceRow(source="hr", row_id="C1", status=EmploymentStatus.ACTIVE, starts=starts)
    (signal,) = signals(before, after, NOW)
    assert (signal.kind, signal.due, signal.true_at) == (SignalKind.JOINER, True, starts)
    assert signals(after, after, NOW) == ()
