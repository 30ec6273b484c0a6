"""What the command line is given by bootstrap: a way to open a workspace, and how results are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from usher.services.workspace import Workspace


class Opener(Protocol):
    """Opens and makes workspaces; the only way from a command to everything else."""

    def open(self, folder: Path | None) -> Workspace:
        """Open the workspace in a folder (None: USHER_WORKSPACE, else this folder or the nearest one above it).

        Raises Refusal with one line where there is none, and ConfigurationError naming file, line and field.
        """
        ...

    def open_copy(self, folder: Path) -> Workspace:
        """Open a workspace that is being restored, with the SQLite file in its folder, whatever the settings name."""
        ...

    def database_url(self) -> str | None:
        """The database that the settings name for a workspace; None: the SQLite file in its folder."""
        ...

    def init(self, folder: Path, name: str, zone: str) -> Path:
        """Make a workspace with its keys; returns the folder that holds the keys. Refusal where it cannot."""
        ...

    def keep_secret(self, workspace_folder: Path, connection: str, field: str, value: str) -> None:
        """Encrypt a secret into the workspace's own store (source `kept`)."""
        ...

    def forget_secrets(self, workspace_folder: Path, connection: str) -> None:
        """Take every kept secret of a connection out of that store; there may be none."""
        ...


@dataclass(slots=True)
class Context:
    """One invocation: the opener, the folder that was named, and whether JSON was asked for.

    `log_folder` is where the log of an internal failure goes, once a workspace is known.
    """

    opener: Opener
    folder: Path | None = None
    as_json: bool = False
    log_folder: Path | None = None

    def workspace(self) -> Workspace:
        """The opened workspace."""
        workspace = self.opener.open(self.folder)
        self.log_folder = workspace.folder / "data"
        if workspace.missing_keys:
            from usher.entry.cli.out import note

            note(f"warning: {workspace.missing_keys}; usher reads, and a worker starts sealed")
        return workspace

    @contextmanager
    def opened(self) -> Iterator[Workspace]:
        """The opened workspace, given back at the end of the command."""
        workspace = self.workspace()
        try:
            yield workspace
        finally:
            workspace.close()
