"""Show that the doors of the hostile app obey the rules in fair weather, so that only its faults are hostile."""

import json
from typing import Any

import pytest

from twins.chaos.messages import Refusal, Reply, Request
from twins.chaos.records import Records
from twins.chaos.rest_door import RestDoor
from twins.chaos.scim_door import ScimDoor
from twins.chaos.scim_schema import ENTERPRISE
from twins.chaos.weather import Strikes
from twins.serving import Journal


class App:
    """Both doors over one set of records, without a network."""

    def __init__(self) -> None:
        self.journal = Journal()
        records = Records(self.journal)
        self._doors = (ScimDoor(records, 100), RestDoor(records, 100))

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Reply:
        door = next(door for door in self._doors if path.startswith(door.root))
        return door.answer(Request(method, path, query, body=json.dumps(body).encode()), Strikes())

    def create(self, name: str, **more: Any) -> str:
        return self.ask("POST", "/scim/v2/Users", {"userName": name, **more}).content["id"]

    def group(self, name: str, *members: str) -> str:
        body = {"displayName": name, "members": [{"value": member} for member in members]}
        return self.ask("POST", "/scim/v2/Groups", body).content["id"]

    def patch(self, path: str, *operations: dict[str, Any]) -> dict[str, Any]:
        return self.ask("PATCH", f"/scim/v2/{path}", {"Operations": list(operations)}).content

    def effects(self) -> list[tuple[str, str]]:
        return [(entry["effect"], entry["userName"]) for entry in self.journal.entries()]


@pytest.fixture
def app() -> App:
    return App()


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "replace", "value": {"active": False}},
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": False},
    ],
)
def test_a_deactivation_is_understood_in_each_known_form(app: App, operation: dict[str, Any]) -> None:
    user = app.create("ada")
    assert app.patch(f"Users/{user}", operation)["active"] is False
    app.patch(f"Users/{user}", operation)
    assert app.effects() == [("create", "ada"), ("deactivate", "ada")]
    assert app.ask("GET", f"/rest/users/{user}").content["state"] == "disabled"


def test_patch_reaches_items_of_a_list_and_the_extension(app: App) -> None:
    user = app.create("ada", emails=[{"value": "old@example.test", "type": "work"}])
    changed = app.patch(
        f"Users/{user}",
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "new@example.test"},
        {"op": "add", "path": 'emails[type eq "home"].value', "value": "home@example.test"},
        {"op": "add", "value": {"name.givenName": "Ada", f"{ENTERPRISE}:department": "Sales"}},
        {"op": "add", "path": f"{ENTERPRISE}:manager.value", "value": "m1"},
    )
    assert [email["value"] for email in changed["emails"]] == ["new@example.test", "home@example.test"]
    assert changed["name"] == {"givenName": "Ada"}
    assert changed[ENTERPRISE]["department"] == "Sales"
    assert changed[ENTERPRISE]["manager"]["value"] == "m1"


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "favourite", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": 'emails[type eq "other"].value', "value": "x"}, "noTarget"),
        ({"op": "remove", "path": "userName"}, "invalidValue"),
        ({"op": "explode", "path": "title"}, "invalidSyntax"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
    ],
)
def test_a_patch_with_one_wrong_operation_changes_nothing(app: App, operation: dict[str, Any], scim_type: str) -> None:
    user = app.create("ada")
    with pytest.raises(Refusal) as refused:
        app.patch(f"Users/{user}", {"op": "replace", "path": "title", "value": "Countess"}, operation)
    assert (refused.value.status, refused.value.scim_type) == (400, scim_type)
    assert "title" not in app.ask("GET", f"/scim/v2/Users/{user}").content
    assert app.effects() == [("create", "ada")]


@pytest.mark.parametrize(
    "removal",
    [
        {"op": "remove", "path": 'members[value eq "ADA"]'},
        {"op": "Remove", "path": "members", "value": [{"value": "ADA"}]},
    ],
)
def test_members_come_and_go_and_the_journal_names_them(app: App, removal: dict[str, Any]) -> None:
    ada, bob = app.create("ada"), app.create("bob")
    group = app.group("sales", bob)
    app.patch(f"Groups/{group}", {"op": "add", "path": "members", "value": [{"value": ada}, {"value": bob}]})
    assert app.ask("GET", f"/scim/v2/Users/{ada}").content["groups"][0]["display"] == "sales"
    app.patch(f"Groups/{group}", json.loads(json.dumps(removal).replace("ADA", ada)))
    members = app.ask("GET", f"/scim/v2/Groups/{group}").content["members"]
    assert [member["value"] for member in members] == [bob]
    assert app.effects()[2:] == [
        ("create", "sales"),
        ("member_add", "bob"),
        ("member_add", "ada"),
        ("member_remove", "ada"),
    ]
    assert app.journal.entries()[-1]["group"] == group


def test_a_group_rename_that_does_not_name_members_keeps_them(app: App) -> None:
    ada = app.create("ada")
    group = app.group("sales", ada)
    renamed = app.patch(f"Groups/{group}", {"op": "replace", "value": {"id": group, "displayName": "revenue"}})
    assert renamed["displayName"] == "revenue"
    assert [member["value"] for member in renamed["members"]] == [ada]


def test_a_deleted_user_leaves_every_group(app: App) -> None:
    ada = app.create("ada")
    group = app.group("sales", ada)
    assert app.ask("DELETE", f"/scim/v2/Users/{ada}").status == 204
    assert not app.ask("GET", f"/scim/v2/Groups/{group}").content["members"]
    assert app.effects()[-2:] == [("member_remove", "ada"), ("delete", "ada")]


def test_an_unknown_member_refuses_the_whole_request(app: App) -> None:
    with pytest.raises(Refusal, match="no user nobody"):
        app.group("sales", app.create("ada"), "nobody")
    assert app.effects() == [("create", "ada")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('userName eq "ADA"', ["ada"]),
        ('externalId eq "e-1"', ["ada"]),
        ('externalId eq "E-1"', []),
        ('emails[type eq "work" and value co "bob@"]', ["bob"]),
        ('emails[type eq "work"].value eq "bob@example.test"', ["bob"]),
        ('emails.value ew "example.test" and not (active eq true)', ["bob"]),
        ('userName sw "a" or (active eq "False" and title pr)', ["ada", "bob"]),
        ('title ne "Engineer"', ["ada"]),
        (f'{ENTERPRISE}:department eq "sales"', ["ada"]),
        ('meta.lastModified ge "2001-01-03T00:00:00.0000000Z"', ["ada", "bob"]),
        ('(ActiVe eq true) and meta.lastmodified le "2001-01-03T00:00:00Z"', []),
    ],
)
def test_filters_find_what_they_say(app: App, text: str, expected: list[str]) -> None:
    app.create("ada", externalId="e-1", **{ENTERPRISE: {"department": "Sales"}})
    app.create("bob", active=False, title="Engineer", emails=[{"value": "bob@example.test", "type": "work"}])
    found = app.ask("GET", "/scim/v2/Users", filter=text).content["Resources"]
    assert [row["userName"] for row in found] == expected


@pytest.mark.parametrize(
    "text", ["userName", 'userName is "x"', 'userName eq "x', "(title pr", 'a eq "b" c', "x eq yes"]
)
def test_a_filter_that_cannot_be_read_is_refused(app: App, text: str) -> None:
    with pytest.raises(Refusal) as refused:
        app.ask("GET", "/scim/v2/Users", filter=text)
    assert (refused.value.status, refused.value.scim_type) == (400, "invalidFilter")


def test_the_rest_door_shows_and_changes_the_same_users(app: App) -> None:
    body = {"login": "ada", "email": "ada@example.test", "roles": ["admin"], "employee_number": "7"}
    row = app.ask("POST", "/rest/users", body).content
    assert (row["state"], row["roles"], row["email"]) == ("enabled", ["admin"], "ada@example.test")
    user = app.ask("GET", f"/scim/v2/Users/{row['id']}").content
    assert user["emails"] == [{"value": "ada@example.test", "primary": True}]
    assert user[ENTERPRISE] == {"employeeNumber": "7"}
    app.ask("PATCH", f"/rest/users/{row['id']}", {"state": "disabled", "email": None, "name": "Ada"})
    user = app.ask("GET", f"/scim/v2/Users/{row['id']}").content
    assert (user["active"], user["displayName"], user.get("emails")) == (False, "Ada", None)
    assert app.effects() == [("create", "ada"), ("deactivate", "ada"), ("update", "ada")]
    assert app.journal.entries()[-1]["after"] == {"displayName": "Ada", "emails": None}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"state": "off"}, "state must be"),
        ({"colour": "red"}, "unknown field colour"),
        ({"roles": "a"}, "roles must be"),
    ],
)
def test_the_rest_door_refuses_what_it_does_not_know(app: App, body: dict[str, Any], expected: str) -> None:
    with pytest.raises(Refusal, match=expected):
        app.ask("PATCH", f"/rest/users/{app.create('ada')}", body)


def test_a_login_is_taken_at_both_doors(app: App) -> None:
    app.create("Ada")
    bob = app.create("bob")
    for method, path, body in (
        ("POST", "/rest/users", {"login": "ADA"}),
        ("PATCH", f"/rest/users/{bob}", {"login": "ada"}),
        ("POST", "/scim/v2/Users", {"userName": "ada"}),
        ("PUT", f"/scim/v2/Users/{bob}", {"userName": "ADA"}),
    ):
        with pytest.raises(Refusal) as refused:
            app.ask(method, path, body)
        assert refused.value.status == 409
    assert app.effects() == [("create", "Ada"), ("create", "bob")]
