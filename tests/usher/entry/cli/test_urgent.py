"""Urgent work overtakes bulk work that waits for the same slow app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.helpers.running import Running
from tests.journeys.conftest import users

from .conftest import Shell

CALLS_A_MINUTE = 120
JOINERS = 24
POLICY = """roles:
  - {name: everyone, when: {any: true}, give: [{app: wiki, account: {}}]}
"""
CONNECTION = """name: wiki
app: scim
speaks: scim
part: app
owner: omar
url: {url}/scim/v2
lag_seconds: 0
requests_per_minute: {calls}
secrets: {{token: env:WIKI_TOKEN}}
"""


def test_an_urgent_leaver_is_off_within_two_windows_while_many_joiners_wait_for_a_slow_app(
    shell: Shell, start_twin: Any, tmp_path: Path
) -> None:
    wiki = slow_app(shell, start_twin, tmp_path)
    shell.env["WIKI_TOKEN"] = "chaos"
    assert shell.usher("observe").code == 0
    (tmp_path / "new.csv").write_text("employee number\n" + "".join(f"J{number}\n" for number in range(JOINERS)))
    made = shell.usher("plan", "join", "--from", tmp_path / "new.csv", "--reason", "new", *shell.as_("olga"), "--json")
    assert made.code == 0, made.err + made.out
    for joiner in made.json()["made"]:
        _approved(shell, shell.usher("plan", "show", str(joiner["plan"]), "--json").json()["plan"])
    for number in range(1, JOINERS + 1):
        assert shell.usher("run", str(number), "--no-wait").code == 0
    with _worker(shell):
        _until(lambda: len(wiki.entries()) >= 3, 60)
        urgent = shell.usher(
            "plan", "leave", "ann@acme.test", "--urgent", "--reason", "dismissed", *shell.as_("olga"), "--json"
        ).json()["plan"]
        assert urgent["lane"] == "urgent"
        _approved(shell, urgent)
        asked = time.monotonic()
        assert shell.usher("run", str(urgent["number"]), "--no-wait").code == 0
        _until(lambda: any(one["effect"] == "deactivate" for one in wiki.entries()), 60)
        took = time.monotonic() - asked
        _until(lambda: _steps(shell, urgent["number"])["wiki"] == "verified", 60)
    waiting = JOINERS - sum(one["effect"] == "create" for one in wiki.entries())
    windows = took * CALLS_A_MINUTE / 60 / 10
    assert waiting > 3, "the joiners were still waiting for their calls"
    assert windows <= 2, f"an app of ten calls a window would have taken {windows:.1f} windows"


def slow_app(shell: Shell, start_twin: Any, folder: Path) -> Running:
    """The company with many more people and an app that takes two calls a second."""
    more = [f"J{n},J{n},June{n},Jolly{n},j{n}@acme.test,active,2026-01-01,,IT,Engineer" for n in range(JOINERS)]
    export = shell.folder / "exports" / "hr.csv"
    export.write_text(export.read_text() + "\n".join(more) + "\n")
    loaded = folder / "users.json"
    loaded.write_text(json.dumps({"users": users("ann", "ben", "cleo"), "groups": []}))
    wiki: Running = start_twin("twins.chaos", "--load", loaded, "--seed", "4")
    shell.write("connections/wiki.yaml", CONNECTION.format(url=wiki.url, calls=CALLS_A_MINUTE))
    shell.write("policies/roles.yaml", POLICY)
    return wiki


def _approved(shell: Shell, plan: dict[str, Any]) -> None:
    answer = shell.usher("approve", str(plan["number"]), "--digest", plan["digest"], *shell.as_("omar"))
    assert answer.code == 0, answer.err


def _steps(shell: Shell, plan: int) -> dict[str, str]:
    shown = shell.usher("runs", str(plan), "--json").json()["run"]["steps"]
    return {step["connection"]: step["state"] for step in shown}


class _worker:
    """A worker process of the company."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def __enter__(self) -> None:
        command = [sys.executable, "-m", "usher.bootstrap", "worker"]
        environment = {**os.environ, **self._shell.environment()}
        with (self._shell.home / "worker.log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=self._shell.folder, env=environment, stdout=log, stderr=log)

    def __exit__(self, *ending: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)


def _until(so: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)
