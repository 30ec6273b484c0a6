"""`usher evidence`: all that is known of a person, a run or a period, in one zip for somebody who trusts nobody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.options import As, Key, as_reader, context_of
from usher.entry.cli.out import counted, emit
from usher.entry.cli.reports import period

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.evidence import Scope
    from usher.services.workspace import Workspace


def evidence(
    ctx: typer.Context,
    about: Annotated[
        str | None,
        typer.Argument(metavar="[PERSON|RUN]", help="A person as for `usher people`, or the number or id of a run."),
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day of a period.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day of a period.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The zip to write; else evidence-....zip here.")
    ] = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """Write plans, signatures, what was sent and read back, pictures and the ledger into one zip with a verifier."""
    from usher.services.pack import VERIFIER, write_evidence

    context = context_of(ctx)
    with context.opened() as workspace:
        workspace = as_reader(workspace, as_, key)
        scope = _scope(workspace, about, from_, to)
        file = out or Path(f"evidence-{scope.name}.zip")
        if file.exists():
            raise BadInput(f"{file} is there already: give another name with --out")
        try:
            made = write_evidence(workspace, scope, file)
        except OSError as error:
            raise BadInput(f"--out {file}: {error.strerror or error}") from error

    def paint(screen: Console) -> None:
        people = counted(made.people, "person").replace("persons", "people")
        screen.print(f"{file}: {scope.title}; {people}, {counted(made.plans, 'plan')}, {counted(made.files, 'file')}.")
        screen.print(f"{made.leaves} leaves of the ledger, {made.shown} with what they say; the rest is withheld.")
        screen.print(f"{made.digest}, signed with key {made.key_id}")
        screen.print(f"Anybody checks it with: unzip -p {file} {VERIFIER} | python3 - --evidence {file}")

    document = {
        "file": str(file),
        "digest": made.digest,
        "scope": scope.kind,
        "title": scope.title,
        "people": made.people,
        "plans": made.plans,
        "files": made.files,
        "leaves": made.leaves,
        "leaves_shown": made.shown,
        "key_id": made.key_id,
    }
    emit(context, "evidence-written/1", document, paint)


def _scope(workspace: Workspace, about: str | None, first: str | None, last: str | None) -> Scope:
    """What was asked for: a period, a run, or a person; BadInput where it is none of them, or two."""
    from usher.services.evidence import of_period, of_person, of_run

    if about is None:
        if first is None or last is None:
            raise BadInput("about whom or what? give a person, a run, or --from DAY --to DAY")
        since, until = period(workspace, first, last)
        return of_period(workspace, since, until, f"{first} to {last}", f"{first}-{last}")
    if first is not None or last is not None:
        raise BadInput("give a person or a run, or --from and --to; not both")
    if not (about.isdigit() or about.startswith("run_")):
        return of_person(workspace, about)
    with workspace.store.read() as unit:
        person, run = unit.people.search(about), unit.runs.find(about)
    if person and run:
        raise BadInput(f"{about} is a run and the number of a person: give the id, {run['id']} or {person[0]['id']}")
    return of_run(workspace, about) if run or not person else of_person(workspace, about)
