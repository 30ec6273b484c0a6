"""How results are shown: one JSON document or tables on standard output, progress and messages on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from usher.entry.cli.context import Context

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from usher.services.ports import Progress

PIPE_COLUMNS = 120
"""Width of tables where no terminal says how wide it is."""
WIDE_COLUMNS = 100
"""Columns marked as wide are left out on screens narrower than this."""

GOOD, BAD, WAITS, QUIET = "green", "bold red", "bold", "dim"
STYLES = {
    "verified": GOOD,
    "closed": GOOD,
    "complete": GOOD,
    "done": GOOD,
    "approved": GOOD,
    "working": GOOD,
    "active": GOOD,
    "acknowledged": "cyan",
    "acting": "cyan",
    "running": "cyan",
    "unknown": "magenta",
    "waiting for a person": WAITS,
    "needs a person": BAD,
    "proposed": WAITS,
    "parked": BAD,
    "held": BAD,
    "high": BAD,
    "failed": BAD,
    "partial": BAD,
    "stopped": BAD,
    "rejected": QUIET,
    "void": QUIET,
    "cancelled": QUIET,
    "low": QUIET,
}
"""Colours that are readable on dark and on light screens; every one of them repeats what the word says."""


def emit(context: Context, schema: str, document: Mapping[str, Any], paint: Callable[[Console], None]) -> None:
    """Print the document where JSON was asked for, else let `paint` write it for people."""
    if context.as_json:
        whole = {"schema": f"usher.{schema}", **document}
        sys.stdout.write(json.dumps(whole, ensure_ascii=False, indent=2) + "\n")
        sys.stdout.flush()
        return
    paint(console())


def console(*, errors: bool = False) -> Console:
    """A console that never reads markup from data, and keeps a useful width in a pipe."""
    from rich.console import Console

    stream = sys.stderr if errors else sys.stdout
    made = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal and "COLUMNS" not in made._environ:
        made.width = PIPE_COLUMNS
    return made


def note(text: str) -> None:
    """A line for people on standard error; a result never goes there."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def worded(value: object) -> Text:
    """A word of ours in its colour."""
    from rich.text import Text

    text = "" if value is None else str(value)
    return Text(text, style=STYLES.get(text, ""))


def table(
    screen: Console, headings: Sequence[str], rows: Iterable[Sequence[object]], *, wide: Sequence[str] = ()
) -> Table:
    """Make a table; columns named in `wide` are shown only where there is room for them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = [place for place, name in enumerate(headings) if screen.width >= WIDE_COLUMNS or name not in wide]
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place in shown:
        made.add_column(headings[place], overflow="fold")
    for row in rows:
        cells: list[RenderableType] = []
        for place in shown:
            value = row[place]
            cells.append(value if isinstance(value, Text) else Text("" if value is None else str(value)))
        made.add_row(*cells)
    return made


def lines(screen: Console, pairs: Iterable[tuple[str, object]]) -> None:
    """Print name and value, one a line; values that say nothing are left out."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column()
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], ()):
            made.add_row(Text(name, style="bold"), value if isinstance(value, Text) else Text(str(value)))
    screen.print(made)


def heading(screen: Console, text: str) -> None:
    """A line above a part of the answer."""
    from rich.text import Text

    screen.print()
    screen.print(Text(text, style="bold"))


def counted(number: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def instant(text: str | None) -> str:
    """A stored instant as people read it, still in UTC."""
    return "" if not text else text[:16].replace("T", " ") + "Z"


@contextmanager
def progress() -> Iterator[Progress]:
    """Show long work on standard error: a bar on a terminal, nothing in a pipe."""
    screen = console(errors=True)
    if not screen.is_terminal:
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    parts = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}"),
        TimeElapsedColumn(),
    )
    with Progress(*parts, console=screen, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show
