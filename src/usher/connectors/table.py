"""Read the bytes of a CSV export into headed rows, or say in one line why the file is not whole."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from usher.connectors.errors import Unreadable

DELIMITERS = ",;\t"
BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line on which it begins, counted from 1, and its cells by heading, without blanks around them."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A whole CSV file: its name, its headings in their order and its rows."""

    file: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def shape(self) -> str:
        """A hash of the headings, whatever their order: it changes when one is renamed, added or removed."""
        known = "\n".join(sorted(heading.casefold() for heading in self.headings))
        return hashlib.sha256(known.encode()).hexdigest()


def read_table(content: bytes, file: str, *, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """Read a CSV file as a whole; raises Unreadable for anything that is not a whole, even table."""
    text = decoded(content, file, encoding)
    records = _records(text, file, delimiter or _delimiter(text))
    line, headings = next(records, (1, []))
    if not headings:
        raise Unreadable("it is empty", file=file, line=1, expected="a line of headings")
    _check_headings(headings, file, line)
    rows = tuple(Row(line, dict(zip(headings, cells, strict=True))) for line, cells in _even(records, headings, file))
    return Table(file, tuple(headings), rows)


def decoded(content: bytes, file: str, encoding: str | None = None) -> str:
    """Return the text of a file: by its byte order mark, else UTF-8, else the Windows code page 1252."""
    guessed = encoding or next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None)
    guessed = guessed or _wide(content[:200])
    for name in [guessed] if guessed else ["utf-8", "cp1252"]:
        try:
            text = content.decode(name)
        except (UnicodeDecodeError, LookupError) as error:
            problem = error
            continue
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise Unreadable("there is a NUL character", file=file, line=line, expected="text")
        return text
    expected = f"text in {guessed}" if guessed else "text in UTF-8, UTF-16 or Windows-1252"
    raise Unreadable(f"it cannot be decoded ({problem})", file=file, expected=expected)


def _wide(start: bytes) -> str | None:
    # UTF-16 without its mark: nearly every other byte of a table in a Latin script is zero.
    for name, zeros, letters in (("utf-16-le", start[1::2], start[0::2]), ("utf-16-be", start[0::2], start[1::2])):
        if zeros.count(0) > 0.8 * len(zeros) and 0 not in letters:
            return name
    return None


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=lambda mark: (outside.count(mark), -DELIMITERS.index(mark)))


def _records(text: str, file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"a quote that opens in this row is not closed rightly ({error})"
            raise Unreadable(problem, file=file, line=begins, expected='"..." around a cell, "" inside it') from error
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield begins, stripped


def _check_headings(headings: list[str], file: str, line: int) -> None:
    seen: dict[str, str] = {}
    for number, heading in enumerate(headings, start=1):
        if not heading:
            raise Unreadable(f"heading {number} is empty", file=file, line=line, expected="a name above every column")
        if (known := seen.get(heading.casefold())) is not None:
            problem = f"the heading comes twice (also as {known!r})"
            raise Unreadable(problem, file=file, line=line, column=heading, expected="each heading once")
        seen[heading.casefold()] = heading


def _even(records: Iterator[tuple[int, list[str]]], headings: list[str], file: str) -> Iterator[tuple[int, list[str]]]:
    for line, cells in records:
        if len(cells) < len(headings):
            column = headings[len(cells)]
            problem = f"the row ends after {len(cells)} cells"
            raise Unreadable(problem, file=file, line=line, column=column, expected=f"{len(headings)} cells")
        if len(cells) > len(headings):
            problem = f"the row has {len(cells)} cells"
            raise Unreadable(problem, file=file, line=line, expected=f"{len(headings)} cells")
        yield line, cells
