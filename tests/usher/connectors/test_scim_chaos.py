"""The SCIM connector in every weather: each way in which real servers are known to be wrong, one at a time."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import httpx2
import pytest
from tests.usher.connectors.scim_servers import ScimConformance, Seeded, config, connector, reading_door, writing

from usher.connectors.contract import Call, Capability, RepeatedCursor, read_all
from usher.connectors.errors import AccessLost, AlreadyExists, NotFound, OutcomeUnknown, Transient
from usher.connectors.scim import ScimConnector
from usher.domain.account import Account, AccountState

IDS = ("u-ana", "u-bob", "u-cy")
TOKEN = "chaos"
NEW = Account(id="", user_name="dee@example.com", emails=("dee@example.com",))
ODD_AND_HARMLESS = (
    "plain_json,location_mismatch,schemas_bare_array,uppercase_booleans,active_required,conflict_plain,"
    "short_pages,wrong_total,filter_ignored"
)


@pytest.fixture(scope="module")
def http():
    with httpx2.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def start(start_twin, http, tmp_path):
    """Start the hostile app with three users, in pages of two, in the given weather."""
    names = ("ana@example.com", "bob@example.com", "cy@example.com")
    users = [
        {"id": one, "userName": name, "active": name[0] != "b", "name": {"familyName": "Tester"}}
        for one, name in zip(IDS, names, strict=True)
    ]
    groups = [
        {"id": "g-all", "displayName": "everybody", "members": [{"value": one} for one in IDS[:2]]},
        {"id": "g-sell", "displayName": "sellers"},
    ]
    load = tmp_path / "load.json"
    load.write_text(json.dumps({"users": users, "groups": groups}))

    def begin(faults="", *more):
        running = start_twin("twins.chaos", "--load", load, "--page-size", "2", "--faults", faults, *more)
        app = Seeded(f"{running.url}/scim/v2", http, IDS, TOKEN)
        return app, running

    return begin


def call_to(app, **fields):
    return Call(door=replace(writing(reading_door(app.url, app.client, TOKEN)), **fields))


class ChaosConformance(ScimConformance):
    weather: tuple[str, ...] = ()

    @pytest.fixture
    def app(self, start):
        return start(*self.weather)[0]

    @pytest.fixture
    def connector(self, app):
        return connector(app.url)


class TestFairWeather(ChaosConformance):
    pass


class TestOddAndHarmlessWeather(ChaosConformance):
    weather = (ODD_AND_HARMLESS,)


class TestLateReadings(ChaosConformance):
    weather = ("", "--lag", "0.5")

    @pytest.fixture
    def connector(self, app):
        return ScimConnector(config(app.url).model_copy(update={"lag_seconds": 0.6}))


def test_an_app_without_unique_names_makes_two_accounts_and_is_declared_so(start):
    app, _ = start("", "--no-unique")
    scim = connector(app.url, unique=False)
    assert not scim.facts_of(Capability.CREATE).unique
    for _ in range(2):
        scim.create(NEW, call_to(app))
    assert len(scim.find_named(NEW.user_name, call_to(app))) == 2


def test_a_total_that_lies_does_not_end_the_listing_early(start):
    app, _ = start("wrong_total,short_pages")
    assert [one.id for one in read_all(connector(app.url), call_to(app))] == list(IDS)


def test_a_page_that_repeats_stops_the_reading(start):
    app, _ = start("repeated_cursor@GET /scim/v2/Users")
    with pytest.raises(RepeatedCursor):
        list(read_all(connector(app.url), call_to(app)))


@pytest.mark.parametrize("seed", range(4))
def test_pages_in_changing_order_never_pass_for_a_whole_listing(start, seed):
    app, _ = start("shuffled_pages@GET /scim/v2/Users", "--seed", str(seed))
    try:
        listed = {one.id for one in read_all(connector(app.url), call_to(app))}
    except RepeatedCursor:
        return
    assert listed == set(IDS)


@pytest.mark.parametrize("fault", ["filter_ignored", "filter_refused"])
def test_a_filter_that_is_ignored_or_refused_never_finds_somebody_else(start, fault):
    app, _ = start(fault)
    scim = connector(app.url)
    assert [one.id for one in scim.find_named("CY@example.com", call_to(app))] == ["u-cy"]
    assert scim.find_named("nobody@example.com", call_to(app)) == ()


def test_groups_are_found_although_filters_are_ignored(start):
    app, _ = start("filter_ignored")
    scim = connector(app.url)
    scim.grant("u-cy", "group:sellers", call_to(app))
    assert scim.find("u-cy", call_to(app)).entitlements == {"group:sellers"}
    assert scim.find("u-ana", call_to(app)).entitlements == {"group:everybody"}


@pytest.mark.parametrize("fault", ["server_error", "unavailable", "lost_before", "truncated_body"])
def test_a_read_that_fails_is_transient(start, fault):
    app, _ = start(f"{fault}@GET")
    scim = connector(app.url)
    for read in (lambda c: scim.check(c), lambda c: list(read_all(scim, c)), lambda c: scim.find("u-ana", c)):
        with pytest.raises(Transient):
            read(call_to(app))


@pytest.mark.parametrize(
    ("fault", "happened"),
    [
        ("server_error", False),
        ("unavailable", False),
        ("lost_before", False),
        ("html_login_200", False),
        ("lost_reply", True),
        ("server_error_after", True),
        ("truncated_body", True),
    ],
)
def test_a_write_without_a_trustworthy_answer_is_an_unknown_outcome_that_a_look_settles(start, fault, happened):
    app, running = start(f"{fault}@POST,{fault}@PATCH")
    scim = connector(app.url)
    with pytest.raises(OutcomeUnknown):
        scim.create(NEW, call_to(app))
    with pytest.raises(OutcomeUnknown):
        scim.deactivate("u-ana", call_to(app))
    effects = [entry["effect"] for entry in running.entries()]
    assert effects == (["create", "deactivate"] if happened else [])
    assert len(scim.find_named(NEW.user_name, call_to(app))) == happened
    assert (scim.find("u-ana", call_to(app)).state is AccountState.SUSPENDED) is happened


def test_a_create_answered_500_although_it_was_done_is_found_by_its_name(start):
    app, _ = start("server_error_after@POST")
    scim = connector(app.url)
    with pytest.raises(OutcomeUnknown):
        scim.create(NEW, call_to(app))
    (found,) = scim.find_named(NEW.user_name, call_to(app))
    assert found.state is AccountState.ACTIVE


@pytest.mark.parametrize("fault", ["rate_limited", "rate_limited_date"])
def test_an_app_that_asks_to_slow_down_says_for_how_long(start, fault):
    app, running = start(f"{fault}=1:2")
    with pytest.raises(Transient) as caught:
        connector(app.url).create(NEW, call_to(app))
    assert 0 < caught.value.retry_after <= 4
    assert running.entries() == []


def test_a_refused_token_is_access_lost(start):
    app, _ = start("auth_storm")
    with pytest.raises(AccessLost):
        connector(app.url).check(call_to(app))


def test_a_sign_in_page_with_status_200_is_access_lost(start):
    app, _ = start("html_login_200@GET")
    scim = connector(app.url)
    for read in (scim.check, lambda c: list(read_all(scim, c)), lambda c: scim.find("u-ana", c)):
        with pytest.raises(AccessLost):
            read(call_to(app))


def test_a_404_that_is_a_web_page_is_never_gone(start):
    app, running = start("html_404")
    scim = connector(app.url)
    with pytest.raises(AccessLost):
        scim.find("u-ana", call_to(app))
    with pytest.raises(AccessLost):
        scim.deactivate("u-ana", call_to(app))
    assert running.entries() == []


def test_a_404_in_scim_form_is_gone(start):
    app, _ = start()
    scim = connector(app.url)
    assert scim.find("no-such-id", call_to(app)) is None
    with pytest.raises(NotFound):
        scim.deactivate("no-such-id", call_to(app))


@pytest.mark.parametrize("seed", range(6))
def test_errors_with_any_body_are_read_by_their_status(start, seed):
    app, _ = start("odd_error_body", "--seed", str(seed))
    scim = connector(app.url)
    with pytest.raises(AlreadyExists):
        scim.create(replace(NEW, user_name="ana@example.com"), call_to(app))
    with pytest.raises((Transient, AccessLost)):
        scim.deactivate("no-such-id", call_to(app))
    with suppress(AccessLost):  # a web page; otherwise gone, because the whole listing does not hold it
        assert scim.find("no-such-id", call_to(app)) is None


def test_a_409_in_plain_text_already_exists(start):
    app, _ = start("conflict_plain")
    with pytest.raises(AlreadyExists):
        connector(app.url).create(replace(NEW, user_name="ANA@example.com"), call_to(app))


def test_active_is_said_in_every_create(start):
    app, _ = start("active_required")
    made = connector(app.url).create(NEW, call_to(app)).account
    assert app.user(made.id)["active"] is True


def test_the_id_wins_over_a_location_that_names_another(start):
    app, _ = start("location_mismatch")
    scim = connector(app.url)
    made = scim.create(NEW, call_to(app)).account
    scim.deactivate(made.id, call_to(app))
    assert app.user(made.id)["active"] is False


def test_states_told_as_text_are_understood(start):
    app, _ = start("uppercase_booleans")
    states = {one.id: one.state for one in read_all(connector(app.url), call_to(app))}
    assert states == {"u-ana": "active", "u-bob": "suspended", "u-cy": "active"}


@pytest.mark.parametrize("fault", ["schemas_bare_array", "plain_json"])
def test_bare_arrays_of_schemas_and_plain_json_are_tolerated(start, fault):
    app, _ = start(fault)
    scim = connector(app.url)
    scim.check(call_to(app))
    scim.deactivate("u-ana", call_to(app))
    assert scim.find("u-ana", call_to(app)).state is AccountState.SUSPENDED


def test_a_slow_read_is_transient_and_a_slow_write_is_unknown(start):
    app, _ = start("slow@GET /scim/v2/Users=1:1.5,slow@PATCH=1:1.5")
    scim = connector(app.url)
    with pytest.raises(Transient):
        scim.check(call_to(app, timeout_seconds=0.3))
    app, running = start("slow@PATCH=1:1.5")
    scim = connector(app.url)
    with pytest.raises(OutcomeUnknown):
        scim.deactivate("u-ana", call_to(app, timeout_seconds=0.5))
    assert [entry["effect"] for entry in running.entries()] == ["deactivate"]
