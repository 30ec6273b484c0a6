"""`usher undo`: propose what takes a run back; it is approved and carried out like any other plan."""

from __future__ import annotations

from typing import Annotated

import typer

from usher.entry.cli.exits import ExitCode
from usher.entry.cli.options import As, Key, Reason, acting, context_of, seen_by
from usher.entry.cli.out import emit
from usher.entry.cli.painting import paint_plan


def undo(
    ctx: typer.Context,
    number: Annotated[str, typer.Argument(metavar="RUN", help="The run's number or id (usher runs).")],
    reason: Reason,
    only: Annotated[
        list[str] | None, typer.Option("--app", metavar="NAME", help="Take back only what was done in this connection.")
    ] = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """Propose the plan that takes a run back, from what was seen before each step; says what does not come back."""
    from usher.services.show_plans import plan as shown
    from usher.services.undo import make_undo

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        made = make_undo(workspace, number, by, reason, tuple(only or ()))
        document = shown(seen_by(workspace, by), str(made.number))
    emit(context, "plan/1", {"plan": document}, lambda screen: paint_plan(screen, document))
    if not document["guard"]["allowed"]:
        raise typer.Exit(ExitCode.REFUSED)
