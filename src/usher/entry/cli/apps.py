"""`usher app`: the apps that usher knows, and any other app on day one by a CSV of its users and a guide for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import OPERATOR_VARIABLE, context_of, place_in
from usher.entry.cli.out import emit, heading, lines, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from usher.domain.profile import AppProfile
    from usher.services.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    cls=UsherGroup,
    help="Apps: what usher knows of each app. Any app is useful on day one, by a CSV of its users and a person.",
    epilog=examples("usher app add expenses --by person --csv exports/expenses.csv --owner olga", "usher app list"),
)


@app.command(
    epilog=examples(
        "usher app add expenses --by person --csv exports/expenses.csv --owner olga",
        "usher app add payroll --by person --csv ~/exports/payroll --owner omar --title 'ACME Payroll'",
        json="app-added/1",
    )
)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Short name of the app and of its connection.")],
    csv: Annotated[
        Path, typer.Option(metavar="FILE", help="The CSV of its users, or the folder where it is exported.")
    ],
    by: Annotated[Literal["person"], typer.Option(help="Who carries steps out: a person, by the guide.")] = "person",
    owner: Annotated[
        str | None, typer.Option(envvar=OPERATOR_VARIABLE, help="The operator who signs for this app.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="How people call it; else its name.")] = None,
    part: Annotated[Literal["hr", "idp", "crm", "app"], typer.Option(help="Its part in the company.")] = "app",
) -> None:
    """Add an app that only people can change: usher reads its CSV, and each step becomes a task with the guide's lines.

    Writes apps/NAME.yaml with five lines for each verb, to be put into the app's own words, and connections/NAME.yaml.
    """
    from usher.services.connect import add_app, config_of

    context = context_of(ctx)
    if not csv.expanduser().exists():
        raise BadInput(f"--csv {csv}: there is no such file; export the app's list of users first")
    with context.opened() as workspace:
        owner = owner or _only_operator(workspace)
        values = {"name": name, "app": name, "speaks": by, "part": part, "owner": owner,
                  "path": place_in(workspace.folder, csv), "lag_seconds": 0.0}  # fmt: skip
        config = config_of(values)
        guide, connection, accounts = add_app(workspace, config, title or name.replace("-", " ").title())
        with workspace.store.read() as unit:
            known = unit.operators.named(owner)
    if known is None:
        note(f"note: {owner} is not an operator yet: usher operator add {owner}")

    def paint(screen: Console) -> None:
        screen.print(f"{name} has {accounts} accounts in {csv}.")
        screen.print(f"Put the app's own words into {guide}: plans and tasks show these lines.")
        screen.print(f"Next: usher observe {name}")

    document = {"app": name, "files": [str(guide), str(connection)], "accounts": accounts, "owner": owner}
    emit(context, "app-added/1", document, paint)


def _only_operator(workspace: Workspace) -> str:
    """The owner who goes without saying: the only operator there is."""
    with workspace.store.read() as unit:
        active = unit.operators.active()
    if len(active) != 1:
        raise BadInput("who signs for this app? give --owner OPERATOR")
    return str(active[0]["name"])


@app.command("list", epilog=examples("usher app list", json="apps/1"))
def list_(ctx: typer.Context) -> None:
    """List the apps that usher knows, how far each was verified, and which connection uses it."""
    context = context_of(ctx)
    with context.opened() as workspace:
        found = [_document(profile, workspace) for profile in _profiles(workspace)]

    def paint(screen: Console) -> None:
        rows = [(one["app"], one["title"], one["speaks"], one["grade"], ", ".join(one["used_by"])) for one in found]
        screen.print(table(screen, ("app", "title", "speaks", "grade", "connections"), rows, wide=("title",)))
        screen.print(
            "\nAny app that speaks SCIM: usher connect. Any other app: usher app add NAME --by person --csv FILE"
        )

    emit(context, "apps/1", {"apps": found}, paint)


def _profiles(workspace: Workspace) -> list[AppProfile]:
    from usher.catalog.registry import profiles

    registry = profiles(workspace.folder / "apps")
    return [registry.get(name) for name in registry.names()]


def _document(profile: AppProfile, workspace: Workspace) -> dict[str, Any]:
    from usher.services.show import app as document

    names = workspace.connections.names()
    return document(profile, tuple(one for one in names if workspace.connections.config(one).app == profile.app))


@app.command(epilog=examples("usher app show wagtail", json="app/1"))
def show(ctx: typer.Context, name: Annotated[str, typer.Argument(help="The app (usher app list).")]) -> None:
    """Show one app's facts and its guide: how a person does each verb in it."""
    from usher.services.workspace import Refusal

    context = context_of(ctx)
    with context.opened() as workspace:
        profile = next((one for one in _profiles(workspace) if one.app == name), None)
        if profile is None:
            raise Refusal(f"there is no app {name!r}; see: usher app list")
        found = _document(profile, workspace)

    def paint(screen: Console) -> None:
        facts = {fact: "yes" if value is True else "no" if value is False else value
                 for fact, value in found["facts"].items()}  # fmt: skip
        lines(
            screen,
            [("app", found["title"]), ("speaks", found["speaks"]), ("grade", found["grade"]), ("key", found["key"]),
             *((fact.replace("_", " "), value if value is not None else "unknown") for fact, value in facts.items())],
        )  # fmt: skip
        for verb, guide in found["guide"].items():
            heading(screen, verb.capitalize())
            for number, line in enumerate(guide["steps"], 1):
                screen.print(f"  {number}. {line}")
            for line in guide["watch_outs"]:
                screen.print(f"  Watch out: {line}")

    emit(context, "app/1", {"app": found}, paint)
