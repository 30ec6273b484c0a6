"""How commands are found and run: one error wrapper around all, `--json` anywhere, and a command that loads late."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from usher.entry.cli.exits import BadInput, guarded

PRIVATE_KEY = "usher-key-1:"
JSON = "--json"
AFTER_OPTIONS = "--"
MOST_CHARACTERS = 150
LATE = {
    "demo": (
        "usher.entry.cli.demo",
        "See it work at a made-up company, end to end.",
        ("usher demo", "usher demo --yes --folder /tmp/acme"),
    )
}
"""Commands whose module takes time to load: name -> module, what the list of commands says of it, and examples."""
SECTIONS = {
    "Set up": ("init", "setup", "operator", "connect", "app", "policy", "demo"),
    "See": ("observe", "people", "findings", "why", "link", "unlink"),
    "Change": ("plan", "approve", "run", "runs", "task", "resolve", "residual", "undo"),
    "Stop, prove, keep running": (
        "seal",
        "unseal",
        "ledger",
        "evidence",
        "report",
        "notices",
        "backup",
        "restore",
        "worker",
        "serve",
    ),
}
"""Commands in the order in which one needs them."""


def examples(*lines: str, json: str | None = None) -> str:
    """The end of a command's help: lines that can be typed as they are, and the JSON document it prints."""
    return block("Examples:", *lines) + (f"\n\nWith --json it prints one document usher.{json}." if json else "")


def first_word(args: Sequence[str]) -> str | None:
    """The command that a line calls, past the options of all commands; None where it calls none that there is."""
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word in ("-w", "--workspace"):
            rest = rest[1:]
        elif word != JSON and not word.startswith("--workspace="):
            return word if word in (name for names in SECTIONS.values() for name in names) else None
    return None


def block(title: str, *lines: str) -> str:
    """Lines under a title that help shows as they are, however narrow the screen is."""
    return "\n".join(("\b", title, *(f"  {line}" for line in lines)))


class UsherGroup(TyperGroup):
    """A noun with its verbs; without a verb it shows its help. `otherwise` is the verb for any other first word."""

    otherwise: str | None = None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help where nothing was asked, and put in the verb that goes without saying."""
        if not args and not ctx.resilient_parsing and not self.invoke_without_command:
            typer.echo(ctx.get_help())
            ctx.exit()
        if args and self.otherwise and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.otherwise, *args]
        return super().parse_args(ctx, args)

    def sections(self) -> Mapping[str, Sequence[str]]:
        """The verbs under their headings, in the order in which one needs them."""
        return {"Commands": list(self.commands)}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs with a whole sentence each, however narrow the screen is."""
        width = max(map(len, self.commands))
        for title, names in self.sections().items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self._about(name)) for name in names])

    def _about(self, name: str) -> str:
        return self.commands[name].get_short_help_str(limit=MOST_CHARACTERS)


class ConnectGroup(UsherGroup):
    """`usher connect NAME ...` is `usher connect add NAME ...`."""

    otherwise = "add"


class RootGroup(UsherGroup):
    """The whole command line: refuses keys among the arguments, and ends every error in one line and its code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, (module, about, lines) in LATE.items():
            self.commands[name] = LateCommand(name, module, about, lines)

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, in the order in which one needs them."""
        return [name for names in SECTIONS.values() for name in names]

    def sections(self) -> Mapping[str, Sequence[str]]:
        """The commands by what they are for."""
        return SECTIONS

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line; ends the process with its exit code, or returns it outside standalone mode."""
        given = list(sys.argv[1:] if args is None else args)
        context = extra.get("obj")

        def call() -> object:
            refuse_keys(given)
            return super(RootGroup, self).main(
                args=json_first(given),
                prog_name=prog_name or "usher",
                complete_var=complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )

        def log_folder() -> Path | None:
            return getattr(context, "log_folder", None)

        code = guarded(call, log_folder)
        if standalone_mode:
            sys.exit(code)
        return code


class LateCommand(TyperCommand):
    """A command whose module is imported when it is run, or when its own help is asked for."""

    def __init__(self, name: str, module: str, about: str, lines: Sequence[str]) -> None:
        super().__init__(name, help=about, epilog=examples(*lines))
        self._module = module

    def loaded(self) -> TyperCommand:
        """The command itself: the function of its name in its module."""
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        assert self.name is not None
        single.command(self.name, epilog=self.epilog)(getattr(import_module(self._module), self.name))
        command = typer.main.get_command(single)
        assert isinstance(command, TyperCommand)
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Hand over to the loaded command."""
        return self.loaded().make_context(info_name, args, parent=parent, **extra)


def json_first(args: Sequence[str]) -> list[str]:
    """Put `--json` first wherever it stands before `--`, so that it can follow the command too."""
    end = args.index(AFTER_OPTIONS) if AFTER_OPTIONS in args else len(args)
    before = [arg for arg in args[:end] if arg != JSON]
    asked = [JSON] if len(before) < end else []
    return [*asked, *before, *args[end:]]


def refuse_keys(args: Sequence[str]) -> None:
    """Stop before anything is parsed where a private key is among the arguments."""
    if any(PRIVATE_KEY in arg for arg in args):
        raise BadInput(
            "a private key was typed as an argument, where the process list and the shell's history show it: "
            "name its place instead (--key file:PATH, env:NAME, or - for standard input), and replace this key"
        )
