"""What the conformance suite works with: faulty networks, and the readings and writes that its tests are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn

import httpx2
import pytest

from usher.connectors.contract import Call, Capability, Connector, Receipt, read_all
from usher.connectors.door import Door
from usher.connectors.errors import NotPermitted
from usher.domain.account import Account, AccountState

Write = Callable[[Call], Receipt]


class LostReplies(httpx2.BaseTransport):
    """Carries every request to the app and loses the answers to writes: what a dropped connection looks like."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self.lost = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._client.send(request)
        if request.method != "GET":
            self.lost += 1
            raise httpx2.ReadTimeout("the answer was lost", request=request)
        left_out = {"content-encoding", "content-length", "transfer-encoding"}
        headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() not in left_out]
        return httpx2.Response(answer.status_code, headers=headers, content=answer.content, request=request)


class Refusing(httpx2.BaseTransport):
    """An app whose port is closed."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused", request=request)


def sealed(permit: object) -> NoReturn:
    """Refuse every permit, as a sealed installation does."""
    raise NotPermitted("sealed")


def given(value: str | None, why_not: str) -> str:
    """Return the value, or skip the test for a reason."""
    if value is None:
        pytest.skip(why_not)
    return value


def needs_writing(door: Door | None) -> Door:
    """Return the writing door, or skip."""
    if door is None:
        pytest.skip("this connector never writes")
    return door


def needs_client(door: Door) -> httpx2.Client:
    """Return the door's HTTP client, or skip."""
    if door.client is None:
        pytest.skip("this door speaks no HTTP")
    return door.client


def may(connector: Connector, capability: Capability, door: Door | None) -> Call:
    """Return a call that may write, or skip where the capability is not declared."""
    if capability not in connector.capabilities():
        pytest.skip(f"this connection does not {capability.value}")
    return Call(door=needs_writing(door))


def listed(connector: Connector, door: Door, account_id: str) -> Account | None:
    """Return an account by a fresh reading of the whole listing."""
    return next((one for one in read_all(connector, Call(door=door)) if one.id == account_id), None)


def is_active(connector: Connector, door: Door, account_id: str) -> None:
    """Fail unless the account is listed as active."""
    account = listed(connector, door, account_id)
    assert account is not None, f"{account_id!r} is not listed"
    assert account.state is AccountState.ACTIVE, f"the leaver is {account.state} before anything was done"


def entitlements(connector: Connector, door: Door, account_id: str) -> frozenset[str]:
    """Return what an account holds, by the listing and by its id alike."""
    account = listed(connector, door, account_id)
    assert account is not None
    found = connector.find(account_id, Call(door=door))
    assert found is not None
    assert found.entitlements == account.entitlements, "listing and finding disagree about entitlements"
    return account.entitlements


def same_in_both_readings(connector: Connector, door: Door, account_id: str, *, can_sign_in: bool) -> None:
    """Fail unless listing and finding by id agree on whether the account can sign in."""
    account, found = listed(connector, door, account_id), connector.find(account_id, Call(door=door))
    assert account is not None, f"{account_id!r} has vanished from the listing"
    assert found is not None, f"{account_id!r} is no longer found by its id"
    assert account.state.can_sign_in is can_sign_in, f"the listing shows {account.state}"
    assert found.state.can_sign_in is can_sign_in, f"finding by id shows {found.state}, the listing {account.state}"


def by_natural_key(connector: Connector, door: Door, wanted: Account, key: str | None) -> list[Account]:
    """Return the accounts that have the wanted account's natural key."""
    if key is None:
        pytest.skip("no natural key is declared")
    value = str(getattr(wanted, key, None) or wanted.attributes.get(key) or "").casefold()
    if key == "user_name":
        return list(connector.find_named(wanted.user_name, Call(door=door)))
    accounts = read_all(connector, Call(door=door))
    return [a for a in accounts if str(getattr(a, key, None) or a.attributes.get(key) or "").casefold() == value]


def writes(
    leaver: str, new: Account, change: Mapping[str, str], entitlement: str | None, connector: Connector
) -> dict[Capability, Write]:
    """Return one write of each capability."""
    every: dict[Capability, Write] = {
        Capability.CREATE: lambda call: connector.create(new, call),
        Capability.UPDATE: lambda call: connector.update(leaver, change, call),
        Capability.DEACTIVATE: lambda call: connector.deactivate(leaver, call),
        Capability.REACTIVATE: lambda call: connector.reactivate(leaver, call),
        Capability.DELETE: lambda call: connector.delete(leaver, call),
    }
    if entitlement is not None:
        every[Capability.GRANT] = lambda call: connector.grant(leaver, entitlement, call)
        every[Capability.REVOKE] = lambda call: connector.revoke(leaver, entitlement, call)
    return every
