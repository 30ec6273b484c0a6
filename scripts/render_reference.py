"""Renders the reference pages from the code, so that the reference cannot say what the code does not do."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the script also runs by its path

from scripts.docs_model import ROOT, DocumentError, load
from scripts.render_docs import stale

CLI = "usher.entry.cli.app"
ERRORS = "usher.connectors.errors"
_RENDERED = "<!-- Rendered by scripts/render_reference.py from {source}. Edit that file instead. -->"
_MARKUP = re.compile(r"\[/?(?:bold|dim|italic|red|green|yellow|cyan|blue|magenta|/)?[a-z ]*\](?!\()")


class Word(BaseModel):
    """One word with its one meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    word: Annotated[str, Field(min_length=1)]
    means: Annotated[str, Field(min_length=1)]
    instead_of: tuple[str, ...] = ()
    see: str | None = None


class Group(BaseModel):
    """Words that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: Annotated[str, Field(min_length=1)]
    words: tuple[Word, ...]


class Vocabulary(BaseModel):
    """`docs/words.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: tuple[Group, ...]


def render_all(root: Path = ROOT) -> dict[Path, str]:
    """Every reference page whose source exists, with the text that it should have. Raises DocumentError."""
    folder = root / "docs" / "reference"
    pages = {folder / "words.md": words_page(load(root / "docs" / "words.yaml", Vocabulary))}
    if exists(ERRORS):
        pages[folder / "errors.md"] = errors_page(_imported(ERRORS))
    if exists(CLI):
        pages[folder / "cli.md"] = cli_page(_imported(CLI).app)
    return pages


def exists(module: str) -> bool:
    """Whether the module can be found, without running it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DocumentError(f"{module}: expected a module that can be imported: {error}") from None


def words_page(vocabulary: Vocabulary) -> str:
    """The vocabulary: one table a group."""
    lines = [
        "# Words",
        "",
        _RENDERED.format(source="docs/words.yaml"),
        "",
        "One word has one meaning, in code, screens, commands and documents.",
    ]
    for group in vocabulary.groups:
        lines += ["", f"## {group.heading}", "", "| Word | Means | We do not say | See also |", "|---|---|---|---|"]
        lines += [
            f"| **{word.word}** | {word.means} | {', '.join(word.instead_of) or '–'} | {word.see or '–'} |"
            for word in group.words
        ]
    return "\n".join(lines) + "\n"


def errors_page(module: Any) -> str:
    """The errors of connectors, in the order of their source: what each means and what usher does next."""
    lines = [
        "# Errors of connectors",
        "",
        _RENDERED.format(source=f"the docstrings of {module.__name__}"),
        "",
        _prose(inspect.getdoc(module)),
    ]
    for name, error in vars(module).items():
        if inspect.isclass(error) and issubclass(error, Exception) and error.__module__ == module.__name__:
            parents = [parent.__name__ for parent in error.__bases__ if parent.__module__ == module.__name__]
            kind = f"*A kind of {', '.join(parents)}.*\n\n" if parents else ""
            lines += ["", f"## {name}", "", kind + _prose(inspect.getdoc(error))]
    return "\n".join(lines) + "\n"


def cli_page(app: Any) -> str:
    """Every command with its help, arguments and options."""
    from typer.main import get_command

    lines = [
        "# Commands",
        "",
        _RENDERED.format(source="the commands of usher"),
    ]
    for path, command in _commands(get_command(app), ("usher",)):
        lines += ["", f"## {' '.join(path)}", "", _prose(command.help)]
        rows = [_parameter(parameter) for parameter in command.params if _shown(parameter)]
        if rows:
            lines += ["", "| Argument or option | Needed | Default | Meaning |", "|---|---|---|---|", *rows]
        if command.epilog:
            lines += ["", _prose(command.epilog)]
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from _commands(child, (*path, name))


def _shown(parameter: Any) -> bool:
    return not getattr(parameter, "hidden", False) and parameter.name != "help"


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{(parameter.metavar or parameter.name).upper()}`"
    else:
        names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    said = "–" if default in (None, False, ()) or callable(default) else f"`{default}`"
    meaning = _prose(parameter.help).replace("|", "\\|").replace("\n", " ")
    return f"| {names} | {'yes' if parameter.required else 'no'} | {said} | {meaning} |"


def _prose(text: str | None) -> str:
    """Help as Markdown: drawn trees and indented lines become blocks of plain text."""
    clean = _MARKUP.sub("", inspect.cleandoc((text or "").replace("\b", "")))
    return "\n\n".join(map(_paragraph, re.split(r"\n\s*\n", clean))).strip()


def _paragraph(text: str) -> str:
    if "├" in text:
        return "\n".join(_fenced(text.splitlines())).strip()
    lines, block = [], list[str]()
    for line in text.splitlines():
        if line.startswith("  ") and line.strip():
            block.append(line.strip())
            continue
        lines += _fenced(block)
        block = []
        lines.append(line.rstrip())
    return "\n".join([*lines, *_fenced(block)]).strip()


def _fenced(block: list[str]) -> list[str]:
    return ["", "```text", *block, "```", ""] if block else []


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with `--check` only say which are stale (exit code 1)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a page is stale")
    options = parser.parse_args(arguments)
    try:
        rendered = render_all()
    except DocumentError as error:
        print(error, file=sys.stderr)
        return 2
    changed = stale(rendered)
    for path in changed:
        if options.check:
            print(f"{path.relative_to(ROOT)}: stale; run python scripts/render_reference.py", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rendered[path], encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: rendered")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
