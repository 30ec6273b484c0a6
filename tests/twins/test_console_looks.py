"""The console twin in its other looks, which a recipe must stop before, and what it refuses."""

import csv
import os
import subprocess
import sys

import httpx2
import pytest
from playwright.sync_api import expect
from tests.twins.console_pages import ADMIN, PASSWORD, SRC, deactivate, people, row, signed_in, table, toast, users_page

from twins.console.settings import Drift


@pytest.mark.needs("chromium")
class TestOtherLooks:
    def test_the_alternate_skin_has_the_other_words_and_addresses(self, start, window):
        console = start("--skin", "alt")
        page = signed_in(window, console)
        page.get_by_role("link", name="Admin", exact=True).click()
        page.get_by_role("link", name="User Management", exact=True).click()
        assert page.url == f"{console.url}/admin/users"
        expect(page.get_by_role("button", name="Invite User")).to_be_visible()
        leaver = table(page, "User Management")[0]["Email address"]
        deactivate(page, leaver, "Disable", "Disable user")
        expect(row(page, leaver).get_by_text("Disabled")).to_be_visible()
        assert page.goto(f"{console.url}/settings/users").status == 404
        assert [effect["verb"] for effect in console.effects()] == ["deactivate"]

    def test_a_renamed_button_has_its_new_name_alone(self, start, window):
        page = users_page(window, start("--drift", Drift.RENAMED_BUTTON))
        row(page, people()[0]["email"]).get_by_role("button").click()
        assert page.get_by_role("menuitem").all_inner_texts() == ["Edit", "Disable user"]

    def test_swapped_columns_move_headers_with_their_cells(self, start, window):
        page = users_page(window, start("--drift", Drift.SWAPPED_COLUMNS))
        assert page.get_by_role("columnheader").all_inner_texts()[:3] == ["Email", "Name", "Status"]
        assert table(page)[0]["Email"] == people()[0]["email"]

    def test_a_renamed_column_has_its_new_name(self, start, window):
        page = users_page(window, start("--drift", Drift.RENAMED_COLUMN))
        assert {"Login", "State"} <= table(page)[0].keys()
        assert not {"Email", "Status"} & table(page)[0].keys()

    def test_an_extra_confirmation_holds_the_deactivation_back(self, start, window):
        console = start("--drift", Drift.EXTRA_CONFIRM)
        page = users_page(window, console)
        deactivate(page, people()[0]["email"])
        again = page.get_by_role("dialog", name="Are you sure?")
        expect(again).to_be_visible()
        assert console.effects() == []
        again.get_by_role("button", name="Yes, continue").click()
        expect(row(page, people()[0]["email"]).get_by_text("Deactivated")).to_be_visible()
        assert len(console.effects()) == 1

    def test_two_rows_carry_one_name(self, start, window):
        page = users_page(window, start("--drift", Drift.TWO_SAME_NAMED_ROWS))
        first, second = table(page)[:2]
        assert first["Name"] == second["Name"]
        assert first["Email"] != second["Email"]

    def test_a_toast_without_effect_changes_nothing(self, start, window):
        console = start("--drift", Drift.TOAST_WITHOUT_EFFECT)
        page = users_page(window, console)
        deactivate(page, people()[0]["email"])
        expect(toast(page)).to_contain_text("was deactivated")
        assert table(page)[0]["Status"] == "Active"
        assert console.effects() == []

    def test_an_error_page_follows_a_write_that_was_done(self, start, window):
        console = start("--drift", Drift.ERROR_AFTER_EFFECT)
        page = users_page(window, console)
        deactivate(page, people()[0]["email"])
        expect(page.get_by_text("Something went wrong on our side.")).to_be_visible()
        assert [effect["verb"] for effect in console.effects()] == ["deactivate"]

    def test_rows_turn_round_after_they_are_shown_and_at_each_visit(self, start, window):
        page = users_page(window, start("--drift", Drift.RESORT_BETWEEN))
        first, shown = page.get_by_role("table").locator("tbody tr").first, people()[0]["email"]
        expect(first).to_contain_text(shown)
        expect(first).not_to_contain_text(shown)
        assert row(page, shown).count() == 1
        page.get_by_role("link", name="Users", exact=True).click()
        expect(page.get_by_text("Page 1 of 3")).to_be_visible()
        assert row(page, shown).count() == 0

    def test_the_users_page_moved_away_from_its_old_address(self, start, window):
        console = start("--drift", Drift.MOVED_USERS_PAGE)
        page = signed_in(window, console)
        assert page.goto(f"{console.url}/settings/users").status == 404
        page.goto(f"{console.url}/settings")
        expect(page.get_by_role("link", name="Users", exact=True)).to_be_hidden()
        page.get_by_text("Organization", exact=True).click()
        page.get_by_role("link", name="Users", exact=True).click()
        assert page.url == f"{console.url}/settings/organization/members"
        assert len(table(page)) == 10

    def test_an_unnamed_menu_button_says_nothing(self, start, window):
        page = users_page(window, start("--drift", Drift.UNNAMED_MENU))
        found = row(page, people()[0]["email"])
        assert found.get_by_role("button", name="Actions for").count() == 0
        found.get_by_role("button").click()
        expect(page.get_by_role("menuitem", name="Deactivate")).to_be_visible()

    def test_a_detached_menu_opens_outside_its_row(self, start, window):
        page = users_page(window, start("--drift", Drift.DETACHED_MENU))
        found = row(page, people()[0]["email"])
        found.get_by_role("button").click()
        expect(page.get_by_role("menuitem", name="Deactivate")).to_be_visible()
        assert found.get_by_role("menuitem").count() == 0

    def test_deactivated_users_vanish_unless_the_filter_asks_for_them(self, start, window):
        page = users_page(window, start("--drift", Drift.DEACTIVATED_VANISH))
        expect(page.get_by_text("Showing 1–10 of 23")).to_be_visible()
        page.get_by_label("Status", exact=True).select_option("Deactivated")
        expect(page.get_by_text("Showing 1–1 of 1")).to_be_visible()

    def test_a_slow_table_is_empty_at_first(self, start, window):
        page = users_page(window, start("--drift", Drift.SLOW_TABLE))
        assert page.get_by_role("table").locator("tbody").inner_text() == "Loading…"
        expect(row(page, people()[0]["email"])).to_be_visible()
        assert len(table(page)) == 10

    def test_another_language_changes_the_words_and_not_the_addresses(self, start, window):
        console = start("--drift", Drift.OTHER_LANGUAGE)
        page = signed_in(window, console)
        page.goto(f"{console.url}/settings/users")
        expect(page.get_by_role("heading", name="Benutzer", exact=True)).to_be_visible()
        assert table(page, "Benutzer")[0]["Zuletzt aktiv"] == "Just now"


def test_a_form_without_its_token_is_refused_and_there_is_no_json_door(start):
    console = start()
    with httpx2.Client(base_url=console.url, trust_env=False) as client:
        form = {"email": ADMIN, "password": PASSWORD}
        assert client.post("/sign-in", data=form).status_code == 303
        added = {"first_name": "A", "last_name": "B", "email": "a.b@acme.test"}
        assert client.post("/settings/users/add", data=added).status_code == 403
        shown = client.get("/settings/users", headers={"Accept": "application/json"})
        assert shown.headers["content-type"].startswith("text/html")
    assert console.effects() == []


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("role", "Boss", "line 2: role: 'Boss', expected one of Admin, Manager, Rep"),
        ("last_active", "yesterday", "line 2: last_active: 'yesterday', expected an ISO 8601 instant or nothing"),
        ("modules", "Core;Moon", "line 2: modules: 'Core;Moon', expected some of Core; Copilot; Groove"),
    ],
)
def test_a_bad_seed_is_refused_in_one_line_that_names_the_place(tmp_path, field, value, complaint):
    seed = tmp_path / "seed.csv"
    with seed.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, people()[0])
        writer.writeheader()
        writer.writerow({**people()[0], field: value})
    ran = subprocess.run(
        [sys.executable, "-m", "twins.console", "--seed", str(seed), "--state", str(tmp_path / "state.json")],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ran.returncode, ran.stderr) == (2, f"{seed}: {complaint}\n")
    assert not (tmp_path / "state.json").exists()
