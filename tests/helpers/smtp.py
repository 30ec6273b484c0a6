"""A real SMTP server on loopback that keeps what it takes, refuses whom the test names, and speaks TLS on demand."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "usher", "s3cret-of-the-mail-server"


class Inbox:
    """What the server does: `taken` are the mails, `refuse` maps addresses to answers such as `550 no such user`."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.refuse: dict[str, str] = {}
        self.signed_in: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """Take a recipient or refuse him."""
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a mail."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        return "250 kept"

    def ids(self) -> list[str]:
        """The Message-ID of each mail."""
        return [str(one["Message-ID"]) for one in self.taken]


class _Server(Controller):
    def __init__(self, inbox: Inbox, port: int, tls: ssl.SSLContext | None, implicit: bool, login: bool) -> None:
        self._starttls = None if implicit else tls
        self._login = login
        self._inbox = inbox
        super().__init__(inbox, hostname="127.0.0.1", port=port, ssl_context=tls if implicit else None)

    def factory(self) -> SMTP:
        def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
            ok = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
            if ok:
                self._inbox.signed_in.append(data.login.decode())
            return AuthResult(success=ok, handled=ok)

        return SMTP(
            self.handler,
            hostname="mail.test",
            tls_context=self._starttls,
            require_starttls=self._starttls is not None,
            authenticator=check if self._login else None,
            auth_required=self._login and self._starttls is not None,
            # the library takes only STARTTLS for TLS here
            auth_require_tls=self._login and self._starttls is not None,
        )


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mail_server(
    inbox: Inbox,
    *,
    port: int | None = None,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    login: bool = False,
) -> Iterator[int]:
    """Run the server; gives its port. `tls` is offered by STARTTLS and insisted on, or from the start (`implicit`)."""
    server = _Server(inbox, port or free_port(), tls, implicit, login)
    server.start()
    try:
        yield int(server.port)
    finally:
        server.stop()


def certificate(folder: Path, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """A fresh certificate that signs itself: the server's context, and the file by which it is believed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, private)
    return context, cert
