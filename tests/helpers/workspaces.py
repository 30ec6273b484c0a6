"""A workspace of real parts for tests: a real database, real connectors, and whatever apps the test started."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from usher.connectors.csv_folder import CsvConnector
from usher.connectors.person import PersonConnector
from usher.connectors.scim import ScimConnector
from usher.domain.clock import Clock, SystemClock
from usher.domain.connection import ConnectionConfig
from usher.domain.guard import Limits
from usher.domain.ids import IdFactory
from usher.domain.policyfiles import Policies, Rules
from usher.domain.profile import AppProfile
from usher.domain.signing import new_private_key, public_of
from usher.services.connections import OpenConnections
from usher.services.ports import Reach, no_reach
from usher.services.workspace import Workspace
from usher.store.database import Store

LEDGER_KEY = new_private_key()


def browser(config: ConnectionConfig, profile: AppProfile) -> Any:
    """The browser connector, loaded only by tests that need it."""
    from usher.connectors.browser.connector import BrowserConnector

    return BrowserConnector(config, profile)


@cache
def _empty_database() -> Path:
    """A database that was brought up once in this process: most tests have one of their own, and all begin alike."""
    file = Path(tempfile.mkdtemp(prefix="usher-empty-")) / "usher.db"
    atexit.register(shutil.rmtree, file.parent, ignore_errors=True)
    clock = SystemClock()
    store = Store(f"sqlite:///{file}", "test", clock, IdFactory(clock))
    store.migrate()
    store.close()
    assert not file.with_name("usher.db-wal").exists(), "all of it is in the file"
    return file


def make_workspace(
    folder: Path,
    configs: list[ConnectionConfig],
    *,
    clock: Clock | None = None,
    policies: Policies | None = None,
    rules: Rules | None = None,
    limits: Limits | None = None,
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    profiles: Callable[[ConnectionConfig], AppProfile] | None = None,
    reach: Reach = no_reach,
    watch_seconds: tuple[float, ...] = (3_600.0, 86_400.0),
    ledger_key: str = LEDGER_KEY,
    url: str | None = None,
    factories: Mapping[str, Any] | None = None,
) -> Workspace:
    """Open a workspace in a folder; opening the same folder again goes on with its database (`url`: another one).

    `factories` make connectors of the test's own, by what their connections speak.
    """
    clock = clock or SystemClock()
    ids = IdFactory(clock)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    database = folder / "data" / "usher.db"
    if url is None and not database.exists():
        shutil.copyfile(_empty_database(), database)
    store = Store(url or f"sqlite:///{database}", "test", clock, ids)
    store.migrate()
    kept = secrets or {}
    connections = OpenConnections(
        {config.name: config for config in configs},
        profiles or (lambda config: AppProfile(app=config.app, title=config.app.title(), speaks=config.speaks)),
        {
            "scim": ScimConnector,
            "csv": CsvConnector,
            "person": PersonConnector,
            "browser": browser,
            **(factories or {}),
        },
        lambda config: kept.get(config.name, {}),
        folder,
        folder / "pictures",
    )
    from_hr = tuple(config.name for config in configs if config.part == "hr")
    return Workspace(
        name="test",
        folder=folder,
        store=store,
        clock=clock,
        ids=ids,
        connections=connections,
        policies=policies or Policies(roles=(), separation=()),
        rules=rules or Rules(),
        limits=limits or Limits(),
        contracts={},
        configuration="sha256:" + "0" * 64,
        people_from=from_hr or tuple(config.name for config in configs if config.part == "idp"),
        zone="UTC",
        ledger_key=ledger_key,
        ledger_public_key=public_of(ledger_key),
        heads=folder / "heads",
        pictures=folder / "pictures",
        snapshots=folder / "snapshots",
        reach=reach,
        watch_seconds=watch_seconds,
    )
