"""`usher connect`: tell usher how to reach an app, list what is connected, and check that it still lets usher in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from usher.entry.cli.context import Context
from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import ConnectGroup, examples
from usher.entry.cli.options import context_of, place_in
from usher.entry.cli.out import emit, instant, lines, note, table, worded

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    cls=ConnectGroup,
    help="Connections: how usher reaches each app. `usher connect NAME ...` adds one.",
    epilog=examples(
        "usher connect hr --speaks csv --part hr --path exports/hr.csv --owner olga",
        "usher connect okta --speaks scim --part idp --url https://example.okta.com/scim/v2 \\",
        "      --owner olga --secret token=env:OKTA_TOKEN",
        "usher connect list",
        "usher connect check okta",
    ),
)
RESERVED = ("add", "list", "check", "secret", "remove")


@app.command(
    epilog=examples(
        "usher connect hr --speaks csv --part hr --path exports/hr.csv --owner olga --option columns.id=employment_id",
        "usher connect okta --speaks scim --part idp --url https://example.okta.com/scim/v2 \\",
        "      --owner olga --secret token=env:OKTA_TOKEN --protect svc-usher@example.com",
        "pass okta | usher connect okta --speaks scim --url https://example.okta.com/scim/v2 \\",
        "      --owner olga --secret-stdin token",
        json="connection/1",
    )
)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Short name used in commands, plans and the ledger.")],
    speaks: Annotated[Literal["scim", "ldap", "csv", "browser", "person"], typer.Option(help="How usher reaches it.")],
    owner: Annotated[str, typer.Option(help="The operator who signs for this app.")],
    app: Annotated[
        str | None, typer.Option(help="Its name among the apps (usher app list); scim, ldap and csv go without.")
    ] = None,
    part: Annotated[
        Literal["hr", "idp", "crm", "app"],
        typer.Option(help="Its part in the company; leavers are off in the idp first."),
    ] = "app",
    url: Annotated[str | None, typer.Option(help="Base address (scim, ldap, browser).")] = None,
    path: Annotated[Path | None, typer.Option(help="File or folder of CSV exports (csv, person).")] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=PLACE", help="Where a secret is: token=env:NAME or token=file:PATH; FIELD alone asks."
        ),
    ] = None,
    secret_stdin: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Read this secret from standard input and keep it encrypted.")
    ] = None,
    account_key: Annotated[
        Literal["immutable", "mutable"], typer.Option(help="Whether an account's id there can change or change hands.")
    ] = "immutable",
    lag: Annotated[float | None, typer.Option(help="Seconds until a write shows in a reading of this app.")] = None,
    protect: Annotated[
        list[str] | None, typer.Option(metavar="USER_NAME", help="An account that can never be a step.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="USER_NAME", help="A built-in account: listed, never a finding.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the connector, such as columns.id=employment_id."),
    ] = None,
) -> None:
    """Add a connection: writes connections/NAME.yaml. Secrets are named by their place, or kept encrypted."""
    from usher.services.connect import config_of, connect

    context = context_of(ctx)
    if name in RESERVED:
        raise BadInput(f"NAME: {name!r} is a word of this command; choose another name")
    places, typed = _secrets(secret or [], secret_stdin)
    values = {
        "name": name, "app": app or speaks, "speaks": speaks, "part": part, "owner": owner, "key": account_key,
        "url": url, "secrets": places, "lag_seconds": lag, "protect": protect or (),
        "ignore": ignore or (), "options": _options(option or []),
    }  # fmt: skip
    with context.opened() as workspace:
        config = config_of(values | {"path": place_in(workspace.folder, path) if path else None})
        _known_owner(workspace, owner)
        written = connect(workspace, config, _recipes(workspace))
        for field, value in typed.items():
            context.opener.keep_secret(workspace.folder, name, field, value)

    def paint(screen: Console) -> None:
        screen.print(f"{name} is connected by {written}.")
        screen.print(f"Next: usher connect check {name}, then usher observe {name}")

    document = {"connection": config.model_dump(mode="json"), "file": str(written)}
    emit(context, "connection/1", document, paint)


def _recipes(workspace: Workspace) -> list[str]:
    from usher.catalog.registry import profiles

    registry = profiles(workspace.folder / "apps")
    return [name for name in registry.names() if registry.get(name).recipe is not None]


def _known_owner(workspace: Workspace, owner: str) -> None:
    with workspace.store.read() as unit:
        row = unit.operators.named(owner)
    if row is None or row["revoked_at"]:
        note(f"note: {owner} is not an operator yet: usher operator add {owner}")


def _secrets(given: list[str], from_stdin: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Secret field -> its place, and field -> value of those that were typed or piped and are to be kept."""
    places: dict[str, str] = {}
    typed: dict[str, str] = {}
    for text in given:
        field, equals, place = text.partition("=")
        if not field or (equals and not place.startswith(("env:", "file:"))):
            raise BadInput(
                f"--secret {field or 'FIELD'}: expected FIELD=env:NAME or FIELD=file:PATH, never the secret itself"
            )
        if equals:
            places[field] = place
        elif sys.stdin.isatty():
            typed[field] = typer.prompt(f"{field}", hide_input=True, err=True)
        else:
            raise BadInput(f"--secret {field}: give =env:NAME or =file:PATH, or pipe it with --secret-stdin {field}")
    if from_stdin:
        typed[from_stdin] = sys.stdin.readline().strip()
    for field, value in typed.items():
        if not value:
            raise BadInput(f"the secret {field!r} is empty")
        places[field] = "kept"
    return places, typed


def _options(given: list[str]) -> dict[str, Any]:
    """`a.b=value` -> {"a": {"b": value}}; values are read as YAML reads them."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    made: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not all(name.split(".")):
            raise BadInput(f"--option: expected NAME=VALUE such as columns.id=employment_id, got {text!r}")
        place = made
        *above, last = name.split(".")
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise BadInput(f"--option {name}: {part} has a value already")
        try:
            place[last] = YAML(typ="safe", pure=True).load(value)
        except YAMLError as error:
            raise BadInput(f"--option {name}: expected a value as YAML takes it, got {value!r}") from error
    return made


@app.command("list", epilog=examples("usher connect list", json="connections/1"))
def list_(ctx: typer.Context) -> None:
    """List connections with their last reading, and those that are stopped."""
    from usher.services.show import connections

    context = context_of(ctx)
    with context.opened() as workspace:
        found = connections(workspace)

    def paint(screen: Console) -> None:
        if not found:
            screen.print("No connections yet: usher connect NAME --speaks scim --url URL --owner OPERATOR")
            return
        rows = [
            (one["name"], one["part"], one["speaks"], one["owner"], one["accounts"], _state(one), one["grade"])
            for one in found
        ]
        headings = ("connection", "part", "speaks", "owner", "accounts", "last reading", "grade")
        screen.print(table(screen, headings, rows, wide=("grade",)))
        for one in found:
            if one["stopped"]:
                screen.print(f"{one['name']} is stopped: {one['stopped']}; then: usher connect check {one['name']}")

    emit(context, "connections/1", {"connections": found}, paint)


def _state(one: dict[str, Any]) -> object:
    if one["stopped"]:
        return worded("stopped")
    last = one["last_reading"]
    return f"{last['kind']} {instant(last['at'])}" if last else "never read"


@app.command(epilog=examples("usher connect check okta", json="check/1"))
def check(ctx: typer.Context, name: Annotated[str, typer.Argument(help="The connection.")]) -> None:
    """Exercise the credentials once; a connection that had been stopped goes on where they work again."""
    context = context_of(ctx)
    with context.opened() as workspace:
        _check(context, workspace, name)


def _check(context: Context, workspace: Workspace, name: str) -> None:
    from usher.services.check import check as exercise

    found = exercise(workspace, name)
    owner = workspace.connections.config(name).owner

    def paint(screen: Console) -> None:
        can = ", ".join(found.capabilities) or "nothing but list accounts: every step becomes a task for a person"
        lines(screen, [("connection", name), ("answers", "yes"), ("can", can), ("owner", owner)])
        if found.lifted:
            screen.print(f"It had been stopped ({found.lifted}); its waiting steps go on.")

    document = {"connection": name, "capabilities": list(found.capabilities), "lifted": found.lifted}
    emit(context, "check/1", document, paint)
