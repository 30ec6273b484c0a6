"""Checks what the documents claim: links lead somewhere, *works* has a passing test, blocks run, nothing is stale."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the script also runs by its path

from scripts import render_docs, render_reference
from scripts.docs_blocks import run_document, split, unmarked
from scripts.docs_model import ROOT, DocumentError, Guide, Mission, load_guide, load_mission

_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?\s*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_NAMED = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_SKIPPED = frozenset({"var", "dist", "node_modules", "__pycache__"})


def documents(root: Path = ROOT) -> list[Path]:
    """Every Markdown file of the project, in order."""
    found = (path for path in root.rglob("*.md") if not _skipped(path.relative_to(root)))
    return sorted(found)


def _skipped(path: Path) -> bool:
    return any(part.startswith(".") or part in _SKIPPED for part in path.parts)


def dead_links(root: Path = ROOT) -> list[str]:
    """One complaint per relative link or anchor of a document that leads nowhere."""
    return [
        f"{path.relative_to(root)}:{line}: {complaint}"
        for path in documents(root)
        for line, target in links(path.read_text(encoding="utf-8"))
        if (complaint := _dead(root, path, target))
    ]


def links(text: str) -> Iterator[tuple[int, str]]:
    """Line and target of each link outside code."""
    prose = _without_code(text)
    for pattern in (_LINK, _REFERENCE):
        for match in pattern.finditer(prose):
            yield prose.count("\n", 0, match.start()) + 1, match[1]


def _dead(root: Path, path: Path, target: str) -> str | None:
    if _ELSEWHERE.match(target):
        return None
    name, _, anchor = target.partition("#")
    file = (path.parent / unquote(name)).resolve() if name else path
    if not file.is_relative_to(root):
        return f"expected a link inside the project, got {target!r}"
    if not file.exists():
        return f"expected a file that exists, got {target!r}"
    if anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
        return f"expected an anchor of {file.relative_to(root)}, got {target!r}"
    return None


def anchors(text: str) -> set[str]:
    """The anchors of a document: named ones, and those that headings get (the usual rule of code hosts)."""
    prose, _ = split(text)
    seen: Counter[str] = Counter()
    found = set(_NAMED.findall(prose))
    for heading in _HEADING.findall(prose):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def _without_code(text: str) -> str:
    prose, _ = split(text)
    for pattern in (_COMMENT, _CODE):
        prose = pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), prose)
    return prose


def unmarked_blocks(root: Path = ROOT) -> list[str]:
    """One complaint per code block that neither runs nor says why not."""
    return [
        f"{path.relative_to(root)}:{line}: {complaint}"
        for path in documents(root)
        for line, complaint in unmarked(split(path.read_text(encoding="utf-8"))[1])
    ]


def failing_blocks(path: Path, root: Path = ROOT) -> list[str]:
    """Run the blocks of one document; the complaint about the first that fails."""
    return [f"{path.relative_to(root)}:{line}: {complaint}" for line, complaint in run_document(path)]


def unknown_tests(mission: Mission, root: Path = ROOT) -> list[str]:
    """One complaint per test that a row names and that pytest does not collect."""
    named = {test: row.n for row in mission.rows for test in row.tests}
    files = sorted({test.split("::")[0] for test in named})
    missing = [f"docs/mission.yaml: row {n}: expected a test file, got {test!r}" for test, n in named.items()
               if not (root / test.split("::")[0]).is_file()]  # fmt: skip
    if missing or not files:
        return missing
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-header", *files]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if answer.returncode:
        return [f"docs/mission.yaml: pytest could not collect {', '.join(files)}:\n{answer.stdout}{answer.stderr}"]
    collected = {line.strip() for line in answer.stdout.splitlines() if "::" in line}
    return [
        f"docs/mission.yaml: row {n}: expected a test that pytest collects, got {test!r}"
        for test, n in named.items()
        if not any(_is_case_of(node, test) for node in collected)
    ]


def unproven_rows(mission: Mission, outcomes: dict[str, str]) -> list[str]:
    """One complaint per test of a row that works, in whole or in part, whose outcome is not `passed`.

    A test whose software this machine lacks ("not run") says nothing; where all is required it has failed.
    """
    complaints = []
    for row in mission.rows:
        for test in row.tests:
            got = {outcome for node, outcome in outcomes.items() if _is_case_of(node, test)} or {"in no suite"}
            if not got <= {"passed", "not run"}:
                state = ", ".join(sorted(got))
                complaints.append(f"docs/mission.yaml: row {row.n} says {row.state!r}, but {test} is: {state}")
    return complaints


def undocumented_commands(mission: Mission, guide: Guide, root: Path = ROOT) -> list[str]:
    """One complaint per command that a row or the table names and that no bash block of a document has."""
    shown = [
        line.strip()
        for path in documents(root)
        for block in split(path.read_text(encoding="utf-8"))[1]
        if block.language == "bash"
        for line in block.text.splitlines()
    ]
    named = [(f"docs/mission.yaml: row {row.n}", command) for row in mission.rows for command in row.commands]
    named += [(f"docs/guide.yaml: table: {row.heading}", row.command) for row in guide.table if row.command]
    return [
        f"{place}: expected a command from a bash block of a document, got {command!r}"
        for place, command in named
        if not any(line == command or line.startswith(f"{command} ") for line in shown)
    ]


def _is_case_of(node: str, test: str) -> bool:
    return node == test or node.startswith((f"{test}[", f"{test}::"))


def read_outcomes(path: Path) -> dict[str, str]:
    """The results file, JSON: test id -> "passed", "failed", "skipped" or "not run". Raises DocumentError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DocumentError(f"{path}: expected the results of a test run, it does not exist") from None
    except json.JSONDecodeError as error:
        raise DocumentError(f"{path}:{error.lineno}: expected JSON: {error.msg}") from None
    if not isinstance(data, dict) or not all(isinstance(outcome, str) for outcome in data.values()):
        raise DocumentError(f"{path}:1: expected one object, test id -> outcome")
    return data


def _complaints(options: argparse.Namespace) -> Iterable[str]:
    mission = load_mission()
    yield from dead_links()
    yield from unmarked_blocks()
    yield from undocumented_commands(mission, load_guide())
    yield from unknown_tests(mission)
    for path in render_docs.stale(render_docs.render_all()):
        yield f"{path.relative_to(ROOT)}: stale; run python scripts/render_docs.py"
    for path in render_docs.stale(render_reference.render_all()):
        yield f"{path.relative_to(ROOT)}: stale; run python scripts/render_reference.py"
    if options.results:
        yield from unproven_rows(mission, read_outcomes(options.results))
    for path in () if options.no_blocks else documents():
        yield from failing_blocks(path)


def main(arguments: list[str] | None = None) -> int:
    """Print each complaint; 0 = none, 1 = some, 2 = a source of the documents is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help='results of a test run, {"test id": "passed"}')
    parser.add_argument("--no-blocks", action="store_true", help="do not run the code blocks")
    options = parser.parse_args(arguments)
    count = 0
    try:
        for complaint in _complaints(options):
            count += 1
            print(complaint, file=sys.stderr)
    except DocumentError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"documents: {count or 'no'} complaint{'' if count == 1 else 's'}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
