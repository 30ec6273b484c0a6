"""`usher task`: steps that no connector can do, with the guide's own lines; done means read back, never said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import ExitCode, say
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import As, Key, acting, as_reader, context_of, seen_by
from usher.entry.cli.out import emit, instant, note, table, worded
from usher.entry.cli.painting import paint_task

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.show import Document
    from usher.services.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    cls=UsherGroup,
    help="Tasks for people: steps that no connector can do.",
    epilog=examples("usher task list", "usher task show 1", "usher task done 1 --as paula --key file:~/paula.key"),
)
Number = Annotated[str, typer.Argument(metavar="N", help="The task's number or id.")]


@app.command("list", epilog=examples("usher task list", "usher task list --all", json="tasks/1"))
def list_(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Those that were verified too.")] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """List tasks for people, oldest first."""
    from usher.services.show import tasks

    context = context_of(ctx)
    with context.opened() as workspace:
        found = tasks(as_reader(workspace, as_, key), closed=all_)

    def paint(screen: Console) -> None:
        if not found:
            screen.print("No open tasks." if not all_ else "No tasks yet.")
            return
        rows = [
            (one["number"], one["assignee"], one["title"], worded("closed" if one["closed_at"] else one["state"]),
             instant(one["due_at"]) + (" overdue" if one["overdue"] else ""))
            for one in found
        ]  # fmt: skip
        screen.print(table(screen, ("task", "for", "what", "state", "due"), rows))

    emit(context, "tasks/1", {"tasks": found}, paint)


@app.command(epilog=examples("usher task show 1", json="task/1"))
def show(ctx: typer.Context, number: Number, as_: As = None, key: Key = None) -> None:
    """Show a task: what to do, step by step, and how usher will see that it is done."""
    from usher.services.show import task

    context = context_of(ctx)
    with context.opened() as workspace:
        document = task(as_reader(workspace, as_, key), number)
    emit(context, "task/1", {"task": document}, lambda screen: paint_task(screen, document))


@app.command(
    epilog=examples("usher task done 1 --note 'set inactive' --as paula --key file:~/paula.key", json="task/1")
)
def done(
    ctx: typer.Context,
    number: Number,
    said: Annotated[str, typer.Option("--note", help="A word on how it was done; kept in the ledger.")] = "",
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not look now; a worker will.")] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Say that a task is done: usher reads the app again at once, and believes only what it reads."""
    from usher.services.show import task
    from usher.services.task import say_done

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        say_done(workspace, number, by, said)
        if no_wait:
            note("a worker will look: usher worker or usher serve")
        else:
            _look(workspace, number)
        document = task(seen_by(workspace, by), number)
    emit(context, "task/1", {"task": document}, lambda screen: _paint(screen, document))
    if document["closed_at"] is None and not no_wait:
        raise typer.Exit(ExitCode.NEEDS_PERSON)


def _look(workspace: Workspace, number: str) -> None:
    """Carry the run on until the word was looked at, and whatever that let begin has come to rest."""
    from usher.entry.cli.watching import Interrupted, carry_on, log_to
    from usher.services.reconcile import reconcile
    from usher.services.show import task
    from usher.services.show_plans import is_said_done

    log_to(workspace.folder / "data")

    def is_over(run: Document) -> bool:
        return not is_said_done(workspace, number) and bool(run["at_rest"])

    try:
        carry_on(workspace, str(task(workspace, number)["run"]), is_over)
        reconcile(workspace)
    except Interrupted:
        say("stopped; your word is kept, and the next worker looks")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _paint(screen: Console, document: Document) -> None:
    if document["closed_at"]:
        screen.print(f"Task {document['number']} is verified by a fresh reading.", style="green")
        screen.print(f"See: usher runs {document['run']}")
    else:
        screen.print(f"Task {document['number']} is still open: {document['note']}")
