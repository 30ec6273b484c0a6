"""Small companies for tests of one fault at a time; every test here counts under the suite `faults`."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.faults.company import Standing, build
from tests.faults.invent import USER, App
from tests.helpers.running import Running, Twins

from usher.engine.inline import tick

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.suite("faults"))


@pytest.fixture
def found_company(tmp_path: Path, twins: Twins) -> Iterator[Callable[..., Standing]]:
    """`found_company(App(...), events=("join",))` -> a company that stands, in fair weather but with its apps' lags."""
    made: list[Standing] = []

    def found(*apps: App, events: tuple[str, ...] = ("join",), **more: Any) -> Standing:
        standing = build(tmp_path / "company", twins, 1, len(events), apps=apps, events=events)
        if more:
            standing.workspace = replace(standing.workspace, **more)
        made.append(standing)
        return standing

    yield found
    for standing in made:
        standing.workspace.close()


def states(standing: Standing) -> list[str]:
    """The states of the first run's steps, in their order."""
    with standing.workspace.store.read() as unit:
        return [row["state"] for row in unit.runs.steps(unit.runs.all()[-1]["id"])]


def proven(standing: Standing) -> bool:
    """Whether every step of the first run is verified, and maybe closed already."""
    return set(states(standing)) <= {"verified", "closed"}


def rules(standing: Standing) -> set[str]:
    """The rules of the open findings that name a step."""
    with standing.workspace.store.read() as unit:
        return {row["rule"] for row in unit.findings.open() if "step" in json.loads(row["evidence"])}


def tick_until(standing: Standing, fence: int, done: Callable[[], bool], seconds: float = 25) -> None:
    """Carry out what is due again and again until something is so."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, (states(standing), rules(standing))
        tick(standing.workspace, fence)
        time.sleep(0.05)


def effects(server: Running) -> list[str]:
    """The effects in an app's journal, in their order."""
    return [entry["effect"] for entry in server.entries()]


def by_hand(server: Running, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Somebody changes an app without us, through its own door."""
    request = urllib.request.Request(
        f"{server.url}/scim/v2{path}",
        data=json.dumps(body).encode() if body else None,
        method=method,
        headers={"Authorization": "Bearer chaos", "Content-Type": "application/scim+json"},
    )
    with urllib.request.urlopen(request) as response:
        text = response.read()
    return dict(json.loads(text)) if text else {}


def stranger(user_name: str) -> dict[str, Any]:
    """An account that somebody else makes under a name that we want."""
    return {"schemas": [USER], "userName": user_name, "displayName": "Somebody Else", "active": True}
