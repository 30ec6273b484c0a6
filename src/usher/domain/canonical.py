"""One byte form for each value, so that a digest or a signature means the same thing on every machine.

The form is RFC 8785 (JSON Canonicalization Scheme) with two refusals added: no floats, because money and
counts are integers here and a rounded number must never decide what was approved, and no container
without a fixed order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TypeAlias

import orjson

Plain: TypeAlias = "bool | int | str | list[Plain] | dict[str, Plain] | None"
"""What is left of a value once it is known to have a canonical form."""

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3, RFC 7493)."""

DEEPEST_NESTING = 64
"""Values nested deeper than this are refused; a value that contains itself is refused with them."""

_SCHEMA = re.compile(r"[a-z0-9][a-z0-9_.-]*/[0-9]+")

_EXPECTED = "text, integer, boolean, null, list or mapping"


class NotCanonical(ValueError):
    """The value has no canonical form: change the value, `where` names the part that is wrong."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


def canonical(value: object) -> bytes:
    """Return the RFC 8785 bytes of a value made of mappings, lists, tuples, text, integers, booleans and None.

    Raises `NotCanonical` for floats, integers beyond 2**53 - 1, sets, other types, keys that are not text,
    text that is not valid Unicode, and nesting deeper than `DEEPEST_NESTING`.
    """
    try:
        return orjson.dumps(_usual(value, DEEPEST_NESTING))
    except TypeError:  # something unusual: the careful way writes it, or names the part that is wrong
        return orjson.dumps(_plain(value, ()))


def digest(schema: str, value: object) -> str:
    """Return `sha256:<hex>` over the canonical form of `{"schema": schema, "value": value}`.

    `schema` names the shape and its version, as in `usher.plan/1`, so that one value read under two
    meanings never has one digest.
    """
    if not _SCHEMA.fullmatch(schema):
        raise NotCanonical("schema", f"{schema!r} is not a name with a version such as 'usher.plan/1'")
    return "sha256:" + hashlib.sha256(canonical({"schema": schema, "value": value})).hexdigest()


def _usual(value: object, levels: int) -> Plain:
    """As `_plain` for the values that nearly everything is made of, without keeping the path; TypeError for others."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value  # type: ignore[return-value]
    if kind is int and -LARGEST_INTEGER <= value <= LARGEST_INTEGER:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    if levels:
        if kind is dict and "".join(value).isascii():  # type: ignore[arg-type]
            return {key: _usual(value[key], levels - 1) for key in sorted(value)}  # type: ignore[call-overload,index]
        if kind is list or kind is tuple:
            return [_usual(item, levels - 1) for item in value]  # type: ignore[attr-defined]
    raise TypeError


def _plain(value: object, path: tuple[str | int, ...]) -> Plain:
    """Copy a value into plain lists and dicts in their canonical order, refusing what has no canonical form."""
    if isinstance(value, str):
        return _text(value, path)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise NotCanonical(_where(path), f"integer {value} is beyond 2^53 - 1; write it as text")
        return value
    if len(path) >= DEEPEST_NESTING:
        raise NotCanonical(_where(path), f"nested deeper than {DEEPEST_NESTING} levels")
    if isinstance(value, Mapping):
        return {key: _plain(value[key], (*path, key)) for key in _ordered(value, path)}
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index)) for index, item in enumerate(value)]
    raise NotCanonical(_where(path), _refusal(value))


def _ordered(value: Mapping[object, object], path: tuple[str | int, ...]) -> list[str]:
    """The keys by their UTF-16 code units (RFC 8785 section 3.2.3); up to U+D7FF that is the order of `sorted`."""
    keys = [_key(key, path) for key in value]
    return sorted(keys) if all(map(str.isascii, keys)) else sorted(keys, key=lambda key: key.encode("utf-16-be"))


def _key(key: object, path: tuple[str | int, ...]) -> str:
    if not isinstance(key, str):
        raise NotCanonical(_where(path), f"key {key!r} is not text")
    return _text(key, path)


def _text(text: str, path: tuple[str | int, ...]) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise NotCanonical(_where(path), f"text is not valid Unicode at character {error.start}") from error
    return text


def _refusal(value: object) -> str:
    if isinstance(value, float):
        return f"float {value!r} is refused; use an integer of the smallest unit, or text"
    if isinstance(value, set | frozenset):
        return "a set has no order; use a sorted list"
    return f"{type(value).__name__} has no canonical form; expected {_EXPECTED}"


def _where(path: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
