"""Restore: makes a workspace of a backup that begins sealed, does nothing again, and asks before it goes on."""

from __future__ import annotations

import dataclasses
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from usher.domain.clock import to_text
from usher.domain.ledger.head import SignedHead
from usher.domain.ledger.restores import RESTORE_SCHEMA, Statement
from usher.domain.plan import PlanState
from usher.domain.step import DueKind, Outcome, StepState
from usher.services import park
from usher.services.archive import DATABASE, HEADS, Manifest, read_archive
from usher.services.backup import heads_in, ledger_in
from usher.services.operators import Acting
from usher.services.record import all_exported_heads, exported_heads, set_aside, stored_heads
from usher.services.workspace import Refusal, Workspace
from usher.store.backups import DatabaseNotEmpty, fill_database
from usher.store.unit import Unit

RULE = "restored from a backup"
NOT_BEGUN = (PlanState.PROPOSED, PlanState.HELD, PlanState.APPROVED)
LOOKS = {
    StepState.PENDING: DueKind.SETTLE,
    StepState.READY: DueKind.SETTLE,
    StepState.ACTING: DueKind.SETTLE,
    StepState.UNKNOWN: DueKind.SETTLE,
    StepState.PERSON: DueKind.VERIFY,
    StepState.DONE: DueKind.VERIFY,
}
"""How usher goes on looking at a step that was not finished when the backup was made; a look changes no app."""
READING = (DueKind.SETTLE, DueKind.VERIFY, DueKind.WATCH)
"""Due rows that only read; a row of any other kind is dropped, also of a kind that this module does not know."""
LEFT = "heads-left-{}.jsonl"

OpenCopy = Callable[[Path], Workspace]
Who = Callable[[Workspace], Acting]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did. `kept_aside` is where the old workspace lies, None where there was none."""

    statement: Statement
    plans_void: int
    steps_parked: int
    dues_dropped: int
    mails_dropped: int
    missing_keys: str | None
    kept_aside: Path | None = None


def restore(
    file: Path,
    folder: Path,
    open_copy: OpenCopy,
    who: Who,
    reason: str,
    *,
    database_url: str | None = None,
    heads: Sequence[Path] = (),
    replace: bool = False,
    old_is_gone: bool = False,
) -> Restored:
    """Make a workspace in an empty folder of a backup, sealed; everything else stays as it is until the very end.

    `who` proves in the restored workspace who restores; his signature is what later explains the heads that the
    restore leaves behind. `database_url` names an empty database for the rows instead of the SQLite file. `heads` are
    exported heads that were kept elsewhere. `replace` puts the folder that is there aside under another name;
    `old_is_gone` says that no old workspace goes on elsewhere, whose exported heads this one takes over.
    Refusal, with nothing changed, where the backup is damaged, the keys are another workspace's, a worker runs on what
    shall be replaced, or the place is not empty.
    """
    folder = folder.absolute()
    _require_place(folder, replace)
    with _beside(folder) as half, _no_worker_on(folder):
        manifest = read_archive(file, half)
        ledger_in(manifest, half)
        told = [head for path in (*heads_in(half), *heads) for head in exported_heads(path)]
        shutil.rmtree(half / HEADS, ignore_errors=True)
        workspace = open_copy(half)
        try:
            _require_keys(workspace, manifest)
            if not (replace or old_is_gone):
                _require_no_other(workspace, manifest)
            by = who(workspace)
            restored = _begin_again(workspace, manifest, by, reason, told)
            name = f"{folder.name}.before-restore-{_compact(restored.statement.restored_at)}"
        finally:
            workspace.close()
        if database_url is not None:
            _move_rows(workspace, half / DATABASE, database_url)
        old = folder.with_name(name) if folder.exists() and any(folder.iterdir()) else None
        if old is not None:
            folder.rename(old)
        half.rename(folder)  # takes the place of an empty folder too
    return dataclasses.replace(restored, kept_aside=old)


def _require_place(folder: Path, replace: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise Refusal(f"{folder} is a file: name a new or empty folder")
    if folder.exists() and any(folder.iterdir()) and not replace:
        raise Refusal(f"{folder} is not empty: name a new folder, or give --replace, which keeps the old one aside")


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk that becomes the workspace at the end; gone where that did not happen."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise Refusal(f"{folder.parent} cannot be written: {error.strerror}; name another place") from error
    try:
        yield half
    finally:
        shutil.rmtree(half, ignore_errors=True)


@contextmanager
def _no_worker_on(folder: Path) -> Iterator[None]:
    """Hold the lease's file lock of the workspace that is there, so that no worker acts while it is replaced."""
    lock = folder / "data" / "effects.lock"
    if not lock.is_file():
        yield
        return
    with lock.open("r", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = file.read().strip() or "another process"
            raise Refusal(f"a worker runs on {folder} ({holder}): end it before its workspace is replaced") from error
        yield


def _require_keys(workspace: Workspace, manifest: Manifest) -> None:
    """The ledger goes on under its own key; another key would begin a second ledger that nobody could join to it."""
    if workspace.ledger_public_key not in ("", manifest.public_key):
        raise Refusal(
            "the ledger's key here is not the one that signed this backup: bring back the keys that were kept for it"
        )


def _require_no_other(workspace: Workspace, manifest: Manifest) -> None:
    """Two workspaces that export into one file would each make the other's ledger look forked."""
    if any(one.head.size > manifest.size for one in all_exported_heads(workspace.heads)):
        raise Refusal(
            f"{workspace.heads} holds heads that are newer than this backup, so the old workspace may still be in use. "
            "It is gone: give --old-is-gone (or --replace, in its folder). To rehearse a restore: set USHER_HEADS_DIR "
            "to an empty folder"
        )


def _begin_again(
    workspace: Workspace, manifest: Manifest, by: Acting, reason: str, told: Sequence[SignedHead]
) -> Restored:
    """Seal the restored workspace and take every effect out of it, in one transaction with the ledger's event."""
    now = workspace.now()
    with workspace.store.read() as unit:
        kept = stored_heads(unit.ledger.heads())
    heads = [*told, *all_exported_heads(workspace.heads)]
    left = _left_behind(heads, kept)
    aside = LEFT.format(_compact(now))
    statement = Statement(
        backup=manifest.digest,
        made_at=manifest.made_at,
        restored_at=now,
        by=by.row["name"],
        reason=reason,
        size=manifest.size,
        up_to=max((one.head.size for one in left), default=0),
        until=max((to_text(one.head.at) for one in left), default=""),
        left=len({one.signature for one in left}),
        aside=aside if left else None,
    )
    with workspace.store.begin() as unit:
        unit.leases.set_seal(sealed=True, by=by.row["name"], reason=f"restored from the backup of {manifest.made_at}")
        unit.leases.release(unit.leases.take("restore"))  # no permit of the time before the backup opens a door
        restored = Restored(
            statement=statement,
            plans_void=_void_plans(unit, manifest),
            steps_parked=_park_steps(workspace, unit, manifest),
            dues_dropped=_drop_dues(workspace, unit),
            mails_dropped=_drop_mails(unit),
            missing_keys=workspace.missing_keys,
        )
        signed = {**statement.document(), "signature": by.sign(statement.digest, RESTORE_SCHEMA)}
        unit.ledger.append("workspace:backup:restore", (by.id,), signed)
    if left:
        set_aside(workspace.heads, kept, aside)
    return restored


def _left_behind(heads: Sequence[SignedHead], kept: Sequence[SignedHead]) -> list[SignedHead]:
    """The exported heads that go beyond the restored ledger: what was signed after the backup."""
    size = max((one.head.size for one in kept), default=0)
    return [one for one in heads if one.head.size > size]


def _void_plans(unit: Unit, manifest: Manifest) -> int:
    """No plan that had not begun goes on: it may have been rejected or done since; its signal asks again."""
    found = unit.plans.all(NOT_BEGUN)
    why = f"{RULE} of {manifest.made_at}: make it again"
    for row in found:
        unit.plans.set_state(row["id"], PlanState.VOID, why)
        unit.findings.unanswer_signals(row["id"])
        unit.ledger.append("plan:plan:void", (row["id"],), {"reason": why})
    return len(found)


def _park_steps(workspace: Workspace, unit: Unit, manifest: Manifest) -> int:
    """Leave every unfinished step to a person: nobody knows what was done since. usher looks on, and adopts."""
    unit.dues.take_back()
    found = unit.runs.steps_in(*LOOKS)
    for row in found:
        for intent in unit.runs.intents(row["id"]):
            if intent["outcome"] is None:
                unit.runs.resolve(intent["id"], Outcome.UNKNOWN)
        for due in unit.dues.open(row["id"]):
            unit.dues.finish(due["id"])
        why = f"the backup of {manifest.made_at} does not tell what was done since; then it was {row['state']}"
        park.park(unit, row, RULE, why)
        if row["connection"] in workspace.connections.names():
            kind = LOOKS[StepState(row["state"])]
            unit.dues.put(kind, row["id"], row["connection"], unit.dues.now(), {"tries": 0})
    return len(found)


def _drop_dues(workspace: Workspace, unit: Unit) -> int:
    """Take back whatever would act, and make every connection's reading due now."""
    kinds = {kind.value for kind in READING}
    dropped = [due for due in unit.dues.open() if due["kind"] not in kinds]
    for due in dropped:
        unit.dues.finish(due["id"])
    for name in workspace.connections.names():
        unit.dues.put(DueKind.OBSERVE, name, name, unit.dues.now())
    return sum(due["kind"] != DueKind.OBSERVE.value for due in dropped)


def _drop_mails(unit: Unit) -> int:
    """A mail that waits in the backup was sent since, or tells of what is no longer so."""
    waiting = unit.notices.unsent()
    for row in waiting:
        unit.notices.sent(row["id"])
        unit.notices.failed(row["id"], int(row["tries"]), f"not sent: {RULE}")
    return len(waiting)


def _move_rows(workspace: Workspace, copy: Path, url: str) -> None:
    """Put the rows into the database that the settings name, and leave no second copy of them in the folder."""
    try:
        fill_database(url, copy, workspace.name, workspace.clock, workspace.ids)
    except DatabaseNotEmpty as error:
        raise Refusal(f"{error} in USHER_DATABASE_URL; what is in it stays as it is") from error
    for path in copy.parent.glob(f"{copy.name}*"):
        path.unlink()


def _compact(instant: str) -> str:
    """An instant as a part of a file's name."""
    return "".join(letter for letter in instant[:19] if letter.isdigit() or letter == "T") + "Z"
