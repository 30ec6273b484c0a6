"""Connections: opens each configured connection when it is first used, and gives out doors for single calls."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usher.connectors.budget import Budget
from usher.connectors.contract import Connector, Permit
from usher.connectors.door import Door, Leave, refuse_all
from usher.connectors.heard import Heard
from usher.domain.connection import ConnectionConfig
from usher.domain.profile import AppProfile

if TYPE_CHECKING:
    import httpx2

Factory = Callable[[ConnectionConfig, AppProfile], Connector]
Secrets = Callable[[ConnectionConfig], Mapping[str, str]]
KEPT_ANSWERS = 100


class OpenConnections:
    """The connections of one workspace; connectors and HTTP clients are made once and kept."""

    def __init__(
        self,
        configs: Mapping[str, ConnectionConfig],
        profiles: Callable[[ConnectionConfig], AppProfile],
        factories: Mapping[str, Factory],
        secrets: Secrets,
        folder: Path,
        pictures: Path,
    ) -> None:
        """`folder` is the workspace: relative paths of CSV exports begin there. `pictures` receives evidence."""
        self._configs = dict(configs)
        self.profile_of = profiles
        self.factories = factories
        self.secrets = secrets
        self._folder = folder
        self._pictures = pictures
        self._lock = threading.RLock()
        self._connectors: dict[str, Connector] = {}
        self._clients: dict[str, httpx2.Client] = {}
        self._budgets: dict[str, Budget] = {}
        self.heard = Heard()
        self._answers: dict[str, deque[Mapping[str, Any]]] = {}

    def names(self) -> tuple[str, ...]:
        """Every connection's name, in a stable order."""
        return tuple(sorted(self._configs))

    def config(self, name: str) -> ConnectionConfig:
        """What the configuration says; KeyError where there is none of that name."""
        return self._configs[name]

    def profile(self, name: str) -> AppProfile:
        """The app's guide."""
        return self.profile_of(self._configs[name])

    def connector(self, name: str) -> Connector:
        """The connector that speaks to it."""
        with self._lock:
            if name not in self._connectors:
                config = self._configs[name]
                self._connectors[name] = self.factories[config.speaks](config, self.profile_of(config))
            return self._connectors[name]

    def door(
        self, name: str, *, permit: Permit | None = None, leave: Leave | None = None, urgent: bool = False
    ) -> Door:
        """A door for one call; it opens for writes only with a permit and the engine's leave."""
        config = self._configs[name]
        return Door(
            connection=name,
            base_url=config.url,
            folder=self._folder / config.path if config.path else None,
            secrets=self.secrets(config),
            permit=permit,
            leave=leave or refuse_all,
            timeout_seconds=config.timeout_seconds,
            budget=self._budget(config),
            urgent=urgent,
            record=self._answered(name).append,
            client=self._client(name) if config.speaks == "scim" else None,
            pictures=self._pictures,
        )

    def close(self) -> None:
        """Give every HTTP connection back."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _client(self, name: str) -> httpx2.Client:
        import httpx2  # late: most commands call no app

        with self._lock:
            if name not in self._clients:
                # No proxy and no .netrc of the environment: a secret goes only where the configuration says.
                hooks = {"response": [self.heard.hook(name)]}
                self._clients[name] = httpx2.Client(trust_env=False, event_hooks=hooks)
            return self._clients[name]

    def answers(self, name: str) -> list[Mapping[str, Any]]:
        """How the app answered each call since this was asked last, oldest first (the newest hundred)."""
        kept = self._answered(name)
        return [kept.popleft() for _ in range(len(kept))]

    def resting(self, name: str) -> float:
        """Seconds for which the app asked not to be called, 0 where it did not."""
        return self._budget(self._configs[name]).resting()

    def clock_offset(self) -> float | None:
        """Seconds by which the apps' clocks are ahead of this machine's; None where too few have answered lately."""
        return self.heard.offset()

    def _answered(self, name: str) -> deque[Mapping[str, Any]]:
        with self._lock:
            return self._answers.setdefault(name, deque(maxlen=KEPT_ANSWERS))

    def _budget(self, config: ConnectionConfig) -> Budget:
        with self._lock:
            if config.name not in self._budgets:
                self._budgets[config.name] = Budget(config.requests_per_minute)
            return self._budgets[config.name]
