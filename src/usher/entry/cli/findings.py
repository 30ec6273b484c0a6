"""`usher findings`: what is not as it shall be, gravest first, each with what to do about it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import ExitCode
from usher.entry.cli.options import As, Key, as_reader, context_of
from usher.entry.cli.out import emit, table, worded

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.show import Document


def findings(
    ctx: typer.Context,
    rule: Annotated[str | None, typer.Option(help="Only one kind, such as ghost, orphan, drift or missing.")] = None,
    person: Annotated[str | None, typer.Option(help="Only one person's.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 1 where a finding of high severity is open (for scheduled jobs).")
    ] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """List open findings: ghosts, orphans, half off-boarded people, drift, what is missing, and stopped work."""
    from usher.services.show import findings as listed

    context = context_of(ctx)
    with context.opened() as workspace:
        found = listed(as_reader(workspace, as_, key), rule, person)
        is_read = any(one["last_reading"] for one in _connections(workspace))

    def paint(screen: Console) -> None:
        if not found:
            screen.print("No open findings." if is_read else "Nothing was read yet: usher observe")
            return
        rows = [(worded(one["severity"]), one["rule"], one["subject"], _money(one), one["fix"]) for one in found]
        headings = ("severity", "finding", "what", "costs", "do this")
        screen.print(table(screen, headings, rows, wide=("costs",)))
        counted = ", ".join(f"{count} {name}" for name, count in Counter(one["rule"] for one in found).most_common())
        screen.print(f"\n{len(found)} open: {counted}")

    emit(context, "findings/1", {"findings": found}, paint)
    if check and any(one["severity"] == "high" for one in found):
        raise typer.Exit(ExitCode.NEEDS_PERSON)


def _connections(workspace: object) -> list[Document]:
    from usher.services.show import connections
    from usher.services.workspace import Workspace

    assert isinstance(workspace, Workspace)
    return connections(workspace)


def _money(one: Document) -> str:
    """Minor units of a currency as people read them, where the contract says what it costs."""
    evidence = one["evidence"]
    amount = evidence.get("money")
    if amount is None:
        return ""
    return f"{amount // 100}.{amount % 100:02d} {evidence.get('currency', '')} a {evidence.get('per', 'month')}"
