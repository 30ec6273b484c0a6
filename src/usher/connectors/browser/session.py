"""One session for one job: a fresh profile that reaches only the named origins and writes only when it may."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import (
    BrowserContext,
    Dialog,
    Locator,
    Page,
    Request,
    Response,
    Route,
    WebSocketRoute,
    sync_playwright,
)
from playwright.sync_api import (
    Error as PlaywrightError,
)

from usher.connectors.browser.in_page import OUTLINE
from usher.connectors.errors import AccessLost

READS = frozenset(("GET", "HEAD", "OPTIONS"))
VIEWPORT = {"width": 1600, "height": 1000}


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, the port always written."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _socket_origin(url: str) -> str:
    return origin_of("http" + url.removeprefix("ws")) if url.startswith("ws") else origin_of(url)


class Gate:
    """Decides over every request: only named origins, and nothing that writes while `open` is False.

    `trespasses` lists what was refused; a job that finds one stops. `sent` and `answers` follow the write.
    """

    def __init__(self, origins: Iterable[str], harmless: Iterable[str], sockets: Iterable[str] = ()) -> None:
        self._origins = frozenset(origin_of(origin) for origin in origins)
        self._harmless = frozenset(harmless)
        self._sockets = frozenset(_socket_origin(socket) for socket in sockets)
        self.open = True
        self.trespasses: list[str] = []
        self.sent: list[str] = []
        self.answers: list[int] = []
        self.leads_on = False
        """True where the write is answered with another page."""

    def knows(self, url: str) -> bool:
        """True for an address of a named origin."""
        return origin_of(url) in self._origins

    def handle(self, route: Route) -> None:
        """Let one request pass or stop it."""
        request = route.request
        if origin_of(request.url) not in self._origins:
            self.refuse_origin(request)
            route.abort("blockedbyclient")
        elif request.method in READS or urlsplit(request.url).path in self._harmless:
            route.continue_()
        elif self.open:
            self.sent.append(f"{request.method} {urlsplit(request.url).path}")
            route.continue_()
        else:
            if request.resource_type != "ping":
                self.trespasses.append(f"{request.method} {urlsplit(request.url).path} before the writing click")
            route.abort("blockedbyclient")

    def handle_socket(self, socket: WebSocketRoute) -> None:
        """Let a web socket through only where the recipe names it: what it carries may write at any time, unseen."""
        if _socket_origin(socket.url) in self._sockets:
            socket.connect_to_server()
        else:
            socket.close()

    def refuse_origin(self, request: Request) -> None:
        """Note a request to an origin that is not named; only a navigation is a reason to stop."""
        if request.is_navigation_request():
            self.trespasses.append(f"an address outside the app ({origin_of(request.url)})")

    def answered(self, response: Response) -> None:
        """Note the status of an answer to a write."""
        if response.request.method not in READS and self.open:
            self.answers.append(response.status)
            self.leads_on = response.request.is_navigation_request()


class Browser:
    """A headless Chromium that resolves the named hosts alone; the sessions of one connection may follow each other."""

    def __init__(self, chromium: str, hosts: frozenset[str]) -> None:
        self.chromium, self.hosts = chromium, hosts
        self._playwright = sync_playwright().start()
        excluded = ",".join(f"EXCLUDE {host}" for host in sorted(hosts))
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=chromium,
                chromium_sandbox=os.geteuid() != 0,
                args=[
                    f"--host-resolver-rules=MAP * ~NOTFOUND,{excluded}",
                    "--disable-background-networking",
                    "--disable-gpu",
                ],
            )
        except BaseException:
            self._playwright.stop()
            raise

    @property
    def lives(self) -> bool:
        """False once it has crashed or was closed."""
        return self._browser.is_connected()

    def new_context(self) -> BrowserContext:
        """A profile that nothing was ever kept in."""
        return self._browser.new_context(
            accept_downloads=False,
            service_workers="block",
            viewport=VIEWPORT,  # type: ignore[arg-type]
            locale="en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
        )

    def close(self) -> None:
        """End Chromium and what drives it."""
        try:
            self._browser.close()
        finally:
            self._playwright.stop()


def hosts_of(addresses: Iterable[str]) -> frozenset[str]:
    """The host names that a session with these origins may resolve."""
    return frozenset(urlsplit(address).hostname or "" for address in addresses)


class Session:
    """A profile of its own with one page in a browser; use it as a context manager."""

    def __init__(
        self,
        browser: Browser,
        base_url: str,
        origins: Iterable[str],
        harmless: Iterable[str],
        pictures: Path | None,
        sockets: Iterable[str] = (),
    ) -> None:
        self._browser = browser
        self._pictures = pictures
        self._count = 0
        self._prefix = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}"
        self.gate = Gate([base_url, *origins], harmless, sockets)
        self.secret_fields: list[Locator] = []
        self.secret_values: tuple[str, ...] = ()
        self.accepts: tuple[str, ...] = ()

    def __enter__(self) -> Session:
        self._context = self._browser.new_context()
        self._context.route("**/*", self.gate.handle)
        self._context.route_web_socket("**/*", self.gate.handle_socket)
        self.page: Page = self._context.new_page()
        self._context.on("page", lambda popup: popup.close())
        self._context.on("response", self.gate.answered)
        self.page.on("dialog", self._question)
        self._watch_redirects()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(PlaywrightError):  # a browser that died took the profile with it
            self._context.close()

    def _watch_redirects(self) -> None:
        """Stop an answer that redirects to an origin that is not named; routes see first requests only."""
        wire = self._context.new_cdp_session(self.page)

        def answered(event: dict[str, Any]) -> None:
            headers = {header["name"].lower(): header["value"] for header in event.get("responseHeaders", ())}
            target = headers.get("location")
            leads_out = 300 <= event.get("responseStatusCode", 0) < 400 and target is not None
            request = {"requestId": event["requestId"]}
            with contextlib.suppress(PlaywrightError):  # the page may be gone by now
                if leads_out and not self.gate.knows(urljoin(event["request"]["url"], str(target))):
                    if event.get("resourceType") == "Document":
                        self.gate.trespasses.append(f"a redirect outside the app ({origin_of(str(target))})")
                    wire.send("Fetch.failRequest", {**request, "errorReason": "BlockedByClient"})
                else:
                    wire.send("Fetch.continueRequest", request)

        wire.on("Fetch.requestPaused", answered)
        wire.send("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Response"}]})

    def _question(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload" or dialog.message.strip() in self.accepts:
            dialog.accept()
            return
        self.gate.trespasses.append(f"the browser asked {dialog.message[:80]!r}")
        dialog.dismiss()

    def redact(self, text: str) -> str:
        """Leave out secret values, wherever they came from."""
        for value in self.secret_values:
            text = text.replace(value, "…")
        return text

    def picture(self, name: str, of: Locator | None = None) -> str | None:
        """Save a PNG of one thing, else of the open dialog or the main region; secret fields are masked."""
        if self._pictures is None:
            return None
        self._pictures.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._count += 1
        path = (
            self._pictures
            / f"{self._prefix}-{self._count:02}-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
        )
        target = of or self._main_region()
        masks = [self.page.locator("input[type=password], input[autocomplete=one-time-code]"), *self.secret_fields]
        target.screenshot(path=path, mask=masks, animations="disabled", caret="hide", timeout=5000)
        path.chmod(0o600)
        return str(path)

    def _main_region(self) -> Locator:
        for choice in ("dialog[open]", "[role=dialog]", "[role=alertdialog]", "main", "[role=main]"):
            found = self.page.locator(choice).filter(visible=True)
            if found.count() == 1:
                return found
        return self.page.locator("body")

    def evidence(self) -> dict[str, str]:
        """Say what the page is: its path, an outline of what can be named on it, and a digest of that."""
        outline = self.redact("\n".join(self.page.evaluate(OUTLINE)))
        return {
            "page": urlsplit(self.page.url).path,
            "outline": outline[:4000],
            "digest": "sha256:" + hashlib.sha256(outline.encode()).hexdigest(),
        }

    def wait(self, milliseconds: int) -> None:
        """Let the page live for a moment."""
        self.page.wait_for_timeout(milliseconds)


def chromium_path(option: Any, environment: dict[str, str], which: Callable[[str], str | None]) -> str:
    """Find the browser: the connection's option, USHER_CHROMIUM, then PATH; raises AccessLost with what to install."""
    for named in (option, environment.get("USHER_CHROMIUM")):
        if named:
            if not os.access(str(named), os.X_OK):
                raise AccessLost(f"chromium: {named} cannot be run: expected the path of a Chromium or Chrome")
            return str(named)
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        if found := which(name):
            return found
    raise AccessLost("no Chromium was found: install one (apt-get install chromium) or name it in USHER_CHROMIUM")
