"""As of: a day that is past is shown as it was seen on that day, whatever has changed since."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.journeys.conftest import Company
from tests.journeys.test_joiner import DANA
from tests.journeys.test_reports import LEFT, off

from usher.domain.moments import BadMoment
from usher.domain.plan import PlanKind
from usher.services.asof import COLUMNS, accounts_as_of, moment_of, people_as_of, why_as_of
from usher.services.observe import observe
from usher.services.reconcile import reconcile
from usher.services.show import people
from usher.services.why import why
from usher.services.workspace import Refusal


def instant(company: Company) -> str:
    """An instant between what was before and what comes."""
    time.sleep(0.005)
    at = company.workspace.now()
    time.sleep(0.005)
    return at


def by_name(rows: list[dict[str, Any]], field: str) -> dict[str, Any]:
    return {one["name"]: one[field] for one in rows}


def test_now_is_what_the_lists_of_today_say(company: Company) -> None:
    reconcile(company.workspace)
    now = instant(company)
    assert people_as_of(company.workspace, now) == people(company.workspace)
    told, then = why(company.workspace, "E1"), why_as_of(company.workspace, now, "E1")
    for part in ("person", "employments", "keys", "accounts", "signals", "findings", "plans"):
        assert getattr(then, part) == getattr(told, part), part


def test_people_are_shown_as_they_stood_and_were_called_then(company: Company) -> None:
    before = instant(company)
    company.hr(department="Marketing", title="Content Manager")
    moved = instant(company)
    company.hr(*LEFT, more=DANA)
    reconcile(company.workspace)
    left = instant(company)
    company.hr(*LEFT)  # Dana is no longer listed, which says nothing
    first, second, third, last = (
        people_as_of(company.workspace, at) for at in (before, moved, left, company.workspace.now())
    )
    assert by_name(first, "standing") == dict.fromkeys(("Ann Archer", "Ben Brook", "Cleo Crane"), "working")
    assert (by_name(first, "title")["Ann Archer"], by_name(first, "department")["Ann Archer"]) == (
        "Account Executive",
        "Sales",
    )
    assert by_name(second, "title")["Ann Archer"] == "Content Manager"
    assert by_name(second, "standing")["Ann Archer"] == "working"
    assert by_name(third, "standing")["Ann Archer"] == "left"
    assert by_name(third, "standing")["Dana Drew"] == "working"
    assert by_name(third, "findings")["Ann Archer"] == 2
    assert by_name(last, "standing")["Dana Drew"] == "working"
    assert [one["absent"] is None for one in why_as_of(company.workspace, left, "E4").employments] == [True]
    assert [one["name"] for one in people_as_of(company.workspace, before, "ann@acme.test")] == ["Ann Archer"]
    with pytest.raises(Refusal, match="not known yet"):
        why_as_of(company.workspace, before, "E4")


def test_accounts_are_shown_with_what_they_were_and_whose_they_were(company: Company) -> None:
    company.hr(more=DANA)
    before = instant(company)
    off(company, "E4", PlanKind.JOIN)
    joined = instant(company)
    company.hr(*LEFT)
    off(company)
    observe(company.workspace, "wiki")
    then = {one["login"]: one for one in accounts_as_of(company.workspace, "wiki", before)}
    assert sorted(then) == ["ann@acme.test", "ben@acme.test", "cleo@acme.test"]
    assert then["ann@acme.test"]["status"] == "active"
    later = {one["login"]: one for one in accounts_as_of(company.workspace, "wiki", joined)}
    assert later["dana@acme.test"]["groups"] == "sales-pages"
    assert later["dana@acme.test"]["person"] == "Dana Drew"
    now = {one["login"]: one for one in accounts_as_of(company.workspace, "wiki", company.workspace.now())}
    assert (now["ann@acme.test"]["status"], later["ann@acme.test"]["status"]) == ("suspended", "active")
    assert [tuple(one) for one in now.values()] == [COLUMNS] * 4
    assert now["ann@acme.test"]["snapshot_complete"] == "y"
    assert now["ann@acme.test"]["snapshot_id"] != then["ann@acme.test"]["snapshot_id"]
    told = why_as_of(company.workspace, joined, "ann@acme.test", "wiki")
    assert [(one["connection"], one["state"]) for one in told.accounts] == [("wiki", "active")]
    assert told.plans == []
    assert [plan["state"] for plan in why_as_of(company.workspace, company.workspace.now(), "E1").plans] == ["done"]
    with pytest.raises(Refusal, match="no connection 'wikki'"):
        accounts_as_of(company.workspace, "wikki", before)


def test_before_anything_was_seen_there_is_nobody(company: Company) -> None:
    assert people_as_of(company.workspace, "2020-01-01T00:00:00.000Z") == []
    assert accounts_as_of(company.workspace, "wiki", "2020-01-01T00:00:00.000Z") == []


def test_a_day_that_is_to_come_has_not_been_seen(company: Company) -> None:
    with pytest.raises(BadMoment, match="is to come"):
        moment_of(company.workspace, "2126-01-01")
    with pytest.raises(BadMoment, match="expected"):
        moment_of(company.workspace, "last week")
