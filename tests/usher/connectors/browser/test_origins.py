"""The browser reaches the app and nothing else, whatever a page tries."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from usher.catalog.registry import profiles
from usher.connectors.browser.child import _error
from usher.connectors.browser.connector import BrowserConnector
from usher.connectors.browser.session import Gate
from usher.connectors.contract import Call
from usher.connectors.door import Door
from usher.connectors.errors import InDoubt, Rejected, Transient
from usher.domain.connection import ConnectionConfig
from usher.domain.profile import AppProfile

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.suite("browser")]


class Site(ThreadingHTTPServer):
    """A web site of fixed pages that counts its visits."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages, self.visits = pages, list[str]()
        super().__init__(("127.0.0.1", 0), _Answer)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.visits.append(self.path)
        page = self.server.pages.get(self.path, "")
        if page.startswith("to "):
            self.send_response(302)
            self.send_header("Location", page.removeprefix("to "))
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def other() -> Iterator[Site]:
    site = Site({})
    yield site
    site.shutdown()
    site.thread.join()
    site.server_close()


@pytest.mark.parametrize(
    "page",
    [
        "to {other}/internal",
        "<h1>Users</h1><script>location = '{other}/internal'</script>",
        "<h1>Users</h1><script>window.open('{other}/internal')</script>",
        "<h1>Users</h1><script>location = 'http://169.254.169.254/latest/meta-data'</script>",
        "<h1>Users</h1><iframe src='{other}/internal'></iframe>",
        "<h1>Users</h1><img src='{other}/pixel'><img src='/moved'><script>fetch('{other}/data')</script>",
        "<h1>Users</h1><script>new WebSocket('{other}/socket'.replace('http', 'ws'))</script>",
    ],
)
def test_a_page_that_leads_elsewhere_gets_nowhere(other: Site, page: str) -> None:
    app = Site({"/users": page.replace("{other}", other.url), "/moved": f"to {other.url}/pixel"})
    recipe = {
        "start": "/users",
        "known_by": {"heading": "Users"},
        "accounts": {"rows": {"find_by": "Email"}, "fields": {"user_name": "Email"}},
    }
    profile = AppProfile(app="hostile", title="Hostile", speaks="browser", recipe=recipe)
    config = ConnectionConfig(
        name="hostile", app="hostile", speaks="browser", owner="o", url=app.url, options={"patience_seconds": 1.5}
    )
    try:
        with pytest.raises((InDoubt, Transient)):
            BrowserConnector(config, profile).check(Call(door=Door(connection="hostile", base_url=app.url)))
    finally:
        app.shutdown()
        app.thread.join()
        app.server_close()
    assert app.visits
    assert other.visits == []


class Socket:
    """A web socket that a page opens, as the gate meets it."""

    def __init__(self, url: str) -> None:
        self.url, self.did = url, list[str]()

    def connect_to_server(self) -> None:
        self.did.append("connected")

    def close(self) -> None:
        self.did.append("closed")


@pytest.mark.parametrize(
    ("sockets", "did"), [((), "closed"), (("wss://other.test",), "closed"), (("wss://app.test",), "connected")]
)
def test_a_web_socket_even_to_the_app_itself_is_closed_unless_the_recipe_names_it(
    sockets: tuple[str, ...], did: str
) -> None:
    gate, socket = Gate(["https://app.test"], [], sockets), Socket("wss://app.test:443/live")
    gate.handle_socket(socket)  # type: ignore[arg-type]
    assert socket.did == [did]


def test_a_page_opens_no_web_socket_to_its_own_app() -> None:
    script = "<script>new WebSocket(location.origin.replace('http', 'ws') + '/live')</script>"
    app = Site({"/users": f"<h1>Users</h1><table><tr><th>Email</th></tr></table>{script}"})
    recipe = {
        "start": "/users",
        "known_by": {"heading": "Users"},
        "accounts": {"rows": {"find_by": "Email"}, "fields": {"user_name": "Email"}},
    }
    profile = AppProfile(app="chatty", title="Chatty", speaks="browser", recipe=recipe)
    config = ConnectionConfig(
        name="chatty", app="chatty", speaks="browser", owner="o", url=app.url, options={"patience_seconds": 1.5}
    )
    try:
        with contextlib.suppress(InDoubt, Transient):
            BrowserConnector(config, profile).check(Call(door=Door(connection="chatty", base_url=app.url)))
    finally:
        app.shutdown()
        app.thread.join()
        app.server_close()
    assert "/users" in app.visits
    assert "/live" not in app.visits


@pytest.mark.parametrize(("refused", "name"), [(False, "OutcomeUnknown"), (True, "Rejected")])
def test_after_the_writing_click_only_the_words_of_the_page_say_that_nothing_was_done(refused: bool, name: str) -> None:
    missing = Rejected("deactivate step 4: nothing is known to put in place of $email")
    assert _error(missing, wrote=True, refused=refused)["error"] == name
    assert _error(missing, wrote=False)["error"] == "Rejected"


def test_the_catalogue_names_no_origin_besides_the_connection_s_own() -> None:
    for name in profiles().names():
        assert not (profiles().get(name).recipe or {}).get("origins")
