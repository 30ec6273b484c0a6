"""Check an exported usher ledger or an evidence file with Python 3.11 alone: no usher, no other package, no network.

    python verify_ledger.py --export DIR|FILE.jsonl --key PUBLIC_KEY_FILE [--head HEAD.json ...]
    python verify_ledger.py --evidence FILE.zip|DIR [--key PUBLIC_KEY_FILE] [--head HEAD.json ...]

DIR holds `ledger.jsonl` and `heads.jsonl`; beside a FILE.jsonl, `heads.jsonl` is read when it is there. The key
file has one public key a line (`usher-pub-1:` and base64). Each --head is a signed head that you kept yourself.
Exit 0: whole. Exit 1: changed or unreadable, with one reason a line. Exit 2: wrong call.

Without --head nobody can see a cut tail, an old backup, or a history signed anew by the holder of the key.

Format (JSON in the canonical form of RFC 8785, no floats, one value a line, each line ends in a line feed):
  ledger.jsonl  {"detail": {...}|null, "index": 0, "leaf": LEAF, "salt": 64 hex digits|null}
                LEAF = {"at", "detail_digest", "event", "ids", "schema": "usher.leaf/1", "workspace"}
  heads.jsonl   {"at", "key_id", "root", "schema": "usher.head/1", "signature", "size", "workspace"}
  D(schema, v)  = "sha256:" + hex(SHA-256(canonical({"schema": schema, "value": v})))
  leaf hash     = SHA-256(0x00 || canonical(LEAF)); the tree and its root are those of RFC 6962 section 2.1
  detail_digest = D("usher.detail/1", {"detail": ..., "salt": ...}); both null = erased, which changes no hash
  signature     = base64 Ed25519 over canonical({"context": "usher.head/1", "digest": D("usher.head/1", HEAD)}),
                  HEAD without "schema" and "signature"; key_id = first 16 hex digits of SHA-256(public key)

Evidence is a zip (stored, fixed times, so that it can be written again byte for byte) with an export of the ledger in
ledger/, in which what concerns others is withheld (null, like erased), and with
  manifest.json {"about", "files": {name: SHA-256}, "key_id", "made_at", "schema": "usher.evidence/1", "signature",
                "workspace"}, signed by the ledger's key like a head, in the context "usher.evidence/1"
  plans/N.json  the bytes of which the digest of plan N is the SHA-256. An operator approves (or refuses) that digest by
                a signature in the context "usher.approval/1" (or "usher.rejection/1"); it is in the detail of a leaf
                plan:plan:approve (or :reject) about (plan, operator), his key in the leaf operator:operator:add
Without --key the key in the file is taken: compare its id, which is printed, with one that you have from elsewhere.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

# Ed25519 verification (RFC 8032 section 5.1): the curve -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo P.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z


def _add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def ed25519_verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether S*B = R + k*A, by RFC 8032 section 5.1.7 without the cofactor, S below the order."""
    key, scalar = _point(public) if len(public) == 32 else None, int.from_bytes(signature[32:], "little")
    if key is None or BASE is None or len(signature) != 64 or scalar >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    minus: Point = (P - key[0], key[1], 1, P - key[3])
    both, result = _add(BASE, minus), (0, 1, 1, 0)
    for bit in range(252, -1, -1):  # scalar * BASE + k * minus in one pass over the bits
        result = _add(result, result)
        pair = scalar >> bit & 1, k >> bit & 1
        if any(pair):
            result = _add(result, {(1, 0): BASE, (0, 1): minus, (1, 1): both}[pair])
    inverse = pow(result[2], -1, P)
    x, y = result[0] * inverse % P, result[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of parsed JSON without floats."""

    def ordered(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: ordered(part[key]) for key in sorted(part, key=lambda text: text.encode("utf-16-be"))}
        return [ordered(item) for item in part] if isinstance(part, list) else part

    return json.dumps(ordered(value), ensure_ascii=False, separators=(",", ":")).encode()


def digest(schema: str, value: object) -> str:
    """Return the digest named D in the format above."""
    return "sha256:" + hashlib.sha256(canonical({"schema": schema, "value": value})).hexdigest()


def parse(line: bytes, fields: str) -> dict[str, Any]:
    """Return the JSON object of a line that has exactly these fields and the canonical form; raises ValueError."""

    def refuse(number: str) -> None:
        raise ValueError(f"{number} is no integer")

    try:
        data = json.loads(line.decode(), parse_float=refuse, parse_constant=refuse)
        if type(data) is dict and canonical(data) == line and set(data) == set(fields.split()):
            return data
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    raise ValueError(f"expected the canonical form of an object with the fields {fields}")


def signed_by(keys: dict[str, bytes], head: dict[str, Any]) -> bool:
    """Say whether one of the keys signed this head, or whatever else names its schema and its key."""
    body = {name: value for name, value in head.items() if name not in ("schema", "signature")}
    signed = digest(head["schema"], body)
    return head["key_id"] in keys and signature_holds(keys[head["key_id"]], head["schema"], signed, head["signature"])


def signature_holds(key: bytes, context: str, signed: str, text: str) -> bool:
    """Say whether a signature (base64) is this key's over a digest in a context; ValueError where it is misspelled."""
    signature = base64.b64decode(text, validate=True)
    if base64.b64encode(signature).decode() != text:
        raise ValueError("the signature is not spelled as it was")
    return ed25519_verify(key, canonical({"context": context, "digest": signed}), signature)


def public_key(text: str) -> bytes:
    """Return the 32 bytes of a public key as usher writes it; raises ValueError."""
    raw = base64.b64decode(text.removeprefix("usher-pub-1:"), validate=True)
    if len(raw) != 32:
        raise ValueError("a public key has 32 bytes")
    return raw


class Checker:
    """Collects reasons while it reads; no reason means whole."""

    def __init__(self, key_text: str) -> None:
        raw = [public_key(line) for line in key_text.split()]
        if not raw:
            raise ValueError("the key file must hold public keys of 32 bytes, one a line")
        self.keys = {hashlib.sha256(key).hexdigest()[:16]: key for key in raw}
        self.reasons: list[str] = []
        self.heads: list[tuple[int, str, str, bool]] = []  # size, root, workspace, exported
        self.leaves = self.erased = self.signatures = 0
        self.shown: list[dict[str, Any]] = []  # the entries of which the detail is there

    def read_head(self, line: bytes, name: str, exported: bool) -> None:
        """Take one signed head; an unreadable or unsigned one is a reason."""
        try:
            head = parse(line, "at key_id root schema signature size workspace")
            if head["schema"] != "usher.head/1" or type(head["size"]) is not int or head["size"] < 0:
                raise ValueError("expected a usher.head/1 with a size")
            if signed_by(self.keys, head):
                self.heads.append((head["size"], head["root"], head["workspace"], exported))
            else:
                self.reasons.append(f"bad_signature: {name} is not signed by a trusted key")
        except (ValueError, TypeError) as error:
            self.reasons.append(f"malformed: {name}: {error}")

    def read_leaves(self, lines: list[bytes]) -> None:
        """Rebuild the tree and compare it with each head on the way."""
        peaks: list[bytes] = []
        sizes = {head[0] for head in self.heads}
        self.compare(0, hashlib.sha256(b"").hexdigest(), None)
        for position, line in enumerate(lines):
            try:
                entry = parse(line, "detail index leaf salt")
                self.check_detail(position, entry)
                node, carry = hashlib.sha256(b"\0" + canonical(entry["leaf"])).digest(), position
                while carry & 1:
                    node, carry = hashlib.sha256(b"\1" + peaks.pop() + node).digest(), carry >> 1
                peaks.append(node)
                self.leaves += 1
                if self.leaves in sizes:
                    for peak in reversed(peaks[:-1]):
                        node = hashlib.sha256(b"\1" + peak + node).digest()
                    self.compare(self.leaves, node.hex(), entry["leaf"]["workspace"])
            except (ValueError, TypeError, KeyError) as error:
                self.reasons.append(f"malformed: line {position + 1} of the ledger: {error}; stopped there")
                return
        for size, _, _, exported in self.heads:
            if size > self.leaves:
                kind = "old_backup: an exported" if exported else "cut_tail: a stored"
                self.reasons.append(f"{kind} head is signed for {size} leaves, the ledger ends at {self.leaves}")

    def check_detail(self, position: int, entry: dict[str, Any]) -> None:
        """Check the index, and the detail against the digest in the leaf, unless the detail was erased."""
        if type(entry["index"]) is not int or entry["index"] != position:
            self.reasons.append(f"deleted or swapped: index {entry['index']} comes where {position} was expected")
        if entry["detail"] is None and entry["salt"] is None:
            self.erased += 1
        elif digest("usher.detail/1", {n: entry[n] for n in ("detail", "salt")}) != entry["leaf"]["detail_digest"]:
            self.reasons.append(f"detail_mismatch: the detail of leaf {position} does not give the digest in the leaf")
        else:
            self.shown.append(entry)

    def compare(self, size: int, root: str, workspace: str | None) -> None:
        """Compare one root with the heads of this size."""
        for _, signed, owner, _ in (head for head in self.heads if head[0] == size):
            if signed != root:
                self.reasons.append(f"rewritten or fork: the leaves do not give the root signed for {size} leaves")
            if workspace not in (None, owner):
                self.reasons.append(f"other_workspace: leaf {size - 1} is of {workspace}, the head of {owner}")


def lines_of(data: bytes) -> list[bytes]:
    """Split at line feeds, and at nothing else."""
    return data.removesuffix(b"\n").split(b"\n") if data else []


def check(ledger: bytes, heads: bytes, key_text: str, exported: dict[str, bytes]) -> Checker:
    """Check an export; `exported` maps the name of each head that was kept elsewhere to its bytes."""
    checker = Checker(key_text)
    for number, line in enumerate(lines_of(heads), 1):
        checker.read_head(line, f"head {number} of the export", exported=False)
    for name, data in exported.items():
        checker.read_head(data.removesuffix(b"\n"), name, exported=True)
    checker.read_leaves(lines_of(ledger))
    return checker


MANIFEST = "manifest.json"
SIGNED = {"plan:plan:approve": "usher.approval/1", "plan:plan:reject": "usher.rejection/1"}


def pack(files: dict[str, bytes]) -> bytes:
    """Return a zip of these files that has the same bytes whenever it is made: sorted, stored, of one time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, files[name])
    return out.getvalue()


def read_evidence(path: Path, reasons: list[str]) -> dict[str, bytes]:
    """Return the files of an evidence zip, or of the folder that it was unpacked into."""
    if path.is_dir():
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist()}
        if pack(files) != data:
            reasons.append("changed: the zip is not byte for byte what usher wrote")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"{path} is no whole zip: {error}") from error
    return files


def check_evidence(files: dict[str, bytes], key_text: str, exported: dict[str, bytes]) -> Checker:
    """Check evidence: every file against the signed manifest, the ledger, and each signature on each plan."""
    parts = {name: files.get(f"ledger/{name}.jsonl", b"") for name in ("ledger", "heads")}
    checker = check(parts["ledger"], parts["heads"], key_text, exported)
    if not parts["ledger"] or not parts["heads"]:
        checker.reasons.append("missing: the ledger or its heads are not in it")
    try:
        manifest = parse(files.get(MANIFEST, b""), "about files key_id made_at schema signature workspace")
        if manifest["schema"] != "usher.evidence/1" or not signed_by(checker.keys, manifest):
            checker.reasons.append("bad_signature: the manifest is not signed by a trusted key")
        listed = manifest["files"]
        for name in sorted({*files, *listed} - {MANIFEST}):
            if name not in files or name not in listed:
                checker.reasons.append(f"{'missing' if name in listed else 'added'}: {name}")
            elif hashlib.sha256(files[name]).hexdigest() != listed[name]:
                checker.reasons.append(f"changed: {name} is not what the manifest says")
    except (ValueError, TypeError, KeyError) as error:
        checker.reasons.append(f"malformed: {MANIFEST}: {error}")
    check_signatures(files, checker)
    return checker


def check_signatures(files: dict[str, bytes], checker: Checker) -> None:
    """Check each approval and each refusal in the ledger: whose key, over which plan of this evidence."""
    plans = {f"sha256:{hashlib.sha256(data).hexdigest()}" for name, data in files.items() if name.startswith("plans/")}
    keys: dict[str, str] = {}
    for entry in checker.shown:
        leaf, detail = entry["leaf"], entry["detail"]
        try:
            if leaf["event"] == "operator:operator:add":
                keys[leaf["ids"][0]] = detail["public_key"]
            elif context := SIGNED.get(leaf["event"]):
                key = public_key(keys[leaf["ids"][1]])
                if detail["digest"] not in plans:
                    raise ValueError(f"no plan in plans/ has the digest {detail['digest']}")
                if not signature_holds(key, context, detail["digest"], detail["signature"]):
                    raise ValueError("the signature is not this operator's")
                checker.signatures += 1
        except (ValueError, TypeError, KeyError, IndexError) as error:
            checker.reasons.append(f"bad_approval: leaf {entry['index']}: {error!s}")


def main(arguments: list[str] | None = None) -> int:
    """Run the check and print the verdict; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--export", type=Path, help="folder with ledger.jsonl, or the file itself")
    what.add_argument("--evidence", type=Path, help="evidence zip, or the folder that it was unpacked into")
    parser.add_argument("--key", type=Path, help="file with the public keys, one a line")
    parser.add_argument("--head", type=Path, action="append", default=[], help="a signed head that was kept elsewhere")
    given = parser.parse_args(arguments)
    if given.export and not given.key:
        parser.error("--export needs --key")
    try:
        result = _check_given(given)
    except (OSError, ValueError) as error:
        sys.stdout.write(f"CANNOT CHECK: {error}\n")
        return 1
    missing = "withheld or erased" if given.evidence else "erased"
    counts = f"{result.leaves} leaves, {len(result.heads)} signed heads, {result.erased} details {missing}"
    if given.evidence:
        counts += f", {result.signatures} signatures on plans, key {' '.join(result.keys)}"
    anchor = max((size for size, _, _, kept_elsewhere in result.heads if kept_elsewhere), default=0)
    known = f"nothing before leaf {anchor} was changed" if anchor else "no head from elsewhere was given"
    sys.stdout.write(f"CHANGED: {counts}\n" if result.reasons else f"WHOLE: {counts}; {known}\n")
    sys.stdout.writelines(f"  {reason}\n" for reason in result.reasons)
    return 1 if result.reasons else 0


def _check_given(given: argparse.Namespace) -> Checker:
    exported = {str(path): path.read_bytes() for path in given.head}
    key = given.key.read_text("utf-8") if given.key else None
    if given.evidence:
        reasons: list[str] = []
        files = read_evidence(given.evidence, reasons)
        result = check_evidence(files, key or files.get("public-key.txt", b"").decode(), exported)
        result.reasons[:0] = reasons
        return result
    file = given.export / "ledger.jsonl" if given.export.is_dir() else given.export
    beside = file.with_name("heads.jsonl")
    return check(file.read_bytes(), beside.read_bytes() if beside.exists() else b"", key or "", exported)


if __name__ == "__main__":
    sys.exit(main())
