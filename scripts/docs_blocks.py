"""Finds the code blocks of a document and runs those it asks to run, so that no example can rot."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SECONDS_PER_BLOCK = 120
RUNNABLE = frozenset({"bash", "python"})
UNCLEAR = frozenset({"sh", "shell", "console", "zsh", "py", "shell-session"})
OUTPUT = "text output"
_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})(?P<info>[^`]*)$")
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
    """Run the document's blocks in order in one empty folder; line and complaint for the first that fails.

    A block `text output` names lines that the run block before it must have printed; `…` stands for anything.
    A block has two minutes. What it leaves running is ended with it.
    """
    _, blocks = split(path.read_text(encoding="utf-8"))
    if not any(block.runs for block in blocks):
        return []
    with tempfile.TemporaryDirectory(prefix="docs-") as name:
        folder = Path(name)
        printed = ""
        for block in blocks:
            if block.runs:
                code, printed = _run(block, folder)
                if code:
                    return [(block.line, f"the block ended with exit code {code}:\n{printed.strip()}")]
            elif block.info == OUTPUT and (missing := _not_printed(block, printed)):
                return [(block.line, f"expected this line in the output: {missing!r}; got:\n{printed.strip()}")]
    return []


def _run(block: Block, folder: Path) -> tuple[int, str]:
    workspace, home = folder / "workspace", folder / "home"
    for made in (workspace, home):
        made.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**kept, "HOME": str(home), "PATH": tools, "COLUMNS": "160", "NO_COLOR": "1"}
    command = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
    # To a file, not a pipe: a server left in the background would hold a pipe open and we would wait for it.
    with (folder / "printed").open("w+", encoding="utf-8") as printed:
        process = subprocess.Popen(
            [*command, block.text],
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=SECONDS_PER_BLOCK)
        except subprocess.TimeoutExpired:
            code = 124
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        printed.seek(0)
        return code, printed.read()


def _not_printed(block: Block, printed: str) -> str | None:
    text = _squeezed(printed)
    for line in filter(None, map(_squeezed, block.text.splitlines())):
        if not re.search(".*".join(map(re.escape, line.split("…"))), text):
            return line
    return None


def _squeezed(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.splitlines())
