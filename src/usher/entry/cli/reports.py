"""`usher report`: the lists that an auditor asks for, on the screen, as JSON, and as files with a digest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import As, Key, as_reader, context_of
from usher.entry.cli.out import counted, emit, instant, table, worded
from usher.entry.cli.people import AsOf, instant_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rich.console import Console

    from usher.services.report import Report
    from usher.services.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    cls=UsherGroup,
    help="Reports for auditors: who left, who came, and who has what, with the digest and the ledger they rest on.",
    epilog=examples(
        "usher report leavers --from 2026-01-01 --to 2026-03-31",
        "usher report joiners --from 2026-01-01 --to 2026-03-31 --out evidence/q1",
    ),
)
From = Annotated[str, typer.Option("--from", metavar="DAY", help="First day of the period, in the company's zone.")]
To = Annotated[str, typer.Option("--to", metavar="DAY", help="Last day of the period; it counts as a whole.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Write CSV, JSON and a page that prints into this folder."),
]


@app.command(
    epilog=examples(
        "usher report leavers --from 2026-01-01 --to 2026-03-31",
        "usher report leavers --from 2026-01-01 --to 2026-03-31 --sla-minutes 60 --out evidence/q1",
        json="report-leavers/1",
    )
)
def leavers(
    ctx: typer.Context,
    from_: From,
    to: To,
    sla_minutes: Annotated[
        int, typer.Option(min=1, help="Access must be seen to be closed so soon after the leave took effect.")
    ] = 24 * 60,
    out: Out = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """List everybody who left in a period, and for each account when it was seen to be closed, and how late."""
    from usher.services.leavers import COLUMNS
    from usher.services.leavers import leavers as found
    from usher.services.report import make_report

    def make(workspace: Workspace) -> Report:
        first, end = period(workspace, from_, to)
        parameters = {"from": from_, "to": to, "zone": workspace.zone, "sla_minutes": sla_minutes}
        rows = found(workspace, first, end, sla_minutes)
        return make_report(workspace, "leavers", "Leavers and when their access ended", parameters, COLUMNS, rows)

    def paint(screen: Console, report: Report) -> None:
        rows = [
            (one["name"], one["term_effective_local"], one["app"] or "no account known", one["account_id"],
             "admin" if one["privileged"] == "y" else "",
             worded("verified") if one["verified_utc"] else worded("not closed" if one["app"] else ""),
             one["minutes_from_effective"], one["minutes_from_said"], one["minutes_from_seen"], one["within_sla"])
            for one in report.rows
        ]  # fmt: skip
        headings = ("person", "left", "app", "account", "", "closed", "min", "since said", "since seen", "in time")
        screen.print(table(screen, headings, rows, wide=("account", "since said", "since seen")))

    _report(ctx, make, paint, out, as_, key)


@app.command(
    epilog=examples(
        "usher report joiners --from 2026-01-01 --to 2026-03-31",
        "usher report joiners --from 2026-01-01 --to 2026-03-31 --out evidence/q1",
        json="report-joiners/1",
    )
)
def joiners(
    ctx: typer.Context, from_: From, to: To, out: Out = None, as_: As = None, key: Key = None
) -> None:  # fmt: skip
    """List everybody who came in a period, and for each access who approved it, and whether before it was given."""
    from usher.services.joiners import COLUMNS
    from usher.services.joiners import joiners as found
    from usher.services.report import make_report

    def make(workspace: Workspace) -> Report:
        first, end = period(workspace, from_, to)
        parameters = {"from": from_, "to": to, "zone": workspace.zone}
        rows = found(workspace, first, end)
        return make_report(workspace, "joiners", "Joiners and who approved their access", parameters, COLUMNS, rows)

    def paint(screen: Console, report: Report) -> None:
        rows = [
            (one["name"], one["start_date"], one["app"] or "nothing given", one["role_or_module"], one["requested_by"],
             one["approvers"] or ("nobody" if one["app"] else ""), instant(one["approved_utc"]),
             instant(one["provisioned_utc"]), one["approved_before_provisioned"])
            for one in report.rows
        ]  # fmt: skip
        headings = ("person", "starts", "app", "access", "asked by", "approved by", "approved", "given", "before")
        screen.print(table(screen, headings, rows, wide=("asked by", "approved")))

    _report(ctx, make, paint, out, as_, key)


@app.command(
    epilog=examples(
        "usher report accounts wiki",
        "usher report accounts wiki --as-of 2026-03-31 --out evidence/q1",
        json="report-accounts/1",
    )
)
def accounts(
    ctx: typer.Context,
    app: Annotated[str, typer.Argument(metavar="APP", help="The connection whose accounts are listed.")],
    as_of: AsOf = None,
    out: Out = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """List every account of an app with whose it is and what it holds, now or as it was seen on a day that is past."""
    from usher.services.asof import COLUMNS, accounts_as_of
    from usher.services.report import make_report

    def make(workspace: Workspace) -> Report:
        at = instant_of(workspace, as_of) or workspace.now()
        rows = accounts_as_of(workspace, app, at)
        return make_report(workspace, "accounts", f"Accounts of {app}", {"app": app, "as_of": at}, COLUMNS, rows)

    def paint(screen: Console, report: Report) -> None:
        screen.print(f"{app} as usher had seen it by {instant(report.parameters['as_of'])}:")
        rows = [
            (one["login"], one["person"] or ("nobody" if not one["person_id"] else one["person_id"]),
             worded(one["status"]), one["roles"], one["modules"], one["groups"], instant(one["last_login"]))
            for one in report.rows
        ]  # fmt: skip
        headings = ("login", "person", "status", "roles", "modules", "groups", "last login")
        screen.print(table(screen, headings, rows, wide=("groups", "last login")))

    _report(ctx, make, paint, out, as_, key)


def period(workspace: Workspace, first: str, last: str) -> tuple[datetime, datetime]:
    """From the beginning of a day to the end of another, as the company's clocks have them; BadInput otherwise."""
    from datetime import date, timedelta

    from usher.domain.signals import end_of_day

    days = []
    for option, text in (("--from", first), ("--to", last)):
        try:
            days.append(date.fromisoformat(text))
            end_of_day(days[-1] - timedelta(days=1), workspace.zone)
        except (ValueError, OverflowError):
            raise BadInput(f"{option}: expected a day such as 2026-03-31, got {text!r}") from None
    if days[1] < days[0]:
        raise BadInput(f"--to: expected {first} or a later day, got {last}")
    return end_of_day(days[0] - timedelta(days=1), workspace.zone), end_of_day(days[1], workspace.zone)


def _report(
    ctx: typer.Context,
    make: Callable[[Workspace], Report],
    paint: Callable[[Console, Report], None],
    out: Path | None,
    as_: str | None,
    key: str | None,
) -> None:
    """Make a report, write its files where they are wanted, and show it."""
    context = context_of(ctx)
    with context.opened() as workspace:
        report = make(as_reader(workspace, as_, key))
    files = write_report(report, out) if out else []

    def show(screen: Console) -> None:
        if report.rows:
            paint(screen, report)
            screen.print()
        people = len({one["person_id"] for one in report.rows if one["person_id"]})
        screen.print(f"{counted(people, 'person').replace('persons', 'people')}, {counted(len(report.rows), 'row')}.")
        screen.print(
            f"{report.rows_digest}, ledger of {counted(report.ledger_size, 'leaf').replace('leafs', 'leaves')}"
        )
        for file in files:
            screen.print(f"written: {file}")

    emit(
        context,
        _schema(report).removeprefix("usher."),
        {**report.document(), "files": [str(file) for file in files]},
        show,
    )


def _schema(report: Report) -> str:
    return f"usher.report-{report.name}/1"


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write a report as CSV, JSON and HTML; BadInput where the folder cannot take it. Existing files are replaced."""
    from usher.services.report import as_csv, as_html

    texts = {
        "csv": as_csv(report),
        "json": json.dumps({"schema": _schema(report), **report.document()}, ensure_ascii=False, indent=2) + "\n",
        "html": as_html(report),
    }
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, text in texts.items():
            file = folder / f"{report.name}.{kind}"
            half = file.with_suffix(f".{kind}.half")
            half.write_text(text, encoding="utf-8", newline="")
            half.replace(file)
            made.append(file)
    except OSError as error:
        raise BadInput(f"--out {folder}: {error.strerror or error}") from error
    return made
