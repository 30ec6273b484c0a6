"""`usher plan release` and `usher plan override`: people answer for what the guard holds back."""

from __future__ import annotations

from typing import Annotated

import typer

from usher.entry.cli import plans
from usher.entry.cli.delegations import moment
from usher.entry.cli.exits import BadInput, ExitCode
from usher.entry.cli.groups import examples
from usher.entry.cli.options import As, Key, Reason, acting, context_of, seen_by
from usher.entry.cli.out import emit
from usher.entry.cli.painting import paint_plan

app = plans.app
"""These verbs belong to `usher plan`."""


@app.command(
    epilog=examples(
        "usher plan release 4 okta/acc_1/deactivate --reason 'they really left' --as omar --key file:~/omar.key",
        "usher plan release 4 --all --reason 'the site in Oslo closes' --as omar --key file:~/omar.key",
        json="plan/1",
    )
)
def release(
    ctx: typer.Context,
    number: plans.Number,
    reason: Reason,
    rows: Annotated[
        list[str] | None, typer.Argument(metavar="[ROW]...", help="The held rows, as usher plan show names them.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every row that is held now.")] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Let rows that the guard holds go on; each is signed for with what was shown, and held again if more is asked."""
    from usher.services.release import release_rows
    from usher.services.show_plans import plan as shown

    if not reason.strip():
        raise BadInput("--reason: expected why these rows may go on")
    if bool(rows) == all_:
        raise BadInput("name the rows (usher plan show N), or give --all")
    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        held = (
            [row["row"] for row in shown(seen_by(workspace, by), number)["guard"]["held"]] if all_ else list(rows or ())
        )
        left = release_rows(workspace, number, held, by, reason)
        document = shown(seen_by(workspace, by), number)
    emit(context, "plan/1", {"plan": document}, lambda screen: paint_plan(screen, document))
    if left:
        raise typer.Exit(ExitCode.REFUSED)


@app.command(
    epilog=examples(
        "usher plan override 4 --until '2026-03-09 18:00' --reason 'the site in Oslo closes' "
        "--as omar --key file:~/omar.key",
        json="plan/1",
    )
)
def override(
    ctx: typer.Context,
    number: plans.Number,
    until: Annotated[
        str, typer.Option("--until", metavar="WHEN", help="Its run begins before then; a day, or a day and a time.")
    ],
    reason: Reason,
    as_: As = None,
    key: Key = None,
) -> None:
    """Let one plan pass the guard's limits once, by a second person; what is refused stays refused."""
    from usher.services.release import override as let_pass
    from usher.services.show_plans import plan as shown

    if not reason.strip():
        raise BadInput("--reason: expected why the plan may pass the limits")
    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        let_pass(workspace, number, by, moment(workspace, "--until", until), reason)
        document = shown(seen_by(workspace, by), number)
    emit(context, "plan/1", {"plan": document}, lambda screen: paint_plan(screen, document))
