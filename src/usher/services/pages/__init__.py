"""Pages that are handed out as files: they load nothing, print, and follow the reader's light or dark screen."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from usher import __version__


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder; every value is escaped, and one that is missing is an error."""
    return _environment().get_template(template).render(generator=f"usher {__version__}", **values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["instant"] = lambda text: "" if not text else text[:19].replace("T", " ") + " UTC"
    made.filters["plain"] = _plain
    made.filters["document"] = lambda value: json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return made


def _plain(value: Any) -> str:
    """Any value as one line of text: pairs for an object, words for a list."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None or value == "" else str(value)
