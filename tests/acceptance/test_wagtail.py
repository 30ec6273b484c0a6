"""The browser connector against Wagtail, a real console: whole lives of accounts, judged by its own database."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from usher.catalog.registry import profiles
from usher.connectors.browser.connector import BrowserConnector
from usher.connectors.contract import Call, Permit, read_all
from usher.connectors.door import Door
from usher.connectors.errors import AlreadyExists, InDoubt, Rejected
from usher.domain.account import Account, AccountState
from usher.domain.connection import ConnectionConfig

pytestmark = [pytest.mark.needs("chromium", "wagtail"), pytest.mark.suite("acceptance"), pytest.mark.timeout(600)]

TOOLS = Path(__file__).resolve().parents[2] / ".tools/wagtail/bin"
LOGIN, PASSWORD = "usher-bot", "Bot-pass-of-tests-1"
LOOK = """
import json
from django.contrib.auth import get_user_model
print(json.dumps({user.username: {
    "active": user.is_active, "admin": user.is_superuser, "email": user.email, "name": user.get_full_name(),
    "groups": sorted(group.name for group in user.groups.all()),
} for user in get_user_model().objects.all()}))
"""
FILL = """
from django.contrib.auth import get_user_model
for n in range(25):
    u = get_user_model().objects.create(username=f"person{n:02}", email=f"person{n:02}@example.com",
        first_name="Person", last_name=f"Number {n:02}")
"""


class Wagtail:
    """One Wagtail project with its own folder, database and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self._log = folder / "server.log"
        self._run([TOOLS / "wagtail", "start", "site_of_tests", str(folder)])
        self.manage("migrate", "-v0")
        made = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        self.manage("createsuperuser", "--noinput", "--username", LOGIN, "--email", "bot@example.com", **made)
        self.manage("shell", "-c", FILL)

    def _run(self, command: list[Any], **more: str) -> str:
        environment = {**os.environ, **more}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, f"{command[1]}: {done.stderr[-2000:]}"
        return done.stdout

    def manage(self, *arguments: str, **more: str) -> str:
        """Run a management command and return what it says."""
        return self._run([TOOLS / "python", "manage.py", *arguments], **more)

    def users(self) -> dict[str, dict[str, Any]]:
        """What Wagtail's own database says of every user."""
        said: dict[str, dict[str, Any]] = json.loads(self.manage("shell", "-c", LOOK).strip().splitlines()[-1])
        return said

    def start(self) -> None:
        """Serve on a free port."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [TOOLS / "python", "manage.py", "runserver", "--noreload", "--insecure", f"127.0.0.1:{port}"]
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/admin/login/", timeout=5):
                    return
            except (urllib.error.URLError, TimeoutError):
                assert self.process.poll() is None and time.monotonic() < end, self._log.read_text()[-2000:]
                time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture(scope="module")
def wagtail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wagtail]:
    site = Wagtail(tmp_path_factory.mktemp("wagtail"))
    site.start()
    yield site
    site.stop()


@pytest.fixture
def connector(wagtail: Wagtail) -> BrowserConnector:
    config = ConnectionConfig(
        name="cms",
        app="wagtail",
        speaks="browser",
        owner="olga",
        key="mutable",
        url=wagtail.url,
        lag_seconds=0.0,
    )
    return BrowserConnector(config, profiles().get("wagtail"))


def call(wagtail: Wagtail, name: str | None = None) -> Call:
    door = Door(
        connection="cms",
        base_url=wagtail.url,
        secrets={"login": LOGIN, "secret": PASSWORD},
        permit=Permit(step="step-1", intent="intent-1", fence=1),
        leave=lambda permit: None,
        pictures=wagtail.folder / "pictures",
    )
    return Call(door=door, agree={"display_name": name} if name else {})


def new(user_name: str, given: str, family: str, role: str) -> Account:
    """An account that is wanted."""
    return Account(
        id="",
        user_name=user_name,
        emails=(f"{user_name}@example.com",),
        display_name=f"{given} {family}",
        given_name=given,
        family_name=family,
        entitlements=frozenset({f"role:{role}"}),
    )


def test_every_user_of_two_pages_is_read_with_address_and_roles(wagtail: Wagtail, connector: BrowserConnector) -> None:
    accounts = {account.id: account for account in read_all(connector, call(wagtail))}
    truth = wagtail.users()
    assert accounts.keys() == truth.keys()
    for name, account in accounts.items():
        assert account.emails == (truth[name]["email"],)
        assert account.state.can_sign_in == truth[name]["active"]
        roles = {*truth[name]["groups"], *(["Administrator"] if truth[name]["admin"] else [])}
        assert account.entitlements == {f"role:{role}" for role in roles}


def test_an_account_lives_its_whole_life_by_the_recipe(wagtail: Wagtail, connector: BrowserConnector) -> None:
    connector.create(new("ada", "Ada", "Lovelace", "Editors"), call(wagtail))
    born = {"active": True, "admin": False, "email": "ada@example.com", "name": "Ada Lovelace", "groups": ["Editors"]}
    assert wagtail.users()["ada"] == born
    with pytest.raises(AlreadyExists):
        connector.create(new("ada", "Ada", "Lovelace", "Moderators"), call(wagtail))

    connector.grant("ada", "role:Moderators", call(wagtail, "Ada Lovelace"))
    assert wagtail.users()["ada"]["groups"] == ["Editors", "Moderators"]
    connector.revoke("ada", "role:Editors", call(wagtail, "Ada Lovelace"))
    assert wagtail.users()["ada"]["groups"] == ["Moderators"]

    connector.update("ada", {"family_name": "King", "email": "ada.king@example.com"}, call(wagtail, "Ada Lovelace"))
    assert wagtail.users()["ada"] == {
        **born,
        "email": "ada.king@example.com",
        "name": "Ada King",
        "groups": ["Moderators"],
    }

    receipt = connector.deactivate("ada", call(wagtail, "Ada King"))
    assert wagtail.users()["ada"]["active"] is False
    assert receipt.account is not None
    assert (receipt.account.state, receipt.account.entitlements) == (AccountState.SUSPENDED, {"role:Moderators"})
    assert connector.deactivate("ada", call(wagtail, "Ada King")).got["already"] is True
    connector.reactivate("ada", call(wagtail, "Ada King"))
    assert wagtail.users()["ada"] == {
        **born,
        "email": "ada.king@example.com",
        "name": "Ada King",
        "groups": ["Moderators"],
    }
    found = connector.find("ada", call(wagtail))
    assert found is not None
    assert found.emails == ("ada.king@example.com",)


def test_a_person_on_the_second_page_is_deactivated_and_nobody_else(
    wagtail: Wagtail, connector: BrowserConnector
) -> None:
    before = wagtail.users()
    connector.deactivate("person24", call(wagtail, "Person Number 24"))
    after = wagtail.users()
    assert after.pop("person24") == {**before.pop("person24"), "active": False}
    assert after == before


def test_a_role_that_the_console_does_not_have_stops_before_anything_is_made(
    wagtail: Wagtail, connector: BrowserConnector
) -> None:
    before = wagtail.users()
    with pytest.raises(InDoubt) as caught:
        connector.create(new("grace", "Grace", "Hopper", "Owners"), call(wagtail))
    assert caught.value.contract == "create step 10: fill label '$role'"
    with pytest.raises(InDoubt, match="expected 'Somebody Else' in the row"):
        connector.deactivate("person01", call(wagtail, "Somebody Else"))
    assert wagtail.users() == before


def test_what_wagtail_refuses_is_rejected(wagtail: Wagtail, connector: BrowserConnector) -> None:
    before = wagtail.users()
    with pytest.raises(Rejected, match="could not be created due to errors"):
        connector.create(new("not a user name!", "No", "Body", "Editors"), call(wagtail))
    assert wagtail.users() == before
