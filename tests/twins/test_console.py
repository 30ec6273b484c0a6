"""The console twin as a person meets it in a real Chromium, with its journal as the judge."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from twins.console.sessions import totp_code
from twins.console.settings import Drift

SRC = Path(__file__).parents[2] / "src"
ADMIN, PASSWORD, PEOPLE_PASSWORD = "admin@console.test", "correct horse battery", "let me in please"
TOTP_SECRET = "JBSWY3DPEHPK3PXP"
HEADERS = ["Name", "Email", "Role", "Team", "Modules", "Status", "Last active"]
FIRST = ["Aisha", "Bruno", "Carmen", "Dmitri", "Elif", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Kemi", "Lars"]
LAST = ["Abbott", "Becker", "Castillo", "Duval", "Eriksen", "Farouk", "Greene", "Haddad", "Ito"]
TEAMS = ["Enterprise East", "Enterprise West", "Mid-Market", "Small Business"]


def people() -> list[dict[str, str]]:
    """23 people: with the administrator, three pages."""
    now = datetime.now(UTC)
    rows = []
    for index in range(23):
        first, last = FIRST[index % len(FIRST)], LAST[index % len(LAST)]
        status = {5: "Deactivated", 9: "Invited", 17: "Invited"}.get(index, "Active")
        rows.append(
            {
                "first_name": first,
                "last_name": last,
                "email": f"{first}.{last}@acme.test".lower(),
                "role": "Manager" if index % 6 == 0 else "Rep",
                "team": TEAMS[index % len(TEAMS)],
                "modules": "Core;Copilot" if index % 4 == 0 else "Core",
                "status": status,
                "last_active": "" if status == "Invited" else (now - timedelta(hours=7 * index * index)).isoformat(),
            }
        )
    return rows


class Console:
    """One running console twin and the files it leaves."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.journal_file = folder / "journal.jsonl"
        self._ready = folder / "ready.json"
        seed = folder / "seed.csv"
        if not seed.exists():
            with seed.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, people()[0])
                writer.writeheader()
                writer.writerows(people())
        command = [sys.executable, "-m", "twins.console", "--port", "0", "--ready-file", str(self._ready)]
        command += ["--state", str(folder / "state.json"), "--seed", str(seed), "--journal", str(self.journal_file)]
        command += ["--people-password", PEOPLE_PASSWORD, *options]
        environment = {**os.environ, "PYTHONPATH": str(SRC), "CONSOLE_ADMIN_PASSWORD": PASSWORD}
        self.process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 30
        while not self._ready.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "the console did not start"
            time.sleep(0.03)
        self.announced = json.loads(self._ready.read_text())
        self.url: str = self.announced["url"]

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.journal_file.read_text(encoding="utf-8").splitlines()]

    def effects(self) -> list[dict]:
        return [line for line in self.lines() if line["effect"]]

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture(scope="module")
def chromium(chromium_path: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, chromium_sandbox=os.geteuid() != 0)
        yield browser
        browser.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    started: list[Console] = []

    def begin(*options: str) -> Console:
        started.append(Console(tmp_path, *options))
        return started[-1]

    yield begin
    for console in started:
        console.end()


@pytest.fixture
def window(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1360, "height": 860})
    context.set_default_timeout(8000)
    yield context
    context.close()


def signed_in(window: BrowserContext, console: Console, email: str = ADMIN, password: str = PASSWORD) -> Page:
    page = window.new_page()
    page.goto(console.url)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    return page


def users_page(window: BrowserContext, console: Console) -> Page:
    page = signed_in(window, console)
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name="Users", exact=True).click()
    expect(page.get_by_role("heading", name="Users", exact=True)).to_be_visible()
    return page


def table(page: Page, name: str = "Users") -> list[dict[str, str]]:
    shown = page.get_by_role("table", name=name, exact=True)
    headers = shown.get_by_role("columnheader").all_inner_texts()
    rows = shown.locator("tbody").get_by_role("row").all()
    return [dict(zip(headers, row.get_by_role("cell").all_inner_texts(), strict=True)) for row in rows]


def row(page: Page, email: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=email, exact=True))


def choose(page: Page, email: str, item: str) -> None:
    found = row(page, email)
    found.get_by_role("button", name="Actions for").click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def deactivate(page: Page, email: str, word: str = "Deactivate", confirm: str = "Deactivate user") -> None:
    choose(page, email, word)
    page.get_by_role("dialog").get_by_role("button", name=confirm, exact=True).click()


def toast(page: Page) -> Locator:
    return page.get_by_role("status")


@pytest.mark.needs("chromium")
class TestSigningIn:
    def test_a_wrong_password_is_refused_and_the_right_one_opens_home(self, start, window):
        console = start()
        page = signed_in(window, console, password="wrong")
        expect(page.get_by_role("alert")).to_have_text("Incorrect e-mail or password.")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Forecast overview")).to_be_visible()
        assert [(line["verb"], line["effect"]) for line in console.lines()] == [("sign_in", False)]

    def test_home_counts_the_people_of_each_team(self, start, window):
        page = signed_in(window, start())
        counted = {line["Team"]: int(line["People"]) for line in table(page, "People by team")}
        expected = {"No team": 1}
        for person in people():
            if person["status"] != "Deactivated":
                expected[person["team"]] = expected.get(person["team"], 0) + 1
        assert counted == expected

    def test_the_second_factor_is_asked_for_and_checked(self, start, window):
        console = start("--totp", TOTP_SECRET)
        page = signed_in(window, console)
        expect(page.get_by_role("heading", name="Two-step verification")).to_be_visible()
        page.goto(f"{console.url}/settings/users")
        expect(page.get_by_label("Verification code")).to_be_visible()
        page.get_by_label("Verification code").fill("000000" if totp_code(TOTP_SECRET) != "000000" else "111111")
        page.get_by_role("button", name="Verify").click()
        expect(page.get_by_role("alert")).to_contain_text("not valid")
        page.get_by_label("Verification code").fill(totp_code(TOTP_SECRET))
        page.get_by_role("button", name="Verify").click()
        expect(page.get_by_role("heading", name="Forecast overview")).to_be_visible()

    def test_a_first_sign_in_makes_an_invited_user_active_and_settings_stay_closed_to_them(self, start, window):
        console = start()
        invited = next(person for person in people() if person["status"] == "Invited")["email"]
        page = signed_in(window, console, invited, PEOPLE_PASSWORD)
        expect(page.get_by_role("heading", name="Forecast overview")).to_be_visible()
        expect(page.get_by_role("link", name="Settings", exact=True)).to_have_count(0)
        assert page.goto(f"{console.url}/settings/users").status == 403
        window.clear_cookies()
        admin = users_page(window, console)
        admin.get_by_label("Search users").fill(invited)
        admin.get_by_label("Search users").press("Enter")
        assert [(line["Status"], line["Last active"]) for line in table(admin)] == [("Active", "Just now")]

    def test_whats_new_covers_the_first_visit_until_it_is_dismissed(self, start, window):
        console = start("--whats-new")
        page = signed_in(window, console)
        dialog = page.get_by_role("dialog", name="What's new")
        dialog.get_by_role("button", name="Got it").click()
        page.reload()
        page.wait_for_timeout(600)
        expect(dialog).to_have_count(0)


@pytest.mark.needs("chromium")
class TestReadingTheList:
    def test_every_user_is_read_once_over_three_pages_and_no_internal_id_is_shown(self, start, window):
        console = start()
        page = users_page(window, console)
        assert page.get_by_role("columnheader").all_inner_texts() == [*HEADERS, "Actions"]
        expect(page.get_by_role("button", name="Previous page")).to_be_disabled()
        read = table(page)
        texts = page.inner_text("body")
        for number in (2, 3):
            page.get_by_role("button", name="Next page").click()
            expect(page.get_by_text(f"Page {number} of 3", exact=True)).to_be_visible()
            read += table(page)
            texts += page.inner_text("body")
        expect(page.get_by_role("button", name="Next page")).to_be_disabled()
        assert sorted(line["Email"] for line in read) == sorted([ADMIN, *(person["email"] for person in people())])
        ids = [
            history[-1]["user"]["id"] for history in json.loads((console.folder / "state.json").read_text())["users"]
        ]
        assert len(ids) == 24
        assert not [each for each in ids if each in texts]

    def test_search_and_status_filter_narrow_the_list(self, start, window):
        page = users_page(window, start())
        page.get_by_label("Status", exact=True).select_option("Invited")
        expect(page.get_by_text("Showing 1–2 of 2")).to_be_visible()
        assert {line["Status"] for line in table(page)} == {"Invited"}
        assert {line["Last active"] for line in table(page)} == {"Never"}
        page.get_by_label("Status", exact=True).select_option("All")
        expect(page.get_by_text("of 24")).to_be_visible()
        page.get_by_label("Search users").fill("becker")
        page.get_by_role("button", name="Apply").click()
        expect(page.get_by_text("of 3", exact=False).first).to_be_visible()
        assert all(line["Name"].endswith("Becker") for line in table(page))

    def test_a_change_shows_in_the_list_only_after_the_lag(self, start, window):
        console = start("--lag", "3")
        page = users_page(window, console)
        leaver = table(page)[0]["Email"]
        deactivate(page, leaver)
        expect(toast(page)).to_contain_text("was deactivated")
        assert [effect["verb"] for effect in console.effects()] == ["deactivate"]
        assert table(page)[0]["Status"] == "Active"
        deadline = time.monotonic() + 10
        while table(page)[0]["Status"] != "Deactivated":
            assert time.monotonic() < deadline, "the change never showed"
            time.sleep(0.3)
            page.reload()


@pytest.mark.needs("chromium")
class TestChangingUsers:
    def fill(self, page: Page, **fields: str) -> Locator:
        page.get_by_role("button", name="Add user").click()
        dialog = page.get_by_role("dialog", name="Add user")
        for label, text in fields.items():
            dialog.get_by_label(label.replace("_", " "), exact=True).fill(text)
        return dialog

    def test_an_invited_user_is_listed_and_journalled_and_a_role_left_alone_becomes_rep(self, start, window):
        console = start()
        page = users_page(window, console)
        dialog = self.fill(page, First_name="Nadia", Last_name="Aaronson", Email="Nadia.A@acme.test")
        dialog.get_by_label("Team").select_option("Mid-Market")
        dialog.get_by_label("Copilot").check()
        dialog.get_by_role("button", name="Send invitation").click()
        expect(toast(page)).to_contain_text("Invitation sent")
        assert table(page)[0] == {
            **dict(zip(HEADERS, ["Nadia Aaronson", "nadia.a@acme.test", "Rep", "Mid-Market"], strict=False)),
            "Modules": "Copilot",
            "Status": "Invited",
            "Last active": "Never",
            "Actions": "",
        }
        (effect,) = console.effects()
        assert (effect["verb"], effect["actor"], effect["email"], effect["before"]) == (
            "create",
            ADMIN,
            "nadia.a@acme.test",
            None,
        )
        assert (effect["after"]["role"], effect["after"]["modules"]) == ("Rep", ["Copilot"])
        assert effect["user"] not in page.inner_text("body")

    def test_a_duplicate_e_mail_is_refused_beside_its_field_and_nothing_is_created(self, start, window):
        console = start()
        page = users_page(window, console)
        taken = table(page)[0]["Email"]
        dialog = self.fill(page, First_name="Someone", Last_name="Else", Email=taken.upper())
        dialog.get_by_role("button", name="Send invitation").click()
        expect(dialog.get_by_role("alert")).to_contain_text("already exists")
        expect(dialog.get_by_label("Email")).to_have_attribute("aria-invalid", "true")
        expect(dialog.get_by_label("First name")).to_have_value("Someone")
        assert console.effects() == []

    def test_a_module_without_a_free_seat_is_refused(self, start, window):
        console = start("--seats", "Copilot=6,Groove=0")
        page = users_page(window, console)
        dialog = self.fill(page, First_name="Nadia", Last_name="Aaronson", Email="nadia.a@acme.test")
        dialog.get_by_label("Groove").check()
        dialog.get_by_role("button", name="Send invitation").click()
        expect(dialog.get_by_role("alert")).to_contain_text("No Groove seats left")
        assert console.effects() == []

    def test_deactivating_frees_the_seats_ends_the_sessions_and_keeps_the_user(self, start, chromium, window):
        console = start()
        leaver = people()[0]
        theirs = chromium.new_context()
        their_page = signed_in(theirs, console, leaver["email"], PEOPLE_PASSWORD)
        expect(their_page.get_by_role("heading", name="Forecast overview")).to_be_visible()
        page = users_page(window, console)
        page.goto(f"{console.url}/settings/seats")
        before = {line["Module"]: int(line["Used"]) for line in table(page, "Seats")}
        page.goto(f"{console.url}/settings/users")
        choose(page, leaver["email"], "Deactivate")
        dialog = page.get_by_role("dialog", name="Deactivate Aisha Abbott?")
        dialog.get_by_role("button", name="Cancel").click()
        assert console.effects() == []
        choose(page, leaver["email"], "Deactivate")
        dialog.get_by_label("Reason").select_option("Left the company")
        dialog.get_by_role("button", name="Deactivate user").click()
        expect(row(page, leaver["email"]).get_by_text("Deactivated")).to_be_visible()
        page.goto(f"{console.url}/settings/seats")
        after = {line["Module"]: int(line["Used"]) for line in table(page, "Seats")}
        assert after == {"Core": before["Core"] - 1, "Copilot": before["Copilot"] - 1, "Groove": 0}
        their_page.reload()
        expect(their_page.get_by_role("heading", name="Sign in")).to_be_visible()
        their_page.get_by_label("Email").fill(leaver["email"])
        their_page.get_by_label("Password").fill(PEOPLE_PASSWORD)
        their_page.get_by_role("button", name="Sign in").click()
        expect(their_page.get_by_role("alert")).to_contain_text("Incorrect")
        theirs.close()
        (effect,) = console.effects()
        assert (effect["verb"], effect["reason"]) == ("deactivate", "Left the company")
        assert effect["before"]["status"] == "Active"
        assert effect["before"]["modules"] == ["Core", "Copilot"]
        assert (effect["after"]["status"], effect["after"]["modules"]) == ("Deactivated", [])

    def test_deactivating_twice_is_fine_and_is_one_effect(self, start, window):
        console = start()
        page, stale = users_page(window, console), window.new_page()
        stale.goto(f"{console.url}/settings/users")
        leaver = table(page)[0]["Email"]
        deactivate(page, leaver)
        expect(toast(page)).to_be_visible()
        deactivate(stale, leaver)
        expect(toast(stale)).to_be_visible()
        assert [effect["verb"] for effect in console.effects()] == ["deactivate"]
        choose(stale, leaver, "Reactivate")
        stale.get_by_role("dialog").get_by_role("button", name="Reactivate user").click()
        expect(row(stale, leaver).get_by_text("Active", exact=True)).to_be_visible()
        assert [effect["verb"] for effect in console.effects()] == ["deactivate", "reactivate"]

    def test_the_last_admin_cannot_be_deactivated(self, start, window):
        console = start()
        page = users_page(window, console)
        deactivate(page, ADMIN)
        expect(page.get_by_role("alert")).to_contain_text("last active Admin")
        assert console.effects() == []

    def test_editing_writes_one_effect_for_the_profile_and_one_for_each_module(self, start, window):
        console = start()
        page = users_page(window, console)
        choose(page, people()[0]["email"], "Edit")
        expect(page.get_by_role("heading", name="Aisha Abbott")).to_be_visible()
        page.get_by_label("Role").select_option("Admin")
        page.get_by_label("Copilot").uncheck()
        page.get_by_label("Groove").check()
        page.get_by_role("button", name="Save changes").click()
        expect(toast(page)).to_contain_text("saved")
        assert table(page)[0]["Modules"] == "Core, Groove"
        assert [(effect["verb"], effect["after"]["modules"]) for effect in console.effects()] == [
            ("update", ["Core", "Copilot"]),
            ("revoke", ["Core"]),
            ("grant", ["Core", "Groove"]),
        ]

    def test_a_restarted_console_keeps_its_users_and_continues_its_journal(self, start, window):
        console = start()
        page = users_page(window, console)
        deactivate(page, people()[0]["email"])
        expect(toast(page)).to_be_visible()
        assert console.end() == 0
        assert not (console.folder / "ready.json").exists()
        lines = console.journal_file.read_text().splitlines(keepends=True)
        console.journal_file.write_text("".join(lines[:-1]))  # as if it had been killed between the two writes
        again = start()
        page = users_page(window, again)
        assert table(page)[0]["Status"] == "Deactivated"
        assert [(effect["n"], effect["verb"]) for effect in again.effects()] == [(1, "deactivate")]


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
