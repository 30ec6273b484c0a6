"""`usher operator delegate`, `absent`, `delegations` and `undelegate`: who signs for whom, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from usher.domain.clock import to_text
from usher.domain.moments import BadMoment, read_moment
from usher.entry.cli import operators
from usher.entry.cli.context import Context
from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import examples
from usher.entry.cli.options import As, Key, Reason, acting, context_of
from usher.entry.cli.out import emit, instant, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.workspace import Workspace

app = operators.app
Until = Annotated[
    str, typer.Option("--until", metavar="WHEN", help="A day (its end), or a day and a time; in the workspace's zone.")
]


def moment(workspace: Workspace, option: str, text: str) -> str:
    try:
        found = read_moment(text, workspace.zone)
    except BadMoment as error:
        raise BadInput(f"{option}: {error}") from error
    for line in found.notes:
        note(line)
    return to_text(found.instant)


@app.command(
    epilog=examples(
        "usher operator delegate omar --until 2026-12-04 --reason 'on holiday' --as olga --key file:~/olga.key",
        "usher operator delegate omar --app okta --app crm --from '2026-12-01 09:00' --until 2026-12-04 "
        "--as olga --key file:~/olga.key",
        json="delegation/1",
    )
)
def delegate(
    ctx: typer.Context,
    to: Annotated[str, typer.Argument(help="The operator who may sign for you.")],
    until: Until,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="When it begins; now, if not given.")
    ] = None,
    app_: Annotated[
        list[str] | None,
        typer.Option("--app", metavar="NAME", help="Only this connection of yours; may be repeated."),
    ] = None,
    reason: Reason = "",
    as_: As = None,
    key: Key = None,
) -> None:
    """Let another operator sign for you as owner of your apps, for a time.

    Nobody counts twice by it, nobody passes on what he got, and whoever asked for a plan, or is its subject, still
    cannot sign it.
    """
    from usher.services.delegate import delegate as give

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        begins = workspace.now() if from_ is None else moment(workspace, "--from", from_)
        ends = moment(workspace, "--until", until)
        row = give(workspace, by, to, apps=app_ or None, valid_from=begins, valid_to=ends, reason=reason)
        _emit(context, workspace, row["id"])


@app.command(
    epilog=examples("usher operator absent --until 2026-12-04 --as olga --key file:~/olga.key", json="delegation/1")
)
def absent(ctx: typer.Context, until: Until, reason: Reason = "", as_: As = None, key: Key = None) -> None:
    """Say that you are away: your deputy (rules: deputies: in usher.yaml) signs for all your apps until then."""
    from usher.services.delegate import absent as away

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        row = away(workspace, by, moment(workspace, "--until", until), reason)
        _emit(context, workspace, row["id"])


@app.command(
    epilog=examples("usher operator undelegate dlg_01... --as olga --key file:~/olga.key", json="delegation/1")
)
def undelegate(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The delegation: usher operator delegations.")],
    reason: Reason = "",
    as_: As = None,
    key: Key = None,
) -> None:
    """End a delegation at once; he who gave it may, and he who has it."""
    from usher.services.delegate import end_delegation

    context = context_of(ctx)
    with context.opened() as workspace:
        row = end_delegation(workspace, acting(workspace, as_, key), id, reason)
        _emit(context, workspace, row["id"])


@app.command(epilog=examples("usher operator delegations", json="delegations/1"))
def delegations(ctx: typer.Context) -> None:
    """List who signs for whom, newest first, ended ones too."""
    from usher.services.delegate import delegations as listed

    context = context_of(ctx)
    with context.opened() as workspace:
        found = listed(workspace)

    def paint(screen: Console) -> None:
        if not found:
            screen.print("Nobody signs for another: usher operator delegate TO --until WHEN")
            return
        rows = [
            (one["id"], f"{one['to']} for {one['from']}", ", ".join(one["apps"] or ["all his apps"]), _state(one),
             instant(one["valid_from"]), instant(one["valid_to"]), one["reason"])
            for one in found
        ]  # fmt: skip
        headings = ("delegation", "who", "apps", "state", "from", "until", "reason")
        screen.print(table(screen, headings, rows, wide=("from", "reason")))

    emit(context, "delegations/1", {"delegations": found}, paint)


def _emit(context: Context, workspace: Workspace, id: str) -> None:
    from usher.services.delegate import delegations as listed

    one = next(found for found in listed(workspace) if found["id"] == id)

    def paint(screen: Console) -> None:
        apps = ", ".join(one["apps"] or ["all his apps"])
        if one["ended_at"]:
            screen.print(f"{one['to']} signs for {one['from']} no more.")
        else:
            times = f"from {instant(one['valid_from'])} until {instant(one['valid_to'])}"
            screen.print(f"{one['to']} may sign for {one['from']} ({apps}) {times}: {id}")

    emit(context, "delegation/1", {"delegation": one}, paint)


def _state(one: dict[str, Any]) -> str:
    if one["ended_at"]:
        return f"ended {instant(one['ended_at'])}"
    return "active" if one["counts_now"] else "not now"
