"""The browser connector passes the suite of every connector, against the console twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from tests.helpers.long import long_only
from tests.usher.connectors.browser.conftest import ADMIN, FIRST_PAGE, PEOPLE, Console, address, connector_to, door_to

from usher.connectors.browser.connector import BrowserConnector
from usher.connectors.conformance import ConnectorConformance
from usher.connectors.door import Door, refuse_all
from usher.domain.account import Account

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.suite("browser"), pytest.mark.timeout(600)]

FIFTEEN_JOBS = {"test_granting_and_revoking_twice_is_fine", "test_without_the_right_to_write_nothing_changes"}
"""What these show is shown by test_console and test_drift too, in fewer jobs."""
FEW = 9  # one page: turning pages has tests of its own


class TestForecastly(ConnectorConformance):
    @pytest.fixture
    def app(self, consoles: Callable[..., Console]) -> Console:
        return consoles(people=FEW)

    @pytest.fixture
    def connector(self, app: Console) -> BrowserConnector:
        # The suite knows no second attribute of a person, so it runs as on a console whose ids never change hands.
        return connector_to(app, key="immutable")

    @pytest.fixture
    def door(self, app: Console) -> Door:
        return door_to(app, permit=None, leave=refuse_all)

    @pytest.fixture
    def writing_door(self, app: Console, door: Door) -> Door:
        return dataclasses.replace(door, permit=door_to(app).permit, leave=lambda permit: None)

    @pytest.fixture
    def expected_ids(self) -> list[str]:
        return [ADMIN, *(address((first, last)) for first, last, _role, _status in PEOPLE[:FEW])]

    @pytest.fixture
    def inactive_id(self) -> str:
        return address(("Vint", "Cerf"))

    @pytest.fixture
    def leaver_id(self) -> str:
        return address(FIRST_PAGE)

    @pytest.fixture
    def new_account(self) -> Account:
        return Account(
            id="",
            user_name="new.person@acme.test",
            emails=("new.person@acme.test",),
            display_name="New Person",
            given_name="New",
            family_name="Person",
            entitlements=frozenset({"role:Manager"}),
        )

    @pytest.fixture
    def some_entitlement(self) -> str:
        return "module:Core"

    @pytest.fixture(autouse=True)
    def _long(self, request: pytest.FixtureRequest) -> None:
        if request.node.originalname in FIFTEEN_JOBS:
            long_only()
