"""A real Chromium against the console twin: each test starts its own console and reads the console's own journal."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from usher.catalog.registry import profiles
from usher.connectors.browser import process
from usher.connectors.browser.connector import BrowserConnector
from usher.connectors.contract import Call, Permit
from usher.connectors.door import Door
from usher.domain.connection import ConnectionConfig
from usher.domain.profile import AppProfile

SOURCE = Path(__file__).resolve().parents[4] / "src"
ADMIN, PASSWORD = "admin@console.test", "correct horse battery staple"
PEOPLE = (
    ("Frances", "Allen", "Rep", "Active"),
    ("John", "Backus", "Manager", "Active"),
    ("Vint", "Cerf", "Manager", "Deactivated"),
    ("Ole-Johan", "Dahl", "Rep", "Active"),
    ("Whitfield", "Diffie", "Rep", "Active"),
    ("Edsger", "Dijkstra", "Rep", "Active"),
    ("Margaret", "Hamilton", "Manager", "Active"),
    ("Tony", "Hoare", "Rep", "Active"),
    ("Grace", "Hopper", "Rep", "Invited"),
    ("Katherine", "Johnson", "Rep", "Active"),
    ("Donald", "Knuth", "Rep", "Active"),
    ("Hedy", "Lamarr", "Rep", "Active"),
    ("Leslie", "Lamport", "Rep", "Active"),
    ("Barbara", "Liskov", "Rep", "Active"),
    ("Ada", "Lovelace", "Manager", "Active"),
    ("Peter", "Naur", "Rep", "Active"),
    ("Radia", "Perlman", "Rep", "Active"),
    ("Claude", "Shannon", "Rep", "Active"),
    ("Ivan", "Sutherland", "Rep", "Active"),
    ("Alan", "Turing", "Rep", "Active"),
    ("Niklaus", "Wirth", "Rep", "Active"),
)
FIRST_PAGE, LAST_PAGE = ("Frances", "Allen"), ("Alan", "Turing")


def address(name: tuple[str, str]) -> str:
    """The address of a person of the seed."""
    return f"{name[0]}.{name[1]}@acme.test".lower()


class Console:
    """A console twin in its own process."""

    def __init__(self, folder: Path, options: tuple[str, ...] = (), people: int = len(PEOPLE)) -> None:
        self.folder, self.options, self.people = folder, options, PEOPLE[:people]
        folder.mkdir(parents=True, exist_ok=True)
        self._write_seed(folder / "seed.csv")
        self.start()

    def _write_seed(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["first_name", "last_name", "email", "role", "team", "modules", "status", "last_active"])
            for first, last, role, status in self.people:
                writer.writerow([first, last, address((first, last)), role, "Enterprise East", "", status, ""])

    def start(self) -> None:
        ready = self.folder / "ready.json"
        command = [sys.executable, "-m", "twins.console", "--port", "0", "--ready-file", ready]
        command += ["--seed", self.folder / "seed.csv", "--journal", self.folder / "journal", *self.options]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "CONSOLE_ADMIN_PASSWORD": PASSWORD}
        self.process = subprocess.Popen([str(part) for part in command], env=environment)
        end = time.monotonic() + 30
        while not ready.exists():
            assert self.process.poll() is None and time.monotonic() < end, "the console did not start"
            time.sleep(0.05)
        self.url = json.loads(ready.read_text())["url"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)

    def effects(self) -> list[tuple[str, str]]:
        """What truly changed, as (verb, address), by the console's own journal."""
        return [(entry["verb"], entry["email"]) for entry in self.journal() if entry["effect"]]

    def journal(self) -> list[dict[str, Any]]:
        """Every whole line of the journal."""
        path = self.folder / "journal"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(autouse=True)
def _one_browser_for_all_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the jobs of different tests share a browser, which jobs of different connections never do outside of tests.

    Each test has a console of its own, and starting a browser for each takes longer than what is tried in it.
    """
    if request.node.path.stem not in ("test_kept", "test_leave"):
        monkeypatch.setattr(process, "connection_of", lambda job: job.chromium)


@pytest.fixture
def consoles(tmp_path: Path) -> Iterator[Callable[..., Console]]:
    """Start consoles with options; all of them end with the test."""
    started: list[Console] = []

    def start(*options: str, people: int = len(PEOPLE)) -> Console:
        started.append(Console(tmp_path / f"console-{len(started)}", options, people))
        return started[-1]

    yield start
    for console in started:
        console.stop()


@pytest.fixture
def console(consoles: Callable[..., Console]) -> Console:
    return consoles()


def connector_to(console: Console, *, recipe: Mapping[str, Any] | None = None, **options: Any) -> BrowserConnector:
    """A connector by the recipe of the catalogue, parts of which may be replaced."""
    profile = profiles().get("forecastly")
    if recipe is not None:
        profile = AppProfile.model_validate({**profile.model_dump(), "recipe": {**(profile.recipe or {}), **recipe}})
    config = ConnectionConfig(
        name="forecastly",
        app="forecastly",
        speaks="browser",
        owner="olga",
        key=options.pop("key", "mutable"),
        url=console.url,
        lag_seconds=options.pop("lag_seconds", 0.0),
        options={"patience_seconds": 4.0, **options},
    )
    return BrowserConnector(config, profile)


def door_to(console: Console, **more: Any) -> Door:
    """A door with a permit that always has leave, unless told otherwise."""
    given: dict[str, Any] = {
        "connection": "forecastly",
        "base_url": console.url,
        "secrets": {"login": ADMIN, "secret": PASSWORD},
        "permit": Permit(step="step-1", intent="intent-1", fence=1),
        "leave": lambda permit: None,
        "pictures": console.folder / "pictures",
        **more,
    }
    return Door(**given)


def call_for(console: Console, name: tuple[str, str] | None = None, **more: Any) -> Call:
    """A call that knows the person's name."""
    agree = {"display_name": " ".join(name)} if name else {}
    return Call(door=door_to(console, **more), agree=agree)
