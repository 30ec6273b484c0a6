"""Record: gives leaves their index, signs heads, exports them outside the database, and verifies the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from usher.domain.ledger.export import HEADS_FILE, LEDGER_FILE, head_line, ledger_line
from usher.domain.ledger.head import BadHead, Head, SignedHead, sign_head
from usher.domain.ledger.leaf import Detail
from usher.domain.ledger.tree import Frontier, leaf_hash
from usher.domain.ledger.verify import Problem, Report, What, verify
from usher.domain.signing import key_id
from usher.services.workspace import Workspace


def sequence(workspace: Workspace) -> SignedHead | None:
    """Index every waiting leaf, sign the new head and export it; None where nothing is new.

    Leaves are durable since their own transaction; this only orders and signs them.
    """
    with workspace.store.read() as unit:
        if unit.ledger.unsequenced() == 0:
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
    exported = max((one.head.size for one in exported_heads(workspace.heads / HEADS_FILE)), default=0)
    with workspace.store.read() as unit:
        stored = [SignedHead.from_json(document) for document in unit.ledger.heads()]
    for signed in stored:
        if signed.head.size > exported:
            export_head(workspace.heads, signed)


def _sign(workspace: Workspace, frontier: Frontier) -> SignedHead:
    public = workspace.ledger_public_key
    head = Head(workspace.name, frontier.size, frontier.root().hex(), workspace.clock.now(), key_id(public))
    return sign_head(workspace.ledger_key, head)


def export_head(folder: Path, signed: SignedHead) -> Path:
    """Append a head to the exported heads: the copy that finds a cut tail or a rewritten past."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / HEADS_FILE
    with path.open("ab") as file:
        file.write(head_line(signed))
        file.flush()
        os.fsync(file.fileno())
    return path


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
    report = verify(found.leaves, found.details, stored, public_key or workspace.ledger_public_key, heads)
    return replace(report, problems=(*problems, *report.problems))


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
