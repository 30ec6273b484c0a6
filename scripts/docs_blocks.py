"""Finds the code blocks of a document and runs those it asks to run, so that no example can rot."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from scripts import docs_usher
from scripts.docs_model import ROOT

SECONDS_PER_BLOCK = 120
RUNNABLE = frozenset({"bash", "python"})
UNCLEAR = frozenset({"sh", "shell", "console", "zsh", "py", "shell-session"})
OUTPUT = "text output"
_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})(?P<info>[^`]*)$")
_REMEMBER = """\
if [ -f "$DOCS_TERMINAL" ]; then . "$DOCS_TERMINAL"; fi
trap '{ export -p; printf "cd %q\\n" "$PWD"; } > "$DOCS_TERMINAL"' EXIT"""
_INHERITED = ("LANG", "LC_ALL", "TERM", "PLAYWRIGHT_BROWSERS_PATH", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the line of its fence (from 1), its info string and its text."""

    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        """The first word of the info string."""
        return self.info.split(maxsplit=1)[0] if self.info else ""

    @property
    def runs(self) -> bool:
        """Marked `bash run` or `python run`."""
        return self.language in RUNNABLE and self.info.split()[1:] == ["run"]


def split(text: str) -> tuple[str, list[Block]]:
    """The document with its fenced blocks blanked (lines kept), and those blocks."""
    prose: list[str] = []
    blocks: list[Block] = []
    opened: re.Match[str] | None = None
    start, body = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None and fence is None:
            prose.append(line)
            continue
        prose.append("")
        if opened is None:
            opened, start, body = fence, number, []
        elif fence and not fence["info"].strip() and fence["ticks"].startswith(opened["ticks"]):
            blocks.append(Block(start, opened["info"].strip(), "\n".join(body) + "\n"))
            opened = None
        else:
            body.append(line)
    if opened is not None:
        blocks.append(Block(start, "unclosed", ""))
    return "\n".join(prose), blocks


def unmarked(blocks: list[Block]) -> list[tuple[int, str]]:
    """Line and complaint for each block that neither runs nor says why not."""
    return [(block.line, complaint) for block in blocks if (complaint := _complaint(block))]


def _complaint(block: Block) -> str | None:
    if block.info == "unclosed":
        return "expected the end of this code block"
    if block.language in UNCLEAR:
        return f"expected 'bash run', 'python run' or 'bash not-run: reason', got {block.info!r}"
    if block.language not in RUNNABLE or block.runs:
        return None
    _, _, rest = block.info.partition(" ")
    mark, _, reason = rest.partition(":")
    if mark.strip() == "not-run" and reason.strip():
        return None
    return f"expected '{block.language} run' or '{block.language} not-run: reason', got {block.info!r}"


def run_document(path: Path) -> list[tuple[int, str]]:
    """Run the document's blocks in order, as one terminal would; line and complaint for the first that fails.

    All begin in one empty folder. The folder that a block changes into, the variables that it exports and the servers
    that it leaves running are there for the next block, and end with the document. A block has two minutes.
    `$USHER_SOURCE` is the root of the project. A block `text output` names lines that the run block before it must
    have printed; `…` stands for anything.
    """
    _, blocks = split(path.read_text(encoding="utf-8"))
    if not any(block.runs for block in blocks):
        return []
    with (
        tempfile.TemporaryDirectory(prefix="docs-", ignore_cleanup_errors=True) as name,
        _Terminal(Path(name)) as shell,
    ):
        printed = ""
        for block in blocks:
            if block.runs:
                code, printed = shell.run(block)
                if code:
                    return [(block.line, f"the block ended with exit code {code}:\n{printed.strip()}")]
            elif block.info == OUTPUT and (missing := _not_printed(block, printed)):
                return [(block.line, f"expected this line in the output: {missing!r}; got:\n{printed.strip()}")]
    return []


class _Terminal:
    """Runs one document's blocks after each other, and at the end ends whatever they left running."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        for made in ("workspace", "home"):
            (folder / made).mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def run(self, block: Block) -> tuple[int, str]:
        """Exit code (124: it took too long) and everything that the block printed."""
        command = block.text if block.language == "bash" else f"exec python -c {shlex.quote(block.text)}"
        # To a file, not a pipe: a server left in the background would hold a pipe open and we would wait for it.
        with (self._folder / f"printed-{len(self._processes)}").open("w+", encoding="utf-8") as printed:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"{_REMEMBER}\n{command}"],
                cwd=self._folder / "workspace",
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._processes.append(process)
            try:
                code = process.wait(timeout=SECONDS_PER_BLOCK)
            except subprocess.TimeoutExpired:
                code = 124
            printed.seek(0)
            return code, printed.read()

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        places = (docs_usher.start(), Path(sys.executable).parent, os.environ.get("PATH", os.defpath))
        tools = os.pathsep.join(map(str, places))
        return {
            **kept,
            "HOME": str(self._folder / "home"),
            "PATH": tools,
            "COLUMNS": "160",
            "NO_COLOR": "1",
            "USHER_SOURCE": str(ROOT),
            "DOCS_TERMINAL": str(self._folder / "terminal"),
        }


def _not_printed(block: Block, printed: str) -> str | None:
    text = _squeezed(printed)
    for line in filter(None, map(_squeezed, block.text.splitlines())):
        if not re.search(".*".join(map(re.escape, line.split("…"))), text):
            return line
    return None


def _squeezed(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines())
