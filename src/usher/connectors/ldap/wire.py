"""The door to an LDAP server: one encrypted, bound connection a call, and the reading of outcomes."""

from __future__ import annotations

import math
import ssl
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from usher.connectors.errors import (
    AccessLost,
    AlreadyExists,
    ConnectorError,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Transient,
    Unsupported,
)
from usher.connectors.ldap.options import LdapOptions
from usher.domain.connection import LOOPBACK

if TYPE_CHECKING:
    from usher.connectors.door import Door

PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - the name of a control, draft-behera-ldap-password-policy-10
PAGED = "1.2.840.113556.1.4.319"
ACCOUNT_LOCKED = 1
SUCCESS, BUSY, UNAVAILABLE = 0, 51, 52
NO_SUCH_ATTRIBUTE, TYPE_OR_VALUE_EXISTS = 16, 20
REFUSED = {17, 18, 19, 21, 34, 53, 64, 65, 66, 67, 69, 71}
"""Answers by which a server refuses one entry or value, and did nothing (RFC 4511 section 4.1.9)."""
Change = tuple[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it came; values are texts, names of attributes in small letters."""

    dn: str
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of an attribute."""
        return self.values.get(name.lower(), ())

    def one(self, name: str) -> str | None:
        """The first value of an attribute, or None."""
        return next(iter(self.all(name)), None)


def load_ldap3() -> Any:
    """The library, which comes with the extra; AccessLost says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 uses old names of pyasn1
            import ldap3
        warnings.filterwarnings("ignore", r"ssl\.match_hostname", DeprecationWarning)  # until Python 3.12 has its own
    except ImportError as error:
        raise AccessLost("LDAP needs one more package: pip install 'usher[ldap]'") from error
    return ldap3


class LdapDoor:
    """Reads and writes through one door; a write needs the door's permit. Every search is whole or an error."""

    def __init__(self, door: Door, options: LdapOptions) -> None:
        self._door = door
        self._options = options
        self._ldap3 = load_ldap3()

    def check(self) -> None:
        """Bind once; raises AccessLost where the credentials do not work."""
        with self._bound():
            pass

    def search(self, base: str, filter: str, names: Sequence[str]) -> list[Entry]:
        """Every entry below `base` that fits, by pages to the end; NotFound where there is no such base."""
        found: list[Entry] = []
        with self._bound() as connection:
            cookie: bytes | None = None
            while True:
                self._wait()
                answer = self._ask(
                    "search",
                    partial(
                        connection.search,
                        base, filter, self._ldap3.SUBTREE, attributes=list(names),
                        paged_size=self._options.page, paged_cookie=cookie,
                    ),
                    connection,
                )  # fmt: skip
                self._refuse(answer, f"search below {base}", write=False)
                for one in connection.response or []:
                    if one["type"] == "searchResRef":
                        raise AccessLost(f"{base} is partly on another server ({one['uri'][0]}): connect that one too")
                    found.append(_entry(one))
                cookie = answer.get("controls", {}).get(PAGED, {}).get("value", {}).get("cookie")
                if not cookie:
                    return found

    def read(self, dn: str, names: Sequence[str]) -> Entry | None:
        """One entry by its name, or None."""
        with self._bound() as connection:
            self._wait()
            answer = self._ask(
                "read",
                lambda: connection.search(dn, "(objectClass=*)", self._ldap3.BASE, attributes=list(names)),
                connection,
            )
            if answer["result"] == 32:
                return None
            self._refuse(answer, f"read {dn}", write=False)
            return next((_entry(one) for one in connection.response or [] if one["type"] == "searchResEntry"), None)

    def add(self, dn: str, classes: Sequence[str], values: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Make an entry."""
        return self._write(f"add {dn}", lambda connection: connection.add(dn, list(classes), dict(values)))

    def modify(self, dn: str, changes: Mapping[str, Change], done: frozenset[int] = frozenset()) -> dict[str, Any]:
        """Change an entry: attribute -> (`add`, `delete` or `replace`, values); `done`: answers meaning "it is so"."""
        names = {"add": "MODIFY_ADD", "delete": "MODIFY_DELETE", "replace": "MODIFY_REPLACE"}
        wanted = {name: [(getattr(self._ldap3, names[how]), list(values))] for name, (how, values) in changes.items()}
        return self._write(f"modify {dn}", lambda connection: connection.modify(dn, wanted), done)

    def refuses_to_let_in(self, dn: str, password: str) -> bool | None:
        """Try to sign in as an entry with a password that nobody has: True where the server says that it is locked.

        None where it does not say: it checked the password, or keeps the reason to itself. Only for entries that carry
        a lock already: elsewhere a failed attempt would count against the person.
        """
        with self._connected(dn, password) as connection:
            self._wait()
            control = self._ldap3.protocol.controls.build_control(PASSWORD_POLICY, False, None)
            answer = self._ask("bind", lambda: connection.bind(controls=[control]), connection)
            said = answer.get("controls", {}).get(PASSWORD_POLICY, {}).get("value")
            return True if answer["result"] != SUCCESS and _policy_error(said) == ACCOUNT_LOCKED else None

    def _write(
        self, what: str, send: Callable[[Any], Any], done: frozenset[int] = frozenset()
    ) -> dict[str, Any]:  # fmt: skip
        self._door.admit_write(what)
        with self._bound() as connection:
            self._wait()
            self._door.admit_write(what)  # asked again: the wait and the bind may have outlived the lease
            answer = self._ask(what, lambda: send(connection), connection, write=True)
            if answer["result"] not in done:
                self._refuse(answer, what, write=True)
            return {"result": answer["result"], "description": answer["description"]}

    @contextmanager
    def _bound(self) -> Iterator[Any]:
        password = self._door.secrets.get("password")
        if not password:  # RFC 4513 section 5.1.2: without a password a bind is anonymous, and succeeds
            raise AccessLost(f"connection {self._door.connection} has no secret `password`")
        with self._connected(self._options.bind_dn, password) as connection:
            self._wait()
            answer = self._ask("bind", connection.bind, connection)
            if answer["result"] in (BUSY, UNAVAILABLE):
                raise Transient(f"{self._door.connection} is {answer['description']}")
            if answer["result"] != SUCCESS:
                raise AccessLost(f"{self._door.connection} refuses {self._options.bind_dn}: {answer['description']}")
            yield connection

    @contextmanager
    def _connected(self, user: str, password: str) -> Iterator[Any]:
        from ldap3.core.exceptions import LDAPExceptionError

        connection = self._connection(user, password)
        try:
            connection.open(read_server_info=False)
            if self._encrypts_later() and not connection.start_tls(read_server_info=False):
                raise AccessLost(f"{self._door.connection} does not encrypt: {connection.result['description']}")
        except (LDAPExceptionError, OSError, ssl.SSLError) as error:
            self._let_go(connection)
            if "certificate" in str(error).casefold():
                raise AccessLost(f"{self._door.connection}: its certificate is not believed: {error}") from error
            raise Transient(f"{self._door.connection} could not be reached: {error}") from error
        except ConnectorError:
            self._let_go(connection)
            raise
        try:
            yield connection
        finally:
            self._let_go(connection)

    def _connection(self, user: str, password: str) -> Any:
        if self._door.base_url is None:
            raise AccessLost(f"connection {self._door.connection} names no url")
        parts = urlsplit(self._door.base_url)
        ldap3, seconds = self._ldap3, max(1, math.ceil(self._door.timeout_seconds))  # it takes whole seconds alone
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=self._options.ca_file, valid_names=None)
        server = ldap3.Server(
            parts.hostname,
            port=parts.port or (636 if parts.scheme == "ldaps" else 389),
            use_ssl=parts.scheme == "ldaps",
            tls=tls,
            get_info=ldap3.NONE,
            connect_timeout=seconds,
        )
        return ldap3.Connection(
            server,
            user,
            password,
            auto_referrals=False,
            check_names=False,
            receive_timeout=seconds,
            raise_exceptions=False,
        )

    def _encrypts_later(self) -> bool:
        parts = urlsplit(self._door.base_url or "")
        if parts.scheme == "ldaps":
            return False
        return parts.hostname not in LOOPBACK if self._options.start_tls is None else self._options.start_tls

    def _let_go(self, connection: Any) -> None:
        from ldap3.core.exceptions import LDAPExceptionError

        with suppress(LDAPExceptionError, OSError):
            connection.unbind()
        if connection.socket is not None:
            with suppress(OSError):
                connection.socket.close()

    def _wait(self) -> None:
        if self._door.budget is not None:
            self._door.budget.wait(urgent=self._door.urgent)

    def _ask(self, what: str, send: Callable[[], Any], connection: Any, *, write: bool = False) -> dict[str, Any]:
        """Send one request and return its answer; without one, a reading may be repeated and a write is unknown."""
        from ldap3.core.exceptions import LDAPCommunicationError, LDAPExceptionError, LDAPMaximumRetriesError

        started = time.monotonic()
        try:
            send()
        except (LDAPCommunicationError, LDAPMaximumRetriesError, OSError) as error:
            self._note(what, started, error=type(error).__name__)
            if write:
                raise OutcomeUnknown(
                    f"{what} on {self._door.connection} has no trustworthy answer ({error})"
                ) from error
            raise Transient(f"{what} on {self._door.connection} was not answered ({error})") from error
        except LDAPExceptionError as error:  # refused by the library before it was sent: a filter, a name, a value
            self._note(what, started, error=type(error).__name__)
            raise Rejected(f"{what}: {error}") from error
        answer: dict[str, Any] = connection.result
        self._note(what, started, status=answer["result"])
        return answer

    def _note(self, what: str, started: float, **outcome: Any) -> None:
        milliseconds = round((time.monotonic() - started) * 1000)
        self._door.record({"method": what.split(" ")[0].upper(), "path": "", "ms": milliseconds, **outcome})

    def _refuse(self, answer: Mapping[str, Any], what: str, *, write: bool) -> None:
        """Raise what an answer other than success means; return where it is success."""
        code, said = answer["result"], f"{answer['description']} {answer['message']}".strip()
        if code == SUCCESS:
            return
        text = f"{what} on {self._door.connection}: {said} ({code})"
        if code in (BUSY, UNAVAILABLE):
            raise Transient(text)
        if code == 32:
            raise NotFound(text)
        if code == 68:
            raise AlreadyExists(text)
        if code in (8, 13, 48, 49):
            raise AccessLost(text)
        if code == 50:
            raise Rejected(f"{text}: {self._options.bind_dn} lacks the right to it")
        if code == 12:
            raise Unsupported(text)
        if code in REFUSED:
            raise Rejected(text)
        if write:
            raise OutcomeUnknown(text)
        raise AccessLost(f"{text}: the listing is not whole")  # size or time limits, referrals: never a listing


def _entry(response: Mapping[str, Any]) -> Entry:
    values = {
        name.lower(): tuple(value.decode("utf-8", "replace") for value in raw)
        for name, raw in response["raw_attributes"].items()
    }
    return Entry(response["dn"], values)


def _policy_error(value: bytes | None) -> int | None:
    """The error of a password policy response: SEQUENCE { warning [0] OPTIONAL, error [1] ENUMERATED OPTIONAL }."""
    if not isinstance(value, bytes) or len(value) < 2 or value[0] != 0x30:
        return None
    place = 2
    while place + 1 < len(value):
        tag, length = value[place], value[place + 1]
        if tag == 0x81 and length == 1 and place + 2 < len(value):
            return value[place + 2]
        place += 2 + length
    return None
