"""`usher init`: make a workspace with its keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.options import context_of
from usher.entry.cli.out import emit

if TYPE_CHECKING:
    from rich.console import Console


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder of the new workspace.")] = Path(),
    name: Annotated[str | None, typer.Option(help="Short name of the workspace; else the folder's name.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone in which a day without a time ends.")] = "UTC",
) -> None:
    """Make a workspace: a folder for configuration and data, and its keys in a place outside of it."""
    context = context_of(ctx)
    folder = folder.expanduser().resolve()
    keys = context.opener.init(folder, name or _name_of(folder), _zone(zone))

    def paint(screen: Console) -> None:
        screen.print(f"The workspace is in {folder}.")
        screen.print(f"Its keys are in {keys}: back them up, apart from the workspace.")
        screen.print("Next: usher operator add YOUR-NAME --key-out FILE")

    emit(context, "init/1", {"folder": str(folder), "keys": str(keys)}, paint)


def _name_of(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.name.casefold()).strip("-")
    if not name:
        raise BadInput("the folder has no name to take: give the workspace one with --name")
    return name


def _zone(zone: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(f"--zone: expected a time zone such as Europe/Berlin, got {zone!r}") from error
    return zone
