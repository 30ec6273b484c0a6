"""`usher run`, `usher runs` and `usher resolve`: carry a plan out, see how far it is, answer what is parked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from usher.entry.cli.context import Context
from usher.entry.cli.exits import ExitCode, say
from usher.entry.cli.options import As, Key, Reason, acting, as_reader, context_of, seen_by
from usher.entry.cli.out import emit, instant, note, table, worded
from usher.entry.cli.painting import marked, paint_run

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.workspace import Workspace


def run(
    ctx: typer.Context,
    number: Annotated[str, typer.Argument(metavar="N", help="The plan's number or id.")],
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only begin it; usher worker or usher serve carries it out.")
    ] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Carry out an approved plan, step by step, and prove each step by a fresh reading.

    Becomes the worker for this run where no other worker is there; otherwise shows the other one's progress. Ctrl-C is
    safe at any instant: what was sent is looked at again before anything else, and the same command goes on.
    """
    from usher.services.run import start

    context = context_of(ctx)
    with context.opened() as workspace:
        begun = start(workspace, number)
        finish(context, as_reader(workspace, as_, key), str(begun["number"]), wait=not no_wait)


def finish(context: Context, workspace: Workspace, reference: str, *, wait: bool) -> None:
    """Bring a run on until it rests (or only show it), print it, and end with its exit code."""
    from usher.entry.cli.watching import Interrupted, carry_on, code_of, log_to
    from usher.services.reconcile import reconcile
    from usher.services.show_plans import run as shown

    log_to(workspace.folder / "data")
    document = shown(workspace, reference)
    if wait:
        try:
            document = carry_on(workspace, reference, lambda one: bool(one["at_rest"]))
        except Interrupted:
            say(f"stopped; nothing is lost. Go on with: usher run {document['plan']}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        reconcile(workspace)
    elif not has_worker(workspace):
        note("no worker runs now: begin one with usher worker or usher serve")
    emit(context, "run/1", {"run": document}, lambda screen: paint_run(screen, document))
    raise typer.Exit(code_of(document) if wait else ExitCode.DONE)


def has_worker(workspace: Workspace) -> bool:
    """True where a process holds the lease."""
    with workspace.store.read() as unit:
        lease = unit.leases.current()
    return lease is not None and lease["released_at"] is None


def runs(
    ctx: typer.Context,
    number: Annotated[str | None, typer.Argument(metavar="[N]", help="One run's number or id; none: all.")] = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """List runs, newest first, or show one with its steps, receipts and what it waits for."""
    from usher.services.show_plans import run as shown
    from usher.services.show_plans import runs as listed

    context = context_of(ctx)
    with context.opened() as opened:
        workspace = as_reader(opened, as_, key)
        if number is not None:
            document = shown(workspace, number)
            emit(context, "run/1", {"run": document}, lambda screen: paint_run(screen, document))
            return
        found = listed(workspace)
    emit(context, "runs/1", {"runs": found}, lambda screen: _paint_list(screen, found))


def _paint_list(screen: Console, found: list[dict[str, Any]]) -> None:
    if not found:
        screen.print("No runs yet: usher run N carries out an approved plan (usher plan list)")
        return
    rows = [
        (one["number"], one["plan"], marked(one), one["person_name"], worded(one["state"]),
         f"{one['verified']} of {one['total']}", instant(one["started_at"]))
        for one in found
    ]  # fmt: skip
    headings = ("run", "plan", "kind", "person", "state", "verified", "begun")
    screen.print(table(screen, headings, rows, wide=("begun",)))


def resolve(
    ctx: typer.Context,
    step: Annotated[str, typer.Argument(help="The step's id (usher runs N --json), or RUN/ORDINAL such as 3/2.")],
    answer: Annotated[
        Literal["look", "retry", "cancel"],
        typer.Option(help="look: it was done, see for yourself. retry: it was surely not done. cancel: do not do it."),
    ],
    reason: Reason,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only record the answer.")] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Answer a parked step, or a task that no one can do: look again, try once more on your word, or cancel it."""
    from usher.services.resolve import Answer
    from usher.services.resolve import resolve as take

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        row = take(workspace, _step_id(workspace, step), Answer(answer), by, reason)
        finish(context, seen_by(workspace, by), str(row["run_id"]), wait=not no_wait)


def _step_id(workspace: Workspace, text: str) -> str:
    from usher.services.show_plans import run as shown

    number, slash, ordinal = text.partition("/")
    if not slash:
        return text
    steps = shown(workspace, number)["steps"]
    return next((str(one["id"]) for one in steps if str(one["ordinal"]) == ordinal), text)
