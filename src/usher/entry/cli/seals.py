"""`usher seal` and `usher unseal`: stop every effect at once, and let them begin again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.options import As, Key, Reason, acting, context_of
from usher.entry.cli.out import emit

if TYPE_CHECKING:
    from rich.console import Console


def seal(ctx: typer.Context, reason: Reason, as_: As = None, key: Key = None) -> None:
    """Stop everything: no effect begins after this. Calls in flight may end and are recorded; nothing follows them."""
    from usher.services.seal import seal as set_seal

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        set_seal(workspace, by, reason)

    def paint(screen: Console) -> None:
        screen.print(f"Sealed by {by.row['name']}: no effect begins. Lift it with: usher unseal --reason WHY")

    emit(context, "seal/1", {"sealed": True, "by": by.row["name"], "reason": reason}, paint)


def unseal(
    ctx: typer.Context,
    reason: Reason,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="After a restore: although not every connection could be read since.")
    ] = False,
    as_: As = None,
    key: Key = None,
) -> None:
    """Let effects begin again; waiting steps go on by themselves.

    After a restore every connection must have been read completely first; while a key is missing it is refused.
    """
    from usher.services.seal import unseal as lift_seal

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        lift_seal(workspace, by, reason, anyway=anyway)

    def paint(screen: Console) -> None:
        screen.print("The seal is lifted; waiting steps go on while a worker runs (usher worker, or usher run N).")

    emit(context, "seal/1", {"sealed": False, "by": by.row["name"], "reason": reason}, paint)
