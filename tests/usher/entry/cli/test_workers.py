"""The worker: one a workspace, watched by its health page, and whoever runs a plan beside it sees its progress."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.usher.entry.cli.conftest import COMMAND, Shell

from usher.bootstrap import WorkspaceOpener
from usher.entry.cli.serve import Pulse, Server, http_app

pytestmark = pytest.mark.timeout(600)
SECONDS = 120.0


@pytest.fixture
def serving(shell: Shell) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`usher serve` on a free port, with its address."""
    ready = shell.home / "ready.json"
    command = [*COMMAND, "serve", "--port", "0", "--ready-file", str(ready)]
    log = (shell.home / "serve.log").open("wb")
    process = subprocess.Popen(command, cwd=shell.folder, env={**os.environ, **shell.environment()}, stderr=log)
    try:
        until = time.monotonic() + SECONDS
        while not ready.exists():
            assert process.poll() is None and time.monotonic() < until, (shell.home / "serve.log").read_text()
            time.sleep(0.1)
        yield process, json.loads(ready.read_text())["url"]
    finally:
        process.terminate()
        process.wait(SECONDS)
        log.close()


def health(url: str) -> tuple[int, dict[str, Any]]:
    answer = httpx2.get(f"{url}/health", timeout=30.0)
    return answer.status_code, answer.json()


def test_serve_tells_that_its_worker_lives_and_carries_out_what_others_begin(
    shell: Shell, serving: tuple[subprocess.Popen[bytes], str]
) -> None:
    process, url = serving
    status, told = health(url)
    assert status == 200
    assert told["workspace"] == "acme"
    assert told["lease"].startswith(f"pid {process.pid} ")
    assert told["last_tick_seconds"] < 60
    assert told["sealed"] is None
    second = shell.usher("worker")
    assert second.code == 3
    assert f"the lease is held by pid {process.pid}" in second.err

    shell.ann_leaves()
    assert shell.usher("observe").code == 0
    assert shell.usher("plan", "leave", "ann@acme.test", *shell.as_("olga")).code == 0
    for name in ("olga", "omar"):
        assert shell.usher("approve", "1", "--digest", shell.digest(), *shell.as_(name)).code == 0
    run = shell.usher("run", "1", "--json")
    assert run.code == 1
    assert run.json()["run"]["steps"][0]["state"] == "waiting for a person"
    assert f"the lease is held by pid {process.pid}" in run.err
    assert health(url)[1]["open_findings"] == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0


def test_health_answers_503_when_the_worker_has_died_or_stands_still(shell: Shell) -> None:
    workspace = WorkspaceOpener()
    os.environ["USHER_KEYS_DIR"] = str(shell.home / "keys")
    try:
        opened = workspace.open(shell.folder)
    finally:
        del os.environ["USHER_KEYS_DIR"]
    failures: list[str] = []
    ticks = [time.monotonic()]
    server = Server(http_app(opened, Pulse(lambda: ticks[0], lambda: failures[0] if failures else None)), 0)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        assert health(url)[0] == 200
        ticks[0] -= 3600
        assert health(url)[0] == 503
        ticks[0] += 3600
        failures.append("the disk is full")
        status, told = health(url)
        assert (status, told["status"], told["failure"]) == (503, "dead", "the disk is full")
    finally:
        server.stop()
        opened.close()


def test_ctrl_c_leaves_a_run_safe_and_says_how_to_go_on(shell: Shell, start_twin: Any) -> None:
    users = shell.write("exports/wiki.json", json.dumps([WIKI_USER]))
    wiki = start_twin("twins.chaos", "--load", users, "--seed", "1")
    added = shell.usher("connect", "wiki", "--speaks", "scim", "--url", f"{wiki.url}/scim/v2", "--owner", "olga",
                        "--secret", "token=env:WIKI_TOKEN", "--lag", "600")  # fmt: skip
    assert added.code == 0, added.err
    shell.env["WIKI_TOKEN"] = "chaos"
    shell.ann_leaves()
    assert shell.usher("observe").code == 0
    assert shell.usher("plan", "leave", "ann@acme.test", *shell.as_("olga")).code == 0
    for name in ("olga", "omar"):
        assert shell.usher("approve", "1", "--digest", shell.digest(), *shell.as_(name)).code == 0
    process = subprocess.Popen(
        [*COMMAND, "run", "1"],
        cwd=shell.folder,
        env={**os.environ, **shell.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    while "in wiki: acknowledged" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "stopped; nothing is lost. Go on with: usher run 1" in rest
    assert len(wiki.entries()) == 1


WIKI_USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "userName": "ann@acme.test",
    "name": {"givenName": "Ann", "familyName": "Archer"},
    "displayName": "Ann Archer",
    "emails": [{"value": "ann@acme.test", "primary": True}],
    "active": True,
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "E1"},
}


def test_a_serving_worker_begins_again_with_changed_files_and_not_with_wrong_ones(
    shell: Shell, serving: tuple[subprocess.Popen[bytes], str]
) -> None:
    process, _ = serving
    ready, main = shell.home / "ready.json", shell.folder / "usher.yaml"
    text = main.read_text()
    before = ready.stat().st_mtime_ns
    main.write_text(text + "\nnonsense: true\n")
    time.sleep(8)
    assert ready.stat().st_mtime_ns == before, "wrong files are waited for, not used"
    main.write_text(text + "\n# a comment is a change too\n")
    until = time.monotonic() + SECONDS
    while ready.stat().st_mtime_ns == before:
        assert process.poll() is None and time.monotonic() < until, (shell.home / "serve.log").read_text()
        time.sleep(0.2)
    told = json.loads(ready.read_text())
    assert told["pid"] == process.pid
    assert health(told["url"])[0] == 200
