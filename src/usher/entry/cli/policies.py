"""`usher policy`: what policy gives a person, line by line, and whether every policy file can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import context_of
from usher.entry.cli.out import emit, heading, lines, table, worded

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    rich_markup_mode=None,
    cls=UsherGroup,
    help="Policies: what each kind of person shall have, in YAML files under policies/.",
    epilog=examples("usher policy test ann@acme.test", "usher policy check"),
)


@app.command(
    epilog=examples(
        "usher policy test ann@acme.test",
        "usher policy test ann@acme.test --with title='Sales Manager'",
        json="policy-test/1",
    )
)
def test(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(help="Id, employee number, address, or part of a name.")],
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ATTRIBUTE=VALUE", help="Try another value of an attribute; nothing is kept."),
    ] = None,
) -> None:
    """Show what policy gives a person, the line that gives it, and why every other role does not apply."""
    from usher.domain.person import Standing
    from usher.domain.policy import evaluate, explain
    from usher.services.plan import find_person

    context = context_of(ctx)
    changes = dict(_pair(text) for text in with_ or ())
    with context.opened() as workspace:
        with workspace.store.read() as unit:
            found = find_person(workspace, unit, person)
        standing = found.standing(workspace.clock.now())
        attributes = {**found.attributes, **changes}
        active = standing is not Standing.LEFT
        made = evaluate(workspace.policies, attributes, active=active)
        roles = explain(workspace.policies, attributes, active=active)
    document = {
        "person": found.id,
        "name": found.label,
        "standing": standing.value,
        "attributes": attributes,
        "gives": [
            {
                "connection": one.connection,
                "what": one.entitlement or "account",
                "account": dict(one.account) if one.account is not None else None,
                "cite": one.cite,
            }
            for one in made.made
        ],
        "refused": [
            {"connection": one.connection, "what": list(one.entitlements), "reason": one.reason, "cite": one.cite}
            for one in made.refused
        ],
        "gaps": [str(gap) for gap in made.gaps],
        "roles": [{"role": one.role, "matched": one.matched, "why": one.why, "cite": one.cite} for one in roles],
    }
    emit(context, "policy-test/1", document, lambda screen: _paint(screen, document))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise BadInput(f"--with: expected ATTRIBUTE=VALUE, got {text!r}")
    return name.strip(), value.strip()


def _paint(screen: Console, document: dict[str, Any]) -> None:
    lines(screen, [("person", document["name"]), ("standing", worded(document["standing"]))])
    heading(screen, "Policy gives")
    if document["gives"]:
        rows = [(one["connection"], one["what"], one["cite"]) for one in document["gives"]]
        screen.print(table(screen, ("connection", "what", "because of"), rows))
    else:
        screen.print("nothing")
    for one in document["refused"]:
        screen.print(f"refused: {one['reason']} ({one['cite']})")
    for gap in document["gaps"]:
        screen.print(f"not assigned: {gap}")
    if document["roles"]:
        heading(screen, "Roles")
        roles = [(one["role"], "yes" if one["matched"] else "no", one["why"], one["cite"]) for one in document["roles"]]
        screen.print(table(screen, ("role", "", "because", "line"), roles, wide=("line",)))


@app.command(epilog=examples("usher policy check", json="policy-check/1"))
def check(ctx: typer.Context) -> None:
    """Read every policy file and say what cannot be used, with file, line and field; nothing is changed."""
    context = context_of(ctx)
    with context.opened() as workspace:
        roles, pairs = len(workspace.policies.roles), len(workspace.policies.separation)
        files = sorted({placed.cite.file for placed in workspace.policies.roles})

    def paint(screen: Console) -> None:
        if not roles:
            screen.print("No policies yet: write roles in policies/roles.yaml; the file says how")
            return
        screen.print(f"{roles} roles and {pairs} separations in {', '.join(files)}: every line can be used.")

    emit(context, "policy-check/1", {"roles": roles, "separations": pairs, "files": files}, paint)
