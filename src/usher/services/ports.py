"""What services ask of the rooms above them; wired by bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from usher.connectors.contract import Connector, Permit
from usher.connectors.door import Door, Leave
from usher.domain.connection import ConnectionConfig
from usher.domain.profile import AppProfile


class Reach(Protocol):
    """Told the name of each step boundary that is passed; a fault harness ends the process there."""

    def __call__(self, boundary: str) -> None: ...


def no_reach(boundary: str) -> None:
    """Outside a fault harness nothing listens."""


class Progress(Protocol):
    """Shown to people during long work: what, how much of how much (None: not known)."""

    def __call__(self, what: str, done: int, total: int | None) -> None: ...


def silent(what: str, done: int, total: int | None) -> None:
    """No one is looking."""


class Connections(Protocol):
    """The configured connections of a workspace, each opened when it is first used."""

    def names(self) -> tuple[str, ...]:
        """Every connection's name, in a stable order."""
        ...

    def config(self, name: str) -> ConnectionConfig:
        """What the configuration says; KeyError where there is none of that name."""
        ...

    def profile(self, name: str) -> AppProfile:
        """The app's guide."""
        ...

    def connector(self, name: str) -> Connector:
        """The connector that speaks to it."""
        ...

    def door(
        self, name: str, *, permit: Permit | None = None, leave: Leave | None = None, urgent: bool = False
    ) -> Door:
        """A door for one call; it opens for writes only with a permit and the engine's leave."""
        ...

    def answers(self, name: str) -> list[Mapping[str, Any]]:
        """How the app answered each call since this was asked last, oldest first."""
        ...

    def resting(self, name: str) -> float:
        """Seconds for which the app asked not to be called, 0 where it did not."""
        ...

    def clock_offset(self) -> float | None:
        """Seconds by which the apps' clocks are ahead of this machine's; None where too few have answered lately."""
        ...

    def close(self) -> None:
        """Give every HTTP connection back."""
        ...
