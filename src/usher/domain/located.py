"""Says what is wrong in a configuration file, and on which line, so that a person can mend it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
"""Keys and indexes that lead from the root of a file to a value."""

_LONGEST = 60
_HIDDEN = ("secret", "password", "token", "credential")
_PLAIN_WORDS = {
    "missing": "a value",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of fields",
    "model_attributes_type": "a mapping of fields",
    "date_type": "a date YYYY-MM-DD",
    "date_parsing": "a date YYYY-MM-DD",
    "date_from_datetime_parsing": "a date YYYY-MM-DD",
    "too_short": "at least {min_length} of them",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "{expected}",
    "enum": "{expected}",
}


class Expected(ValueError):
    """Raised inside a validator; its text completes the sentence "expected ..."."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend; `line` counts from 1, `field` reads like `roles[0].give[1].app` or is `-`."""

    file: str
    line: int
    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return _one_line(f"{self.file}:{self.line}: {self.field}: expected {self.expected}, got {self.got}")


class ConfigurationError(Exception):
    """Configuration cannot be used: show every line of it and apply nothing."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def problems_of(
    file: str, error: ValidationError, tree: object, model: type[BaseModel] | None = None, at: Path = ()
) -> tuple[Problem, ...]:
    """Turn what pydantic found into problems with lines.

    `tree` is what ruamel's round-trip loader returned for the file, `at` where in it the checked value lies,
    and `model` the checked model, which lets an unknown field be answered with the known ones.
    Values under secret-like names are never repeated.
    """
    details = error.errors(include_url=False)
    return tuple(_problem(file, detail, tree, model, at) for detail in details if not _only_follows(detail))


def line_of(tree: object, path: Path) -> int:
    """Return the line, counted from 1, of the deepest part of `path` that the tree has a line for."""
    line, node = _own_line(tree), tree
    for part in path:
        found = _line_under(node, part)
        if found is None:
            if isinstance(part, str) and not isinstance(node, dict):
                continue
            break
        line, node = found, _child(node, part)
    return line


def field_text(path: Sequence[str | int]) -> str:
    """Write a path as people read it: `observe.every_minutes`, `roles[0].name`; `-` for the whole file."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "-"


def shown(value: object) -> str:
    """Write a value briefly for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(str(value)) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _only_follows(detail: ErrorDetails) -> bool:
    """Say whether a list counts as too short only because its items are wrong, which is told already."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _problem(file: str, detail: ErrorDetails, tree: object, model: type[BaseModel] | None, at: Path) -> Problem:
    path = at + _real_path(_child_at(tree, at), detail["loc"])
    if detail["type"] == "extra_forbidden":
        expected, got = _known_fields(model, path[len(at) :]), f"the unknown field {str(path[-1])!r}"
    else:
        expected = _expected(detail)
        got = "nothing" if detail["type"] == "missing" else _got(path, detail["input"])
    return Problem(file, line_of(tree, path), field_text(path), expected, got)


def _real_path(tree: object, loc: Path) -> Path:
    """Leave out the parts of pydantic's location that name a branch of a union and not a place in the file."""
    path: list[str | int] = []
    node: object = tree
    for position, part in enumerate(loc):
        absent_field = position == len(loc) - 1 and isinstance(node, dict) and isinstance(part, str)
        if absent_field or _has(node, part):
            path.append(part)
            node = _child(node, part) if _has(node, part) else None
    return tuple(path)


def _expected(detail: ErrorDetails) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    raised = context.get("error")
    if isinstance(raised, Expected):
        return str(raised)
    words = _PLAIN_WORDS.get(detail["type"])
    return words.format(**context) if words else detail["msg"]


def _got(path: Path, value: object) -> str:
    if any(word in str(part).casefold() for part in path for word in _HIDDEN) and value is not None:
        return "a value that is not shown here"
    return shown(value)


def _known_fields(model: type[BaseModel] | None, path: Path) -> str:
    for part in path[:-1]:
        model = _model_under(model, part)
    if model is None:
        return "only known fields"
    names = sorted(model.model_fields)
    near = difflib.get_close_matches(str(path[-1]), names, n=1)
    return repr(near[0]) if near else "one of " + ", ".join(names)


def _model_under(model: type[BaseModel] | None, part: str | int) -> type[BaseModel] | None:
    if model is None or isinstance(part, int):
        return model
    field = model.model_fields.get(part)
    return _first_model(field.annotation) if field else model


def _first_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _first_model(inner))), None)


def _own_line(node: object) -> int:
    line = getattr(getattr(node, "lc", None), "line", None)
    return line + 1 if isinstance(line, int) else 1


def _line_under(node: object, part: str | int) -> int | None:
    """Return the line that ruamel keeps for a key or an item (`lc.data`), or None."""
    data = getattr(getattr(node, "lc", None), "data", None)
    place = data.get(part) if isinstance(data, dict) else None
    return place[0] + 1 if place else None


def _has(node: object, part: str | int) -> bool:
    if isinstance(node, dict):
        return part in node
    return isinstance(node, list) and isinstance(part, int) and part < len(node)


def _child(node: object, part: str | int) -> object:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _child_at(tree: object, path: Path) -> object:
    for part in path:
        tree = _child(tree, part)
    return tree


def _one_line(text: str) -> str:
    return " ".join(text.split())
