"""Against a real slapd: whole listings, locks that count by their effect alone, and answers that were lost."""

from __future__ import annotations

import dataclasses
import json
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from usher.connectors.conformance import ConnectorConformance
from usher.connectors.contract import Call, Capability, Permit, read_all
from usher.connectors.door import Door
from usher.connectors.errors import AccessLost, AlreadyExists, NotFound, OutcomeUnknown, Rejected, Transient
from usher.connectors.ldap import LdapConnector
from usher.connectors.ldap.entries import LOCKED_AT, instant
from usher.connectors.ldap.wire import LdapDoor
from usher.domain.account import Account, AccountState
from usher.domain.connection import ConnectionConfig

pytestmark = [pytest.mark.needs("slapd"), pytest.mark.timeout(120)]
SUFFIX = "dc=acme,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
OPTIONS = {"bind_dn": ADMIN, "people": f"ou=people,{SUFFIX}", "groups": f"ou=groups,{SUFFIX}"}
PERMIT = Permit(step="stp_1", intent="int_1", fence=1)


def people(count: int = 3) -> dict:
    users = [
        {
            "userName": f"user{number:03}@acme.test",
            "name": {"givenName": "Ann", "familyName": f"Archer, {number}"},
            "displayName": f"Ann (Archer) {number}",
            "emails": [{"value": f"user{number:03}@acme.test"}],
            "title": "Engineer",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": f"E{number}"},
            "active": number != 0,
        }
        for number in range(count)
    ]
    member = [{"value": "user001@acme.test"}]
    groups = [{"displayName": "all-staff", "members": member}, {"displayName": "Readers (EMEA)", "members": []}]
    return {"users": users, "groups": groups}


@pytest.fixture
def start(tmp_path, start_twin):
    def begin(*words, count=3):
        load = tmp_path / "people.json"
        load.write_text(json.dumps(people(count)))
        return start_twin("twins.slapd", "--folder", tmp_path / "slapd", "--load", load, *words)

    return begin


def connector_of(url: str, **options) -> LdapConnector:
    return LdapConnector(
        ConnectionConfig(
            name="directory", app="ldap", speaks="ldap", part="idp", owner="olga", url=url, options=OPTIONS | options
        )
    )


def door_of(url: str, password: str = "Admin-pass-1", **more) -> Door:
    return Door(connection="directory", base_url=url, secrets={"password": password}, **more)


def writing(url: str) -> Door:
    return door_of(url, permit=PERMIT, leave=lambda permit: None)


def named(connector: LdapConnector, door: Door, number: int) -> Account:
    (found,) = connector.find_named(f"user{number:03}@acme.test", Call(door=door))
    return found


class TestLdap(ConnectorConformance):
    @pytest.fixture
    def app(self, start):
        return start()

    @pytest.fixture
    def connector(self, app):
        return connector_of(app.url)

    @pytest.fixture
    def door(self, app):
        return door_of(app.url)

    @pytest.fixture
    def writing_door(self, app):
        return writing(app.url)

    @pytest.fixture
    def expected_ids(self, connector, door):
        entries = LdapDoor(door, connector.options).search(OPTIONS["people"], "(uid=*)", ("entryUUID",))
        return [entry.one("entryUUID") for entry in entries]

    @pytest.fixture
    def inactive_id(self, connector, door):
        return named(connector, door, 0).id

    @pytest.fixture
    def leaver_id(self, connector, door):
        return named(connector, door, 2).id

    def test_the_connector_opens_no_connection_of_its_own(self, connector, door, monkeypatch):
        """The door of LDAP connects by itself: without an address nothing is connected to."""
        opened = []
        monkeypatch.setattr(socket.socket, "connect", lambda _socket, address: opened.append(address))
        with pytest.raises(AccessLost):
            list(read_all(connector, Call(door=dataclasses.replace(door, base_url=None))))
        assert not opened

    def test_a_dead_credential_is_access_lost(self, connector, app):
        for password in ("wrong", ""):
            with pytest.raises(AccessLost):
                connector.check(Call(door=door_of(app.url, password)))

    def test_a_refused_connection_is_transient(self, free_port):
        url = f"ldap://127.0.0.1:{free_port}"
        with pytest.raises(Transient):
            connector_of(url).check(Call(door=door_of(url)))


def test_an_account_says_what_its_entry_says(start):
    app = start()
    one = named(connector_of(app.url), door_of(app.url), 1)
    assert (one.display_name, one.given_name, one.family_name) == ("Ann (Archer) 1", "Ann", "Archer, 1")
    assert (one.employee_number, one.emails) == ("E1", ("user001@acme.test",))
    assert one.attributes == {"title": "Engineer"}
    assert one.entitlements == {"group:all-staff"}
    assert one.state is AccountState.ACTIVE
    assert one.created is not None


def test_a_listing_is_read_by_pages_to_its_end(start):
    app = start(count=57)
    connector = connector_of(app.url, page=10)
    listed = list(read_all(connector, Call(door=door_of(app.url))))
    assert len({one.id for one in listed}) == 57
    assert {one.id for one in listed if one.entitlements} == {named(connector, door_of(app.url), 1).id}


def test_a_listing_that_the_server_cuts_short_is_no_listing(start):
    app = start("--size-limit", "20", count=57)
    reader = {"bind_dn": f"cn=reader,{SUFFIX}"}
    with pytest.raises(AccessLost, match="not whole"):
        list(read_all(connector_of(app.url, **reader), Call(door=door_of(app.url, "reader"))))


def test_a_lock_is_proven_by_what_the_server_says_to_an_attempt(start):
    app = start()
    connector, door = connector_of(app.url), door_of(app.url)
    one = named(connector, door, 2)
    assert signs_in(app.url, "user002@acme.test")
    connector.deactivate(one.id, Call(door=writing(app.url)))
    assert connector.find(one.id, Call(door=door)).state is AccountState.SUSPENDED
    assert not signs_in(app.url, "user002@acme.test")
    connector.reactivate(one.id, Call(door=writing(app.url)))
    assert connector.find(one.id, Call(door=door)).state is AccountState.ACTIVE
    assert signs_in(app.url, "user002@acme.test")


@pytest.mark.parametrize(
    ("words", "options", "state"),
    [
        (("--no-lockout",), {}, AccountState.UNKNOWN),
        (("--no-lockout",), {"policy": f"cn=default,ou=policies,{SUFFIX}"}, AccountState.ACTIVE),
        (("--silent",), {}, AccountState.UNKNOWN),
        (("--silent",), {"policy": f"cn=default,ou=policies,{SUFFIX}"}, AccountState.SUSPENDED),
        (("--silent",), {"policy": f"cn=gone,ou=policies,{SUFFIX}"}, AccountState.UNKNOWN),
    ],
)
def test_a_lock_without_effect_is_never_taken_for_one(start, words, options, state):
    app = start(*words)
    connector, door = connector_of(app.url, **options), door_of(app.url)
    one = named(connector, door, 2)
    connector.deactivate(one.id, Call(door=writing(app.url)))  # the server takes it in every case
    assert connector.find(one.id, Call(door=door)).state is state
    assert {a.state for a in read_all(connector, Call(door=door)) if a.id == one.id} == {state}
    if "--no-lockout" in words:
        assert signs_in(app.url, "user002@acme.test"), "it is the trap that this test is about"


def test_an_attempt_is_made_only_where_there_is_a_lock_already(start):
    """Elsewhere it would count against the person."""
    app = start()
    connector, door = connector_of(app.url), door_of(app.url)
    for _ in range(3):
        list(read_all(connector, Call(door=door)))
    entries = LdapDoor(door, connector.options).search(OPTIONS["people"], "(uid=*)", ("pwdFailureTime", LOCKED_AT))
    assert not any(entry.all("pwdFailureTime") for entry in entries)


def test_names_that_would_end_a_filter_or_an_entrys_name_do_not(start):
    app = start()
    connector, call = connector_of(app.url), Call(door=door_of(app.url))
    for text in ("*", "user00*", "x)(uid=*", "a\\b", "a\0b"):
        assert connector.find_named(text, call) == ()
        assert connector.find(text, call) is None
    strange = 'o"neil, ann + <x>;#='
    made = connector.create(Account(id="", user_name=strange), Call(door=writing(app.url)))
    assert made.account is not None
    assert made.account.user_name == strange
    assert connector.find_named(strange, call)[0].id == made.account.id
    connector.grant(made.account.id, "group:Readers (EMEA)", Call(door=writing(app.url)))
    assert connector.find(made.account.id, call).entitlements == {"group:Readers (EMEA)"}
    assert {a.user_name for a in read_all(connector, call) if "group:Readers (EMEA)" in a.entitlements} == {strange}


def test_what_the_directory_refuses_is_said_and_nothing_is_done(start):
    app = start()
    connector, call = connector_of(app.url), Call(door=writing(app.url))
    one = named(connector, door_of(app.url), 1)
    with pytest.raises(AlreadyExists):
        connector.create(Account(id="", user_name="user001@acme.test"), call)
    with pytest.raises(NotFound):
        connector.deactivate("00000000-0000-0000-0000-000000000000", call)
    with pytest.raises(Rejected, match=r"options\.attributes"):
        connector.update(one.id, {"favourite_colour": "red"}, call)
    with pytest.raises(Rejected, match="0 groups are called"):
        connector.grant(one.id, "group:nobody", call)
    with pytest.raises(Rejected, match="lacks the right"):
        reader = connector_of(app.url, bind_dn=f"cn=reader,{SUFFIX}")
        reader.deactivate(one.id, Call(door=dataclasses.replace(writing(app.url), secrets={"password": "reader"})))
    assert connector.find(one.id, call).state is AccountState.ACTIVE


def test_without_groups_there_are_no_memberships_and_no_right_to_them(start):
    app = start()
    connector = connector_of(app.url, groups=None, without=["create accounts"])
    offered = connector.capabilities()
    assert offered == {Capability.UPDATE, Capability.DEACTIVATE, Capability.REACTIVATE}
    assert not any(one.entitlements for one in read_all(connector, Call(door=door_of(app.url))))


def test_an_entry_that_is_not_there_is_told_by_the_check(start):
    app = start()
    with pytest.raises(AccessLost, match="ou=nobody"):
        connector_of(app.url, people=f"ou=nobody,{SUFFIX}").check(Call(door=door_of(app.url)))


class _Cutting(socketserver.BaseRequestHandler):
    """Passes bytes on to the server, and from the nth request on loses the answers."""

    def handle(self) -> None:
        server: Proxy = self.server
        lose = False
        with socket.create_connection(server.behind) as behind:
            while True:
                for ready in select.select([self.request, behind], [], [])[0]:
                    data = ready.recv(65536)
                    if not data or (lose and ready is behind):
                        return
                    (behind if ready is self.request else self.request).sendall(data)
                    if ready is self.request:
                        server.requests += 1
                        lose = server.requests in server.lost


class Proxy(socketserver.ThreadingTCPServer):
    """Between us and the server: what a dropped connection looks like."""

    daemon_threads = True

    def __init__(self, behind: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Cutting)
        self.behind, self.requests, self.lost = behind, 0, set[int]()


@pytest.fixture
def proxy(start) -> Iterator[Proxy]:
    app = start()
    with Proxy(("127.0.0.1", int(app.url.rpartition(":")[2]))) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_a_write_whose_answer_was_lost_is_unknown_and_was_sent_once(proxy):
    url = f"ldap://127.0.0.1:{proxy.server_address[1]}"
    connector, door = connector_of(url), door_of(url)
    one = named(connector, door, 2)
    proxy.requests = 0
    proxy.lost = {5}  # bind, search, unbind; bind, modify
    with pytest.raises(OutcomeUnknown):
        connector.deactivate(one.id, Call(door=writing(url)))
    assert proxy.requests == 5
    proxy.lost = set()
    assert connector.find(one.id, Call(door=door)).state is AccountState.SUSPENDED, "it was done"


def test_a_reading_whose_answer_was_lost_may_be_asked_again(proxy):
    url = f"ldap://127.0.0.1:{proxy.server_address[1]}"
    connector, call = connector_of(url), Call(door=door_of(url))
    for lost in (1, 2):
        proxy.requests, proxy.lost = 0, {lost}
        with pytest.raises(Transient):
            list(read_all(connector, call))
    proxy.lost = set()
    assert len(list(read_all(connector, call))) == 3


def test_a_certificate_that_is_not_believed_ends_it_before_the_password_is_sent(start, tmp_path):
    certificate, key = make_certificate(tmp_path)
    app = start("--certificate", certificate, "--certificate-key", key)
    plain, encrypted = app.ready["urls"]
    assert encrypted.startswith("ldaps://")
    with pytest.raises(AccessLost, match="certificate"):
        connector_of(encrypted).check(Call(door=door_of(encrypted)))
    connector_of(encrypted, ca_file=str(certificate)).check(Call(door=door_of(encrypted)))
    other = plain.replace("127.0.0.1", "localhost")
    connector_of(other, ca_file=str(certificate), start_tls=True).check(Call(door=door_of(other)))
    with pytest.raises(AccessLost, match="certificate"):
        connector_of(other, start_tls=True).check(Call(door=door_of(other)))


def test_a_server_that_does_not_encrypt_gets_no_password(start):
    app = start()
    with pytest.raises((AccessLost, Transient)):
        connector_of(app.url, start_tls=True).check(Call(door=door_of(app.url)))
    far = "ldap://directory.example.com"
    with pytest.raises(AccessLost, match="only encrypted"):
        connector_of(far, start_tls=False).check(Call(door=door_of(far)))


@pytest.mark.parametrize("url", ["https://directory.example.com", "ldap://user:word@directory.example.com", "ldap://"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValidationError):
        connector_of(url)


def test_options_that_are_wrong_are_refused():
    for wrong in ({"people_filter": "objectClass=person"}, {"peple": "x"}, {"page": 0}):
        with pytest.raises(ValidationError):
            connector_of("ldaps://directory.example.com", **wrong)


def test_times_of_the_directory_are_utc():
    assert instant("20260309170000Z") == datetime(2026, 3, 9, 17, tzinfo=UTC)
    assert instant("20260309170000.123Z") == datetime(2026, 3, 9, 17, tzinfo=UTC)
    assert instant("yesterday") is None
    assert instant(None) is None


def signs_in(url: str, name: str) -> bool:
    """Whether somebody gets in with the password that they have: what all of this is about."""
    connector = connector_of(url, bind_dn=f"uid={name},ou=people,{SUFFIX}")
    try:
        LdapDoor(door_of(url, name), connector.options).check()
    except AccessLost:
        return False
    return True


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return certificate, private
