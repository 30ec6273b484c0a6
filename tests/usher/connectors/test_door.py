"""The one door to every app: what may pass, and what the answer of an app means."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from email.utils import formatdate

import httpx2
import pytest

from usher.connectors import door as doors
from usher.connectors.contract import Permit
from usher.connectors.door import Budget, Door
from usher.connectors.errors import AccessLost, NotPermitted, OutcomeUnknown, Rejected, Transient, Unsupported

PERMIT = Permit(step="s1", intent="i1", fence=7)


class App:
    """An app that answers what it is told to and remembers what reached it."""

    def __init__(self) -> None:
        self.reached: list[httpx2.Request] = []
        self.answer: httpx2.Response | Exception = httpx2.Response(200, json={})

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.reached.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def app():
    return App()


@pytest.fixture
def door(app):
    with httpx2.Client(transport=httpx2.MockTransport(app)) as client:
        yield Door(
            connection="crm",
            base_url="https://crm.test/api/",
            client=client,
            secrets={"token": "very-secret"},
            permit=PERMIT,
            leave=lambda permit: None,
        )


def test_a_path_is_below_the_address_of_the_connection_and_carries_its_token(app, door):
    door.http.get("/users", params={"q": "x"})
    (request,) = app.reached
    assert str(request.url) == "https://crm.test/api/users?q=x"
    assert request.headers["authorization"] == "Bearer very-secret"


def test_an_absolute_address_never_gets_the_token(app, door):
    with pytest.raises(Rejected):
        door.http.get("https://elsewhere.test/users")
    assert app.reached == []


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
@pytest.mark.parametrize("without", [{"permit": None}, {"rehearsing": True}, {"leave": doors.refuse_all}])
def test_a_write_without_the_right_to_it_never_reaches_the_app(app, door, method, without):
    with pytest.raises(NotPermitted):
        getattr(replace(door, **without).http, method)("/users")
    assert app.reached == []


def test_leave_is_asked_with_the_permit_right_before_every_write(app, door):
    asked = []
    careful = replace(door, leave=lambda permit: asked.append((permit, len(app.reached))))
    careful.http.get("/users")
    careful.http.post("/users")
    careful.http.patch("/users/1")
    assert asked == [(PERMIT, 1), (PERMIT, 2)]


def test_reading_works_without_a_permit_and_in_a_rehearsal(app, door):
    replace(door, permit=None, rehearsing=True).http.get("/users")
    replace(door, permit=None, rehearsing=True).http.post("/users/.search", write=False)
    assert [request.method for request in app.reached] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("answer", "read", "write"),
    [
        (httpx2.ConnectError("refused"), Transient, Transient),
        (httpx2.ConnectTimeout("late"), Transient, Transient),
        (httpx2.PoolTimeout("busy"), Transient, Transient),
        (httpx2.ReadTimeout("late"), Transient, OutcomeUnknown),
        (httpx2.ReadError("reset"), Transient, OutcomeUnknown),
        (httpx2.WriteError("reset"), Transient, OutcomeUnknown),
        (httpx2.RemoteProtocolError("cut off"), Transient, OutcomeUnknown),
        (httpx2.DecodingError("broken gzip"), Transient, OutcomeUnknown),
        (httpx2.Response(429), Transient, Transient),
        (httpx2.Response(500), Transient, OutcomeUnknown),
        (httpx2.Response(502), Transient, OutcomeUnknown),
        (httpx2.Response(503), Transient, OutcomeUnknown),
        (httpx2.Response(501), Unsupported, Unsupported),
        (httpx2.Response(401), AccessLost, AccessLost),
        (httpx2.Response(307, headers={"location": "/x"}), AccessLost, AccessLost),
        (httpx2.Response(302, headers={"location": "/login"}), AccessLost, OutcomeUnknown),
        (httpx2.Response(303, headers={"location": "/users/1"}), AccessLost, OutcomeUnknown),
    ],
    ids=str,
)
def test_an_answer_means_what_the_engine_must_do_next(app, door, answer, read, write):
    app.answer = answer
    with pytest.raises(read):
        door.http.get("/users")
    with pytest.raises(write):
        door.http.post("/users")
    assert len(app.reached) == 2  # nothing is sent twice


@pytest.mark.parametrize("status", [200, 201, 204, 400, 403, 404, 409, 412, 422])
def test_other_answers_are_for_the_connector_to_read(app, door, status):
    app.answer = httpx2.Response(status)
    assert door.http.post("/users").status_code == status


def test_a_redirect_is_never_followed(app, door):
    app.answer = httpx2.Response(301, headers={"location": "https://elsewhere.test/"})
    with pytest.raises(AccessLost, match=r"elsewhere\.test"):
        door.http.get("/users")
    assert len(app.reached) == 1


def test_an_answer_that_is_too_large_is_not_used(app, door, monkeypatch):
    monkeypatch.setattr(doors, "MAX_BODY", 10)
    app.answer = httpx2.Response(200, content=b"x" * 11)
    with pytest.raises(AccessLost):
        door.http.get("/users")
    with pytest.raises(OutcomeUnknown):
        door.http.post("/users")


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_how_long_to_wait_is_read_in_both_forms(app, door, form):
    date = formatdate(time.time() + 30, usegmt=True)
    app.answer = httpx2.Response(429, headers={"retry-after": "30" if form == "seconds" else date})
    with pytest.raises(Transient) as caught:
        door.http.get("/users")
    assert 25 < caught.value.retry_after <= 30


@pytest.mark.parametrize("value", ["soon", "", "-5", "Mon, 99 Foo 2026"])
def test_a_wait_that_cannot_be_read_is_no_wait(app, door, value):
    app.answer = httpx2.Response(429, headers={"retry-after": value})
    with pytest.raises(Transient) as caught:
        door.http.get("/users")
    assert caught.value.retry_after is None


def test_a_date_that_has_passed_is_a_wait_of_nothing(app, door):
    past = formatdate(0, usegmt=True)
    app.answer = httpx2.Response(429, headers={"retry-after": past})
    with pytest.raises(Transient) as caught:
        door.http.get("/users")
    assert caught.value.retry_after == 0


def test_every_call_is_recorded_without_secrets_and_without_its_query(app, door):
    entries = []
    recording = replace(door, record=entries.append)
    recording.http.get("/users?token=hidden", params={"name": "ana"})
    app.answer = httpx2.ReadTimeout("late")
    with pytest.raises(OutcomeUnknown):
        recording.http.post("/users", json={"password": "hidden"})
    assert [(e["method"], e["path"], e.get("status"), e.get("error")) for e in entries] == [
        ("GET", "/users", 200, None),
        ("POST", "/users", None, "ReadTimeout"),
    ]
    assert "hidden" not in str(entries)
    assert "very-secret" not in str(entries) + repr(door)


def test_a_closed_port_is_transient_for_a_write_too(door):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with httpx2.Client(trust_env=False) as client, pytest.raises(Transient):
        replace(door, client=client, base_url=f"http://127.0.0.1:{port}").http.post("/users")


@pytest.mark.parametrize("missing", ["client", "base_url"])
def test_a_door_without_what_it_needs_says_so(door, missing):
    with pytest.raises(AccessLost, match="crm"):
        replace(door, **{missing: None}).http.get("/users")


def test_a_budget_spreads_calls_evenly_and_counts_reads_and_writes(app, door):
    slept = []
    budget = Budget(per_minute=60, sleep=slept.append)
    spending = replace(door, budget=budget)
    for _ in range(3):
        spending.http.get("/users")
    spending.http.post("/users")
    assert [round(seconds) for seconds in slept] == [1, 2, 3]


def test_a_write_that_is_refused_costs_no_budget(door):
    slept = []
    spending = replace(door, budget=Budget(per_minute=1, sleep=slept.append), rehearsing=True)
    for _ in range(3):
        with pytest.raises(NotPermitted):
            spending.http.post("/users")
    assert slept == []


def test_a_seal_that_comes_during_the_wait_for_the_budget_stops_the_write(door):
    asked = []

    def leave(permit):
        asked.append(permit)
        if len(asked) > 1:
            raise NotPermitted("sealed meanwhile")

    permit = Permit(step="stp_1", intent="int_1", fence=1)
    spending = replace(door, budget=Budget(per_minute=60_000), permit=permit, leave=leave)
    with pytest.raises(NotPermitted, match="sealed meanwhile"):
        spending.http.post("/users")
    assert len(asked) == 2


def test_files_are_read_below_the_folder_only(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    (tmp_path / "secret").write_text("no")
    (folder / "users.csv").write_text("yes")
    files = Door(connection="crm", folder=folder).files
    assert files.read("users.csv") == b"yes"
    for name in ("../secret", str(tmp_path / "secret"), "missing.csv", "."):
        with pytest.raises(AccessLost):
            files.read(name)


def test_the_newest_file_is_chosen_by_its_time(tmp_path):
    for age, name in enumerate(["b.csv", "c.csv", "a.csv"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "folder.csv").mkdir()
    assert Door(connection="crm", folder=tmp_path).files.newest("*.csv") == "b.csv"
    with pytest.raises(AccessLost):
        Door(connection="crm", folder=tmp_path).files.newest("*.txt")


def test_a_connection_without_a_path_has_no_files(door):
    with pytest.raises(AccessLost, match="names no path"):
        _ = door.files
