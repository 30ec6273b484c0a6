"""`usher people` and `usher why`: who there is, and everything that usher knows and did about one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.options import As, Key, as_reader, context_of
from usher.entry.cli.out import emit, heading, instant, lines, table, worded

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.why import Why
    from usher.services.workspace import Workspace

AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="MOMENT", help="A day (its end) or a time that is past, such as 2026-03-31."),
]


def people(
    ctx: typer.Context,
    search: Annotated[
        str | None, typer.Argument(help="Id, employee number, address, or part of a name; none: everybody.")
    ] = None,
    as_of: AsOf = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """List people with their standing, accounts and findings, now or as they were seen on a day that is past."""
    from usher.services.asof import people_as_of
    from usher.services.show import people as listed

    context = context_of(ctx)
    with context.opened() as workspace:
        reader = as_reader(workspace, as_, key)
        at = instant_of(workspace, as_of)
        found = listed(reader, search) if at is None else people_as_of(reader, at, search)

    def paint(screen: Console) -> None:
        if at is not None:
            screen.print(f"As usher had seen it by {instant(at)}:")
        if not found:
            screen.print(f"Nobody is found by {search!r}." if search else "Nobody is known yet: usher observe")
            return
        rows = [
            (one["name"], worded(one["standing"]), one["employee_number"], one["email"], one["title"],
             one["accounts"], one["findings"] or "")
            for one in found
        ]  # fmt: skip
        headings = ("person", "standing", "number", "address", "title", "accounts", "findings")
        screen.print(table(screen, headings, rows, wide=("title",)))

    emit(context, "people/1", {"people": found} | ({"as_of": at} if at else {}), paint)


def instant_of(workspace: Workspace, text: str | None) -> str | None:
    """The past instant of `--as-of` as it is stored; BadInput where it is none."""
    from usher.domain.moments import BadMoment
    from usher.services.asof import moment_of, text_of

    if text is None:
        return None
    try:
        return text_of(moment_of(workspace, text))
    except BadMoment as error:
        raise BadInput(f"--as-of: {error}") from error


def why(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(help="Id, employee number, address, or part of a name.")],
    app: Annotated[str | None, typer.Argument(help="Only what concerns this connection.")] = None,
    as_of: AsOf = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """Tell one person's story: accounts and why they are linked, what policy gives and why, findings, plans, steps."""
    from dataclasses import asdict

    from usher.services.asof import why_as_of
    from usher.services.why import why as told

    context = context_of(ctx)
    with context.opened() as workspace:
        if app is not None:
            workspace.require(app)
        reader = as_reader(workspace, as_, key)
        at = instant_of(workspace, as_of)
        story = told(reader, person, app) if at is None else why_as_of(reader, at, person, app)
    document = asdict(story) | ({"as_of": at} if at else {})
    emit(context, "why/1", document, lambda screen: _paint(screen, story, at))


def _paint(screen: Console, story: Why, at: str | None) -> None:
    person = story.person
    if at is not None:
        screen.print(
            f"As usher had seen it by {instant(at)}; what policy gives is judged by today's files, and left out."
        )
    lines(
        screen,
        [("person", person["name"]), ("id", person["id"]), ("standing", worded(person["standing"])),
         *((name, value) for name, value in sorted(person["attributes"].items()))],
    )  # fmt: skip
    sections: list[tuple[str, tuple[str, ...], list[tuple[object, ...]]]] = [
        (
            "Employments",
            ("source", "key", "status", "absent since"),
            [(one["source"], one["key"], one["status"], instant(one["absent"])) for one in story.employments],
        ),
        ("Accounts", ACCOUNTS, [_account(one) for one in story.accounts]),
        (
            "Policy gives",
            ("connection", "what", "because of"),
            [(one["connection"], one["what"], one["cite"]) for one in story.assignments],
        ),
        (
            "Policy roles",
            ("role", "", "because"),
            [(one["role"], "yes" if one["matched"] else "no", one["why"]) for one in story.rules],
        ),
        (
            "Signals",
            ("signal", "source", "true at", "seen at"),
            [(one["kind"], one["source"], instant(one["true_at"]), instant(one["seen_at"])) for one in story.signals],
        ),
        (
            "Residual access",
            ("connection", "what", "state", "because"),
            _residuals(story.residuals),
        ),
        (
            "Findings",
            ("finding", "severity", "what", "do this"),
            [(one["rule"], worded(one["severity"]), one["subject"], one["fix"]) for one in story.findings],
        ),
        *((f"Plan {plan['number']}: {plan['kind']}, {plan['state']}", STEPS, _steps(plan)) for plan in story.plans),
    ]
    for title, headings, rows in sections:
        if rows:
            heading(screen, title)
            screen.print(table(screen, headings, rows, wide=("last seen",)))


ACCOUNTS = ("connection", "user name", "state", "situation", "holds", "because", "last seen")
STEPS = ("step", "connection", "state", "note")


def _account(one: dict[str, Any]) -> tuple[object, ...]:
    holds = ", ".join(one["entitlements"])
    state = worded(one["state"])
    because = _because(one["evidence"])
    return one["connection"], one["user_name"], state, one["situation"], holds, because, instant(one["last_seen"])


def _residuals(found: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """One row for all kinds of which the same is said."""
    together: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        together.setdefault((one["connection"], _until(one), one["basis"]), []).append(one["kind"])
    return [(app, ", ".join(kinds), state, basis) for (app, state, basis), kinds in together.items()]


def _until(one: dict[str, Any]) -> str:
    if one["state"] != "open until":
        return str(one["state"])
    return f"open until {instant(one['until'])}" if one["until"] else "open until somebody ends it"


def _steps(plan: dict[str, Any]) -> list[tuple[object, ...]]:
    return [(one["verb"], one["connection"], worded(one["state"]), one["note"]) for one in plan["steps"]]


def _because(evidence: list[dict[str, object]]) -> str:
    return "; ".join(f"{one['kind']} {one.get('value') or ''}".strip() for one in evidence)
