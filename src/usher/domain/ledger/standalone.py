"""Check an exported usher ledger with nothing but Python 3.11: no usher, no other package, no network.

    python verify_ledger.py --export DIR|FILE.jsonl --key PUBLIC_KEY_FILE [--head HEAD.json ...]

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
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
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
    """Say whether one of the keys signed this head."""
    body = {name: value for name, value in head.items() if name not in ("schema", "signature")}
    message = canonical({"context": "usher.head/1", "digest": digest("usher.head/1", body)})
    signature = base64.b64decode(head["signature"], validate=True)
    if base64.b64encode(signature).decode() != head["signature"]:
        raise ValueError("the signature is not spelled as it was")
    return head["key_id"] in keys and ed25519_verify(keys[head["key_id"]], message, signature)


class Checker:
    """Collects reasons while it reads; no reason means whole."""

    def __init__(self, key_text: str) -> None:
        raw = [base64.b64decode(line.removeprefix("usher-pub-1:"), validate=True) for line in key_text.split()]
        if not raw or any(len(key) != 32 for key in raw):
            raise ValueError("the key file must hold public keys of 32 bytes, one a line")
        self.keys = {hashlib.sha256(key).hexdigest()[:16]: key for key in raw}
        self.reasons: list[str] = []
        self.heads: list[tuple[int, str, str, bool]] = []  # size, root, workspace, exported
        self.leaves = self.erased = 0

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


def main(arguments: list[str] | None = None) -> int:
    """Run the check and print the verdict; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--export", type=Path, required=True, help="folder with ledger.jsonl, or the file itself")
    parser.add_argument("--key", type=Path, required=True, help="file with the public keys, one a line")
    parser.add_argument("--head", type=Path, action="append", default=[], help="a signed head that was kept elsewhere")
    given = parser.parse_args(arguments)
    file = given.export / "ledger.jsonl" if given.export.is_dir() else given.export
    beside = file.with_name("heads.jsonl")
    try:
        exported = {str(path): path.read_bytes() for path in given.head}
        heads = beside.read_bytes() if beside.exists() else b""
        result = check(file.read_bytes(), heads, given.key.read_text("utf-8"), exported)
    except (OSError, ValueError) as error:
        sys.stdout.write(f"CANNOT CHECK: {error}\n")
        return 1
    counts = f"{result.leaves} leaves, {len(result.heads)} signed heads, {result.erased} details erased"
    anchor = max((size for size, _, _, kept_elsewhere in result.heads if kept_elsewhere), default=0)
    known = f"nothing before leaf {anchor} was changed" if anchor else "no head from elsewhere was given"
    sys.stdout.write(f"CHANGED: {counts}\n" if result.reasons else f"WHOLE: {counts}; {known}\n")
    sys.stdout.writelines(f"  {reason}\n" for reason in result.reasons)
    return 1 if result.reasons else 0


if __name__ == "__main__":
    sys.exit(main())
