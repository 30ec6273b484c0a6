"""`usher people` and `usher why`: who there is, and everything that usher knows and did about one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from usher.entry.cli.options import As, Key, as_reader, context_of
from usher.entry.cli.out import emit, heading, instant, lines, table, worded

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.why import Why


def people(
    ctx: typer.Context,
    search: Annotated[
        str | None, typer.Argument(help="Id, employee number, address, or part of a name; none: everybody.")
    ] = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """List people with their standing, accounts and findings."""
    from usher.services.show import people as listed

    context = context_of(ctx)
    with context.opened() as workspace:
        found = listed(as_reader(workspace, as_, key), search)

    def paint(screen: Console) -> None:
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

    emit(context, "people/1", {"people": found}, paint)


def why(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(help="Id, employee number, address, or part of a name.")],
    app: Annotated[str | None, typer.Argument(help="Only what concerns this connection.")] = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """Tell one person's story: accounts and why they are linked, what policy gives and why, findings, plans, steps."""
    from dataclasses import asdict

    from usher.services.why import why as told
    from usher.services.workspace import Refusal

    context = context_of(ctx)
    with context.opened() as workspace:
        if app is not None and app not in workspace.connections.names():
            known = ", ".join(workspace.connections.names()) or "none yet"
            raise Refusal(f"there is no connection {app!r}; known: {known}")
        story = told(as_reader(workspace, as_, key), person, app)
    emit(context, "why/1", asdict(story), lambda screen: _paint(screen, story))


def _paint(screen: Console, story: Why) -> None:
    person = story.person
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


def _steps(plan: dict[str, Any]) -> list[tuple[object, ...]]:
    return [(one["verb"], one["connection"], worded(one["state"]), one["note"]) for one in plan["steps"]]


def _because(evidence: list[dict[str, object]]) -> str:
    return "; ".join(f"{one['kind']} {one.get('value') or ''}".strip() for one in evidence)
