"""`usher link` and `usher unlink`: a person says whose account it is, where usher abstained or was wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.options import As, Key, Reason, acting, context_of
from usher.entry.cli.out import emit

if TYPE_CHECKING:
    from rich.console import Console

Account = Annotated[str, typer.Argument(help="The account: its id, or CONNECTION/USER_NAME.")]


def link(
    ctx: typer.Context,
    account: Account,
    person: Annotated[str, typer.Argument(help="Whose it is: id, employee number, address, or part of a name.")],
    reason: Reason,
    as_: As = None,
    key: Key = None,
) -> None:
    """Say whose account it is; kept with your name and reason, and undone only by a person."""
    from usher.services.correlate import link as decide
    from usher.services.plan import find_person
    from usher.services.reconcile import reconcile
    from usher.services.show import find_account

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        row = find_account(workspace, account)
        with workspace.store.read() as unit:
            owner = find_person(workspace, unit, person)
        decide(workspace, row["id"], owner.id, by, reason)
        reconcile(workspace)

    def paint(screen: Console) -> None:
        screen.print(f"{row['user_name']} in {row['connection']} is {owner.label}'s, says {by.row['name']}.")

    document = {"account": row["id"], "connection": row["connection"], "person": owner.id, "reason": reason}
    emit(context, "link/1", document, paint)


def unlink(ctx: typer.Context, account: Account, reason: Reason, as_: As = None, key: Key = None) -> None:
    """Say that the account is not that person's; usher will not propose that owner again."""
    from usher.services.correlate import unlink as decide
    from usher.services.reconcile import reconcile
    from usher.services.show import find_account

    context = context_of(ctx)
    with context.opened() as workspace:
        by = acting(workspace, as_, key)
        row = find_account(workspace, account)
        decide(workspace, row["id"], by, reason)
        reconcile(workspace)

    def paint(screen: Console) -> None:
        screen.print(f"{row['user_name']} in {row['connection']} is linked to nobody now, says {by.row['name']}.")

    document = {"account": row["id"], "connection": row["connection"], "person": None, "reason": reason}
    emit(context, "link/1", document, paint)
