"""A running console twin, and what a person does on its pages."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect

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
