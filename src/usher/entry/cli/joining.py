"""`usher plan join --from FILE`: a list of people becomes one plan a person, and each row is answered for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from usher.entry.cli.exits import BadInput, ExitCode
from usher.entry.cli.options import acting, context_of
from usher.entry.cli.out import counted, emit, heading, progress, table, worded

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.bulkjoin import Joined
    from usher.services.when import How

MOST_BYTES = 32 * 1024 * 1024


def join_from(ctx: typer.Context, file: Path, reason: str, as_: str | None, key: str | None, how: How) -> None:
    """Make a plan for each person of a list and show what became of each row."""
    from usher.connectors.table import read_table
    from usher.services.bulkjoin import plan_joins

    context = context_of(ctx)
    rows = read_table(_bytes(file), str(file))
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        with progress() as show:
            found = plan_joins(workspace, rows, by, reason, how, show)
    document = {"file": str(file), "rows": len(rows.rows), **asdict(found)}
    emit(context, "joins/1", document, lambda screen: _paint(screen, found))
    if any(one["state"] == "held" for one in found.made):
        raise typer.Exit(ExitCode.REFUSED)
    if found.unknown:
        raise typer.Exit(ExitCode.NEEDS_PERSON)


def _bytes(file: Path) -> bytes:
    try:
        content = file.expanduser().read_bytes()
    except OSError as error:
        raise BadInput(f"--from {file}: {error.strerror or error}") from error
    if len(content) > MOST_BYTES:
        raise BadInput(f"--from {file}: expected at most {MOST_BYTES} bytes, got {len(content)}")
    return content


def _paint(screen: Console, found: Joined) -> None:
    plans: list[tuple[int, object, object, object]] = [
        (one["line"], one["person_name"], f"plan {one['plan']}", worded(one["state"])) for one in found.made
    ]
    plans += [
        (one["line"], one["person_name"], f"plan {one['plan']}, made before", worded(one["state"]))
        for one in found.existing
    ]
    plans += [(one["line"], one["person_name"], "nothing to do", worded("")) for one in found.nothing]
    if plans:
        plans.sort(key=lambda row: row[0])
        screen.print(table(screen, ("line", "person", "plan", "state"), plans))
    if found.unknown:
        heading(screen, "No source knows")
        for one in found.unknown:
            screen.print(f"  line {one['line']}, {one['column']} {one['value']}: {one['fix']}")
    if found.unused_columns:
        screen.print(f"\nNot used: {', '.join(found.unused_columns)}")
    screen.print(
        f"\n{counted(len(found.made), 'plan')} made, {len(found.existing)} made before, "
        f"{len(found.nothing)} with nothing to do, {len(found.unknown)} not known."
    )
    if found.made:
        screen.print("Next: usher plan list --open, then usher approve N for each")
