"""The form in which a ledger leaves usher, so that an auditor can check it without usher.

`ledger.jsonl` has one line for each leaf, `{"detail": {...}|null, "index": n, "leaf": {...}, "salt": hex|null}`;
an erased detail has neither document nor salt. `heads.jsonl` has one signed head a line. Each line is the
canonical form of its value and ends in a line feed, so that any flipped byte shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from usher.domain.canonical import NotCanonical, canonical
from usher.domain.ledger.head import BadHead, SignedHead
from usher.domain.ledger.leaf import SALT_BYTES, BadLeaf, Detail, Leaf
from usher.domain.ledger.verify import Problem, Report, What, verify

LEDGER_FILE = "ledger.jsonl"
HEADS_FILE = "heads.jsonl"

# Small digits only: with two spellings of one salt, a flipped bit could go unseen.
_SALT = re.compile(rf"[0-9a-f]{{{2 * SALT_BYTES}}}")


class BadLine(ValueError):
    """The line is not exactly what usher writes."""


def ledger_line(index: int, leaf: Leaf, detail: Detail | None) -> bytes:
    """Return the line of one leaf, line feed included; None for a detail that was erased."""
    return _line(
        {
            "index": index,
            "leaf": leaf.as_json(),
            "detail": None if detail is None else detail.document,
            "salt": None if detail is None else detail.salt.hex(),
        }
    )


def head_line(signed: SignedHead) -> bytes:
    """Return the line of one signed head, line feed included."""
    return _line(signed.as_json())


def read_ledger_line(line: bytes) -> tuple[int, Leaf, Detail | None]:
    """Read one line without its line feed; raises `BadLine`."""
    data = _parse(line)
    if not isinstance(data, dict) or set(data) != {"index", "leaf", "detail", "salt"}:
        raise BadLine("expected the fields detail, index, leaf, salt")
    index, detail, salt = data["index"], data["detail"], data["salt"]
    if type(index) is not int or index < 0:
        raise BadLine("index: expected a whole number from 0 on")
    try:
        leaf = Leaf.from_json(data["leaf"])
    except BadLeaf as error:
        raise BadLine(f"leaf: {error}") from error
    if detail is None and salt is None:
        return index, leaf, None
    if not isinstance(detail, dict) or not isinstance(salt, str) or not _SALT.fullmatch(salt):
        raise BadLine(f"expected a detail with a salt of {2 * SALT_BYTES} small hexadecimal digits, or null for both")
    return index, leaf, Detail(bytes.fromhex(salt), detail)


def read_head_line(line: bytes) -> SignedHead:
    """Read one signed head, with or without its line feed; raises `BadLine`."""
    try:
        return SignedHead.from_json(_parse(line.rstrip(b"\n")))
    except BadHead as error:
        raise BadLine(f"head: {error}") from error


def verify_export(ledger: bytes, heads: bytes, public_key: str, exported_heads: Iterable[SignedHead] = ()) -> Report:
    """Check the two files of an export, as `verify` does; a line that cannot be read is one more problem."""
    problems: list[Problem] = []
    details: dict[int, Detail] = {}
    report = verify(
        _readable_leaves(ledger, details, problems),
        details,
        list(_readable_heads(heads, problems)),
        public_key,
        exported_heads,
    )
    return replace(report, problems=(*problems, *report.problems))


def _readable_leaves(ledger: bytes, details: dict[int, Detail], problems: list[Problem]) -> Iterator[tuple[int, Leaf]]:
    for position, line in enumerate(_lines(ledger)):
        try:
            index, leaf, detail = read_ledger_line(line)
        except BadLine as error:
            problems.append(Problem(What.MALFORMED, position, f"line {position + 1} of {LEDGER_FILE}: {error}"))
            continue
        if detail is not None:
            details[index] = detail
        yield index, leaf


def _readable_heads(heads: bytes, problems: list[Problem]) -> Iterator[SignedHead]:
    for position, line in enumerate(_lines(heads)):
        try:
            yield read_head_line(line)
        except BadLine as error:
            problems.append(Problem(What.MALFORMED, position, f"line {position + 1} of {HEADS_FILE}: {error}"))


def _lines(data: bytes) -> list[bytes]:
    # Only a line feed ends a line: other line ends inside would be a change of bytes that goes unseen.
    lines = data.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def _line(value: dict[str, object]) -> bytes:
    return canonical(value) + b"\n"


def _parse(line: bytes) -> object:
    try:
        data: object = json.loads(line.decode("utf-8"))
        written = canonical(data)
    except (ValueError, RecursionError) as error:
        reason = error if isinstance(error, NotCanonical) else "not JSON in UTF-8"
        raise BadLine(str(reason)) from error
    if written != line:
        raise BadLine("not in canonical form")
    return data
