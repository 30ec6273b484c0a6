"""Place: what a connection is, in one line, so that a step acts only where its owner signed for it."""

from __future__ import annotations

from usher.services.workspace import Workspace


def place_of(workspace: Workspace, name: str) -> str:
    """The app, the way of speaking, the address, the kind of key and the owner of a connection as configured now."""
    config = workspace.connections.config(name)
    return f"{config.app} by {config.speaks} at {config.url or config.path} (key {config.key}, owner {config.owner})"
