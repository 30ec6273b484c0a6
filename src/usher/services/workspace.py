"""An opened workspace: everything that a service may use, built once by bootstrap and handed down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from usher.domain.clock import Clock, to_text
from usher.domain.guard import Limits
from usher.domain.ids import IdFactory
from usher.domain.policyfiles import Policies, Rules
from usher.domain.seats import Contract
from usher.services.ports import Connections, Reach, no_reach
from usher.services.post import Post
from usher.store.database import Store

WATCH_SECONDS = (3_600.0, 86_400.0)
"""A verified step is looked at again one hour and one day later (never fewer; the rules may add more)."""


def unchanged() -> bool:
    """The files of a workspace that was not read from files never change."""
    return False


class Refusal(Exception):
    """What was asked for cannot be done, in one line that says what to do; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One tenant, opened. `configuration` is the digest of the files that were read."""

    name: str
    folder: Path
    store: Store
    clock: Clock
    ids: IdFactory
    connections: Connections
    policies: Policies
    rules: Rules
    limits: Limits
    contracts: Mapping[str, Contract]
    configuration: str
    people_from: tuple[str, ...]
    zone: str
    ledger_key: str = field(repr=False)
    ledger_public_key: str
    heads: Path
    pictures: Path
    snapshots: Path
    aliases: Mapping[str, str] = field(default_factory=dict)
    engine_url: str | None = field(default=None, repr=False)
    watch_seconds: tuple[float, ...] = WATCH_SECONDS
    reach: Reach = no_reach
    post: Post | None = None
    """Who sends mails to operators; None: no mail server is set."""
    viewer: str | None = None
    """The operator who proved with his key that it is he who reads; None: whoever can read the workspace."""
    missing_keys: str | None = None
    """Which key is not where it should be; such a workspace can be read, and starts sealed."""
    reconfigured: Callable[[], bool] = unchanged
    """True once the files say something else than what this workspace was opened with, and are right."""

    def now(self) -> str:
        """The present instant as stored text."""
        return to_text(self.clock.now())

    def require(self, connection: str) -> None:
        """Refuse a connection that is not in the configuration, with those that are."""
        names = self.connections.names()
        if connection not in names:
            raise Refusal(f"there is no connection {connection!r}; known: {', '.join(names) or 'none yet'}")

    def close(self) -> None:
        """Give database and HTTP connections back."""
        self.connections.close()
        self.store.close()
