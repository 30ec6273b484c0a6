"""Record: gives leaves their index, signs heads, exports them outside the database, and verifies the ledger."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from usher.domain.ledger.export import HEADS_FILE, LEDGER_FILE, head_line, ledger_line
from usher.domain.ledger.head import BadHead, Head, SignedHead, sign_head
from usher.domain.ledger.leaf import Detail
from usher.domain.ledger.tree import Frontier, leaf_hash
from usher.domain.ledger.verify import Problem, Report, What, verify
from usher.domain.signing import key_id
from usher.services.workspace import Refusal, Workspace

LEFT_BEHIND = "heads-left-*.jsonl"
"""Exported heads of a history that a restore left: kept, because they prove that there was one."""
LONGEST_HEAD = 4096
"""Bytes of the end of the exported heads in which the last of them lies."""


def sequence(workspace: Workspace) -> SignedHead | None:
    """Index every waiting leaf, sign the new head and export it; None where nothing is new, or the key is not here.

    Leaves are durable since their own transaction; this only orders and signs them.
    """
    if not workspace.ledger_key:
        return None  # whatever happened stays written down, and is signed once the key is back
    with workspace.store.read() as unit:
        waiting, signed_to = unit.ledger.unsequenced(), unit.ledger.edge()[0]
    if not waiting:
        if signed_to > _exported_size(workspace.heads / HEADS_FILE):
            _export_new(workspace)
        return None
    with workspace.store.begin() as unit:
        placed = unit.ledger.sequence()
        if not placed:
            return None
        frontier = Frontier(*unit.ledger.edge())
        for _, leaf in placed:
            frontier.append(leaf_hash(leaf.leaf_bytes()))
        signed = _sign(workspace, frontier)
        unit.ledger.keep_head(signed.head.size, signed.as_json(), frontier.peaks)
    _export_new(workspace)
    return signed


def _export_new(workspace: Workspace) -> None:
    """Export every head that is newer than the last exported one: a crash may have come between signing and export."""
    path = workspace.heads / HEADS_FILE
    with _one_exporter(workspace.heads):
        exported = _exported_size(path)
        with workspace.store.read() as unit:
            stored = [SignedHead.from_json(document) for document in unit.ledger.heads()]
        for signed in stored:
            if signed.head.size > exported:
                export_head(workspace.heads, signed)


@contextmanager
def _one_exporter(folder: Path) -> Iterator[None]:
    """Let one process export at a time: two would write the same head twice."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _exported_size(path: Path) -> int:
    """The size of the last exported head, 0 where there is none; only the file's end is read."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LONGEST_HEAD))
        whole, _, _ = file.read().rpartition(b"\n")  # what stands behind it was cut off in the middle of writing
        lines = whole.splitlines()
    return SignedHead.from_json(json.loads(lines[-1])).head.size if lines else 0


def _sign(workspace: Workspace, frontier: Frontier) -> SignedHead:
    public = workspace.ledger_public_key
    head = Head(workspace.name, frontier.size, frontier.root().hex(), workspace.clock.now(), key_id(public))
    return sign_head(workspace.ledger_key, head)


def export_head(folder: Path, signed: SignedHead) -> Path:
    """Append a head to the exported heads: the copy that finds a cut tail or a rewritten past."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / HEADS_FILE
    with path.open("a+b") as file:
        _drop_torn_line(file)
        file.write(head_line(signed))
        file.flush()
        os.fsync(file.fileno())
    return path


def _drop_torn_line(file: BinaryIO) -> None:
    """Cut off a last line that a crash left unfinished: it never was a head, and would spoil the next one."""
    end = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, end - LONGEST_HEAD))
    tail = file.read()
    if not tail.endswith(b"\n"):
        file.truncate(start + tail.rfind(b"\n") + 1)


def set_aside(folder: Path, kept: list[SignedHead], name: str) -> Path | None:
    """Keep the exported heads under another name and go on with `kept` alone; None where nothing is exported yet.

    The copy is durable before anything is taken away, and doing it twice does no harm.
    """
    path, aside = folder / HEADS_FILE, folder / name
    with _one_exporter(folder):
        if not path.exists():
            return None
        _write_durably(aside, path.read_bytes())
        _write_durably(path, b"".join(head_line(signed) for signed in kept))
    return aside


def _write_durably(path: Path, data: bytes) -> None:
    half = path.with_name(f".{path.name}.{os.getpid()}")
    with half.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def all_exported_heads(folder: Path) -> list[SignedHead]:
    """The exported heads of a folder, and those of every history that a restore left."""
    return [one for path in (folder / HEADS_FILE, *sorted(folder.glob(LEFT_BEHIND))) for one in exported_heads(path)]


def exported_heads(path: Path) -> list[SignedHead]:
    """The heads of an exported file (JSON lines, or one JSON document); raises BadHead naming what is wrong."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8").strip()
    lines = [text] if path.suffix == ".json" else text.splitlines()
    return [SignedHead.from_json(json.loads(line)) for line in lines if line.strip()]


def verify_ledger(workspace: Workspace, heads: list[SignedHead], public_key: str | None = None) -> Report:
    """Check every leaf, detail and head against each other and against heads kept outside the database."""
    sequence(workspace)
    with workspace.store.read() as unit:
        found = unit.ledger.read_for_proof()
    problems = [Problem(What.MALFORMED, index, why) for index, why in found.unreadable]
    stored = list(_readable(found.heads, problems))
    key = public_key or workspace.ledger_public_key
    if not key:
        raise Refusal(f"the ledger's key is not here ({workspace.missing_keys}): give --key with the public key")
    report = verify(found.leaves, found.details, stored, key, heads)
    return replace(report, problems=(*problems, *report.problems))


def stored_heads(documents: list[dict[str, Any]]) -> list[SignedHead]:
    """The heads of a database, without those that cannot be read."""
    return list(_readable(documents, []))


def _readable(documents: list[dict[str, Any]], problems: list[Problem]) -> Iterator[SignedHead]:
    for document in documents:
        try:
            yield SignedHead.from_json(document)
        except BadHead as error:
            problems.append(Problem(What.MALFORMED, 0, f"a stored head cannot be read: {error}"))


@dataclass(frozen=True, slots=True)
class Exported:
    """Files of an exported ledger."""

    ledger: Path
    heads: Path
    key: Path
    size: int


def export(workspace: Workspace, folder: Path) -> Exported:
    """Write the ledger in the form that the stand-alone verifier reads."""
    sequence(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    with workspace.store.read() as unit, (folder / LEDGER_FILE).open("wb") as out:
        details = unit.ledger.details()
        for index, leaf in unit.ledger.indexed():
            kept = details.get(index)
            detail = Detail(bytes.fromhex(kept[0]), kept[1]) if kept else None
            out.write(ledger_line(index, leaf, detail))
            size += 1
        stored = [SignedHead.from_json(document) for document in unit.ledger.heads()]
    made = Exported(folder / LEDGER_FILE, folder / HEADS_FILE, folder / "public-key.txt", size)
    made.heads.write_bytes(b"".join(head_line(signed) for signed in stored))
    made.key.write_text(workspace.ledger_public_key + "\n", encoding="utf-8")
    return made
