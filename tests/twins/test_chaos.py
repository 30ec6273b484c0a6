"""Show that each fault of the hostile app is really seen by a plain client, and that its journal is the truth."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

SOURCE = Path(__file__).parents[2] / "src"
USERS, GROUPS, ROWS = "/scim/v2/Users", "/scim/v2/Groups", "/rest/users"
PEOPLE = [{"id": f"id-{n}", "userName": f"person{n}@example.test", "active": True} for n in range(1, 8)]


class App:
    """One running app with a client that knows its token."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._command = [sys.executable, "-m", "twins.chaos", "--port", "0", *arguments]
        for name in ("ready-file", "journal", "trace", "faults-file"):
            self._command += [f"--{name}", str(folder / name)]
        self._start()

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        self.process = subprocess.Popen(self._command, env=environment, stderr=subprocess.PIPE, text=True)
        ready = self.folder / "ready-file"
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline, "the app did not start"
            time.sleep(0.02)
        announced = json.loads(ready.read_text())
        self.client = httpx2.Client(
            base_url=announced["url"], headers={"Authorization": f"Bearer {announced['token']}"}, trust_env=False
        )

    def stop(self) -> str:
        """End the app as an operator would and return what it said on stderr."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        errors = self.process.communicate(timeout=20)[1]
        assert self.process.returncode == 0, errors
        return errors

    def restart(self) -> None:
        assert self.stop() == ""
        self._start()

    def weather(self, **faults: Any) -> None:
        """Change the faults of the running app."""
        new = self.folder / "new-faults"
        new.write_text(json.dumps(faults))
        new.replace(self.folder / "faults-file")

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def effects(self, user_name: str) -> list[str]:
        return [line["effect"] for line in self.lines("journal") if line["userName"] == user_name]

    def create(self, user_name: str, **more: Any) -> httpx2.Response:
        return self.client.post(USERS, json={"userName": user_name, **more})


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("chaos")
    (folder / "people.json").write_text(json.dumps(PEOPLE))
    running = App(folder, "--load", str(folder / "people.json"), "--page-size", "50")
    yield running
    assert running.stop() == ""


@pytest.fixture
def app(shared: App) -> Iterator[App]:
    """An app of at least seven people with fair weather at the beginning."""
    shared.weather()
    yield shared
    shared.weather()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """Start an app of one's own with other arguments; a second one needs another folder name."""
    with ExitStack() as stack:

        def starting(*arguments: str, folder: str = "own") -> App:
            (tmp_path / folder).mkdir(exist_ok=True)
            running = App(tmp_path / folder, *arguments)
            stack.callback(lambda: running.process.poll() is None and running.stop())
            return running

        yield starting


def test_a_lost_reply_leaves_the_account_created(app: App) -> None:
    app.weather(lost_reply=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        app.create("lost.reply@example.test")
    assert app.effects("lost.reply@example.test") == ["create"]
    assert app.client.get(USERS).status_code == 200  # reads are not writes


def test_a_request_lost_before_leaves_nothing(app: App) -> None:
    app.weather(lost_before=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        app.create("lost.before@example.test")
    assert app.effects("lost.before@example.test") == []


@pytest.mark.parametrize(
    ("fault", "status", "effects"),
    [
        ("server_error", 500, []),
        ("server_error_after", 500, ["create"]),
        ("unavailable", 503, []),
        ("rate_limited", 429, []),
        ("auth_storm", 401, []),
    ],
)
@pytest.mark.parametrize("door", ["scim", "rest"])
def test_a_refusal_by_status_tells_nothing_about_the_effect(
    app: App, fault: str, status: int, effects: list[str], door: str
) -> None:
    name = f"{fault}.{door}@example.test"
    app.weather(**{fault: 1})
    reply = app.create(name) if door == "scim" else app.client.post(ROWS, json={"login": name})
    assert reply.status_code == status
    assert app.effects(name) == effects
    assert app.lines("trace")[-1]["faults"] == [fault]


def test_a_rate_limit_says_when_to_come_back_in_seconds_or_as_a_date(app: App) -> None:
    app.weather(rate_limited={"amount": 7})
    assert app.client.get(USERS).headers["Retry-After"] == "7"
    app.weather(rate_limited_date={"amount": 7})
    until = parsedate_to_datetime(app.client.get(USERS).headers["Retry-After"])
    assert 6 < (until - datetime.now(UTC)).total_seconds() < 9


def test_a_slow_reply_is_applied_and_late(app: App) -> None:
    app.weather(slow="1:0.4")
    began = time.monotonic()
    assert app.create("slow@example.test").status_code == 201
    assert time.monotonic() - began >= 0.4


def test_a_sign_in_page_comes_with_200(app: App) -> None:
    app.weather(html_login_200=1)
    reply = app.create("page@example.test")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Sign in" in reply.text
    assert app.effects("page@example.test") == []


@pytest.mark.parametrize("path", [f"{USERS}/id-1", f"{ROWS}/id-1"])
def test_a_404_that_is_not_the_apps_own_comes_for_an_existing_user(app: App, path: str) -> None:
    assert app.client.get(path).status_code == 200
    app.weather(html_404=1)
    reply = app.client.get(path)
    assert reply.status_code == 404
    assert reply.headers["content-type"].startswith("text/html")
    assert "json" in app.client.get(path.replace("id-1", "nobody")).headers["content-type"]


def test_a_truncated_body_breaks_off(app: App) -> None:
    app.weather(truncated_body=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        app.client.get(USERS)


def test_odd_error_bodies_come_in_every_form(app: App) -> None:
    app.weather(odd_error_body=1)
    bodies = {app.client.get(f"{USERS}/nobody-{n}").text for n in range(30)}
    assert len(bodies) == 4
    assert "" in bodies
    assert '["something went wrong"]' in bodies


def test_a_conflict_may_come_as_plain_text(app: App) -> None:
    assert app.create("PERSON1@example.test").json()["scimType"] == "uniqueness"
    app.weather(conflict_plain=1)
    reply = app.create("PERSON1@example.test")
    assert (reply.status_code, reply.text) == (409, "Conflict")


def names(reply: httpx2.Response) -> list[str]:
    return [row["userName"] for row in reply.json()["Resources"]]


def test_an_ignored_filter_answers_200_with_other_users(app: App) -> None:
    asked = {"filter": 'userName eq "Person2@example.test"'}
    assert names(app.client.get(USERS, params=asked)) == ["person2@example.test"]
    app.weather(filter_ignored=1)
    assert names(app.client.get(USERS, params=asked))[:2] == ["person1@example.test", "person2@example.test"]


def test_a_refused_filter_answers_400(app: App) -> None:
    app.weather(filter_refused=1)
    reply = app.client.get(USERS, params={"filter": 'userName eq "x"'})
    assert (reply.status_code, reply.json()["scimType"]) == (400, "invalidFilter")
    assert app.client.get(USERS).status_code == 200


def first_two_pages(app: App, door: str) -> tuple[list[str], list[str]]:
    pages = []
    for offset in (0, 3):
        if door == "scim":
            page = app.client.get(USERS, params={"startIndex": offset + 1, "count": 3}).json()["Resources"]
        else:
            page = app.client.get(ROWS, params={"offset": offset, "limit": 3}).json()
        pages.append([row["id"] for row in page])
    return pages[0], pages[1]


@pytest.mark.parametrize("door", ["scim", "rest"])
def test_paging_goes_wrong_in_each_known_way(app: App, door: str) -> None:
    assert first_two_pages(app, door) == (["id-1", "id-2", "id-3"], ["id-4", "id-5", "id-6"])
    app.weather(repeated_cursor=1)
    assert first_two_pages(app, door) == (["id-1", "id-2", "id-3"], ["id-1", "id-2", "id-3"])
    app.weather(short_pages=1)
    assert first_two_pages(app, door) == (["id-1"], ["id-4"])
    app.weather(shuffled_pages=1)
    seen = {tuple(first_two_pages(app, door)[0]) for _ in range(4)}
    assert len(seen) > 1


def test_a_wrong_total_is_the_size_of_the_page(app: App) -> None:
    right = app.client.get(USERS, params={"count": 3}).json()["totalResults"]
    assert right >= 7
    app.weather(wrong_total=1)
    assert app.client.get(USERS, params={"count": 3}).json()["totalResults"] == 3
    assert app.client.get(USERS).json()["totalResults"] == right + 3
    assert app.client.get(ROWS, params={"limit": 2}).headers["X-Total-Count"] == "2"


def test_the_forms_of_a_reply_may_be_odd(app: App) -> None:
    plain = app.client.get(f"{USERS}/id-1")
    assert plain.headers["content-type"] == "application/scim+json"
    assert plain.json()["meta"]["location"].endswith("/id-1")
    app.weather(plain_json=1, location_mismatch=1, uppercase_booleans=1, schemas_bare_array=1)
    odd = app.client.get(f"{USERS}/id-1")
    assert odd.headers["content-type"] == "application/json"
    assert not odd.json()["meta"]["location"].endswith("/id-1")
    assert odd.json()["active"] == "True"
    assert isinstance(app.client.get("/scim/v2/Schemas").json(), list)
    assert isinstance(app.client.get("/scim/v2/ResourceTypes").json(), list)


def test_active_may_be_required_on_create(app: App) -> None:
    app.weather(active_required=1)
    assert app.create("flag@example.test").status_code == 400
    assert app.client.post(ROWS, json={"login": "flag@example.test"}).status_code == 400
    assert app.effects("flag@example.test") == []
    assert app.create("flag@example.test", active=True).status_code == 201


def test_lag_shows_each_record_as_it_was(app: App) -> None:
    asked = {"filter": 'userName eq "late@example.test"'}
    app.weather(lag=0.6)
    late = app.create("late@example.test").json()
    assert app.client.get(f"{USERS}/{late['id']}").status_code == 404
    assert app.client.get(USERS, params=asked).json()["totalResults"] == 0
    assert "late@example.test" not in [row["login"] for row in app.client.get(ROWS).json()]
    assert app.create("late@example.test").status_code == 409  # the app itself knows
    time.sleep(0.7)
    assert names(app.client.get(USERS, params=asked)) == ["late@example.test"]
    assert app.client.patch(f"{ROWS}/{late['id']}", json={"state": "disabled"}).json()["state"] == "disabled"
    assert app.client.get(f"{ROWS}/{late['id']}").json()["state"] == "enabled"


def test_the_nth_time_and_the_target_narrow_a_fault(app: App) -> None:
    app.weather(server_error={"nth": [2], "on": "PUT /scim/v2/Users/id-7"}, unavailable={"on": "GET /rest"})
    put = [app.client.put(f"{USERS}/id-7", json=PEOPLE[6]).status_code for _ in range(3)]
    assert put == [200, 500, 200]
    assert app.client.get("/rest/me").status_code == 503
    assert app.client.get(f"{USERS}/id-7").status_code == 200


def test_a_broken_faults_file_keeps_the_weather_and_is_named(start: Callable[..., App]) -> None:
    app = start("--faults", "unavailable@GET /rest")
    app.weather(nonsense=1)
    assert app.client.get("/rest/me").status_code == 503
    assert "unknown fault 'nonsense'" in app.stop()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--faults", "lost_replies=0.2"], "unknown fault 'lost_replies'"),
        (["--faults", "lost_reply=2"], "expected a rate from 0 to 1"),
        (["--faults", "lost_reply=#0"], "counted from 1"),
        (["--load", "/dev/null"], "cannot be read as JSON"),
    ],
)
def test_a_wrong_argument_ends_with_one_clear_line(arguments: list[str], expected: str) -> None:
    command = [sys.executable, "-m", "twins.chaos", *arguments]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True)
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def storm(app: App) -> dict[str, str]:
    """Create forty accounts from four threads, once each, and return what the client saw of each."""

    def create(number: int) -> tuple[str, str]:
        name = f"storm{number}@example.test"
        try:
            return name, str(app.create(name).status_code)
        except httpx2.RemoteProtocolError:
            return name, "lost"

    with ThreadPoolExecutor(4) as pool:
        return dict(pool.map(create, range(40)))


STORM = ("--faults", "lost_reply=0.3,rate_limited=0.1,server_error=0.1,server_error_after=0.1")


def test_the_journal_is_the_truth_under_lost_replies(start: Callable[..., App]) -> None:
    app = start(*STORM, "--seed", "5", "--no-unique")
    seen = storm(app)
    assert {"lost", "201", "429", "500"} <= set(seen.values())
    traced = {line["subject"]: line for line in app.lines("trace")}
    for name, outcome in seen.items():
        applied = app.effects(name) == ["create"]
        assert applied == (traced[name]["effects"] == 1)
        assert applied or outcome in ("429", "500")
    app.weather(lost_reply=0, rate_limited=0, server_error=0, server_error_after=0)
    listed = Counter(names(app.client.get(USERS)))
    assert listed == Counter(line["userName"] for line in app.lines("journal"))


def test_the_same_seed_gives_the_same_faults_and_ids_whatever_the_threads_do(start: Callable[..., App]) -> None:
    runs = [start(*STORM, "--seed", seed, folder=folder) for seed, folder in (("7", "a"), ("7", "b"), ("8", "c"))]
    seen = [storm(app) for app in runs]
    ids = [{line["userName"]: line["id"] for line in app.lines("journal")} for app in runs]
    assert seen[0] == seen[1]
    assert ids[0] == ids[1]
    assert seen[0] != seen[2]


def test_without_uniqueness_a_second_create_doubles_the_account(start: Callable[..., App]) -> None:
    app = start("--no-unique")
    ids = {app.create("twice@example.test").json()["id"] for _ in range(2)}
    assert len(ids) == 2
    assert app.effects("twice@example.test") == ["create", "create"]


def test_the_state_survives_a_restart_and_the_journal_goes_on(start: Callable[..., App], tmp_path: Path) -> None:
    app = start("--state", str(tmp_path / "state.json"))
    user_id = app.create("stays@example.test").json()["id"]
    app.restart()
    assert app.client.get(f"{USERS}/{user_id}").json()["userName"] == "stays@example.test"
    assert app.create("STAYS@example.test").status_code == 409
    app.client.delete(f"{USERS}/{user_id}")
    app.restart()
    assert app.client.get(f"{USERS}/{user_id}").status_code == 404
    assert app.create("stays@example.test").json()["id"] != user_id
    assert app.effects("stays@example.test") == ["create", "delete", "create"]


def test_a_public_scim_test_suite_finds_nothing_wrong_in_fair_weather(start: Callable[..., App]) -> None:
    app = start()
    with httpx2.Client(
        base_url=f"{app.client.base_url}/scim/v2", headers=app.client.headers, trust_env=False
    ) as client:
        results = check_server(SyncSCIMClient(client))
    assert [result for result in results if result.status not in (Status.SUCCESS, Status.SKIPPED)] == []
    assert {result.title for result in results if result.status == Status.SKIPPED} == {"search_with_attributes"}
    passed = {(result.title, result.resource_type) for result in results if result.status == Status.SUCCESS}
    for check in ("object_creation", "object_query", "object_replacement", "object_deletion"):
        assert {(check, "User"), (check, "Group")} <= passed
