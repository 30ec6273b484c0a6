"""`usher operator`: the people who request, approve and own apps, each with a key of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.context import Context
from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import As, Key, acting, context_of
from usher.entry.cli.out import emit, instant, lines, note, table

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.operators import Acting
    from usher.services.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    cls=UsherGroup,
    help="Operators: the people who act in usher, each with a key of their own.",
    epilog=examples("usher operator add olga --account olga@acme.test --key-out ~/olga.key", "usher operator list"),
)


@app.command(
    epilog=examples(
        "usher operator add olga --account olga@acme.test --key-out ~/olga.key",
        "usher operator add omar --as olga --key file:~/olga.key",
        json="operator/1",
    )
)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="How the operator is called in commands, files and the ledger.")],
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="USER_NAME", help="A user name of the operator's own accounts: they can never be steps."),
    ] = None,
    key_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the private key to this new file, for its owner only.")
    ] = None,
    email: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where mails for the operator go: usher notices.")
    ] = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """Add an operator. The private key is shown once, or written to a file, and kept nowhere.

    The first operator of a workspace needs nobody; every other one is added by an operator with his key.
    """
    context = context_of(ctx)
    if not name.strip():
        raise BadInput("NAME: expected a name that is not empty")
    with context.opened() as workspace:
        by = None
        if _has_operators(workspace) or as_:
            by = acting(workspace, as_, key)
        _add(context, workspace, name.strip(), tuple(account or ()), by, key_out, email)


def _has_operators(workspace: Workspace) -> bool:
    with workspace.store.read() as unit:
        return bool(unit.operators.all())


def _add(
    context: Context,
    workspace: Workspace,
    name: str,
    accounts: tuple[str, ...],
    by: Acting | None,
    key_out: Path | None,
    email: str | None,
) -> None:
    from usher.domain.signing import new_private_key
    from usher.services.operators import add_operator
    from usher.services.show import operator

    private = new_private_key()
    written = _write_key(key_out.expanduser(), private) if key_out else None
    try:
        row, _ = add_operator(workspace, name, accounts, by=by, private_key=private, email=email)
    except BaseException:
        if written is not None:
            written.unlink()
        raise

    def paint(screen: Console) -> None:
        screen.print(f"{name} is an operator of {workspace.name}.")
        if written:
            screen.print(f"The private key is in {written}; only you can read it, and usher keeps no copy.")
            screen.print(f"Act with: --as {name} --key file:{written}")
        else:
            note("This is the private key. It is shown once and kept nowhere: put it where only its owner reads it.")
            screen.print(private)

    document = {"operator": operator(row), "private_key": None if written else private, "key_file": _text(written)}
    emit(context, "operator/1", document, paint)


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _write_key(path: Path, private: str) -> Path:
    """Write a new file that only its owner can read; an existing file is never overwritten."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(private + "\n")
    except FileExistsError as error:
        raise BadInput(f"--key-out {path}: the file exists; name a new one") from error
    except OSError as error:
        raise BadInput(f"--key-out {path}: {error.strerror}") from error
    return path.resolve()


@app.command("list", epilog=examples("usher operator list", json="operators/1"))
def list_(ctx: typer.Context) -> None:
    """List the operators, revoked ones too."""
    from usher.services.show import operators

    context = context_of(ctx)
    with context.opened() as workspace:
        found = operators(workspace)

    def paint(screen: Console) -> None:
        if not found:
            screen.print("No operators yet: usher operator add NAME --key-out FILE")
            return
        rows = [
            (one["name"], "revoked " + instant(one["revoked_at"]) if one["revoked_at"] else "active",
             one["key_id"], ", ".join(one["accounts"]), one["email"], one["person"],
             instant(one["added_at"]))
            for one in found
        ]  # fmt: skip
        headings = ("operator", "state", "key", "accounts", "mail", "person", "added")
        screen.print(table(screen, headings, rows, wide=("mail", "person", "added")))

    emit(context, "operators/1", {"operators": found}, paint)


@app.command(epilog=examples("usher operator revoke omar --as olga --key file:~/olga.key", json="operator/1"))
def revoke(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The operator whose right to sign ends.")],
    as_: As = None,
    key: Key = None,
) -> None:
    """End an operator's right to sign; what was signed before stays, and counts no more for plans not yet begun."""
    from usher.services.operators import revoke_operator
    from usher.services.show import operators

    context = context_of(ctx)
    with context.opened() as workspace:
        row = revoke_operator(workspace, name, acting(workspace, as_, key))
        found = next(one for one in operators(workspace) if one["id"] == row["id"])

    def paint(screen: Console) -> None:
        lines(screen, [("revoked", name), ("at", instant(found["revoked_at"]))])

    emit(context, "operator/1", {"operator": found, "private_key": None, "key_file": None}, paint)


@app.command(
    "set-email",
    epilog=examples(
        "usher operator set-email omar omar@acme.test --as omar --key file:~/omar.key",
        "usher operator set-email omar --none --as olga --key file:~/olga.key",
        json="operator/1",
    ),
)
def set_email(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The operator.")],
    address: Annotated[str | None, typer.Argument(help="Where mails for the operator go.")] = None,
    none: Annotated[bool, typer.Option("--none", help="Send no mails to the operator any more.")] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Say where mails for an operator go; signed, and in the ledger."""
    from usher.services.operators import set_email as keep
    from usher.services.show import operators

    if (address is None) != none:
        raise BadInput("expected an ADDRESS, or --none")
    context = context_of(ctx)
    with context.opened() as workspace:
        row = keep(workspace, name, address, acting(workspace, as_, key))
        found = next(one for one in operators(workspace) if one["id"] == row["id"])

    def paint(screen: Console) -> None:
        screen.print(f"Mails for {name} go to {address}." if address else f"No mails go to {name}.")

    emit(context, "operator/1", {"operator": found, "private_key": None, "key_file": None}, paint)
