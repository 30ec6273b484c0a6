"""Reports: the whole population with what was seen of each account, and files that say what they rest on."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.journeys.conftest import Company
from tests.journeys.test_joiner import DANA

from usher.domain.canonical import digest
from usher.domain.clock import from_text
from usher.domain.plan import PlanKind
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.joiners import COLUMNS as JOINER_COLUMNS
from usher.services.joiners import joiners
from usher.services.leavers import COLUMNS, leavers
from usher.services.observe import confirm, observe
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.report import as_csv, as_html, make_report
from usher.services.run import start
from usher.services.when import How

YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)
LEFT = ("terminated", "2026-01-31")


def off(company: Company, who: str = "ann@acme.test", kind: PlanKind = PlanKind.LEAVE) -> None:
    """A leave or a join, approved and carried out."""
    plan = make_plan(company.workspace, kind, who, company.olga, "resigned")
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(company.workspace)
    start(company.workspace, str(plan.number))
    company.carry_out(fence)


def rows(company: Company, **more: Any) -> list[dict[str, Any]]:
    return leavers(company.workspace, *YEAR, **more)


def test_a_leaver_stands_in_it_before_and_after_the_accounts_were_seen_to_be_closed(company: Company) -> None:
    company.hr(*LEFT)
    reconcile(company.workspace)
    before = rows(company)
    assert [(one["name"], one["app"], one["verified_utc"], one["within_sla"]) for one in before] == [
        ("Ann Archer", "directory", "", "n"),
        ("Ann Archer", "wiki", "", "n"),
    ]
    assert all(one["exception_id"].startswith("fnd_") for one in before), "each open account has its finding"
    off(company)
    after = rows(company)
    assert [tuple(one) for one in after] == [COLUMNS] * 2
    for line in after:
        assert line["requested_utc"] <= line["acknowledged_utc"] <= line["verified_utc"]
        assert line["verify_method"] == "read back (scim)"
        assert line["source_record_id"] == "hr:C1"
        assert (line["privileged"], line["tz"], line["exception_id"]) == ("n", "UTC", "")
        gone = from_text(line["verified_utc"]) - from_text(line["term_effective_utc"])
        assert gone <= timedelta(minutes=line["minutes_from_effective"]) < gone + timedelta(minutes=1)
        assert line["minutes_from_seen"] <= 1
        assert line["within_sla"] == "n", "the leave was told of months after it took effect"
    assert {one["within_sla"] for one in rows(company, sla_minutes=10**7)} == {"y"}


def test_whoever_left_outside_of_the_period_is_not_in_it(company: Company) -> None:
    company.hr(*LEFT)
    effective = from_text(rows(company)[0]["term_effective_utc"])
    second = timedelta(seconds=1)
    assert leavers(company.workspace, effective, effective + second) != []
    assert leavers(company.workspace, effective + second, YEAR[1]) == []
    assert leavers(company.workspace, YEAR[0], effective) == []


def test_a_leaver_who_came_back_says_so(company: Company) -> None:
    company.hr(*LEFT)
    assert [one["rejoined_utc"] for one in rows(company)] == ["", ""]
    company.hr()
    confirm(company.workspace, "hr", company.olga)
    for line in rows(company):
        assert line["rejoined_utc"] >= line["signal_received_utc"]
        assert line["within_sla"] == "", "nobody is late with what is no longer due"


def test_an_announced_leave_that_was_withdrawn_is_not_in_it(company: Company) -> None:
    company.hr("active", (datetime.now(UTC) + timedelta(days=30)).date().isoformat())
    assert len(rows(company)) == 2
    company.hr()
    assert rows(company) == []


def test_a_leave_without_a_source_is_in_it_once_it_was_started(company: Company) -> None:
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ben@acme.test", company.olga, "resigned")
    assert rows(company) == []
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(company.workspace)
    start(company.workspace, str(plan.number))
    company.carry_out(fence)
    found = rows(company)
    assert [(one["app"], one["plan_id"], bool(one["verified_utc"])) for one in found] == [
        ("directory", plan.id, True),
        ("wiki", plan.id, True),
    ]
    assert {one["source_record_id"] for one in found} == {""}


def test_a_confidential_leave_is_shown_to_those_who_may_see_it(company: Company) -> None:
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ben@acme.test", company.olga, "why", How(confidential=True))
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    start(company.workspace, str(plan.number))
    assert rows(company) == []
    assert leavers(replace(company.workspace, viewer=company.olga.id), *YEAR) != []


def test_a_joiner_stands_in_it_with_who_approved_and_that_it_was_before(company: Company) -> None:
    company.hr(more=DANA)
    reconcile(company.workspace)
    waiting = joiners(company.workspace, *YEAR)
    assert [(one["name"], one["app"]) for one in waiting] == [("Dana Drew", "")]
    off(company, "E4", PlanKind.JOIN)
    given = joiners(company.workspace, *YEAR)
    assert [(one["app"], one["role_or_module"]) for one in given] == [
        ("directory", "account"),
        ("directory", "group:all-staff"),
        ("wiki", "role:editor"),
        ("wiki", "group:sales-pages"),
    ]
    assert [tuple(one) for one in given] == [JOINER_COLUMNS] * 4
    for line in given:
        assert (line["requested_by"], line["approvers"]) == ("olga", "omar")
        assert line["requested_utc"] <= line["approved_utc"] <= line["provisioned_utc"] <= line["verified_utc"]
        assert line["approved_before_provisioned"] == "y"
        assert line["plan_hash"].startswith("sha256:")
        assert line["start_date"] == "2026-01-01"


def test_what_a_joiner_got_from_somebody_else_is_in_it_without_an_approver(company: Company) -> None:
    company.hr(more=DANA)
    made = httpx2.post(
        f"{company.wiki.url}/scim/v2/Users",
        headers={"Authorization": "Bearer chaos"},
        json={
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "dana@acme.test",
            "emails": [{"value": "dana@acme.test", "primary": True}],
        },
    )
    assert made.status_code == 201
    observe(company.workspace, "wiki")
    reconcile(company.workspace)
    (line,) = joiners(company.workspace, *YEAR)
    assert (line["app"], line["approvers"], line["approved_before_provisioned"]) == ("wiki", "", "n")


def test_the_files_say_what_they_rest_on_and_run_nothing_in_a_spreadsheet(company: Company) -> None:
    text = (company.folder / "hr.csv").read_text().replace("Ann,Archer", '"=HYPERLINK(""x"")",<b>Archer')
    (company.folder / "hr.csv").write_text(text.replace("active,2020-01-01,,", "terminated,2020-01-01,2026-01-31,"))
    observe(company.workspace, "hr")
    found = rows(company)
    report = make_report(company.workspace, "leavers", "Leavers", {"from": "2026-01-01"}, COLUMNS, found)
    assert report.about()["row_count"] == 2
    assert report.rows_digest == digest("usher.report.leavers/1", json.loads(json.dumps(found)))
    assert set(report.snapshots) == {"hr", "directory", "wiki"}
    assert report.ledger_size > 0
    read = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert read[0]["name"].startswith("'=HYPERLINK")
    assert [one["app"] for one in read] == ["directory", "wiki"]
    page = as_html(report)
    assert "<b>" not in page
    assert "&lt;b&gt;Archer" in page
    assert report.rows_digest in page
    assert "<script" not in page


@pytest.mark.needs("chromium")
def test_the_page_opens_without_a_network_and_fits_the_screen(company: Company, chromium_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    company.hr(*LEFT)
    report = make_report(company.workspace, "leavers", "Leavers", {"from": "2026-01-01"}, COLUMNS, rows(company))
    file = company.folder / "leavers.html"
    file.write_text(as_html(report), encoding="utf-8")
    asked: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium_path, chromium_sandbox=os.geteuid() != 0)
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        assert page.get_by_role("heading", name="Leavers").is_visible()
        assert page.get_by_role("cell", name="Ann Archer").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert asked == [file.as_uri()]


@pytest.mark.parametrize("words", [("2026-01-01", "2025-12-31"), ("today", "2026-01-01"), ("2026-01-01", "2026-02-30")])
def test_a_period_that_is_none_is_refused_in_one_line(company: Company, words: tuple[str, str]) -> None:
    from usher.entry.cli.exits import BadInput
    from usher.entry.cli.reports import period

    with pytest.raises(BadInput, match="expected") as refused:
        period(company.workspace, *words)
    assert str(refused.value).startswith("--")
    assert "\n" not in str(refused.value)
