"""`usher plan` and `usher approve`: propose what shall be done to one person's accounts, and sign exactly that."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usher.entry.cli.context import Context
from usher.entry.cli.exits import BadInput, ExitCode
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import As, Key, Reason, acting, as_reader, context_of, seen_by
from usher.entry.cli.out import emit, instant, note, table, worded
from usher.entry.cli.painting import marked, paint_plan

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.operators import Acting
    from usher.services.when import How
    from usher.services.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    cls=UsherGroup,
    help="Plans: ordered steps that are proposed for one person; nothing happens before people approve them.",
    epilog=examples(
        "usher plan leave ann@acme.test --as olga --key file:~/olga.key",
        "usher plan show 1",
        "usher approve 1 --as omar --key file:~/omar.key",
    ),
)
Person = Annotated[str, typer.Argument(help="Id, employee number, address, or part of a name.")]
Urgent = Annotated[
    bool, typer.Option("--urgent", help="Overtake bulk work where an app takes only so many calls; approved like any.")
]
Number = Annotated[str, typer.Argument(metavar="N", help="The plan's number or id.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="When it begins: 2026-03-09 (the end of that day), '2026-03-09 17:00', or that and a zone, Europe/Berlin; "
        "without a zone where the person works. now: once it is approved.",
    ),
]
Confidential = Annotated[
    bool, typer.Option("--confidential", help="Shown only to its requester and to those who must sign, until its end.")
]
PREFIX = re.compile(r"(sha256:)?([0-9a-f]{8,64})")


@app.command(
    epilog=examples(
        "usher plan join nils@acme.test --as olga --key file:~/olga.key",
        "usher plan join nils@acme.test --at '2026-04-01 08:00' --as olga --key file:~/olga.key",
        "usher plan join --from people.csv --as olga --key file:~/olga.key",
        json="plan/1",
    )
)
def join(
    ctx: typer.Context,
    person: Annotated[
        str | None, typer.Argument(help="Id, employee number, address, or part of a name; or give --from.")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A CSV of people: a column id, employee number or email, and, if wanted, reason and at.",
        ),
    ] = None,
    reason: Reason = "",
    at: At = None,
    urgent: Urgent = False,
    confidential: Confidential = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Propose the accounts, roles and modules that policy gives a person who has none of them yet.

    With --from one plan for each person of a list: all rows are checked first, and a second time makes nothing twice.
    """
    from usher.services.when import How

    how = How(at=at, urgent=urgent, confidential=confidential)
    if (person is None) == (from_ is None):
        raise BadInput("name one PERSON, or a list with --from FILE")
    if from_ is not None:
        from usher.entry.cli.joining import join_from

        join_from(ctx, from_, reason, as_, key, how)
    elif person is not None:
        _propose(ctx, "join", person, reason, as_, key, how)


@app.command(epilog=examples("usher plan move mia@acme.test --as olga --key file:~/olga.key", json="plan/1"))
def move(
    ctx: typer.Context,
    person: Person,
    reason: Reason = "",
    at: At = None,
    urgent: Urgent = False,
    confidential: Confidential = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Propose what brings a person's accounts to what policy says now."""
    from usher.services.when import How

    _propose(ctx, "move", person, reason, as_, key, How(at=at, urgent=urgent, confidential=confidential))


@app.command(
    epilog=examples(
        "usher plan leave ann@acme.test --as olga --key file:~/olga.key",
        "usher plan leave ann@acme.test --at '2026-03-09 17:00 Europe/Berlin' --as olga --key file:~/olga.key",
        "usher plan leave E1017 --reason 'contract ended early' --as olga --key env:OLGA_KEY",
        "usher plan leave ann@acme.test --urgent --reason 'dismissed today' --as olga --key file:~/olga.key",
        json="plan/1",
    )
)
def leave(
    ctx: typer.Context,
    person: Person,
    reason: Reason = "",
    at: At = None,
    urgent: Urgent = False,
    confidential: Confidential = False,
    emergency: Annotated[
        bool,
        typer.Option(
            "--emergency",
            help="Switch the accounts off at once, alone, where the rules allow it; others must agree in time.",
        ),
    ] = False,
    no_wait: Annotated[
        bool,
        typer.Option("--no-wait", help="Of an emergency: only begin it; usher worker or usher serve carries it out."),
    ] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Propose to switch off every account of a person, the directory first.

    Where the source names a leave date to come, the plan begins then.
    """
    from usher.services.when import How

    if emergency and at is not None:
        raise BadInput("--emergency begins at once: leave --at out")
    how = How(at=at, urgent=urgent, confidential=confidential, emergency=emergency)
    number, by = _propose(ctx, "leave", person, reason, as_, key, how, quiet=emergency)
    if emergency:
        _begin(context_of(ctx), number, by, wait=not no_wait)


def _propose(
    ctx: typer.Context,
    kind: str,
    person: str,
    reason: str,
    as_: str | None,
    key: str | None,
    how: How,
    *,
    quiet: bool = False,
) -> tuple[str, Acting]:
    """Make a plan and show it (`quiet`: only where it cannot go on); returns its number and who asked for it."""
    from usher.domain.moments import BadMoment
    from usher.domain.plan import PlanKind
    from usher.services.plan import make_plan
    from usher.services.show_plans import plan as shown

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        try:
            made = make_plan(workspace, PlanKind(kind), person, by, reason, how)
        except BadMoment as error:
            raise BadInput(f"--at: {error}") from error
        document = shown(seen_by(workspace, by), str(made.number))
    held = not document["guard"]["allowed"]
    if held or not quiet:
        emit(context, "plan/1", {"plan": document}, lambda screen: paint_plan(screen, document))
    if held:
        raise typer.Exit(ExitCode.REFUSED)
    return str(made.number), by


def _begin(context: Context, number: str, by: Acting, *, wait: bool) -> None:
    """An emergency begins in the same command."""
    from usher.entry.cli.runs import finish
    from usher.services.run import start

    with context.opened() as workspace:
        begun = start(workspace, number)
        note(f"emergency: plan {number} has begun; another operator must agree: usher approve {number}")
        finish(context, seen_by(workspace, by), str(begun["number"]), wait=wait)


@app.command("list", epilog=examples("usher plan list", "usher plan list --open", json="plans/1"))
def list_(
    ctx: typer.Context,
    open_: Annotated[bool, typer.Option("--open", help="Only plans that wait for something.")] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """List plans, newest first."""
    from usher.services.show_plans import plans

    context = context_of(ctx)
    with context.opened() as workspace:
        found = plans(as_reader(workspace, as_, key))
    if open_:
        found = [one for one in found if one["state"] in ("proposed", "held", "approved", "running")]

    def paint(screen: Console) -> None:
        if not found:
            screen.print("No plans yet: usher plan leave PERSON (usher findings shows who needs one)")
            return
        rows = [
            (one["number"], marked(one), one["person_name"], worded(one["state"]), one["steps"],
             one["digest"][7:19], instant(one["created_at"]))
            for one in found
        ]  # fmt: skip
        headings = ("plan", "kind", "person", "state", "steps", "digest", "made")
        screen.print(table(screen, headings, rows, wide=("begins", "made")))

    emit(context, "plans/1", {"plans": found}, paint)


@app.command(epilog=examples("usher plan show 1", "usher --json plan show 1", json="plan/1"))
def show(ctx: typer.Context, number: Number, as_: As = None, key: Key = None) -> None:
    """Show a plan as it is signed: steps with before and after, path, policy line, cost, guard, missing signatures."""
    from usher.services.show_plans import plan

    context = context_of(ctx)
    with context.opened() as workspace:
        document = plan(as_reader(workspace, as_, key), number)
    emit(context, "plan/1", {"plan": document}, lambda screen: paint_plan(screen, document))


@app.command(
    epilog=examples("usher plan withdraw 1 --reason 'wrong Ann' --as olga --key file:~/olga.key", json="plan/1")
)
def withdraw(ctx: typer.Context, number: Number, reason: Reason, as_: As = None, key: Key = None) -> None:
    """Withdraw a plan that has not begun."""
    from usher.services.plan import void
    from usher.services.show_plans import plan

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        void(workspace, number, by, reason)
        document = plan(seen_by(workspace, by), number)

    def paint(screen: Console) -> None:
        screen.print(f"Plan {document['number']} is withdrawn: {reason}")

    emit(context, "plan/1", {"plan": document}, paint)


def approve(
    ctx: typer.Context,
    number: Number,
    digest: Annotated[
        str | None, typer.Option(help="The digest that you were shown (its first 8 digits are enough).")
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse the plan for good, with a reason.")] = False,
    reason: Reason = "",
    as_: As = None,
    key: Key = None,
) -> None:
    """Sign a plan exactly as it stands. On a terminal it is shown first; elsewhere give its digest."""
    from usher.services.approve import approve as sign
    from usher.services.approve import reject as refuse
    from usher.services.show_plans import plan

    context = context_of(ctx)
    if reject and not reason.strip():
        raise BadInput("--reject: say why with --reason")
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        seen = _seen(context, seen_by(workspace, by), number, digest, reject=reject)
        if reject:
            refuse(workspace, number, by, reason)
        else:
            sign(workspace, number, seen, by, reason)
        document = plan(seen_by(workspace, by), number)
    emit(context, "plan/1", {"plan": document}, lambda screen: paint_standing(screen, document))


def _seen(context: Context, workspace: Workspace, number: str, digest: str | None, *, reject: bool) -> str:
    """The digest that the operator has seen: typed, or shown now and agreed to."""
    from usher.services.show_plans import plan

    document = plan(workspace, number)
    whole = str(document["digest"])
    if digest is not None:
        match = PREFIX.fullmatch(digest.strip().casefold())
        if match is None:
            raise BadInput(f"--digest: expected sha256: and at least 8 hexadecimal digits, got {digest!r}")
        return whole if whole.startswith("sha256:" + match[2]) else digest
    if (document["state"] != "proposed" and not document["emergency"]) or reject:
        return whole
    if not sys.stdin.isatty():
        raise BadInput(f"give the digest that you were shown: --digest {whole[7:19]} (usher plan show {number})")
    from usher.entry.cli.out import console

    paint_plan(console(errors=True), document)
    typer.confirm(f"Approve plan {number} exactly so?", abort=True, err=True)
    return whole


def paint_standing(screen: Console, document: dict[str, Any]) -> None:
    """How far a plan is after a signature, and what to do next."""
    number = document["number"]
    if document["state"] == "rejected":
        screen.print(f"Plan {number} is rejected. {document['note'] or ''}".rstrip())
        return
    screen.print(f"Plan {number} is signed by {', '.join(document['approvers'])}.")
    for missing in document["missing"]:
        screen.print(f"Still missing: {missing}")
    if document["missing"]:
        return
    if document["act_at"] and document["state"] == "approved":
        screen.print(f"It is approved, and begins at {document['act_local']} while usher worker or usher serve runs.")
    elif document["state"] == "approved":
        screen.print(f"It is approved. Next: usher run {number}")
