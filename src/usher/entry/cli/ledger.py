"""`usher ledger`: check the whole record, hand it to somebody who does not trust us, and list its signed heads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usher.entry.cli.exits import BadInput, ExitCode
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import As, Key, Reason, acting, context_of
from usher.entry.cli.out import emit, instant, lines, table

if TYPE_CHECKING:
    from rich.console import Console

    from usher.domain.ledger.head import SignedHead
    from usher.services.workspace import Workspace

app = typer.Typer(
    rich_markup_mode=None,
    cls=UsherGroup,
    help="The ledger: usher's append-only record, signed, and checked by anybody.",
    epilog=examples("usher ledger verify --head /mnt/elsewhere/heads.jsonl", "usher ledger export evidence/2026-06"),
)
VERIFIER = "verify_ledger.py"


@app.command(
    epilog=examples(
        "usher ledger verify",
        "usher ledger verify --head /mnt/elsewhere/heads.jsonl --key /mnt/elsewhere/public-key.txt",
        json="ledger/1",
    )
)
def verify(
    ctx: typer.Context,
    head: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Signed heads that were kept elsewhere; else those exported on this machine."
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The public key that was kept elsewhere; else this workspace's.")
    ] = None,
) -> None:
    """Check every leaf, detail and head against each other and against the heads that were kept outside."""
    from usher.services.record import verify_ledger

    context = context_of(ctx)
    with context.opened() as workspace:
        heads = _heads(workspace, head or [])
        report = verify_ledger(workspace, heads, _public_key(key) if key else None)

    def paint(screen: Console) -> None:
        screen.print(report.verdict(), style="green" if report.ok else "bold red")
        for problem in report.problems:
            screen.print(f"  {problem}")
        for restored in report.restores:
            screen.print(f"  at {restored.index}: {restored}", style="bold")
        if report.ok and not head:
            screen.print(
                "The heads are those on this machine; give --head with a copy kept elsewhere to rule out more."
            )

    document = {
        "whole": report.ok,
        "leaves": report.leaves,
        "sealed": report.sealed,
        "anchored": report.anchored,
        "erased": report.erased,
        "problems": [{"what": one.what.value, "index": one.index, "why": one.why} for one in report.problems],
        "restores": [
            {"index": one.index, "believed": one.doubt is None, "doubt": one.doubt, "heads_left": one.left}
            | one.statement.document()
            for one in report.restores
        ],
    }
    emit(context, "ledger/1", document, paint)
    if not report.ok:
        raise typer.Exit(ExitCode.NEEDS_PERSON)


def _heads(workspace: Workspace, files: list[Path]) -> list[SignedHead]:
    from usher.services.record import LEFT_BEHIND, sequence

    if not files:
        sequence(workspace)
        files = [workspace.heads / "heads.jsonl", *sorted(workspace.heads.glob(LEFT_BEHIND))]
        return [one for path in files for one in _read_heads(path)]
    for path in files:
        if not path.is_file():
            raise BadInput(f"--head {path}: there is no such file")
    return [one for path in files for one in _read_heads(path)]


def _read_heads(path: Path) -> list[SignedHead]:
    import json

    from usher.domain.ledger.head import BadHead
    from usher.services.record import exported_heads

    try:
        return exported_heads(path)
    except (BadHead, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}; expected signed heads as usher exports them") from error


def _public_key(path: Path) -> str:
    from usher.domain.signing import BadKey, key_id

    try:
        text = path.read_text(encoding="utf-8").strip()
        for line in text.split():
            key_id(line)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--key {path}: {getattr(error, 'strerror', None) or 'it is not text'}") from error
    except BadKey as error:
        raise BadInput(f"--key {path}: {error}") from error
    if not text:
        raise BadInput(f"--key {path}: expected a public key, the file is empty")
    return text


@app.command(epilog=examples("usher ledger export evidence/2026-06", json="ledger-export/1"))
def export(
    ctx: typer.Context, folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]
) -> None:
    """Write the ledger, its heads, the public key and a stand-alone verifier that needs only Python."""
    from usher.domain.ledger import standalone
    from usher.services.record import export as write

    context = context_of(ctx)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder}: expected a new or empty folder")
    with context.opened() as workspace:
        made = write(workspace, folder)
    verifier = folder / VERIFIER
    verifier.write_bytes(Path(standalone.__file__).read_bytes())

    def paint(screen: Console) -> None:
        screen.print(f"{made.size} leaves are in {folder}.")
        screen.print(f"Anybody checks them with: python3 {verifier} --export {folder} --key {made.key}")
        screen.print("The key and at least one head should come from a copy that was kept elsewhere.")

    files = [str(path) for path in (made.ledger, made.heads, made.key, verifier)]
    emit(context, "ledger-export/1", {"leaves": made.size, "files": files}, paint)


@app.command(
    epilog=examples(
        "usher ledger erase ann@acme.test --reason 'asked to be forgotten' --as olga --key file:~/olga.key",
        json="ledger-erase/1",
    )
)
def erase(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Somebody who has left; all runs about them closed.")],
    reason: Reason,
    as_: As = None,
    key: Key = None,
) -> None:
    """Erase a person's details from the ledger: names and values go, the leaves stay, and the ledger stays whole."""
    from usher.services.erase import erase_details
    from usher.services.record import sequence

    context = context_of(ctx)
    with context.opened() as workspace:
        erased = erase_details(workspace, person, acting(workspace, as_, key), reason)
        sequence(workspace)

    def paint(screen: Console) -> None:
        screen.print(f"{erased} details were erased; what happened, and when, stays provable.")

    emit(context, "ledger-erase/1", {"erased": erased}, paint)


@app.command(epilog=examples("usher ledger heads", json="heads/1"))
def heads(ctx: typer.Context) -> None:
    """List the signed heads, and where they are exported; keep copies of that file elsewhere."""
    from usher.services.record import sequence

    context = context_of(ctx)
    with context.opened() as workspace:
        sequence(workspace)
        with workspace.store.read() as unit:
            found = unit.ledger.heads()
        place = workspace.heads / "heads.jsonl"

    def paint(screen: Console) -> None:
        if not found:
            screen.print("No head is signed yet; the first one follows the first event.")
            return
        lines(screen, [("exported to", place)])
        screen.print()
        rows = [(one["size"], instant(one["at"]), one["key_id"], one["root"]) for one in found[-20:]]
        screen.print(table(screen, ("leaves", "signed", "key", "root"), rows))

    emit(context, "heads/1", {"file": str(place), "heads": found}, paint)
