"""`usher connect secret` and `usher connect remove`: change what a connection keeps, or stop watching an app."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli import connections
from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import examples
from usher.entry.cli.options import As, Key, Reason, acting, context_of
from usher.entry.cli.out import emit

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.workspace import Workspace

app = connections.app
"""These verbs belong to `usher connect`."""
Name = Annotated[str, typer.Argument(help="The connection.")]


@app.command(
    epilog=examples(
        "usher connect secret okta token",
        "pass okta | usher connect secret okta token",
        json="secret/1",
    )
)
def secret(
    ctx: typer.Context, name: Name, field: Annotated[str, typer.Argument(help="The secret, such as token.")]
) -> None:
    """Enter a kept secret again: after it was rotated, or after the address changed. Never an argument."""
    context = context_of(ctx)
    with context.opened() as workspace:
        _kept(workspace, name, field)
        value = _typed(field)
        context.opener.keep_secret(workspace.folder, name, field, value)

    def paint(screen: Console) -> None:
        screen.print(f"The secret {field} of {name} is kept. Next: usher connect check {name}")

    emit(context, "secret/1", {"connection": name, "field": field, "place": "kept"}, paint)


def _kept(workspace: Workspace, name: str, field: str) -> None:
    """Refuse a field that the connection does not keep here: it would be entered and never used."""
    if name not in workspace.connections.names():
        known = ", ".join(workspace.connections.names()) or "none yet"
        raise BadInput(f"NAME: there is no connection {name!r}; known: {known}")
    places = workspace.connections.config(name).secrets
    if places.get(field) != "kept":
        where = f"connections/{name}.yaml: secrets.{field}"
        kept = ", ".join(sorted(one for one, place in places.items() if place == "kept")) or "none"
        found = f"is {places[field]!r}" if field in places else "is not there"
        raise BadInput(f"{where} {found}; only secrets whose place is 'kept' are entered here (kept: {kept})")


def _typed(field: str) -> str:
    if sys.stdin.isatty():
        value: str = typer.prompt(field, hide_input=True, err=True)
    else:
        value = sys.stdin.readline().strip()
    if not value:
        raise BadInput(f"the secret {field!r} is empty")
    return value


@app.command(
    epilog=examples(
        "usher connect remove wiki --reason 'contract ended' --as olga --key file:~/olga.key",
        json="removed/1",
    )
)
def remove(ctx: typer.Context, name: Name, reason: Reason, as_: As = None, key: Key = None) -> None:
    """Stop watching an app: its file and kept secrets go, what was seen of it stays, and accounts left on are named."""
    from usher.services.disconnect import disconnect

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        still_on = disconnect(workspace, name, by, reason)
        context.opener.forget_secrets(workspace.folder, name)

    def paint(screen: Console) -> None:
        screen.print(f"{name} is not watched any more, says {by.row['name']}; what was seen of it is kept.")
        if still_on:
            screen.print(f"{still_on} accounts were on there when last seen: usher findings keeps saying so.")

    emit(context, "removed/1", {"connection": name, "accounts_on": still_on, "reason": reason}, paint)
