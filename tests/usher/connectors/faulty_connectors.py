"""Connectors with one planted fault each, for test_conformance_catches.py; not collected by name."""

from __future__ import annotations

import dataclasses
import socket
from dataclasses import dataclass

import httpx2
import pytest
from tests.usher.connectors.scim_servers import ScimConformance, config, fresh_tenant, scim2_server, seed

from usher.connectors.contract import Page, Receipt, read_all
from usher.connectors.door import Door
from usher.connectors.errors import AlreadyExists, OutcomeUnknown, Rejected, Transient
from usher.connectors.scim import ScimConnector
from usher.domain.account import AccountState


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with scim2_server(port, tmp_path_factory.mktemp("scim2") / "server.log") as url:
        yield url


@pytest.fixture(scope="module")
def http():
    with httpx2.Client(trust_env=False) as client:
        yield client


class Planted(ScimConformance):
    fault: type[ScimConnector] = ScimConnector

    @pytest.fixture
    def app(self, server, http):
        return seed(http, fresh_tenant(server))

    @pytest.fixture
    def connector(self, app):
        return self.fault(config(app.url))


class TestHealthy(Planted):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDoor(Door):
    def admit_write(self, what):
        pass


class TestDoorIgnoresRehearsal(Planted):
    @pytest.fixture
    def writing_door(self, door):
        return OpenDoor(**{field.name: getattr(door, field.name) for field in dataclasses.fields(door)})


class LostWriteCalledTransient(ScimConnector):
    def create(self, wanted, call):
        try:
            return super().create(wanted, call)
        except OutcomeUnknown as error:
            raise Transient(str(error)) from error


class TestLostWriteCalledTransient(Planted):
    fault = LostWriteCalledTransient


class LostWriteSentAgain(ScimConnector):
    def deactivate(self, account_id, call):
        try:
            return super().deactivate(account_id, call)
        except OutcomeUnknown:
            return super().deactivate(account_id, call)


class TestLostWriteSentAgain(Planted):
    fault = LostWriteSentAgain


class InactiveHidden(ScimConnector):
    def accounts(self, cursor, call):
        page = super().accounts(cursor, call)
        return Page(tuple(one for one in page.items if one.state.can_sign_in), page.next)


class TestInactiveHidden(Planted):
    fault = InactiveHidden


class CursorNeverAdvances(ScimConnector):
    def accounts(self, cursor, call):
        return Page(super().accounts(None, call).items, "1")


class TestCursorNeverAdvances(Planted):
    fault = CursorNeverAdvances


class PretendsToDeactivate(ScimConnector):
    """It remembers what it was asked to do and shows that, also to those who look at one account."""

    def __init__(self, config, profile=None):
        super().__init__(config, profile)
        self._told: dict[str, AccountState] = {}

    def deactivate(self, account_id, call):
        call.door.admit_write("deactivate")
        self._told[account_id] = AccountState.SUSPENDED
        return Receipt(got={"status": 200})

    def find(self, account_id, call):
        found = super().find(account_id, call)
        if found is None or account_id not in self._told:
            return found
        return dataclasses.replace(found, state=self._told[account_id])


class TestPretendsToDeactivate(Planted):
    fault = PretendsToDeactivate


class DeactivateDoesNothing(ScimConnector):
    def deactivate(self, account_id, call):
        call.door.admit_write("deactivate")
        return Receipt()


class TestDeactivateDoesNothing(Planted):
    fault = DeactivateDoesNothing


class ConflictMisread(ScimConnector):
    def create(self, wanted, call):
        try:
            return super().create(wanted, call)
        except AlreadyExists as error:
            raise Rejected(str(error)) from error


class TestConflictMisread(Planted):
    fault = ConflictMisread


class OwnConnection(ScimConnector):
    def __init__(self, config, profile=None):
        super().__init__(config, profile)
        self._url = config.url

    def check(self, call):
        httpx2.get(f"{self._url}/Users", headers={"Authorization": "Bearer secret-of-tests"}, trust_env=False)


class TestOwnConnection(Planted):
    fault = OwnConnection


class BelievesAnyAnswer(ScimConnector):
    def find_named(self, user_name, call):
        return tuple(read_all(self, call))


class TestBelievesAnyAnswer(Planted):
    fault = BelievesAnyAnswer


class TestDeclaredNotUnique(Planted):
    """The app refuses a second account, and the connection says that it does not."""

    @pytest.fixture
    def connector(self, app):
        return ScimConnector(config(app.url, unique=False))
