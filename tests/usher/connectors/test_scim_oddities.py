"""Answers that real SCIM servers and what stands before them have given, each by the server that gave it.

Longer than other files: one list of oddities, each a few lines over one server that is told what to answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx2
import pytest
from tests.usher.connectors.scim_servers import config, reading_door, writing

from usher.connectors.contract import Call, Capability, RepeatedCursor, read_all
from usher.connectors.errors import (
    AccessLost,
    AlreadyExists,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Transient,
    Unsupported,
)
from usher.connectors.scim import ScimConnector
from usher.domain.account import Account, AccountState
from usher.domain.profile import AppFacts, AppProfile

URL = "https://crm.test/scim"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
ANA = {"id": "1", "userName": "ana", "active": True, "groups": [{"value": "g", "display": "all"}]}
BOB = {"id": "2", "userName": "bob", "active": True, "groups": [{"value": "g", "display": "all"}]}
NEW = Account(id="", user_name="dee")
Route = dict | int | tuple[int, object] | Callable[[httpx2.Request], httpx2.Response]


class Server:
    """Answers each `METHOD /path` by a script; remembers every request."""

    def __init__(self, routes: dict[str, Route]) -> None:
        self.routes = routes
        self.seen: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        route = self.routes.get(f"{request.method} {request.url.path.removeprefix('/scim')}", 404)
        if callable(route):
            return route(request)
        status, body = route if isinstance(route, tuple) else (route, None) if isinstance(route, int) else (200, route)
        content = body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body)
        return httpx2.Response(status, content=content)

    def sent(self, method: str) -> list[dict]:
        return [json.loads(one.content) for one in self.seen if one.method == method]


def listing(*rows, **fields):
    return {"schemas": [LIST], "totalResults": len(rows), "Resources": list(rows), **fields}


def paged(rows, size, *, beyond=None):
    """A server with pages of `size` that answers `beyond` after its last row."""

    def answer(request):
        start = int(request.url.params.get("startIndex", 1))
        page = rows[start - 1 : start - 1 + size]
        body = listing(*page, totalResults=len(rows)) if page or beyond is None else beyond
        return httpx2.Response(200, json=body) if isinstance(body, dict) else httpx2.Response(body)

    return answer


@pytest.fixture
def speak():
    """Return (connector, call, server) for a script."""
    clients = []

    def begin(routes, profile=None, **options):
        server = Server(routes)
        clients.append(httpx2.Client(transport=httpx2.MockTransport(server)))
        call = Call(door=writing(reading_door(URL, clients[-1])))
        return ScimConnector(config(URL, **options), profile), call, server

    yield begin
    for client in clients:
        client.close()


def ids(scim, call):
    return [one.id for one in read_all(scim, call)]


# Listings


def test_attribute_names_in_lower_case_are_the_same_attributes(speak):
    row = {"ID": "1", "username": "ana", "ACTIVE": "True", "emails": [{"Value": "ana@x.org"}], "groups": []}
    scim, call, _ = speak({"GET /Users": {"resources": [row], "totalresults": 1}}, groups="none")
    (ana,) = read_all(scim, call)
    assert (ana.user_name, ana.state, ana.emails) == ("ana", AccountState.ACTIVE, ("ana@x.org",))


@pytest.mark.parametrize("total", [None, "5", 1, "many"])
def test_a_total_that_is_missing_or_too_small_or_text_changes_nothing(speak, total):
    rows = [{**ANA, "id": str(n)} for n in range(5)]
    scim, call, _ = speak({"GET /Users": lambda r: _with_total(paged(rows, 2)(r), total)})
    assert ids(scim, call) == [str(n) for n in range(5)]


def test_a_listing_that_ends_before_its_own_total_is_not_whole_unless_the_connection_says_that_totals_lie(speak):
    rows = [{**ANA, "id": str(n)} for n in range(5)]
    routes = {"GET /Users": lambda r: _with_total(paged(rows, 2)(r), 99)}
    scim, call, _ = speak(routes)
    with pytest.raises(RepeatedCursor, match="counts 99 and listed 5"):
        ids(scim, call)
    scim, call, _ = speak(routes, total="ignored")
    assert ids(scim, call) == [str(n) for n in range(5)]


def test_accounts_that_go_while_a_listing_is_read_do_not_make_it_partial(speak):
    totals = iter([5, 5, 4, 4, 4])
    rows = [{**ANA, "id": str(n)} for n in range(4)]
    scim, call, _ = speak({"GET /Users": lambda r: _with_total(paged(rows, 2)(r), next(totals))})
    assert ids(scim, call) == ["0", "1", "2", "3"]


def test_groups_that_end_before_their_own_total_are_asked_again_later(speak):
    routes = {"GET /Groups": lambda r: _with_total(paged([{"id": "g", "displayName": "a"}], 2)(r), 3)}
    scim, call, server = speak(routes)
    with pytest.raises(Transient, match="counts 3 and listed 1"):
        scim.grant("1", "group:b", call)
    assert server.sent("PATCH") == []


def _with_total(answer, total):
    body = {key: value for key, value in answer.json().items() if key != "totalResults"}
    return httpx2.Response(200, json=body if total is None else {**body, "totalResults": total})


def test_a_server_that_ignores_the_start_index_has_shown_everything_at_once(speak):
    scim, call, _ = speak({"GET /Users": listing(ANA, BOB)})
    assert ids(scim, call) == ["1", "2"]


def test_a_server_that_shows_its_last_page_again_has_come_to_its_end(speak):
    rows = [{**ANA, "id": str(n)} for n in range(5)]
    scim, call, _ = speak({"GET /Users": paged(rows, 2, beyond=listing(*rows[3:], totalResults=5))})
    assert ids(scim, call) == [str(n) for n in range(5)]


def test_a_server_that_refuses_an_index_beyond_its_last_row_has_come_to_its_end(speak):
    scim, call, _ = speak({"GET /Users": paged([ANA, BOB], 2, beyond=400)})
    assert ids(scim, call) == ["1", "2"]


def test_an_empty_page_in_the_middle_is_asked_again_before_it_is_believed(speak):
    stumbled = []

    def stumble_once(request):
        if request.url.params["startIndex"] == "3" and not stumbled:
            stumbled.append(True)
            return httpx2.Response(200, json=listing(totalResults=4))
        return paged([{**ANA, "id": str(n)} for n in range(4)], 2)(request)

    scim, call, _ = speak({"GET /Users": stumble_once})
    assert ids(scim, call) == ["0", "1", "2", "3"]


def test_a_row_that_slips_into_the_next_page_stops_the_reading(speak):
    pages = {"1": [ANA, BOB], "3": [BOB, {**ANA, "id": "3"}]}
    answer = lambda r: httpx2.Response(200, json=listing(*pages[r.url.params["startIndex"]], totalResults=4))  # noqa: E731
    scim, call, _ = speak({"GET /Users": answer})
    with pytest.raises(RepeatedCursor):
        ids(scim, call)


@pytest.mark.parametrize(
    "body", [{"ok": True}, [ANA], {"totalResults": 1, "Resources": ["ana"]}, listing({"userName": "nameless"})]
)
def test_something_that_is_not_a_scim_list_is_access_lost(speak, body):
    scim, call, _ = speak({"GET /Users": (200, body)})
    with pytest.raises(AccessLost):
        ids(scim, call)


def test_a_list_cut_off_in_the_middle_is_transient(speak):
    scim, call, _ = speak({"GET /Users": (200, json.dumps(listing(ANA, BOB))[:-20])})
    with pytest.raises(Transient):
        ids(scim, call)


def test_an_empty_app_is_empty_and_not_an_error(speak):
    scim, call, _ = speak({"GET /Users": {"schemas": [LIST], "totalResults": 0}})
    assert ids(scim, call) == []
    assert scim.find_named("ana", call) == ()


def test_groups_that_cannot_be_read_are_never_taken_for_none(speak):
    bare = {"id": "1", "userName": "ana", "active": True}
    scim, call, _ = speak({"GET /Users": listing(bare), "GET /Groups": (403, {"detail": "no"})})
    with pytest.raises(AccessLost, match="groups: none"):
        ids(scim, call)
    scim, call, _ = speak({"GET /Users": listing(bare)}, groups="none")
    assert ids(scim, call) == ["1"]


def test_groups_are_read_in_one_pass_for_a_whole_listing(speak):
    rows = [{"id": str(n), "userName": f"u{n}", "active": True} for n in range(6)]
    members = [{"value": "0"}, {"value": "5"}]
    groups = listing({"id": "g", "displayName": "all", "members": members})
    scim, call, server = speak({"GET /Users": paged(rows, 2), "GET /Groups": groups})
    held = {one.id: one.entitlements for one in read_all(scim, call)}
    assert {one for one, entitlements in held.items() if entitlements == {"group:all"}} == {"0", "5"}
    assert len([one for one in server.seen if one.url.path.endswith("/Groups")]) == 2  # the page, and its end


def test_a_group_shown_without_its_name_is_named_by_the_groups(speak):
    row = {**ANA, "groups": [{"value": "g"}]}
    groups = listing({"id": "g", "displayName": "all"})
    scim, call, _ = speak({"GET /Users": listing(row), "GET /Groups": groups})
    assert next(read_all(scim, call)).entitlements == {"group:all"}


def test_odd_shapes_of_attributes_are_read_for_what_they_mean(speak):
    row = {
        **ANA,
        "emails": {"value": "ana@x.org"},
        "roles": "Rep",
        "entitlements": [{"value": "Core", "type": "Module"}, {"display": "API"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": "7", "employeeNumber": 42},
        "meta": {"created": "2026-01-02T03:04:05.1234567Z"},
    }
    scim, call, _ = speak({"GET /Users/1": row})
    ana = scim.find("1", call)
    assert (ana.emails, ana.employee_number, ana.attributes["manager"]) == (("ana@x.org",), "42", "7")
    assert ana.entitlements == {"group:all", "role:Rep", "module:Core", "entitlement:API"}
    assert ana.created.year == 2026


def test_an_account_that_does_not_say_whether_it_is_active_is_unknown(speak):
    scim, call, _ = speak({"GET /Users/1": {"id": "1", "userName": "ana", "groups": ANA["groups"]}})
    assert scim.find("1", call).state is AccountState.UNKNOWN


def test_extra_attributes_are_read_from_where_the_connection_says(speak):
    row = {**ANA, "urn:acme:2.0:User": {"startDate": "2026-03-01", "seen": "2026-11-01T00:00:00Z"}}
    paths = {"start_date": "urn:acme:2.0:User:startDate", "last_login": "urn:acme:2.0:User:seen"}
    scim, call, _ = speak({"GET /Users/1": row}, attributes=paths)
    ana = scim.find("1", call)
    assert ana.attributes["start_date"] == "2026-03-01"
    assert ana.last_login.month == 11


# Looking for one account


def test_another_record_than_the_one_asked_for_is_access_lost(speak):
    scim, call, _ = speak({"GET /Users/1": BOB})
    with pytest.raises(AccessLost):
        scim.find("1", call)


def test_a_plain_filter_answered_with_other_users_finds_the_right_one_by_all_pages(speak):
    scim, call, server = speak({"GET /Users": listing(ANA, BOB)})
    assert [one.id for one in scim.find_named("BOB", call)] == ["2"]
    assert any("filter" in one.url.params for one in server.seen)


def test_an_empty_answer_of_a_filter_that_minds_case_is_not_believed(speak):
    def exact(request):
        wanted = request.url.params.get("filter")
        rows = [row for row in (ANA, BOB) if wanted is None or wanted == f'userName eq "{row["userName"]}"']
        start = int(request.url.params["startIndex"])
        return httpx2.Response(200, json=listing(*rows[start - 1 :], totalResults=len(rows)))

    scim, call, _ = speak({"GET /Users": exact})
    assert [one.id for one in scim.find_named("Ana", call)] == ["1"]


def test_a_name_with_quotes_stays_one_value_of_the_filter(speak):
    scim, call, server = speak({"GET /Users": listing()})
    scim.find_named('a"or userName pr', call)
    assert server.seen[0].url.params["filter"] == 'userName eq "a\\"or userName pr"'


def test_an_id_with_a_slash_stays_one_id(speak):
    scim, call, server = speak({})
    with pytest.raises((AccessLost, Transient)):
        scim.find("../Groups/1", call)
    assert server.seen[0].url.raw_path == b"/scim/Users/..%2FGroups%2F1"
    with pytest.raises(Rejected):
        scim.find("..", call)


@pytest.mark.parametrize("body", [None, {"error": "no such user"}, ["gone"], "Not Found"])
def test_a_404_that_is_not_scim_is_settled_by_the_whole_listing(speak, body):
    scim, call, _ = speak({"GET /Users/1": (404, body), "GET /Users": listing(ANA, BOB)})
    assert scim.find("1", call).id == "1"
    scim, call, _ = speak({"GET /Users/9": (404, body), "GET /Users": listing(ANA, BOB)})
    assert scim.find("9", call) is None
    with pytest.raises(Transient):
        scim.deactivate("9", call)


def test_a_404_in_scim_form_whose_label_is_plain_json_is_gone(speak):
    scim, call, _ = speak({"GET /Users/9": (404, {"schemas": [ERROR.upper()], "status": "404"})})
    assert scim.find("9", call) is None
    with pytest.raises(NotFound):
        scim.deactivate("9", call)


def test_a_404_for_the_whole_endpoint_is_access_lost_in_any_form(speak):
    scim, call, _ = speak({"GET /Users": (404, {"schemas": [ERROR], "status": "404"})})
    with pytest.raises(AccessLost):
        scim.check(call)


# Writing


@pytest.mark.parametrize("answer", [(409, None), (409, "Conflict"), (409, ["x"]), (400, {"scimType": "uniqueness"})])
def test_a_create_of_what_is_there_already_exists_whatever_the_body(speak, answer):
    scim, call, _ = speak({"POST /Users": answer})
    with pytest.raises(AlreadyExists):
        scim.create(NEW, call)


@pytest.mark.parametrize("answer", [(201, None), (201, {}), (201, '{"id": "7", "userN'), (200, "<html>Sign in</html>")])
def test_a_create_answered_without_the_new_id_is_an_unknown_outcome(speak, answer):
    scim, call, _ = speak({"POST /Users": answer})
    with pytest.raises(OutcomeUnknown):
        scim.create(NEW, call)


@pytest.mark.parametrize("status", [405, 501])
@pytest.mark.parametrize("kept", [{}, {"title": "AE"}])
def test_a_server_without_patch_is_written_by_put_from_a_fresh_reading(speak, status, kept):
    record = {"schemas": ["urn:user"], **ANA, **kept, "meta": {"version": 'W/"3"', "location": "x"}}
    scim, call, server = speak({"GET /Users/1": record, "PATCH /Users/1": status, "PUT /Users/1": {**record}})
    scim.deactivate("1", call)
    (body,) = server.sent("PUT")
    assert body == {"schemas": ["urn:user"], "id": "1", "userName": "ana", "active": False, **kept}
    assert [one.method for one in server.seen] == ["GET", "PATCH", "GET", "PUT"]
    assert server.seen[-1].headers["if-match"] == 'W/"3"'
    scim.reactivate("1", call)
    assert [one.method for one in server.seen[4:]] == ["GET", "PUT"]


def test_a_web_page_in_place_of_the_answer_to_a_patch_is_never_gone_and_never_put(speak):
    page = lambda r: httpx2.Response(404, html="<h1>Not found</h1>")  # noqa: E731
    scim, call, server = speak({"GET /Users/1": ANA, "PATCH /Users/1": page})
    with pytest.raises(AccessLost):
        scim.deactivate("1", call)
    assert [one.method for one in server.seen] == ["GET", "PATCH"]


def test_a_record_that_keeps_changing_is_left_alone(speak):
    scim, call, server = speak({"GET /Users/1": ANA, "PATCH /Users/1": 412})
    with pytest.raises(Transient):
        scim.deactivate("1", call)
    assert [one.method for one in server.seen] == ["GET", "PATCH"] * 2


def test_a_version_that_is_no_entity_tag_is_not_sent_as_one(speak):
    scim, call, server = speak({"GET /Users/1": {**ANA, "meta": {"version": 3}}, "PATCH /Users/1": 204})
    scim.deactivate("1", call)
    assert "if-match" not in server.seen[-1].headers


@pytest.mark.parametrize("status", [400, 403, 409, 413, 422])
def test_a_refusal_of_one_account_goes_to_a_person_with_the_words_of_the_app(speak, status):
    answer = (status, {"schemas": [ERROR], "detail": "the last administrator\nstays"})
    scim, call, _ = speak({"GET /Users/1": ANA, "PATCH /Users/1": answer})
    with pytest.raises(Rejected, match="the last administrator stays"):
        scim.deactivate("1", call)


def test_a_refused_token_for_all_users_is_access_lost(speak):
    scim, call, _ = speak({"GET /Users": (403, {"detail": "scope"})})
    with pytest.raises(AccessLost):
        scim.check(call)


@pytest.mark.parametrize("holding", [True, False])
def test_a_server_that_refuses_to_add_a_member_twice_or_remove_it_twice_has_what_we_want(speak, holding):
    ana = ANA if holding else {**ANA, "groups": [{"value": "h", "display": "other"}]}
    group = {"id": "g", "displayName": "all"}
    routes = {"GET /Groups": listing(group), "GET /Groups/g": group, "GET /Users/1": ana, "PATCH /Groups/g": (400, {})}
    scim, call, _ = speak(routes)
    (scim.grant if holding else scim.revoke)("1", "group:all", call)
    with pytest.raises(Rejected):
        (scim.revoke if holding else scim.grant)("1", "group:all", call)


def test_members_are_removed_by_a_filter_and_by_value_only_where_declared(speak):
    group = {"id": "g", "displayName": "all"}
    routes = {"GET /Groups": listing(group), "GET /Groups/g": group, "PATCH /Groups/g": 204}
    scim, call, server = speak(routes)
    scim.revoke("1", "group:all", call)
    assert server.sent("PATCH")[0]["Operations"] == [{"op": "remove", "path": 'members[value eq "1"]'}]
    scim, call, server = speak(routes, member_removal="value")
    scim.revoke("1", "group:all", call)
    assert server.sent("PATCH")[0]["Operations"] == [{"op": "remove", "path": "members", "value": [{"value": "1"}]}]


def test_two_groups_of_one_name_are_never_guessed_between(speak):
    groups = listing({"id": "g", "displayName": "all"}, {"id": "h", "displayName": "all"})
    scim, call, _ = speak({"GET /Groups": groups})
    with pytest.raises(Rejected, match="2 groups"):
        scim.grant("1", "group:all", call)


def test_an_attribute_without_a_path_is_rejected_before_anything_is_asked(speak):
    scim, call, server = speak({})
    with pytest.raises(Rejected, match="shoe_size"):
        scim.update("1", {"shoe_size": "42"}, call)
    assert server.seen == []


def test_a_delete_does_not_ask_for_scim_because_one_server_refuses_that(speak):
    scim, call, server = speak({"GET /Users/1": ANA, "DELETE /Users/1": 204}, allow_delete=True)
    scim.delete("1", call)
    assert "scim" not in server.seen[-1].headers["accept"]


@pytest.mark.parametrize("schemas", [listing, lambda *rows: list(rows)])
def test_parts_of_an_email_that_the_server_does_not_know_are_not_sent(speak, schemas):
    parts = [{"name": "value"}, {"name": "primary"}]
    user = {"id": "urn:ietf:params:scim:schemas:core:2.0:User"}
    user["attributes"] = [{"name": "emails", "subAttributes": parts}]
    made = {"id": "7", "userName": "dee"}
    scim, call, server = speak({"GET /Schemas": (200, schemas(user)), "POST /Users": (201, made)})
    scim.create(Account(id="", user_name="dee", emails=("dee@x.org",)), call)
    assert server.sent("POST")[0]["emails"] == [{"value": "dee@x.org", "primary": True}]


# What a connection can do


def test_deleting_and_delta_readings_need_to_be_declared(speak):
    scim, call, server = speak({})
    assert not {Capability.DELETE, Capability.READ_CHANGES} & scim.capabilities()
    with pytest.raises(Unsupported):
        scim.delete("1", call)
    assert server.seen == []
    assert Capability.DELETE in speak({}, allow_delete=True)[0].capabilities()
    assert Capability.READ_CHANGES in speak({}, changes=True)[0].capabilities()


def test_an_app_that_cannot_delete_by_its_guide_is_not_asked_to(speak):
    never = AppProfile(app="crm", title="CRM", speaks="scim", facts=AppFacts(can_delete=False))
    assert Capability.DELETE not in speak({}, never, allow_delete=True)[0].capabilities()


def test_a_plan_without_a_capability_takes_it_away(speak):
    scim, call, _ = speak({}, without=["create accounts"])
    assert Capability.CREATE not in scim.capabilities()
    with pytest.raises(Unsupported):
        scim.create(NEW, call)


def test_delta_readings_drop_what_they_did_not_ask_for(speak):
    old, new = (
        {**row, "meta": {"lastModified": at}}
        for row, at in ((ANA, "2026-01-01T00:00:00Z"), (BOB, "2026-06-01T00:00:00Z"))
    )
    scim, call, server = speak({"GET /Users": listing(old, new)}, changes=True)
    changed = scim.changes(datetime(2026, 5, 1, tzinfo=UTC), None, call)
    assert [one.id for one in changed.items] == ["2"]
    assert server.seen[0].url.params["filter"] == 'meta.lastModified ge "2026-05-01T00:00:00.000Z"'
