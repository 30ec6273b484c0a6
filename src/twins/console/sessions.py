"""Who is signed in: passwords, the second factor and session cookies, so that a deactivation can end them."""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import threading
import time
from dataclasses import dataclass, field

from twins.console.directory import Directory, Status, User
from twins.console.settings import ConsoleSettings

TOTP_STEP_SECONDS = 30
TOTP_DIGITS = 6


def totp_code(secret: str, at: float | None = None) -> str:
    """Return the six-digit code of RFC 6238 for a base32 secret at a Unix time (default: now)."""
    key = totp_key(secret)
    counter = int(time.time() if at is None else at) // TOTP_STEP_SECONDS
    digest = hmac.new(key, struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**TOTP_DIGITS).zfill(TOTP_DIGITS)


def totp_key(secret: str) -> bytes:
    """Return the key behind a base32 secret, spaces and case ignored; raises ValueError."""
    text = secret.replace(" ", "").upper()
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise ValueError("expected a base32 secret") from error


@dataclass(slots=True)
class Session:
    """One browser: who it is, whether the second factor is still owed, and the message to show next."""

    token: str
    user_id: str
    verified: bool
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    toast: str | None = None
    error: str | None = None

    def take_messages(self) -> tuple[str | None, str | None]:
        """Return the toast and the error that wait for the next page, and forget them."""
        waiting = (self.toast, self.error)
        self.toast = self.error = None
        return waiting


class Sessions:
    """The open sessions; they live in memory, so a restart signs everybody out."""

    def __init__(self, settings: ConsoleSettings, directory: Directory) -> None:
        self._settings = settings
        self._directory = directory
        self._open: dict[str, Session] = {}
        self._used_codes: set[str] = set()
        self._lock = threading.Lock()

    def start(self, email: str, password: str) -> Session | None:
        """Return a new session when e-mail and password fit a user who may sign in, else None."""
        user = self._directory.by_email(email)
        if user is None or user.status is Status.DEACTIVATED or not self._password_fits(user, password):
            return None
        owes_code = self._settings.totp_secret is not None and self._is_administrator(user)
        session = Session(secrets.token_urlsafe(24), user.id, verified=not owes_code)
        with self._lock:
            self._open[session.token] = session
        if session.verified:
            self._directory.signed_in(user.id)
        return session

    def verify(self, session: Session, code: str) -> bool:
        """Accept the code of the present, the previous or the next half minute."""
        secret = self._settings.totp_secret
        if secret is None:
            return False
        now = time.time()
        given = code.replace(" ", "")
        fits = any(
            hmac.compare_digest(totp_code(secret, now + shift).encode(), given.encode())
            for shift in (-TOTP_STEP_SECONDS, 0, TOTP_STEP_SECONDS)
        )
        if not fits or (self._settings.totp_once and given in self._used_codes):
            return False
        self._used_codes.add(given)
        session.verified = True
        self._directory.signed_in(session.user_id)
        return True

    def find(self, token: str | None) -> Session | None:
        """Return the session of a cookie, second factor given or not."""
        with self._lock:
            return self._open.get(token or "")

    def end(self, session: Session) -> None:
        """Sign one browser out."""
        with self._lock:
            self._open.pop(session.token, None)

    def end_all_of(self, user_id: str) -> None:
        """Sign a user out everywhere."""
        with self._lock:
            self._open = {token: kept for token, kept in self._open.items() if kept.user_id != user_id}

    def _is_administrator(self, user: User) -> bool:
        return user.email == self._settings.admin_email.lower()

    def _password_fits(self, user: User, password: str) -> bool:
        expected = self._settings.admin_password if self._is_administrator(user) else self._settings.people_password
        return expected is not None and hmac.compare_digest(expected.encode(), password.encode())
