"""`usher residual`: a person says that he has ended what outlived a closed account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.links import Account
from usher.entry.cli.options import As, Key, Reason, acting, context_of
from usher.entry.cli.out import emit

if TYPE_CHECKING:
    from rich.console import Console


def residual(
    ctx: typer.Context,
    account: Account,
    kind: Annotated[
        str, typer.Argument(help="sessions, tokens, 'oauth grants', 'local password' or 'shared secrets'.")
    ],
    reason: Reason,
    as_: As = None,
    key: Key = None,
) -> None:
    """Say that you have ended in the app what outlived a closed account; kept as your word, with your signature."""
    from usher.domain.residual import KINDS
    from usher.services.residual import end
    from usher.services.show import find_account

    context = context_of(ctx)
    wanted = " ".join(kind.casefold().replace("-", " ").split())
    if wanted not in KINDS:
        raise BadInput(f"KIND: expected one of {', '.join(KINDS)}, got {kind!r}")
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        row = find_account(workspace, account)
        basis = end(workspace, row["id"], wanted, by, reason)

    def paint(screen: Console) -> None:
        screen.print(f"{wanted} of {row['user_name']} in {row['connection']}: closed, because {basis}")

    document = {"account": row["id"], "connection": row["connection"], "kind": wanted, "basis": basis}
    emit(context, "residual/1", document, paint)
