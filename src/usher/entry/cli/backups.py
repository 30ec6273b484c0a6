"""`usher backup` and `usher restore`: everything in one file while the work goes on, and a workspace made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import UsherGroup, examples
from usher.entry.cli.options import As, Key, Reason, acting, context_of
from usher.entry.cli.out import counted, emit, instant, lines, note, progress

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.archive import Manifest
    from usher.services.restore import Restored
    from usher.services.workspace import Workspace


class BackupGroup(UsherGroup):
    """`usher backup FILE` is `usher backup make FILE`."""

    otherwise = "make"


app = typer.Typer(
    rich_markup_mode=None,
    cls=BackupGroup,
    help="Backups: the whole workspace in one file, without its keys.",
    epilog=examples("usher backup /mnt/backups/acme-2026-06-01.tar.gz", "usher backup check acme-2026-06-01.tar.gz"),
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, a .tar.gz file.")]


@app.command(epilog=examples("usher backup /mnt/backups/acme-2026-06-01.tar.gz", json="backup/1"))
def make(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; it is written for its owner alone.")],
) -> None:
    """Write everything into one new file, as it is at one instant; a worker may run meanwhile.

    In it: the database (SQLite or PostgreSQL, no other tool is needed), the configuration, sealed secrets and readings,
    pictures, exported heads. Not in it: the workspace's keys, operators' keys, files that secrets are read from, and
    exports of other systems. Keep the keys apart.
    """
    from usher.services.backup import make_backup

    context = context_of(ctx)
    file = file.expanduser().absolute()
    if not file.parent.is_dir():
        raise BadInput(f"{file}: there is no folder {file.parent}")
    with context.opened() as workspace, progress() as show:
        manifest = make_backup(workspace, file, show)

    def paint(screen: Console) -> None:
        _paint(screen, file, manifest)
        screen.print("The keys are not in it: keep a copy of them elsewhere. Check it with: usher backup check FILE")

    emit(context, "backup/1", {"backup": _document(file, manifest)}, paint)


@app.command(epilog=examples("usher backup check /mnt/backups/acme-2026-06-01.tar.gz", json="backup/1"))
def check(ctx: typer.Context, file: File) -> None:
    """Read a whole backup: every sum, its signature, its database and the ledger in it. Needs no key."""
    from usher.services.backup import check_backup

    context = context_of(ctx)
    file = file.expanduser().absolute()
    checked = check_backup(file)

    def paint(screen: Console) -> None:
        _paint(screen, file, checked.manifest)
        screen.print(f"whole; {checked.report.verdict()}", style="green")

    emit(context, "backup/1", {"backup": _document(file, checked.manifest)}, paint)


def _paint(screen: Console, file: Path, manifest: Manifest) -> None:
    rows = [
        ("backup", file),
        ("of", f"{manifest.workspace}, at {instant(manifest.made_at)} by {manifest.made_by}"),
        ("holds", f"{counted(len(manifest.files), 'file')}, {manifest.unpacked} bytes unpacked"),
        ("tables", f"revision {manifest.revision}, copied from {manifest.kept_in}"),
        ("ledger", f"{manifest.size} leaves under its newest head"),
    ]
    lines(screen, rows)


def _document(file: Path, manifest: Manifest) -> dict[str, Any]:
    return {"file": str(file), "digest": manifest.digest, **manifest.document(), "schema": "usher.backup/1"}


def restore(
    ctx: typer.Context,
    file: File,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the restored workspace, new or empty.")],
    reason: Reason,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the workspace that is in DIR aside, beside it under another name.")
    ] = False,
    old_is_gone: Annotated[
        bool, typer.Option("--old-is-gone", help="The old workspace is used no more; go on with its exported heads.")
    ] = False,
    head: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Exported heads that were kept elsewhere; the ledger names the newest."),
    ] = None,
    as_: As = None,
    key: Key = None,
) -> None:
    """Make a workspace of a backup. It begins sealed, and nothing that was under way is done again.

    Plans that had not begun are void and are asked for again; unfinished steps are parked: answer each with usher
    resolve. Lift the seal with usher unseal once every connection has been read. The ledger goes on, and tells of it.
    """
    from usher.services.restore import restore as bring_back

    context = context_of(ctx)
    file, folder = file.expanduser().absolute(), folder.expanduser().absolute()
    for path in head or []:
        if not path.is_file():
            raise BadInput(f"--head {path}: there is no such file")
    restored = bring_back(
        file,
        folder,
        context.opener.open_copy,
        lambda workspace: acting(workspace, as_, key),
        reason,
        database_url=context.opener.database_url(),
        heads=head or [],
        replace=replace,
        old_is_gone=old_is_gone,
    )
    context.folder = folder
    with context.opened() as workspace:
        _sign(workspace)
        names = workspace.connections.names()
    emit(
        context,
        "restore/1",
        {"restore": _told(folder, restored)},
        lambda screen: _tell(screen, folder, restored, names),
    )


def _sign(workspace: Workspace) -> None:
    from usher.services.record import sequence

    sequence(workspace)


def _told(folder: Path, restored: Restored) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "kept_aside": str(restored.kept_aside) if restored.kept_aside else None,
        "plans_void": restored.plans_void,
        "steps_parked": restored.steps_parked,
        "dues_dropped": restored.dues_dropped,
        "mails_dropped": restored.mails_dropped,
        "missing_keys": restored.missing_keys,
        "statement": restored.statement.document(),
    }


def _tell(screen: Console, folder: Path, restored: Restored, connections: tuple[str, ...]) -> None:
    rows = [
        ("workspace", folder),
        ("as of", instant(restored.statement.made_at)),
        ("kept aside", restored.kept_aside),
        ("plans", f"{restored.plans_void} had not begun: void, to be made again" if restored.plans_void else None),
        ("steps", f"{restored.steps_parked} parked: usher findings" if restored.steps_parked else None),
        ("dropped", f"{counted(restored.dues_dropped, 'due effect')}, {counted(restored.mails_dropped, 'mail')}"),
        ("heads left", restored.statement.left),
    ]
    lines(screen, rows)
    screen.print("The workspace is sealed. Next:")
    if restored.missing_keys:
        note(f"warning: {restored.missing_keys}")
        screen.print("  bring the keys back; until then nothing can be unsealed")
    screen.print(f"  usher -w {folder} observe {' '.join(connections)}")
    screen.print(f"  usher -w {folder} unseal --reason WHY")
