"""Start SCIM servers that we did not write, or wrote to be hostile, and hand out doors to them."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from usher.connectors.conformance import ConnectorConformance
from usher.connectors.contract import Permit
from usher.connectors.door import Door
from usher.connectors.scim import ScimConnector
from usher.domain.connection import ConnectionConfig

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
TOKEN = "secret-of-tests"
START_SECONDS = 90  # a busy machine imports slowly


@dataclass(frozen=True)
class Seeded:
    """A SCIM server with three users (the second inactive) and a group that holds the first and the second."""

    url: str
    client: httpx2.Client
    ids: tuple[str, str, str]
    token: str = TOKEN

    def request(self, method: str, path: str, body: dict | None = None) -> httpx2.Response:
        """Speak to the server past usher."""
        return request(self.client, self.token, method, self.url + path, body)

    def user(self, user_id: str) -> dict:
        """Return a user as the server has it."""
        return self.request("GET", f"/Users/{user_id}").json()


def request(client: httpx2.Client, token: str, method: str, url: str, body: dict | None = None) -> httpx2.Response:
    """Send one SCIM request with a token."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    answer = client.request(method, url, json=body, headers=headers)
    assert answer.is_success, f"{method} {url}: {answer.status_code} {answer.text}"
    return answer


def seed(client: httpx2.Client, url: str, token: str = TOKEN) -> Seeded:
    """Put three users and two groups into an empty server."""
    ids = []
    for name, active in (("ana", True), ("bob", False), ("cy", True)):
        user = {
            "schemas": [USER],
            "userName": f"{name}@example.com",
            "name": {"givenName": name.title(), "familyName": "Tester"},
            "emails": [{"value": f"{name}@example.com", "type": "work", "primary": True}],
            "active": active,
        }
        ids.append(request(client, token, "POST", f"{url}/Users", user).json()["id"])
    members = [{"value": one} for one in ids[:2]]
    request(
        client, token, "POST", f"{url}/Groups", {"schemas": [GROUP], "displayName": "everybody", "members": members}
    )
    request(client, token, "POST", f"{url}/Groups", {"schemas": [GROUP], "displayName": "sellers"})
    return Seeded(url, client, tuple(ids), token)


def config(url: str, **options: object) -> ConnectionConfig:
    """Return the configuration of a SCIM connection without lag."""
    return ConnectionConfig(
        name="crm", app="scim", speaks="scim", owner="olga", url=url, lag_seconds=0.0, options=options
    )


def connector(url: str, **options: object) -> ScimConnector:
    """Return a connector to a server."""
    return ScimConnector(config(url, **options))


def reading_door(url: str, client: httpx2.Client, token: str = TOKEN) -> Door:
    """Return a door that only reads."""
    return Door(connection="crm", base_url=url, client=client, secrets={"token": token}, timeout_seconds=10.0)


def writing(door: Door) -> Door:
    """Return the same door with a permit that is always given leave."""
    permit = Permit(step="step", intent="intent", fence=1)
    return Door(
        connection=door.connection,
        base_url=door.base_url,
        client=door.client,
        secrets=door.secrets,
        permit=permit,
        leave=lambda permit: None,
    )


@contextmanager
def scim2_server(port: int, log: Path) -> Iterator[str]:
    """Run the real scim2-server; every first request below /NAME makes an empty tenant."""
    command = Path(sys.executable).with_name("scim2-server")
    arguments = ["--hostname", "127.0.0.1", "--port", str(port), "--bearer-token", TOKEN, "--dynamic-tenants"]
    with log.open("wb") as output:
        process = subprocess.Popen([str(command), *arguments], stdout=output, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        await_answer(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers anything at all."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx2.get(url, timeout=5)
        except httpx2.TransportError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no answer from {url}: {log.read_text(errors='replace')[-2000:]}") from error
            time.sleep(0.05)
        else:
            return


def fresh_tenant(url: str) -> str:
    """Return the base address of an empty tenant."""
    return f"{url}/t{uuid.uuid4().hex[:10]}/v2"


class ScimConformance(ConnectorConformance):
    """The conformance suite over a seeded server; `app` and `http` are left to give."""

    @pytest.fixture
    def door(self, app, http):
        return reading_door(app.url, http, app.token)

    @pytest.fixture
    def writing_door(self, door):
        return writing(door)

    @pytest.fixture
    def expected_ids(self, app):
        return app.ids

    @pytest.fixture
    def inactive_id(self, app):
        return app.ids[1]

    @pytest.fixture
    def leaver_id(self, app):
        return app.ids[0]

    @pytest.fixture
    def some_entitlement(self):
        return "group:sellers"
