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

from pydantic import BaseModel, ConfigDict, Field, RootModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the script also runs by its path

from scripts.docs_model import ROOT, DocumentError, load
from scripts.reference_models import Extra, Undocumented, cell, events_in, fields_of, model_section, variables_in
from scripts.render_docs import stale

CLI = "usher.entry.cli.app"
ERRORS = "usher.connectors.errors"
CONFIGURATION = "usher.store.configuration"
SECTIONS = (
    ("usher.yaml", "usher.store.configuration", "MainFile"),
    ("Rules", "usher.domain.policyfiles", "Rules"),
    ("Quorum by risk", "usher.domain.policyfiles", "QuorumRisk"),
    ("Emergency", "usher.domain.policyfiles", "Emergency"),
    ("Limits", "usher.domain.guard", "Limits"),
    ("Limit", "usher.domain.guard", "Limit"),
    ("A connection", "usher.domain.connection", "ConnectionConfig"),
    ("Observe", "usher.domain.connection", "ObserveSettings"),
    ("SCIM options", "usher.connectors.scim.options", "ScimOptions"),
    ("LDAP options", "usher.connectors.ldap.options", "LdapOptions"),
    ("CSV options", "usher.connectors.csv_folder", "CsvOptions"),
    ("Policies", "usher.domain.policyfiles", "PolicyFile"),
    ("Role", "usher.domain.policyfiles", "Role"),
    ("When", "usher.domain.policyfiles", "When"),
    ("Give", "usher.domain.policyfiles", "Give"),
    ("Separation", "usher.domain.policyfiles", "Separation"),
    ("A contract", "usher.domain.seats", "Contract"),
    ("Module terms", "usher.domain.seats", "ModuleTerms"),
    ("An app", "usher.domain.profile", "AppProfile"),
    ("App facts", "usher.domain.profile", "AppFacts"),
    ("Guide verb", "usher.domain.profile", "GuideVerb"),
    ("Browser recipe", "usher.connectors.browser.recipe", "Recipe"),
    ("Accounts", "usher.connectors.browser.recipe", "Accounts"),
    ("Rows", "usher.connectors.browser.recipe", "Rows"),
    ("Next", "usher.connectors.browser.recipe", "Next"),
    ("Details", "usher.connectors.browser.recipe", "Details"),
    ("Boxes", "usher.connectors.browser.recipe", "Boxes"),
    ("Fields", "usher.connectors.browser.recipe", "Fields"),
    ("Mapped", "usher.connectors.browser.recipe", "Mapped"),
    ("Held", "usher.connectors.browser.recipe", "Held"),
    ("Refusals", "usher.connectors.browser.recipe", "Refusals"),
    ("Step", "usher.connectors.browser.steps", "Step"),
    ("Fill", "usher.connectors.browser.steps", "Fill"),
    ("Click", "usher.connectors.browser.steps", "Click"),
    ("Seek", "usher.connectors.browser.steps", "Seek"),
    ("See", "usher.connectors.browser.steps", "See"),
    ("Target", "usher.connectors.browser.steps", "Target"),
)
OTHER_VARIABLES = {
    "USHER_OPERATOR": "The operator who acts, where `--as` is not given.",
    "USHER_OPERATOR_KEY": "Where that operator's key is, where `--key` is not given: `file:PATH` or `env:NAME`.",
    "USHER_CHROMIUM": "The Chromium or Chrome that works consoles, where the connection names none.",
    "USHER_BROWSER_JOBS": "Browsers that may work at the same time (1 unless set).",
}
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


class Sentences(RootModel[dict[str, str]]):
    """`docs/fields.yaml` and `docs/events.yaml`: a name and its sentence."""


def render_all(root: Path = ROOT) -> dict[Path, str]:
    """Every reference page whose source exists, with the text that it should have. Raises DocumentError."""
    folder = root / "docs" / "reference"
    pages = {folder / "words.md": words_page(load(root / "docs" / "words.yaml", Vocabulary))}
    if exists(ERRORS):
        pages[folder / "errors.md"] = errors_page(_imported(ERRORS))
    if exists(CLI):
        pages[folder / "cli.md"] = cli_page(_imported(CLI).app)
    if exists(CONFIGURATION):
        extra = load(root / "docs" / "fields.yaml", Sentences).root
        try:
            pages[folder / "configuration.md"] = configuration_page(extra)
            pages[folder / "settings.md"] = settings_page(extra, root / "src" / "usher")
        except Undocumented as error:
            raise DocumentError(str(error)) from error
        events = load(root / "docs" / "events.yaml", Sentences).root
        pages[folder / "events.md"] = events_page(events, events_in(root / "src" / "usher" / "services"))
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


def configuration_page(extra: Extra) -> str:
    """Every field of every file of a workspace, in the order of SECTIONS."""
    models = [(heading, getattr(_imported(module), name)) for heading, module, name in SECTIONS]
    anchors = {model: heading.lower().replace(" ", "-").replace(".", "") for heading, model in models}
    lines = [
        "# Configuration",
        "",
        _RENDERED.format(source="the models of the code"),
        "",
        "A workspace is a folder of YAML files: `usher.yaml`, and one file for each thing under `connections/`,",
        "`policies/`, `contracts/` and `apps/`, named after it. A field that is not here is an error, and every",
        "mistake of every file is named at once, with file, line, field and what was expected.",
    ]
    for heading, model in models:
        lines += ["", f"## {heading}", "", *model_section(model, extra, anchors)]
    return "\n".join(lines) + "\n"


def settings_page(extra: Extra, code: Path) -> str:
    """Every environment variable that usher reads. Raises DocumentError for one that nobody explains."""
    settings = _imported("usher.settings").Settings
    explained = {f"USHER_{name.upper()}": meaning for name, _, meaning in fields_of(settings, extra)} | OTHER_VARIABLES
    for name, file in variables_in(code, "USHER_").items():
        if name not in explained:
            raise DocumentError(f"scripts/render_reference.py: expected a sentence on {name}, which {file} reads")
    return "\n".join([
        "# Settings",
        "",
        _RENDERED.format(source="usher.settings"),
        "",
        "Environment variables of a usher process. What concerns a company is in its",
        "[configuration](configuration.md) instead.",
        "",
        "| Variable | Meaning |",
        "|---|---|",
        *(f"| `{name}` | {cell(meaning)} |" for name, meaning in explained.items()),
    ]) + "\n"  # fmt: skip


def events_page(sentences: Extra, events: dict[str, list[str]]) -> str:
    """Every event of the ledger. Raises DocumentError where code and sentences differ."""
    for name in sorted(events.keys() ^ sentences.keys()):
        what = "a sentence on" if name in events else "no sentence on"
        raise DocumentError(f"docs/events.yaml: expected {what} {name}")
    return "\n".join([
        "# Events of the ledger",
        "",
        _RENDERED.format(source="docs/events.yaml and the code of the services"),
        "",
        "A leaf says one event, when, and the ids that it concerns. Names are `noun:noun:verb`.",
        "",
        "| Event | Means | Written by |",
        "|---|---|---|",
        *(
            f"| `{name}` | {cell(sentences[name])} | "
            + ", ".join(f"[{module}](../../src/usher/services/{module}.py)" for module in modules)
            + " |"
            for name, modules in events.items()
        ),
    ]) + "\n"  # fmt: skip


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
