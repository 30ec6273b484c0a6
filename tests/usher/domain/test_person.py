"""Who still works here: a leaver is a person whose last employment has ended by a positive signal."""

from datetime import UTC, datetime, timedelta

from usher.domain.person import Employment, EmploymentStatus, Standing, left_at, standing

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def employment(status=EmploymentStatus.ACTIVE, **values):
    return Employment(source="hr", row_id="1", status=status, **values)


def test_a_person_with_two_employments_leaves_when_the_last_one_ends():
    ended = employment(EmploymentStatus.TERMINATED, ends=NOW - DAY)
    going_on = employment(ends=NOW + DAY)
    assert standing([ended, going_on], NOW) is Standing.WORKING
    assert left_at([ended, going_on], NOW) is None
    assert standing([ended, going_on], NOW + DAY) is Standing.LEFT
    assert left_at([ended, going_on], NOW + DAY) == NOW + DAY


def test_on_leave_is_not_leaving():
    assert standing([employment(EmploymentStatus.ON_LEAVE)], NOW) is Standing.ON_LEAVE


def test_a_row_that_vanished_ends_nothing():
    assert standing([employment(present=False)], NOW) is Standing.WORKING


def test_nobody_is_a_leaver_without_any_employment():
    assert standing([], NOW) is Standing.UNKNOWN


def test_a_terminated_row_with_a_later_date_is_still_working_until_that_date():
    leaving = employment(EmploymentStatus.TERMINATED, ends=NOW + DAY)
    assert standing([leaving], NOW) is Standing.WORKING
    assert standing([leaving], NOW + DAY) is Standing.LEFT


def test_a_terminated_row_without_a_date_has_ended():
    assert standing([employment(EmploymentStatus.TERMINATED, said_at=NOW)], NOW) is Standing.LEFT


def test_a_start_in_the_future_is_not_started():
    assert standing([employment(starts=NOW + DAY)], NOW) is Standing.NOT_STARTED
