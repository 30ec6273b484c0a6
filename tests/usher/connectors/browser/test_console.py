"""What people do in the console, done by the recipe of the catalogue and judged by the console's own journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.usher.connectors.browser.conftest import (
    ADMIN,
    FIRST_PAGE,
    LAST_PAGE,
    PEOPLE,
    Console,
    address,
    call_for,
    connector_to,
    door_to,
)

from usher.connectors.contract import Call, Capability
from usher.connectors.errors import AccessLost, AlreadyExists, InDoubt, NotPermitted, Rejected, Transient
from usher.domain.account import Account, AccountState

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.suite("browser")]

NEW = Account(
    id="",
    user_name="new.person@acme.test",
    emails=("New.Person@acme.test",),
    display_name="New Person",
    given_name="New",
    family_name="Person",
    entitlements=frozenset({"role:Manager"}),
)


def test_every_account_of_every_page_is_read_as_the_console_shows_it(console: Console) -> None:
    accounts = connector_to(console).accounts(None, call_for(console)).items
    assert {a.id for a in accounts} == {ADMIN, *(address((f, last)) for f, last, _r, _s in PEOPLE)}
    by_id = {a.id: a for a in accounts}
    cerf = by_id["vint.cerf@acme.test"]
    assert (cerf.state, cerf.display_name) == (AccountState.SUSPENDED, "Vint Cerf")
    assert cerf.entitlements == {"role:Manager", "team:Enterprise East"}
    assert by_id["grace.hopper@acme.test"].state is AccountState.INVITED
    assert by_id["alan.turing@acme.test"].attributes["last_active"] == "Never"
    assert by_id["alan.turing@acme.test"].last_login is None
    assert console.effects() == []


@pytest.mark.parametrize("leaver", [FIRST_PAGE, LAST_PAGE])
def test_a_leaver_is_deactivated_on_whatever_page_the_row_is(console: Console, leaver: tuple[str, str]) -> None:
    receipt = connector_to(console).deactivate(address(leaver), call_for(console, leaver))
    assert console.effects() == [("deactivate", address(leaver))]
    assert console.journal()[-1]["reason"] == "Left the company"
    assert receipt.account is not None
    assert receipt.account.state is AccountState.SUSPENDED
    assert len(receipt.pictures) == 2
    assert all(Path(picture).read_bytes().startswith(b"\x89PNG") for picture in receipt.pictures)


def test_a_person_with_another_name_under_the_same_address_is_left_alone(console: Console) -> None:
    call = call_for(console, ("Somebody", "Else"))
    with pytest.raises(InDoubt, match="expected 'Somebody Else' in the row, read 'Frances Allen'") as caught:
        connector_to(console).deactivate(address(FIRST_PAGE), call)
    assert caught.value.contract == "accounts.rows.also Name"
    assert Path(caught.value.evidence["picture"]).exists()
    assert console.effects() == []


def test_an_address_alone_is_not_enough_to_write_on(console: Console) -> None:
    with pytest.raises(InDoubt, match="nothing is known that could be compared with Name"):
        connector_to(console).deactivate(address(FIRST_PAGE), call_for(console))
    assert console.effects() == []


def test_a_new_account_has_the_role_that_was_asked_for_and_never_the_default(console: Console) -> None:
    connector = connector_to(console)
    receipt = connector.create(NEW, call_for(console))
    entry = console.journal()[-1]
    assert (entry["verb"], entry["after"]["role"]) == ("create", "Manager")
    assert receipt.account is not None
    assert receipt.account.entitlements == {"role:Manager"}
    with pytest.raises(AlreadyExists):
        connector.create(NEW, call_for(console))
    assert console.effects() == [("create", "new.person@acme.test")]


def test_a_create_without_a_role_is_refused(console: Console) -> None:
    without = Account(id="", user_name="x@acme.test", emails=("x@acme.test",))
    with pytest.raises(Rejected, match="expected exactly one role, got 0"):
        connector_to(console).create(without, call_for(console))
    with pytest.raises(InDoubt, match=r"expected one option 'Owner' among '.*', 'Admin', 'Manager', 'Rep'"):
        connector_to(console).create(
            Account(**{**{f: getattr(NEW, f) for f in NEW.__slots__}, "entitlements": frozenset({"role:Owner"})}),
            call_for(console),
        )
    assert console.effects() == []


def test_what_the_console_refuses_is_rejected_in_its_own_words(consoles: Callable[..., Console]) -> None:
    console = consoles("--seats", "Copilot=0")
    with pytest.raises(Rejected, match="the console says 'seats left'"):
        connector_to(console).grant(address(FIRST_PAGE), "module:Copilot", call_for(console, FIRST_PAGE))
    assert console.effects() == []


def test_roles_teams_and_modules_are_given_and_taken(console: Console) -> None:
    connector, who = connector_to(console), address(FIRST_PAGE)

    def call() -> Call:
        return call_for(console, FIRST_PAGE)

    connector.grant(who, "module:Core", call())
    connector.grant(who, "role:Manager", call())
    connector.grant(who, "team:Mid-Market", call())
    connector.revoke(who, "role:Rep", call())
    with pytest.raises(Rejected, match="always has one role"):
        connector.revoke(who, "role:Manager", call())
    connector.revoke(who, "module:Core", call())
    receipt = connector.revoke(who, "team:Mid-Market", call())
    assert receipt.account is not None
    assert receipt.account.entitlements == {"role:Manager"}
    changes = [entry for entry in console.journal() if entry["effect"]]
    assert [(entry["verb"], entry["after"]["role"], entry["after"]["team"]) for entry in changes] == [
        ("grant", "Rep", "Enterprise East"),
        ("update", "Manager", "Enterprise East"),
        ("update", "Manager", "Mid-Market"),
        ("revoke", "Manager", "Mid-Market"),
        ("update", "Manager", None),
    ]


def test_the_other_names_and_addresses_of_the_console_work_too(consoles: Callable[..., Console]) -> None:
    console = consoles("--skin", "alt", "--whats-new")
    connector = connector_to(console)
    connector.deactivate(address(LAST_PAGE), call_for(console, LAST_PAGE))
    connector.create(NEW, call_for(console))
    assert console.effects() == [("deactivate", address(LAST_PAGE)), ("create", "new.person@acme.test")]


def test_a_lag_of_the_list_is_waited_for(consoles: Callable[..., Console]) -> None:
    console = consoles("--lag", "4", people=5)
    receipt = connector_to(console, lag_seconds=8.0).deactivate(address(FIRST_PAGE), call_for(console, FIRST_PAGE))
    assert receipt.account is not None
    assert receipt.account.state is AccountState.SUSPENDED


def test_a_second_factor_is_given_and_no_code_is_used_twice(consoles: Callable[..., Console]) -> None:
    seed = "JBSWY3DPEHPK3PXP"
    console = consoles("--totp", seed, "--totp-once", people=3)
    connector = connector_to(console)
    door = door_to(console, secrets={**door_to(console).secrets, "totp": seed})
    connector.check(Call(door=door))
    began = time.monotonic()
    connector.check(Call(door=door))
    assert time.monotonic() - began < 60
    with pytest.raises(AccessLost, match="secret totp: expected base32 text, got nothing"):
        connector.check(call_for(console))


def test_a_wrong_password_is_access_lost_with_a_masked_picture(console: Console) -> None:
    door = door_to(console, secrets={"login": ADMIN, "secret": "not the password"})
    with pytest.raises(AccessLost, match="signing in failed at sign_in step 6") as caught:
        connector_to(console).check(Call(door=door))
    assert "not the password" not in str(caught.value) + str(caught.value.evidence)
    assert Path(caught.value.evidence["picture"]).exists()


def test_a_console_that_does_not_answer_is_transient(console: Console) -> None:
    console.stop()
    with pytest.raises(Transient, match="did not answer"):
        connector_to(console).check(call_for(console))


def test_a_rehearsal_finds_the_row_and_stops_before_the_writing_click(console: Console) -> None:
    call = call_for(console, FIRST_PAGE, rehearsing=True)
    with pytest.raises(NotPermitted, match=r"rehearsal: deactivate step 6: click button .* was stopped"):
        connector_to(console).deactivate(address(FIRST_PAGE), call)
    assert console.effects() == []
    assert list((console.folder / "pictures").glob("*-before.png"))


def test_what_the_recipe_says_is_what_the_connection_can(console: Console) -> None:
    can = connector_to(console).capabilities()
    assert can == {
        Capability.CREATE,
        Capability.DEACTIVATE,
        Capability.REACTIVATE,
        Capability.GRANT,
        Capability.REVOKE,
    }
    assert Capability.GRANT not in connector_to(console, recipe={"grant": {}}).capabilities()
