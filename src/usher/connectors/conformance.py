"""The suite that every connector passes: it measures what the contract promises instead of believing it.

    class TestAcme(ConnectorConformance):
        @pytest.fixture
        def connector(self, app): return Acme(config_for(app))

Override the fixtures; each test then runs against your app. A test that concerns a capability which the connection does
not declare is skipped, and so is a test of HTTP faults where the door holds no HTTP client.
"""

from __future__ import annotations

import dataclasses
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import httpx2
import pytest

from usher.connectors.conformance_tools import (
    LostReplies,
    Refusing,
    by_natural_key,
    entitlements,
    given,
    is_active,
    listed,
    may,
    needs_client,
    needs_writing,
    same_in_both_readings,
    sealed,
    writes,
)
from usher.connectors.contract import Call, Capability, Connector, read_all
from usher.connectors.door import Door
from usher.connectors.errors import AccessLost, AlreadyExists, NotPermitted, OutcomeUnknown, Transient, Unsupported
from usher.domain.account import Account

Report = Callable[[str, object], None]
POLL_SECONDS = 0.05
GRACE_SECONDS = 1.0  # what reading itself may take on top of the declared lag


class ConnectorConformance:
    """Inherit from this in a class named `Test...` and override the fixtures that raise NotImplementedError."""

    @pytest.fixture
    def app(self) -> Any:
        """The app under test, or whatever the other fixtures need; each test wants a fresh state."""
        return None

    @pytest.fixture
    def connector(self, app: Any) -> Connector:
        """A connector to the app."""
        raise NotImplementedError

    @pytest.fixture
    def door(self, app: Any) -> Door:
        """A door that only reads."""
        raise NotImplementedError

    @pytest.fixture
    def writing_door(self, door: Door) -> Door | None:
        """A door with a permit that is always given leave; None for connectors that never write."""
        return None

    @pytest.fixture
    def expected_ids(self, app: Any) -> Iterable[str]:
        """The ids of all accounts of the app, at least one of them inactive where the app knows inactive accounts."""
        raise NotImplementedError

    @pytest.fixture
    def inactive_id(self) -> str | None:
        """The id of an account that is inactive from the beginning; None where the app has none."""
        return None

    @pytest.fixture
    def leaver_id(self) -> str | None:
        """The id of an active account that may be changed."""
        return None

    @pytest.fixture
    def new_account(self) -> Account:
        """An account that the app does not have yet."""
        return Account(id="", user_name="conformance.new@example.com", emails=("conformance.new@example.com",))

    @pytest.fixture
    def some_change(self) -> Mapping[str, str]:
        """A change of attributes that the app takes."""
        return {"title": "Conformance"}

    @pytest.fixture
    def some_entitlement(self, connector: Connector, door: Door) -> str | None:
        """An entitlement that the leaver does not hold; the first that the app lists, unless overridden."""
        if Capability.READ_ENTITLEMENTS not in connector.capabilities():
            return None
        return next((one.text for one in connector.entitlements(None, Call(door=door)).items), None)

    @pytest.fixture
    def settle(self, connector: Connector) -> Callable[[], None]:
        """Wait until writes are visible; the longest declared lag, unless overridden."""
        lags = [connector.facts_of(capability).lag or 0.0 for capability in connector.capabilities()]
        return lambda: time.sleep(max(lags, default=0.0))

    @pytest.fixture
    def report(self, request: pytest.FixtureRequest) -> Report:
        """Where measurements go: properties of the test, which JUnit files show."""
        return lambda name, value: request.node.user_properties.append((name, value))

    # Reading

    def test_working_credentials_pass(self, connector: Connector, door: Door) -> None:
        connector.check(Call(door=door))

    def test_every_account_is_listed_once(self, connector: Connector, door: Door, expected_ids: Iterable[str]) -> None:
        listed = [account.id for account in read_all(connector, Call(door=door))]
        assert sorted(listed) == sorted(expected_ids)

    def test_an_inactive_account_is_listed_as_inactive(
        self, connector: Connector, door: Door, inactive_id: str | None
    ) -> None:
        wanted = given(inactive_id, "no account is inactive from the beginning")
        account = listed(connector, door, wanted)
        assert account is not None, f"the inactive account {wanted!r} is hidden from the listing"
        assert not account.state.can_sign_in, f"the inactive account {wanted!r} is listed as {account.state}"

    def test_ids_are_the_same_in_two_readings(self, connector: Connector, door: Door) -> None:
        first, second = ([(a.id, a.user_name) for a in read_all(connector, Call(door=door))] for _ in range(2))
        assert first == second

    def test_an_account_is_found_by_its_id_and_by_its_name(self, connector: Connector, door: Door) -> None:
        call = Call(door=door)
        for account in list(read_all(connector, call))[:3]:
            found = connector.find(account.id, call)
            assert found is not None, f"{account.id!r} is listed and not found by its id"
            assert (found.id, found.user_name, found.state) == (account.id, account.user_name, account.state)
            named = connector.find_named(account.user_name, call)
            assert account.id in [one.id for one in named], f"{account.user_name!r} is listed and not found by its name"
            assert {one.user_name.casefold() for one in named} == {account.user_name.casefold()}

    def test_who_is_not_there_is_not_found(self, connector: Connector, door: Door) -> None:
        assert connector.find("no-such-id", Call(door=door)) is None
        assert connector.find_named("no.such.name@example.com", Call(door=door)) == ()

    def test_declared_capabilities_are_implemented(self, connector: Connector) -> None:
        implemented = Connector.capabilities(connector)
        assert connector.capabilities() <= implemented, "a capability is declared and its method is missing"

    # Rights

    def test_a_capability_that_is_not_declared_is_unsupported(self, connector: Connector, door: Door) -> None:
        nobody = Account(id="", user_name="nobody@example.com")
        for capability, write in writes("no-such-id", nobody, {}, "role:x", connector).items():
            if capability not in connector.capabilities():
                with pytest.raises(Unsupported):
                    write(Call(door=door))

    def test_without_the_right_to_write_nothing_changes(
        self,
        connector: Connector,
        door: Door,
        writing_door: Door | None,
        leaver_id: str | None,
        new_account: Account,
        some_change: Mapping[str, str],
        some_entitlement: str | None,
        settle: Callable[[], None],
    ) -> None:
        writing = needs_writing(writing_door)
        before = list(read_all(connector, Call(door=door)))
        leaver = given(leaver_id, "no account may be changed")
        all_writes = writes(leaver, new_account, some_change, some_entitlement, connector)
        for refused in (
            dataclasses.replace(writing, permit=None),
            dataclasses.replace(writing, rehearsing=True),
            dataclasses.replace(writing, leave=sealed),
        ):
            for capability, write in all_writes.items():
                if capability in connector.capabilities():
                    with pytest.raises(NotPermitted):
                        write(Call(door=refused))
        settle()
        assert list(read_all(connector, Call(door=door))) == before, "something was written without the right to it"

    # Writing

    def test_deactivating_twice_takes_access_away_once(
        self, connector: Connector, door: Door, writing_door: Door | None, leaver_id: str | None, report: Report
    ) -> None:
        call = may(connector, Capability.DEACTIVATE, writing_door)
        leaver = given(leaver_id, "no account may be changed")
        is_active(connector, door, leaver)
        connector.deactivate(leaver, call)
        self._measure_lag(connector, door, Capability.DEACTIVATE, leaver, False, report)
        connector.deactivate(leaver, call)
        same_in_both_readings(connector, door, leaver, can_sign_in=False)

    def test_reactivating_twice_gives_access_back_to_the_same_account(
        self, connector: Connector, door: Door, writing_door: Door | None, leaver_id: str | None, report: Report
    ) -> None:
        call = may(connector, Capability.REACTIVATE, writing_door)
        leaver = given(leaver_id, "no account may be changed")
        connector.deactivate(leaver, call)
        self._measure_lag(connector, door, Capability.DEACTIVATE, leaver, False, report)
        connector.reactivate(leaver, call)
        self._measure_lag(connector, door, Capability.REACTIVATE, leaver, True, report)
        connector.reactivate(leaver, call)
        same_in_both_readings(connector, door, leaver, can_sign_in=True)

    def test_a_created_account_is_found_by_its_natural_key(
        self,
        connector: Connector,
        door: Door,
        writing_door: Door | None,
        new_account: Account,
        expected_ids: Iterable[str],
        settle: Callable[[], None],
        report: Report,
    ) -> None:
        call = may(connector, Capability.CREATE, writing_door)
        before = sorted(expected_ids)
        connector.create(new_account, call)
        settle()
        facts = connector.facts_of(Capability.CREATE)
        found = by_natural_key(connector, door, new_account, facts.natural_key)
        report("create: natural key", facts.natural_key)
        assert len(found) == 1, f"{len(found)} accounts are found by {facts.natural_key}"
        assert found[0].state.can_sign_in, f"the new account is {found[0].state}"
        listed = sorted(account.id for account in read_all(connector, Call(door=door)))
        assert listed == sorted([*before, found[0].id])

    def test_a_second_create_is_refused_exactly_where_that_is_declared(
        self,
        connector: Connector,
        door: Door,
        writing_door: Door | None,
        new_account: Account,
        settle: Callable[[], None],
        report: Report,
    ) -> None:
        call = may(connector, Capability.CREATE, writing_door)
        facts = connector.facts_of(Capability.CREATE)
        connector.create(new_account, call)
        settle()
        try:
            connector.create(new_account, call)
            refused = False
        except AlreadyExists:
            refused = True
        settle()
        count = len(by_natural_key(connector, door, new_account, facts.natural_key))
        report("create: second one refused", refused)
        report("create: accounts after two", count)
        assert refused is facts.unique, f"unique is declared {facts.unique}, measured {refused}"
        assert (count == 1) is (facts.unique or facts.idempotent), f"two creates made {count} accounts"

    def test_an_update_is_seen_and_repeating_it_changes_nothing_more(
        self,
        connector: Connector,
        door: Door,
        writing_door: Door | None,
        leaver_id: str | None,
        some_change: Mapping[str, str],
        settle: Callable[[], None],
    ) -> None:
        call = may(connector, Capability.UPDATE, writing_door)
        leaver = given(leaver_id, "no account may be changed")
        connector.update(leaver, some_change, call)
        settle()
        once = listed(connector, door, leaver)
        assert once is not None
        seen = {name: once.attributes.get(name, getattr(once, name, None)) for name in some_change}
        assert seen == dict(some_change)
        connector.update(leaver, some_change, call)
        settle()
        assert listed(connector, door, leaver) == once

    def test_granting_and_revoking_twice_is_fine(
        self,
        connector: Connector,
        door: Door,
        writing_door: Door | None,
        leaver_id: str | None,
        some_entitlement: str | None,
        settle: Callable[[], None],
    ) -> None:
        call = may(connector, Capability.GRANT, writing_door)
        leaver, entitlement = given(leaver_id, "no leaver"), given(some_entitlement, "nothing to grant")
        before = entitlements(connector, door, leaver)
        assert entitlement not in before
        for _ in range(2):
            connector.grant(leaver, entitlement, call)
            settle()
            assert entitlements(connector, door, leaver) == before | {entitlement}
        if Capability.REVOKE in connector.capabilities():
            for _ in range(2):
                connector.revoke(leaver, entitlement, call)
                settle()
                assert entitlements(connector, door, leaver) == before

    # Faults

    def test_a_lost_answer_to_a_write_is_an_unknown_outcome(
        self,
        connector: Connector,
        writing_door: Door | None,
        leaver_id: str | None,
        new_account: Account,
        some_change: Mapping[str, str],
        some_entitlement: str | None,
    ) -> None:
        writing = needs_writing(writing_door)
        lossy = LostReplies(needs_client(writing))
        leaver = given(leaver_id, "no account may be changed")
        all_writes = writes(leaver, new_account, some_change, some_entitlement, connector)
        with httpx2.Client(transport=lossy) as client:
            call = Call(door=dataclasses.replace(writing, client=client))
            for capability, write in all_writes.items():
                if capability in connector.capabilities() and capability is not Capability.DELETE:
                    before = lossy.lost
                    with pytest.raises(OutcomeUnknown):
                        write(call)
                    assert lossy.lost == before + 1, f"{capability} was sent again after its answer was lost"

    def test_a_refused_connection_is_transient(self, connector: Connector, door: Door) -> None:
        needs_client(door)
        with httpx2.Client(transport=Refusing()) as client, pytest.raises(Transient):
            connector.check(Call(door=dataclasses.replace(door, client=client)))

    def test_a_dead_credential_is_access_lost(self, connector: Connector, door: Door) -> None:
        needs_client(door)
        answer = httpx2.MockTransport(lambda request: httpx2.Response(401))
        with httpx2.Client(transport=answer) as client, pytest.raises(AccessLost):
            connector.check(Call(door=dataclasses.replace(door, client=client)))

    def test_the_connector_opens_no_connection_of_its_own(
        self, connector: Connector, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[object] = []

        def refuse(_socket: socket.socket, address: object) -> NoReturn:
            opened.append(address)
            raise ConnectionRefusedError("the conformance suite lets no connector connect by itself")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket.socket, "connect_ex", refuse)
        bare = Call(door=dataclasses.replace(door, client=None))
        if door.client is None:
            list(read_all(connector, bare))
        else:
            with pytest.raises(AccessLost):
                list(read_all(connector, bare))
            with pytest.raises(AccessLost):
                connector.check(bare)
        assert not opened, f"the connector tried to connect to {opened[0]!r} past its door"

    def _measure_lag(
        self,
        connector: Connector,
        door: Door,
        capability: Capability,
        account_id: str,
        can_sign_in: bool,
        report: Report,
    ) -> None:
        declared = connector.facts_of(capability).lag or 0.0
        began = time.monotonic()
        while True:
            account = listed(connector, door, account_id)
            took = time.monotonic() - began
            if account is not None and account.state.can_sign_in is can_sign_in:
                break
            assert took <= declared + GRACE_SECONDS, (
                f"{capability} is not seen in the listing after {took:.1f} s; declared lag {declared} s"
            )
            time.sleep(POLL_SECONDS)
        report(f"{capability}: seconds until seen", round(took, 3))
        report(f"{capability}: declared lag", declared)
