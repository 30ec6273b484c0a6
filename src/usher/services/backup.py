"""Backup: one file with everything that a workspace needs to stand up again, taken while the work goes on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from usher import __version__
from usher.domain.clock import SystemClock
from usher.domain.ids import IdFactory
from usher.domain.ledger.export import HEADS_FILE
from usher.domain.ledger.verify import Report, verify
from usher.domain.signing import sign
from usher.services.archive import (
    DATABASE,
    HEADS,
    PICTURES,
    READINGS,
    SCHEMA,
    SECRETS,
    BackupDamaged,
    Manifest,
    Writer,
    read_archive,
    writing,
)
from usher.services.ports import Progress, silent
from usher.services.record import LEFT_BEHIND, exported_heads, sequence, stored_heads
from usher.services.workspace import Refusal, Workspace
from usher.store.backups import CopyDamaged, backend_of, copy_database, inspect_copy
from usher.store.configuration import FOLDERS, MAIN_FILE
from usher.store.database import DatabaseNewer, Store

EVENT = "workspace:backup:make"


@dataclass(frozen=True, slots=True)
class Checked:
    """A whole backup: its manifest, and what a verification of the ledger in it says."""

    manifest: Manifest
    report: Report


def make_backup(workspace: Workspace, file: Path, progress: Progress = silent) -> Manifest:
    """Write a backup of the workspace into a new file of mode 0600; Refusal where it cannot be done.

    It holds the database, the configuration, the sealed secrets, the sealed readings, the pictures and the exported
    heads. It never holds the workspace's keys, an operator's key, or a file that `secrets:` names. The order makes it
    one state: heads before the database that signed them, readings and pictures after the rows that name them.
    """
    if workspace.missing_keys:
        raise Refusal(f"a backup is signed with the ledger's key: {workspace.missing_keys}")
    sequence(workspace)
    with _private_folder(file.parent) as folder, writing(file, workspace.clock.now().timestamp()) as out:
        made_at = workspace.now()
        _texts(workspace, out)
        progress("database", 0, None)
        copy = folder / "usher.db"
        copy_database(workspace.store.url, copy, workspace.name, workspace.clock, workspace.ids)
        facts = inspect_copy(copy)
        out.add_file(DATABASE, copy)
        for kind, place in ((READINGS, workspace.snapshots), (PICTURES, workspace.pictures)):
            _tree(out, kind, place, progress)
        manifest = Manifest(
            workspace=workspace.name,
            made_at=made_at,
            made_by=f"usher {__version__}",
            revision=facts.revision,
            kept_in=backend_of(workspace.store.url),
            head=facts.head,
            public_key=workspace.ledger_public_key,
            files=out.files,
        )
        manifest = replace(manifest, signature=sign(workspace.ledger_key, manifest.digest, SCHEMA))
        out.finish({**manifest.document(), "signature": manifest.signature})
    with workspace.store.begin() as unit:
        detail = {"backup": manifest.digest, "made_at": made_at, "leaves": manifest.size, "files": len(manifest.files)}
        unit.ledger.append(EVENT, (), detail)
    sequence(workspace)
    return manifest


def check_backup(file: Path) -> Checked:
    """Read a whole backup and check every sum, its signature, its database and the ledger in it.

    BackupDamaged names the first thing that is wrong; nothing of the workspace is needed.
    """
    with _private_folder(None) as folder:
        manifest = read_archive(file, folder)
        return Checked(manifest, ledger_in(manifest, folder))


def ledger_in(manifest: Manifest, folder: Path) -> Report:
    """Verify the database of an unpacked backup and its ledger; it is brought up to this version on the way."""
    copy = folder / DATABASE
    if not copy.is_file():
        raise BackupDamaged("the backup holds no database: use another one")
    clock = SystemClock()
    store = Store(f"sqlite:///{copy}", manifest.workspace, clock, IdFactory(clock))
    try:
        facts = inspect_copy(copy)
        if facts.revision != manifest.revision or facts.head != manifest.head:
            raise BackupDamaged("the database in it is not the one of its manifest: use another backup")
        store.migrate()
        with store.read() as unit:
            rows = unit.ledger.read_for_proof()
        stored = stored_heads(rows.heads)
    except CopyDamaged as error:
        raise BackupDamaged(f"{error}: use another backup") from error
    except DatabaseNewer as error:
        raise BackupDamaged(f"{error}") from error
    finally:
        store.close()
    heads = [head for path in heads_in(folder) for head in exported_heads(path)]
    report = verify(rows.leaves, rows.details, stored, manifest.public_key, heads)
    if rows.unreadable or not report.ok:
        why = [text for _, text in rows.unreadable] or [str(problem) for problem in report.problems]
        raise BackupDamaged(f"the ledger in it is not whole: {why[0]}")
    return report


def heads_in(folder: Path) -> list[Path]:
    """The files of exported heads in an unpacked backup."""
    return sorted((folder / HEADS).glob("*.jsonl"))


def _texts(workspace: Workspace, out: Writer) -> None:
    """The exported heads, the configuration and the sealed secrets, each as it is at this instant."""
    for path in sorted([*workspace.heads.glob(HEADS_FILE), *workspace.heads.glob(LEFT_BEHIND)]):
        data = path.read_bytes()
        out.add_bytes(HEADS + path.name, data[: data.rfind(b"\n") + 1])  # a line that is being written is no head yet
    if (workspace.folder / MAIN_FILE).is_file():
        out.add_file(MAIN_FILE, workspace.folder / MAIN_FILE)
    for kind in FOLDERS:
        for path in sorted((workspace.folder / kind).glob("*.yaml")):
            out.add_file(f"{kind}/{path.name}", path)
    if (secrets := workspace.folder / SECRETS).is_file():
        out.add_file(SECRETS, secrets)


def _tree(out: Writer, kind: str, place: Path, progress: Progress) -> None:
    """Every finished file below a folder."""
    found = sorted(path for path in place.rglob("*") if path.is_file() and _is_whole(path))
    for number, path in enumerate(found, 1):
        out.add_file(kind + path.relative_to(place).as_posix(), path)
        progress(kind.split("/")[1], number, len(found))


def _is_whole(path: Path) -> bool:
    """False for a file that is still being written, which will get its name once it is whole."""
    return not path.name.startswith(".") and path.suffix != ".part"


@contextmanager
def _private_folder(beside: Path | None) -> Iterator[Path]:
    """A folder of mode 0700 that is gone at the end; beside the backup, because its disk has the room."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".usher-", dir=beside))
    except OSError as error:
        raise Refusal(f"{beside} cannot be written: {error.strerror}; name another place") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
