"""Renders what configuration files and the environment may say, from the models that check them."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Extra = Mapping[str, str]
"""`Class.field` -> what it means, for fields whose name says it already and whose class says nothing more."""


class Undocumented(Exception):
    """A field has no meaning written anywhere: write a docstring under it, or a line in docs/fields.yaml."""


def fields_of(model: type[BaseModel], extra: Extra) -> Iterator[tuple[str, FieldInfo, str]]:
    """Name as it is written in a file, field, and meaning of each field. Raises Undocumented."""
    docstrings = {name: text for parent in reversed(model.__mro__) for name, text in _docstrings(parent).items()}
    for name, field in model.model_fields.items():
        written = (extra.get(f"{parent.__name__}.{name}") for parent in model.__mro__)
        meaning = docstrings.get(name) or next(filter(None, written), None)
        if meaning is None:
            raise Undocumented(f"docs/fields.yaml: expected {model.__name__}.{name}, which has no docstring")
        yield str(field.alias or name), field, meaning


def _docstrings(model: type) -> dict[str, str]:
    """Field -> the text right under it."""
    if not issubclass(model, BaseModel) or model.__module__.startswith("pydantic"):
        return {}
    tree = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for line, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(after, ast.Expr):
            value = after.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[line.target.id] = inspect.cleandoc(value.value)
    return found


def model_section(model: type[BaseModel], extra: Extra, anchors: Mapping[type, str]) -> list[str]:
    """What the model is for, and one table row per field."""
    return [
        cell(inspect.getdoc(model) or ""),
        "",
        "| Field | Takes | Default | Meaning |",
        "|---|---|---|---|",
        *(
            f"| `{name}` | {cell(_takes(field, anchors))} | {_default(field)} | {cell(meaning)} |"
            for name, field, meaning in fields_of(model, extra)
        ),
    ]


def cell(text: str) -> str:
    """Text as a table cell takes it."""
    return " ".join(text.split()).replace("|", "\\|")


def _takes(field: FieldInfo, anchors: Mapping[type, str]) -> str:
    said = _said(field.annotation, anchors)
    bounds = [
        f"{word} {value}"
        for name, word in (("ge", "from"), ("gt", "more than"), ("le", "to"), ("lt", "less than"))
        for item in field.metadata
        if (value := getattr(item, name, None)) is not None
    ]
    return f"{said}, {' '.join(bounds)}" if bounds else said


def _said(annotation: Any, anchors: Mapping[type, str]) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _said(arguments[0], anchors)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_said(one, anchors) for one in arguments if one is not type(None))
    if origin in (tuple, list, set, frozenset):
        return f"list of {_said(arguments[0], anchors)}"
    if origin in (dict, Mapping):
        return f"{_said(arguments[0], anchors)} → {_said(arguments[1], anchors)}"
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return ", ".join(f"`{one.value}`" for one in annotation)
    if annotation in anchors:
        return f"[{anchors[annotation].replace('-', ' ')}](#{anchors[annotation]})"
    return _PLAIN.get(getattr(annotation, "__name__", ""), "anything")


_PLAIN = {"str": "text", "int": "whole number", "float": "number", "bool": "yes or no", "Path": "path", "date": "day"}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=False) if field.default_factory is None else None
    if value is None or value in ((), "", {}) or isinstance(value, BaseModel):
        return "–"
    if isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        return "; ".join(cell(", ".join(f"{name} {number}" for name, number in one)) for one in value)
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{cell(str(value))}`"


def variables_in(folder: Path, prefix: str) -> dict[str, str]:
    """Environment variable -> the file whose code names it, for every text of the code that is one."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_variable(node.value, prefix):
                found.setdefault(node.value, path.relative_to(folder).as_posix())
    return found


def _is_variable(text: str, prefix: str) -> bool:
    return text.startswith(prefix) and text != prefix and text.replace("_", "").isalnum() and text.isupper()


def events_in(folder: Path) -> dict[str, list[str]]:
    """Event of the ledger -> the modules that write it: every text `noun:noun:verb` in the code of a folder."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        for text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            places = found.setdefault(text, [])
            if path.stem not in places:
                places.append(path.stem)
    return dict(sorted(found.items()))


def _texts(tree: ast.AST) -> Iterable[str]:
    return (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and len(parts := node.value.split(":")) == 3
        and all(part.isidentifier() and part.islower() for part in parts)
    )
