"""The console twin as a person meets it in a real Chromium, with its journal as the judge."""

import json
import time

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.twins.console_pages import (
    ADMIN,
    HEADERS,
    PASSWORD,
    PEOPLE_PASSWORD,
    TOTP_SECRET,
    choose,
    deactivate,
    people,
    row,
    signed_in,
    table,
    toast,
    users_page,
)

from twins.console.sessions import totp_code


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
