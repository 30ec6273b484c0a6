"""A console that changed under its recipe is never acted in wrongly: the work is seen done, or it stops by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.helpers.long import long_or
from tests.usher.connectors.browser.conftest import (
    FIRST_PAGE,
    LAST_PAGE,
    Console,
    address,
    call_for,
    connector_to,
)

from twins.console.settings import Drift
from usher.connectors.errors import AccessLost, InDoubt, OutcomeUnknown

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.suite("browser")]

DONE = "done and seen"
STOPS = {
    "renamed-button": "deactivate step 3: click menuitem",
    "renamed-column": "accounts.rows",
    "moved-users-page": "known_by heading",
    "unnamed-menu": "deactivate step 2: click button 'Actions for $name'",
    "detached-menu": "deactivate step 3: click menuitem",
    "other-language": "known_by heading",
}
UNKNOWN = {"extra-confirm": 0, "toast-without-effect": 0, "deactivated-vanish": 1}
"""Drifts after which the effect cannot be seen -> how many effects there truly are."""
SUCCEEDS = ("swapped-columns", "two-same-named-rows", "error-after-effect", "slow-table")


def test_every_drift_of_the_console_is_tried() -> None:
    assert {*STOPS, *UNKNOWN, *SUCCEEDS, "resort-between"} == {str(drift) for drift in Drift}


@pytest.mark.parametrize("drift", STOPS)
def test_a_changed_screen_stops_the_work_before_anything_is_written(
    consoles: Callable[..., Console], drift: str
) -> None:
    console = consoles("--drift", drift)
    with pytest.raises(InDoubt) as caught:
        connector_to(console).deactivate(address(LAST_PAGE), call_for(console, LAST_PAGE))
    assert caught.value.contract.startswith(STOPS[drift])
    assert caught.value.contract in str(caught.value)
    assert Path(caught.value.evidence["picture"]).exists()
    assert caught.value.evidence["digest"].startswith("sha256:")
    assert console.effects() == []


@pytest.mark.parametrize("drift", UNKNOWN)
def test_an_effect_that_cannot_be_seen_is_an_unknown_outcome(consoles: Callable[..., Console], drift: str) -> None:
    console = consoles("--drift", drift)
    with pytest.raises(OutcomeUnknown, match="its effect was not seen: deactivate step"):
        connector_to(console).deactivate(address(LAST_PAGE), call_for(console, LAST_PAGE))
    assert console.effects() == [("deactivate", address(LAST_PAGE))] * UNKNOWN[drift]


@pytest.mark.parametrize("drift", SUCCEEDS)
@pytest.mark.parametrize("leaver", long_or([LAST_PAGE], [FIRST_PAGE]))
def test_a_change_that_does_not_matter_does_not_matter(
    consoles: Callable[..., Console], drift: str, leaver: tuple[str, str]
) -> None:
    console = consoles("--drift", drift)
    connector_to(console).deactivate(address(leaver), call_for(console, leaver))
    assert console.effects() == [("deactivate", address(leaver))]


@pytest.mark.parametrize("leaver", long_or([LAST_PAGE], [FIRST_PAGE]))
def test_a_list_that_turns_round_never_costs_another_person_the_account(
    consoles: Callable[..., Console], leaver: tuple[str, str]
) -> None:
    console = consoles("--drift", "resort-between")
    try:
        connector_to(console).deactivate(address(leaver), call_for(console, leaver))
    except InDoubt as doubt:
        assert doubt.contract
        assert console.effects() == []
    except OutcomeUnknown:
        assert console.effects() in ([], [("deactivate", address(leaver))])
    else:
        assert console.effects() == [("deactivate", address(leaver))]


def test_another_app_at_the_address_is_never_written_to(consoles: Callable[..., Console]) -> None:
    console = consoles(people=3)
    elsewhere = connector_to(console, recipe={"known_by": {"heading": "Somebody else's console"}})
    with pytest.raises((InDoubt, AccessLost)):
        elsewhere.deactivate(address(FIRST_PAGE), call_for(console, FIRST_PAGE))
    assert console.effects() == []


def test_a_write_that_comes_before_the_writing_click_is_stopped_in_the_browser(
    consoles: Callable[..., Console],
) -> None:
    console = consoles(people=3)
    recipe = dict(connector_to(console).profile.recipe or {})
    steps = [dict(step) for step in recipe["deactivate"]]
    # As if the console had dropped its question: the click before the marked one already sends the form.
    steps[5] = {"click": {key: value for key, value in steps[5]["click"].items() if key != "write"}}
    steps.insert(6, {"click": {"button": "Add user", "write": True}})
    with pytest.raises(InDoubt, match=r"the page tried POST /settings/users/.*/deactivate before the writing click"):
        connector_to(console, recipe={"deactivate": steps}).deactivate(
            address(FIRST_PAGE), call_for(console, FIRST_PAGE)
        )
    assert console.effects() == []


def test_a_total_that_does_not_fit_makes_the_reading_doubtful(console: Console) -> None:
    recipe = dict(connector_to(console).profile.recipe or {})
    accounts = {**recipe["accounts"], "next": None}
    with pytest.raises(InDoubt, match="the console counts 22 accounts, 10 rows were read") as caught:
        connector_to(console, recipe={"accounts": accounts}).accounts(None, call_for(console))
    assert caught.value.contract == "accounts.total"
