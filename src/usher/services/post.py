"""Post: hands one mail to an SMTP server (RFC 5321) over a verified connection, and says whether it took it."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from typing import Protocol

from usher.store.secrets import SecretMissing

TIMEOUT_SECONDS = 20.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NotSent(Exception):
    """The mail was not taken, or nobody knows: try again later. The message names what the server said."""


class Undeliverable(NotSent):
    """The server refuses this mail for good: trying again changes nothing."""


class Security(StrEnum):
    """How the connection to the mail server is protected; `none` is for a server on this machine alone."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail; its id becomes its Message-ID, so that a second copy can be told as one."""

    id: str
    to: str
    subject: str
    body: str
    made_at: datetime


class Post(Protocol):
    """Whoever sends mails."""

    def send(self, mail: Mail) -> None:
        """Hand a mail over; raises NotSent (try later) or Undeliverable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """A mail server. `password` is asked for at each mail, so that a rotated secret is used at once."""

    host: str
    sender: str
    port: int
    security: Security = Security.STARTTLS
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    authorities: str | None = None
    """A file of certificates (PEM) that are believed beside those of the system."""
    timeout: float = TIMEOUT_SECONDS

    def send(self, mail: Mail) -> None:
        """Hand a mail over; raises NotSent (try later) or Undeliverable."""
        message = self._message(mail)
        try:
            password = self.password() if self.password is not None else None
            with self._connect() as server:
                if self.security is Security.STARTTLS:
                    server.starttls(context=self._context())
                if self.user is not None and password is not None:
                    server.login(self.user, password)
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _refused(code, _text(said)) from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _refused(error.smtp_code, _text(error.smtp_error)) from error
        except smtplib.SMTPAuthenticationError as error:
            # What a server says about a refused sign-in may repeat what was sent to it.
            raise NotSent(f"{self.host} refuses the user {self.user} ({error.smtp_code})") from None
        except SecretMissing as error:
            raise NotSent(str(error)) from error
        except ssl.SSLError as error:
            raise NotSent(f"no trusted connection to {self.host}: {error.reason or error}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise NotSent(f"{self.host}: {error}; nothing is sent without that") from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotSent(f"{self.host}:{self.port}: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        if self.security is Security.TLS:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=self._context())
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.authorities is not None:
            context.load_verify_locations(cafile=self.authorities)
        return context

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        try:
            message["From"] = self.sender
            message["To"] = mail.to
            message["Subject"] = mail.subject
            message["Date"] = format_datetime(mail.made_at)
            message["Message-ID"] = f"<{mail.id}@{self.sender.rpartition('@')[2]}>"
            message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers to these
            message.set_content(mail.body)
        except ValueError as error:
            raise Undeliverable(f"it cannot be written as a mail: {error}") from error
        return message


def _refused(code: int, said: str) -> NotSent:
    """RFC 5321 section 4.2.1: 5yz is for good, 4yz is for now."""
    return (Undeliverable if 500 <= code <= 599 else NotSent)(f"the mail server answers {code} {said}".rstrip())


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
