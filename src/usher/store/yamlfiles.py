"""Reads and writes the YAML files of a workspace: lines are known, comments survive, nothing is half-written."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from usher.domain.located import ConfigurationError, Problem

LARGEST_FILE = 1_000_000
_MOST_VALUES = 100_000


def read_text(path: Path, file: str) -> str:
    """Return the text of a file; `file` is its name in messages. Raises ConfigurationError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _error(file, 1, "a file that can be read", error.strerror or type(error).__name__) from error
    if len(data) > LARGEST_FILE:
        raise _error(file, 1, f"at most {LARGEST_FILE} bytes", "more")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _error(file, line, "text in UTF-8", f"the byte 0x{data[error.start]:02x}") from error


def parse(text: str, file: str) -> CommentedMap | None:
    """Return the round-trip tree of a file, or None where it holds nothing but comments.

    Raises ConfigurationError for text that is not YAML, for a key that is there twice and for anything but a mapping.
    """
    try:
        tree = _yaml().load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise _error(file, line, "valid YAML", (error.problem or "something else").partition("\n")[0]) from error
    except (YAMLError, ValueError) as error:
        raise _error(file, 1, "valid YAML", str(error).partition("\n")[0]) from error
    if tree is None:
        return None
    if not isinstance(tree, CommentedMap):
        raise _error(file, 1, "a mapping of fields", "a list" if isinstance(tree, CommentedSeq) else "a single value")
    return tree


def plain(tree: object) -> Any:
    """Copy a round-trip tree into plain dicts, lists and values; aliases are written out, within a bound."""
    return _plain(tree, [_MOST_VALUES])


def to_text(tree: object) -> str:
    """Return the YAML text of a tree, with the comments it was read with."""
    stream = io.StringIO()
    _yaml().dump(tree, stream)
    return stream.getvalue()


def amend(tree: CommentedMap, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Make a tree say `values` and change nothing else in it.

    What already says so stays as it was written; a key that `values` lacks goes, unless it says the default.
    """
    for key in list(tree):
        if key not in values and plain(tree[key]) != defaults.get(key):
            del tree[key]
    for key, value in values.items():
        present = tree.get(key)
        if isinstance(present, CommentedMap) and isinstance(value, Mapping):
            inner = defaults.get(key)
            amend(present, value, inner if isinstance(inner, Mapping) else {})
        elif key not in tree or plain(present) != value:
            tree[key] = value


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file as a whole, durably: temporary file, fsync, rename, fsync of the folder.

    A file that is there keeps its mode; a new one gets `mode`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.stat().st_mode & 0o777 if path.exists() else mode
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            os.fchmod(stream.fileno(), kept)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 120
    return yaml


def _plain(value: object, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise ValueError(f"more than {_MOST_VALUES} values")
    if isinstance(value, Mapping):
        return {_plain(key, left): _plain(item, left) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, left) for item in value]
    if isinstance(value, bool | ScalarBoolean):
        return bool(value)
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    if value is None or isinstance(value, date | datetime):
        return value
    return str(value)


def _error(file: str, line: int, expected: str, got: str) -> ConfigurationError:
    return ConfigurationError([Problem(file, line, "-", expected, got)])
