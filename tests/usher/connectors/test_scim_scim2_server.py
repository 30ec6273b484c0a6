"""The SCIM connector against scim2-server, a real server that we did not write, over real HTTP."""

from __future__ import annotations

import dataclasses
import socket
from datetime import UTC, datetime

import httpx2
import pytest
from tests.usher.connectors.scim_servers import (
    ScimConformance,
    connector,
    fresh_tenant,
    reading_door,
    scim2_server,
    seed,
    writing,
)

from usher.connectors.contract import Call, read_all
from usher.connectors.errors import AlreadyExists, NotFound, Rejected
from usher.connectors.scim.api import ScimApi
from usher.connectors.scim.groups import change_members, group_named
from usher.domain.account import Account


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


@pytest.fixture
def app(server, http):
    return seed(http, fresh_tenant(server))


@pytest.fixture
def call(app, http):
    return Call(door=writing(reading_door(app.url, http)))


class OnScim2Server(ScimConformance):
    @pytest.fixture
    def app(self, server, http):
        return seed(http, fresh_tenant(server))


class TestScim2Server(OnScim2Server):
    @pytest.fixture
    def connector(self, app):
        return connector(app.url, allow_delete=True)


class TestScim2ServerInSmallPages(OnScim2Server):
    @pytest.fixture
    def connector(self, app):
        return connector(app.url, page=1)


class TestScim2ServerByPut(OnScim2Server):
    @pytest.fixture
    def connector(self, app):
        return connector(app.url, writes="put")


class TestScim2ServerRoles(OnScim2Server):
    @pytest.fixture
    def connector(self, app):
        return connector(app.url)

    @pytest.fixture
    def some_entitlement(self):
        return "role:Forecaster"


class TestScim2ServerModules(TestScim2ServerRoles):
    @pytest.fixture
    def some_entitlement(self):
        return "module:Copilot"


def test_the_whole_life_of_an_account(app, call):
    scim = connector(app.url, allow_delete=True)
    wanted = Account(
        id="",
        user_name="dee@example.com",
        emails=("dee@example.com", "dee@home.example.com"),
        given_name="Dee",
        family_name="Doe",
        employee_number="0042",
        entitlements=frozenset({"role:Rep", "module:Core"}),
        attributes={"department": "Sales", "title": "AE", "manager": app.ids[0], "cost_center": "77"},
    )
    dee = scim.create(wanted, call).account.id
    made = scim.find(dee, call)
    assert (made.user_name, made.emails, made.employee_number) == (wanted.user_name, wanted.emails, "0042")
    assert (made.entitlements, made.attributes) == (wanted.entitlements, wanted.attributes)
    scim.update(dee, {"title": "Lead", "email": "dee.doe@example.com", "manager": app.ids[2], "cost_center": ""}, call)
    scim.grant(dee, "group:sellers", call)
    scim.revoke(dee, "module:Core", call)
    moved = scim.find(dee, call)
    assert moved.emails == ("dee.doe@example.com", "dee@home.example.com")
    assert moved.entitlements == {"role:Rep", "group:sellers"}
    assert moved.attributes == {"department": "Sales", "title": "Lead", "manager": app.ids[2]}
    scim.deactivate(dee, call)
    assert app.user(dee)["active"] is False
    scim.delete(dee, call)
    assert scim.find(dee, call) is None
    with pytest.raises(NotFound):
        scim.deactivate(dee, call)


def test_a_taken_user_name_in_another_case_already_exists(app, call):
    with pytest.raises(AlreadyExists):
        connector(app.url).create(Account(id="", user_name="ANA@example.com"), call)


def test_a_name_is_found_in_any_case_by_one_filter(app, call, http):
    asked = []
    scim = connector(app.url)
    listening = Call(door=dataclasses.replace(reading_door(app.url, http), record=asked.append))
    assert [one.id for one in scim.find_named("CY@EXAMPLE.COM", listening)] == [app.ids[2]]
    assert len([one for one in asked if one["path"] == "/Users"]) == 1


def test_a_group_that_does_not_exist_is_rejected_before_anything_is_written(app, call):
    with pytest.raises(Rejected, match="0 groups"):
        connector(app.url).grant(app.ids[0], "group:no such group", call)


def test_a_hundred_and_fifty_members_go_in_two_requests(app, http):

    users = [
        {"userName": f"u{n}@example.com", "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]} for n in range(150)
    ]
    ids = [app.request("POST", "/Users", user).json()["id"] for user in users]
    call = Call(door=writing(reading_door(app.url, http)))
    group = group_named(ScimApi(), call, "sellers")
    written = change_members(ScimApi(), call, group, add=ids)
    assert [len(one.body["Operations"][0]["value"]) for one in written] == [100, 50]
    members = app.request("GET", f"/Groups/{group}").json()["members"]
    assert {member["value"] for member in members} == set(ids)
    change_members(ScimApi(), call, group, remove=ids[:120])
    members = app.request("GET", f"/Groups/{group}").json()["members"]
    assert {member["value"] for member in members} == set(ids[120:])


def test_a_record_changed_by_somebody_else_in_between_is_read_again(app, http):
    """The version is sent along, so that our write never overwrites what we have not seen."""
    meddled = []

    class Meddling(httpx2.BaseTransport):
        def handle_request(self, request):
            if request.method == "PUT" and not meddled:
                meddled.append(True)
                operations = [{"op": "replace", "path": "title", "value": "Changed meanwhile"}]
                patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}
                app.request("PATCH", f"/Users/{app.ids[0]}", patch)
            answer = http.send(request)
            return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content, request=request)

    with httpx2.Client(transport=Meddling()) as client:
        connector(app.url, writes="put").deactivate(app.ids[0], Call(door=writing(reading_door(app.url, client))))
    user = app.user(app.ids[0])
    assert (user["active"], user["title"]) == (False, "Changed meanwhile")


def test_changes_since_an_instant_are_a_filter_only_where_declared(app, call):
    scim = connector(app.url, changes=True)
    since = datetime.now(UTC)
    scim.deactivate(app.ids[2], call)
    assert [one.id for one in scim.changes(since, None, call).items] == [app.ids[2]]


def test_attributes_that_a_connection_must_agree_on_stop_a_write(app, http):
    door = writing(reading_door(app.url, http))
    with pytest.raises(Rejected, match="nothing was written"):
        connector(app.url).deactivate(app.ids[0], Call(door=door, agree={"family_name": "Somebody-Else"}))
    assert app.user(app.ids[0])["active"] is True
    connector(app.url).deactivate(app.ids[0], Call(door=door, agree={"family_name": "Tester"}))
    assert app.user(app.ids[0])["active"] is False


def test_memberships_of_users_that_show_none_come_from_the_groups(app, call):
    held = {account.id: account.entitlements for account in read_all(connector(app.url), call)}
    assert held == {app.ids[0]: {"group:everybody"}, app.ids[1]: {"group:everybody"}, app.ids[2]: frozenset()}
