"""Check: exercises a connection's credentials once, and lets its waiting steps go on where they work again."""

from __future__ import annotations

from dataclasses import dataclass

from usher.connectors.contract import Call
from usher.services import park
from usher.services.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Checked:
    """A connection that answered. `lifted` is the reason for which it had been stopped, where it was."""

    connection: str
    capabilities: tuple[str, ...]
    lifted: str | None


def check(workspace: Workspace, name: str) -> Checked:
    """Ask the app whether it lets usher in; raises what the connector raises, Refusal for an unknown connection."""
    workspace.require(name)
    connector = workspace.connections.connector(name)
    connector.check(Call(door=workspace.connections.door(name)))
    with workspace.store.begin() as unit:
        lifted = park.use_again(unit, name, "the connection answered a check")
    return Checked(name, tuple(sorted(one.value for one in connector.capabilities())), lifted)
