"""`usher observe`: read apps into snapshots, then bring the findings up to date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import BadInput, ExitCode, say
from usher.entry.cli.options import As, Key, acting, context_of
from usher.entry.cli.out import counted, emit, progress, table, worded

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.observe import Observed
    from usher.services.workspace import Workspace

FILES = ("csv", "person")


def observe(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Connections; none: all.")] = None,
    delta: Annotated[
        bool, typer.Option("--delta", help="Only what changed since the last reading, where an app can.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Say that the last, shrunken reading really is so (signed).")
    ] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Read apps, then correlate accounts with people and list what is not as it shall be.

    A reading that breaks off, or is suspiciously small, is partial: nothing can be missing from it.
    """
    from usher.services.observe import confirm as confirm_reading
    from usher.services.observe import observe as read
    from usher.services.reconcile import reconcile

    context = context_of(ctx)
    if confirm and not names:
        raise BadInput("--confirm: name the connection whose reading really is so small")
    with context.opened() as workspace:
        wanted = _wanted(workspace, names)
        by = acting(workspace, as_, key) if confirm else None
        found = []
        with progress() as show:
            for name in wanted:
                show(name, 0, None)
                if by is not None:
                    found.append(confirm_reading(workspace, name, by))
                else:
                    found.append(read(workspace, name, since=_since(workspace, name) if delta else None, progress=show))
        counts = reconcile(workspace) if wanted else {}
        speaks = {name: workspace.connections.config(name).speaks for name in wanted}

    def paint(screen: Console) -> None:
        if not found:
            screen.print("No connections yet: usher connect NAME --speaks scim --url URL --owner OPERATOR")
            return
        rows = [(one.connection, worded(one.kind), one.accounts, one.changed, one.ended) for one in found]
        screen.print(table(screen, ("connection", "reading", "accounts", "changed", "gone"), rows))
        total = sum(counts.values())
        kinds = ", ".join(f"{count} {rule}" for rule, count in sorted(counts.items()))
        more = "; see: usher findings" if total else ""
        screen.print(f"\n{counted(total, 'open finding')}{': ' + kinds if kinds else ''}{more}")

    emit(context, "observe/1", {"readings": [_document(one) for one in found], "findings": counts}, paint)
    for one in found:
        for reason in one.reasons:
            say(f"{one.connection}: {one.kind}: {reason}")
    raise typer.Exit(_code(found, speaks))


def _wanted(workspace: Workspace, names: list[str] | None) -> tuple[str, ...]:
    for name in names or ():
        workspace.require(name)
    return tuple(dict.fromkeys(names)) if names else workspace.connections.names()


def _since(workspace: Workspace, name: str) -> datetime | None:
    from usher.domain.clock import from_text

    with workspace.store.read() as unit:
        last = unit.accounts.last_snapshot(name, complete=False)
        return from_text(last["started_at"]) if last is not None else None


def _document(one: Observed) -> dict[str, object]:
    return {
        "connection": one.connection,
        "snapshot": one.snapshot,
        "kind": one.kind,
        "accounts": one.accounts,
        "changed": one.changed,
        "ended": one.ended,
        "reasons": list(one.reasons),
    }


def _code(found: list[Observed], speaks: Mapping[str, str]) -> int:
    """The gravest of all readings: an app out of reach, then a file that cannot be read, then a partial reading."""
    failed = [one.connection for one in found if one.kind == "failed"]
    if any(speaks[name] not in FILES for name in failed):
        return ExitCode.UNREACHABLE
    if failed:
        return ExitCode.BAD_INPUT
    return ExitCode.NEEDS_PERSON if any(one.kind == "partial" for one in found) else ExitCode.DONE
