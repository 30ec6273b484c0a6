"""`usher setup`: how far the set-up is, what is next, and how long the first results took."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from usher.entry.cli.options import context_of
from usher.entry.cli.out import counted, emit, heading, instant, lines, table

if TYPE_CHECKING:
    from rich.console import Console


def setup(ctx: typer.Context) -> None:
    """Show which steps of the set-up are done, what is next, and how long it took until the first results."""
    from usher.services.setup import progress

    context = context_of(ctx)
    with context.opened() as workspace:
        found = progress(workspace)

    def paint(screen: Console) -> None:
        rows = [(one.stage, one.state, one.detail, "" if one.state == "done" else one.next) for one in found.stages]
        screen.print(table(screen, ("step", "state", "what there is", "next"), rows, wide=("next",)))
        heading(screen, "Time")
        lines(
            screen,
            [
                ("begun", instant(found.began_at) or "not yet: usher operator add NAME --key-out FILE"),
                ("first report", _after(found.first_report_at, found.minutes_to_first_report)),
                ("first leaver, proven", _after(found.first_leaver_at, found.minutes_to_first_leaver)),
                (
                    "people's time",
                    f"at least {counted(found.minutes_of_people, 'minute')}, by {counted(found.acts, 'act')}",
                ),
            ],
        )

    emit(context, "setup/1", asdict(found), paint)


def _after(at: str | None, minutes: int | None) -> str:
    return "not yet" if at is None or minutes is None else f"{instant(at)}, after {counted(minutes, 'minute')}"
