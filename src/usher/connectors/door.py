"""The one place through which a connector reaches an app: permits, rehearsal, seal, budget and recording live here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from usher.connectors.budget import Budget
from usher.connectors.contract import Permit
from usher.connectors.errors import AccessLost, NotPermitted, OutcomeUnknown, Rejected, Transient, Unsupported

if TYPE_CHECKING:
    import httpx2

MAX_BODY = 32 * 1024 * 1024
RETRIED_STATUSES = frozenset({429})
AFTER_A_WRITE = frozenset({302, 303})  # "done, look there" as well as "sign in first"


class Leave(Protocol):
    """Asked right before every write: raises NotPermitted unless the engine still allows this permit to act."""

    def __call__(self, permit: Permit) -> None: ...


def refuse_all(permit: Permit) -> None:
    """The leave of a door that only reads."""
    raise NotPermitted("this door was opened for reading only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What one call may use. A write needs `permit` and, at the instant of the write, `leave(permit)`.

    `secrets` maps names to values and never leaves this process except into the app itself.
    """

    connection: str
    base_url: str | None = None
    folder: Path | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    permit: Permit | None = None
    leave: Leave = refuse_all
    rehearsing: bool = False
    timeout_seconds: float = 20.0
    budget: Budget | None = None
    urgent: bool = False
    """Its calls go before those of bulk work where the budget makes them wait."""
    client: httpx2.Client | None = None
    pictures: Path | None = None
    record: Callable[[Mapping[str, Any]], None] = lambda entry: None

    def admit_write(self, what: str) -> None:
        """Return quietly where a write may begin now; raises NotPermitted otherwise."""
        if self.rehearsing:
            raise NotPermitted(f"rehearsal: {what} was stopped at the door")
        if self.permit is None:
            raise NotPermitted(f"{what} has no permit")
        self.leave(self.permit)

    @property
    def http(self) -> HttpDoor:
        """The door to an HTTP API under `base_url`."""
        return HttpDoor(self)

    @property
    def files(self) -> FilesDoor:
        """The door to the folder of exports."""
        if self.folder is None:
            raise AccessLost(f"connection {self.connection} names no path")
        return FilesDoor(self.folder)


@dataclass(frozen=True, slots=True)
class FilesDoor:
    """Reads files below one folder (or one file, whose name is then "") and nothing else."""

    folder: Path

    def newest(self, pattern: str) -> str:
        """Return the name of the newest file that fits the pattern; AccessLost where there is none."""
        if self.folder.is_file():
            return ""
        try:
            found = [(path.stat().st_mtime_ns, path.name) for path in self.folder.glob(pattern) if path.is_file()]
        except OSError as error:
            raise AccessLost(f"{self.folder}: {error.strerror or error}") from error
        if not found:
            raise AccessLost(f"{self.folder} holds no file that fits {pattern!r}")
        return max(found)[1]

    def read(self, name: str) -> bytes:
        """Return a file's bytes; AccessLost where it is missing, outside the folder or unreadable."""
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise AccessLost(f"{name} lies outside {self.folder}")
        try:
            return path.read_bytes()
        except OSError as error:
            raise AccessLost(f"{path}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """HTTP with the reading of outcomes: what surely did not happen, what happened, and what nobody knows."""

    door: Door

    def get(self, path: str, **options: Any) -> httpx2.Response:
        """Read; safe to repeat."""
        return self.send("GET", path, write=False, **options)

    def post(self, path: str, *, write: bool = True, **options: Any) -> httpx2.Response:
        """POST; `write=False` for searches, which change nothing."""
        return self.send("POST", path, write=write, **options)

    def put(self, path: str, **options: Any) -> httpx2.Response:
        """Replace a record."""
        return self.send("PUT", path, write=True, **options)

    def patch(self, path: str, **options: Any) -> httpx2.Response:
        """Change a record."""
        return self.send("PATCH", path, write=True, **options)

    def delete(self, path: str, **options: Any) -> httpx2.Response:
        """Remove a record."""
        return self.send("DELETE", path, write=True, **options)

    def send(self, method: str, path: str, *, write: bool, **options: Any) -> httpx2.Response:
        """Send one request and return its response (2xx, or 4xx other than 401 and 429, for the connector to read).

        Raises Transient where nothing can have happened, OutcomeUnknown where a write may have, AccessLost on 401 and
        redirects (302 and 303 after a write may mean that it was done: OutcomeUnknown), Unsupported on 501,
        NotPermitted where a write has no right to begin.
        """
        import httpx2  # late: most commands call no app

        if write:
            self.door.admit_write(f"{method} {path}")
        if self.door.budget is not None:
            self.door.budget.wait(urgent=self.door.urgent)
            if write:  # asked again: the wait may have outlived the lease, and a seal may have come meanwhile
                self.door.admit_write(f"{method} {path}")
        started = time.monotonic()
        try:
            response = self._client().request(
                method,
                self._url(path),
                timeout=self.door.timeout_seconds,
                follow_redirects=False,
                headers=self._headers(options.pop("headers", None)),
                **options,
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            self._note(method, path, started, error=type(error).__name__)
            raise Transient(f"{self.door.connection} could not be reached: {error}") from error
        except httpx2.RequestError as error:
            self._note(method, path, started, error=type(error).__name__)
            raise self._unanswered(method, path, write, f"{type(error).__name__}: {error}") from error
        self._note(method, path, started, status=response.status_code)
        return self._read(method, path, write, response)

    def _read(self, method: str, path: str, write: bool, response: httpx2.Response) -> httpx2.Response:
        status = response.status_code
        if len(response.content) > MAX_BODY:
            if write:
                raise self._unanswered(method, path, write, f"more than {MAX_BODY} bytes")
            raise AccessLost(f"{method} {path} answered more than {MAX_BODY} bytes")
        rest = retry_after(response) if status in RETRIED_STATUSES or status >= 500 else None
        if rest and self.door.budget is not None:
            self.door.budget.rest(rest)
        if status in RETRIED_STATUSES:
            raise Transient(f"{self.door.connection} asks to slow down ({status})", retry_after=rest)
        if status == 501:  # RFC 9110 section 15.6.2: the app cannot do this at all, so it did not do it
            raise Unsupported(f"{method} {path} is not implemented by {self.door.connection} (501)")
        if status >= 500:
            raise self._unanswered(method, path, write, f"status {status}", rest)
        if status == 401:
            raise AccessLost(f"{self.door.connection} refuses the credentials (401)")
        if write and status in AFTER_A_WRITE:
            raise self._unanswered(method, path, write, f"a redirect, status {status}")
        if 300 <= status < 400:
            raise AccessLost(f"{method} {path} answered a redirect to {response.headers.get('location', '?')!r}")
        return response

    def _unanswered(
        self, method: str, path: str, write: bool, why: str, wait: float | None = None
    ) -> OutcomeUnknown | Transient:
        if write:
            return OutcomeUnknown(f"{method} {path} on {self.door.connection} has no trustworthy answer ({why})")
        return Transient(f"{method} {path} on {self.door.connection} was not answered ({why})", retry_after=wait)

    def _client(self) -> httpx2.Client:
        if self.door.client is None:
            raise AccessLost(f"connection {self.door.connection} has no HTTP client")
        return self.door.client

    def _url(self, path: str) -> str:
        if self.door.base_url is None:
            raise AccessLost(f"connection {self.door.connection} names no url")
        if urlsplit(path).scheme:
            raise Rejected(f"{path!r} is an absolute address: connectors stay below their connection's url")
        return self.door.base_url.rstrip("/") + "/" + path.lstrip("/")

    def _headers(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        headers = dict(extra or {})
        if token := self.door.secrets.get("token"):
            headers.setdefault("Authorization", f"Bearer {token}")
        return headers

    def _note(self, method: str, path: str, started: float, **outcome: Any) -> None:
        milliseconds = round((time.monotonic() - started) * 1000)
        self.door.record({"method": method, "path": path.split("?")[0], "ms": milliseconds, **outcome})


def retry_after(response: httpx2.Response) -> float | None:
    """Seconds from a Retry-After header, in either of its two forms (RFC 9110 section 10.2.3)."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
