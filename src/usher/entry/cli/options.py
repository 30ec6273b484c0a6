"""Options that many commands share, and how an operator proves who acts without a key ever being an argument."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.context import Context
from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import PRIVATE_KEY
from usher.entry.cli.out import note

if TYPE_CHECKING:
    from usher.services.operators import Acting
    from usher.services.workspace import Workspace

OPERATOR_VARIABLE = "USHER_OPERATOR"
KEY_VARIABLE = "USHER_OPERATOR_KEY"

As = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help=f"The operator who acts; else ${OPERATOR_VARIABLE}."),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="SRC",
        help=f"Where the operator's key is: file:PATH, env:NAME, or - for standard input; else ${KEY_VARIABLE}. "
        "Asked for, hidden, on a terminal. Never the key itself.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, in a few words; kept in the ledger.")]


def context_of(ctx: typer.Context) -> Context:
    """What bootstrap gave to this invocation."""
    context = ctx.find_object(Context)
    assert context is not None, "bootstrap passes obj=Context(opener)"
    return context


def acting(workspace: Workspace, name: str | None, source: str | None) -> Acting:
    """The operator who acts in this command; BadInput where name or key is missing, Refusal where they do not fit."""
    from usher.services.operators import acting as prove

    name = name or os.environ.get(OPERATOR_VARIABLE)
    if not name:
        raise BadInput(f"who acts? give --as NAME --key file:PATH, or set {OPERATOR_VARIABLE} and {KEY_VARIABLE}")
    return prove(workspace, name, read_key(name, source or os.environ.get(KEY_VARIABLE)))


def seen_by(workspace: Workspace, by: Acting) -> Workspace:
    """The workspace as this operator may see it, confidential plans included."""
    return replace(workspace, viewer=by.id)


def as_reader(workspace: Workspace, name: str | None, source: str | None) -> Workspace:
    """The workspace for a command that only reads: as the operator sees it who proves who he is, else as everybody."""
    told = name or os.environ.get(OPERATOR_VARIABLE)
    if name is None and not (told and (source or os.environ.get(KEY_VARIABLE))):
        return workspace
    return seen_by(workspace, acting(workspace, told, source))


def read_key(name: str, source: str | None) -> str:
    """The private key of an operator from its source, or typed without being shown."""
    if not source:
        if not sys.stdin.isatty():
            raise BadInput(f"the key of {name!r} is missing: give --key file:PATH or env:NAME, or set {KEY_VARIABLE}")
        typed: str = typer.prompt(f"Key of {name}", hide_input=True, err=True)
        return typed.strip()
    if PRIVATE_KEY in source:
        raise BadInput(f"{KEY_VARIABLE} holds a key; it must name its place: file:PATH or env:NAME")
    return read_source(source, f"the key of {name!r}")


def place_in(folder: Path, path: Path) -> str:
    """How a workspace's file names a path that was typed here: below the workspace where it is, else absolute."""
    file = path.expanduser().absolute()
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file.resolve())


def read_source(source: str, what: str) -> str:
    """The text that `file:PATH`, `env:NAME` or `-` leads to; BadInput in one line where there is none."""
    if source == "-":
        text = sys.stdin.readline().strip()
        return text or _missing(what, "standard input is empty")
    kind, _, place = source.partition(":")
    if kind == "env" and place:
        return os.environ.get(place, "").strip() or _missing(what, f"the variable {place} is not set")
    if kind == "file" and place:
        return _read_file(Path(place).expanduser(), what)
    raise BadInput(f"{what}: expected file:PATH, env:NAME or - (standard input), and never the value itself")


def _read_file(path: Path, what: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        return _missing(what, f"{path}: {reason}")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        note(f"warning: others can read {path}: chmod 600 {path}")
    return text or _missing(what, f"{path} is empty")


def _missing(what: str, why: str) -> str:
    raise BadInput(f"{what} cannot be read: {why}")
