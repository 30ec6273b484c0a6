"""The SCIM connector against Canaille, a real identity server: its bugs and all, over real HTTP and a real database."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from tests.usher.connectors.scim_servers import (
    GROUP,
    USER,
    ScimConformance,
    Seeded,
    await_answer,
    connector,
    reading_door,
    request,
    writing,
)

from usher.connectors.contract import Call, read_all
from usher.connectors.errors import OutcomeUnknown, Rejected
from usher.domain.account import Account, AccountState

pytestmark = [pytest.mark.needs("canaille"), pytest.mark.suite("acceptance")]

COMMAND = Path(__file__).resolve().parents[2] / ".tools/canaille/bin/canaille"
TOKEN = "token-of-tests"
OPTIONS = {"member_removal": "replace", "member_value": "user_name", "allow_delete": True}
"""Canaille knows no filters, neither in lists nor in paths, and names members by their user name."""

SETTINGS = """
SECRET_KEY = "for tests only"
[CANAILLE]
DATABASE = "sql"
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{folder}/canaille.sqlite"
[CANAILLE_SCIM]
ENABLE_SERVER = true
"""


class Canaille:
    """One Canaille with its own folder, database and port."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "server.log"
        settings = folder / "config.toml"
        settings.write_text(SETTINGS.format(folder=folder))
        self._environment = {**os.environ, "CANAILLE_CONFIG": str(settings)}
        self._run("install")
        self._run("create", "client", "--client-id", "usher", "--client-secret", "of-tests", "--client-name", "usher")
        issued = datetime.now(UTC).isoformat(timespec="seconds")
        token = ("--access-token", TOKEN, "--token-id", "1", "--type", "access_token", "--scope", "scim")
        self._run("create", "token", *token, "--client", "usher", "--issue-date", issued, "--lifetime", "86400")

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([COMMAND, *arguments], env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"canaille {arguments[0]}: {done.stderr[-2000:]}"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on a free port; give the base address of its SCIM door."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with self._log.open("wb") as output:
            process = subprocess.Popen(
                [COMMAND, "run", "--bind", f"127.0.0.1:{port}"],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            await_answer(f"http://127.0.0.1:{port}", process, self._log)
            yield f"http://127.0.0.1:{port}/scim/v2"
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with Canaille(tmp_path_factory.mktemp("canaille")).serving() as url:
        yield url


@pytest.fixture(scope="module")
def http():
    with httpx2.Client(trust_env=False, timeout=20) as client:
        yield client


def emptied_and_seeded(http: httpx2.Client, url: str) -> Seeded:
    """Give Canaille three users, the second inactive, and two groups."""
    for endpoint in ("Groups", "Users"):
        for row in request(http, TOKEN, "GET", f"{url}/{endpoint}").json()["Resources"]:
            request(http, TOKEN, "DELETE", f"{url}/{endpoint}/{row['id']}")
    ids = []
    for name, active in (("ana", True), ("bob", False), ("cy", True)):
        user = {
            "schemas": [USER],
            "userName": name,
            "name": {"formatted": f"{name} Tester", "familyName": "Tester"},
            "emails": [{"value": f"{name}@example.com"}],
            "active": active,
        }
        ids.append(request(http, TOKEN, "POST", f"{url}/Users", user).json()["id"])
    for group, names in (("everybody", ("ana", "bob")), ("sellers", ("bob",))):
        members = [{"value": name, "$ref": f"{url}/Users/{name}"} for name in names]
        request(http, TOKEN, "POST", f"{url}/Groups", {"schemas": [GROUP], "displayName": group, "members": members})
    return Seeded(url, http, tuple(ids), TOKEN)


class TestCanaille(ScimConformance):
    @pytest.fixture
    def app(self, url, http):
        return emptied_and_seeded(http, url)

    @pytest.fixture
    def connector(self, app):
        return connector(app.url, **OPTIONS)

    @pytest.fixture
    def new_account(self):
        return Account(id="", user_name="dee", given_name="Dee", family_name="Doe", emails=("dee@example.com",))

    def test_a_second_create_is_refused_exactly_where_that_is_declared(self, connector, writing_door, new_account):
        """Canaille refuses it, but by a 500, which says nothing: the look afterwards finds one account."""
        call = Call(door=writing_door)
        connector.create(new_account, call)
        with pytest.raises(OutcomeUnknown):
            connector.create(new_account, call)
        assert len(connector.find_named(new_account.user_name, call)) == 1


@pytest.fixture
def app(url, http):
    return emptied_and_seeded(http, url)


@pytest.fixture
def call(app, http):
    return Call(door=writing(reading_door(app.url, http, TOKEN)))


def test_the_whole_life_of_an_account(app, call):
    scim = connector(app.url, **OPTIONS)
    wanted = Account(
        id="",
        user_name="dee",
        given_name="Dee",
        family_name="Doe",
        emails=("dee@example.com", "dee@home.example.com"),
        employee_number="0042",
        attributes={"department": "Sales", "title": "AE"},
    )
    assert scim.find_named("dee", call) == ()
    dee = scim.create(wanted, call).account.id
    scim.grant(dee, "group:sellers", call)
    made = scim.find(dee, call)
    assert (made.user_name, made.emails, made.employee_number) == ("dee", wanted.emails, "0042")
    assert made.attributes == wanted.attributes
    assert made.entitlements == {"group:sellers"}
    assert made.state is AccountState.ACTIVE

    scim.update(dee, {"title": "Lead", "department": "", "email": "dee.doe@example.com"}, call)
    scim.grant(dee, "group:everybody", call)
    scim.revoke(dee, "group:sellers", call)
    moved = scim.find(dee, call)
    assert moved.attributes == {"title": "Lead"}
    assert moved.emails == ("dee.doe@example.com", "dee@home.example.com")
    assert moved.entitlements == {"group:everybody"}
    others = {one.user_name: one.entitlements for one in read_all(scim, call) if one.id != dee}
    assert others == {
        "ana": {"group:everybody"},
        "bob": {"group:everybody", "group:sellers"},
        "cy": frozenset(),
    }

    scim.deactivate(dee, call)
    assert app.user(dee)["active"] is False
    assert dee in [one.id for one in read_all(scim, call)]
    scim.reactivate(dee, call)
    assert app.user(dee)["active"] is True
    scim.deactivate(dee, call)
    scim.delete(dee, call)
    assert scim.find(dee, call) is None


def test_a_count_that_the_server_fails_on_is_not_sent(app, call):
    failed = app.client.get(f"{app.url}/Users?count=1", headers={"Authorization": f"Bearer {TOKEN}"})
    assert failed.status_code == 500
    scim = connector(app.url, **OPTIONS)
    scim.check(call)
    assert [one.id for one in read_all(scim, call)] == list(app.ids)


def test_a_filter_that_the_server_ignores_never_finds_somebody_else(app, call):
    found = app.request("GET", '/Users?filter=userName eq "cy"').json()
    assert found["totalResults"] == 3
    assert [one.user_name for one in connector(app.url, **OPTIONS).find_named("cy", call)] == ["cy"]


def test_what_the_server_demands_and_the_wish_lacks_is_rejected_with_its_own_words(app, call):
    with pytest.raises(Rejected, match="name"):
        connector(app.url, **OPTIONS).create(Account(id="", user_name="nameless"), call)
