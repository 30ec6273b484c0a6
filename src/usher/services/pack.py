"""Pack: evidence as one zip for somebody who has nothing of ours, with a verifier, signed by the ledger's key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usher import __version__
from usher.domain.canonical import canonical, digest
from usher.domain.ledger import standalone
from usher.domain.ledger.export import head_line, ledger_line
from usher.domain.ledger.head import SignedHead
from usher.domain.ledger.leaf import Detail
from usher.domain.signing import key_id, sign
from usher.services import joiners, leavers
from usher.services.evidence import PROVEN, Evidence, Scope, gather
from usher.services.pages import render
from usher.services.record import sequence
from usher.services.report import table_of
from usher.services.workspace import Refusal, Workspace

SCHEMA = "usher.evidence/1"
EVENT = "workspace:evidence:hand_out"
VERIFIER = "verify_ledger.py"
HELP = """\
This is evidence of usher's workspace {workspace}: {title}.

index.html      all of it, for people
evidence.json   all of it, for programs
leavers.csv     who left, and when each access was seen to end
joiners.csv     who came, and who approved what
plans/          each plan, byte for byte as it was signed: its digest is the SHA-256 of the file
pictures/       what a browser saw
ledger/         every leaf of the ledger; what concerns others is withheld, and its leaf is here all the same
public-key.txt  the key that signs the ledger; its id is {key}
manifest.json   the SHA-256 of every file, signed

Check it with Python 3.11 and nothing else:

    python3 {verifier} --evidence FILE.zip

The verifier is in the file, and can be read; one from elsewhere is better, and so is the key: compare its id.
"""
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A zip as it was written: its digest, and what is in it."""

    file: Path
    digest: str
    files: int
    plans: int
    people: int
    leaves: int
    shown: int
    key_id: str


def write_evidence(workspace: Workspace, scope: Scope, file: Path) -> Packed:
    """Write the evidence of a scope into a new file; Refusal where the ledger's key is not here.

    That it was handed out, and its digest, are in the ledger afterwards.
    """
    if not workspace.ledger_key:
        raise Refusal(f"the ledger's key is not here ({workspace.missing_keys}): evidence cannot be signed without it")
    sequence(workspace)
    found = gather(workspace, scope)
    parts, chain = _ledger(workspace, found)
    files = {**parts, **_files(workspace, scope, found, chain)}
    files[standalone.MANIFEST] = _manifest(workspace, scope, files)
    data = standalone.pack(files)
    half = file.with_name(f".{file.name}.half")
    half.write_bytes(data)
    half.replace(file)
    made = "sha256:" + hashlib.sha256(data).hexdigest()
    with workspace.store.begin() as unit:
        ids = (workspace.viewer,) if workspace.viewer else ()
        unit.ledger.append(EVENT, ids, {"scope": scope.kind, "about": scope.name, "sha256": made})
    return Packed(
        file=file,
        digest=made,
        files=len(files),
        plans=len(found.plans),
        people=len(scope.people),
        leaves=chain["leaves"],
        shown=len(chain["events"]),
        key_id=key_id(workspace.ledger_public_key),
    )


def _ledger(workspace: Workspace, found: Evidence) -> tuple[dict[str, bytes], Document]:
    """The ledger's two files, with the details of what is in scope, and the events of these for the page."""
    lines, events = [], []
    with workspace.store.read() as unit:
        details = unit.ledger.details()
        heads = [SignedHead.from_json(document) for document in unit.ledger.heads()]
        signed_to = heads[-1].head.size if heads else 0
        for index, leaf in unit.ledger.indexed():
            if index >= signed_to:
                break
            ids = set(leaf.ids)
            meant = (ids & found.ids and not ids & found.secret) or leaf.event == PROVEN
            kept = details.get(index) if meant else None
            lines.append(ledger_line(index, leaf, Detail(bytes.fromhex(kept[0]), kept[1]) if kept else None))
            if kept:
                events.append({"index": index, "at": leaf.as_json()["at"], "event": leaf.event, "detail": kept[1]})
    files = {
        "ledger/ledger.jsonl": b"".join(lines),
        "ledger/heads.jsonl": b"".join(head_line(signed) for signed in heads),
    }
    last = heads[-1].as_json() if heads else {}
    return files, {"leaves": len(lines), "events": events, "root": last.get("root", ""), "at": last.get("at", "")}


def _files(workspace: Workspace, scope: Scope, found: Evidence, chain: Document) -> dict[str, bytes]:
    key = key_id(workspace.ledger_public_key)
    about = _about(workspace, scope)
    chain = {**chain, "key_id": key}
    whole = {"schema": SCHEMA, **about, "ledger": {n: chain[n] for n in ("leaves", "root", "key_id")}, **found.document}
    page = render("evidence.html", title=f"Evidence: {scope.title}", about=about, ledger=chain, **found.document)
    words = {"workspace": workspace.name, "title": scope.title, "key": key, "verifier": VERIFIER}
    return {
        "README.txt": HELP.format_map(words).encode(),
        "index.html": page.encode(),
        "evidence.json": (json.dumps(whole, ensure_ascii=False, indent=2) + "\n").encode(),
        "leavers.csv": table_of(leavers.COLUMNS, found.document["leavers"]).encode(),
        "joiners.csv": table_of(joiners.COLUMNS, found.document["joiners"]).encode(),
        "public-key.txt": (workspace.ledger_public_key + "\n").encode(),
        VERIFIER: Path(standalone.__file__).read_bytes(),
        **{f"plans/{n}.json": canonical({"schema": p.schema, "value": p.document()}) for n, p in found.plans.items()},
        **{name: picture.read_bytes() for name, picture in found.pictures.items()},
    }


def _about(workspace: Workspace, scope: Scope) -> Document:
    return {
        "scope": scope.kind,
        "title": scope.title,
        "workspace": workspace.name,
        "generated_at": workspace.now(),
        "generator": f"usher {__version__}",
    }


def _manifest(workspace: Workspace, scope: Scope, files: Mapping[str, bytes]) -> bytes:
    body = {
        "about": {"scope": scope.kind, "name": scope.name},
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "key_id": key_id(workspace.ledger_public_key),
        "made_at": workspace.now(),
        "workspace": workspace.name,
    }
    signature = sign(workspace.ledger_key, digest(SCHEMA, body), SCHEMA)
    return canonical({**body, "schema": SCHEMA, "signature": signature})
