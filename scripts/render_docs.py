"""Renders the documents that follow the guide, so that a state is written in one place only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the script also runs by its path

from scripts.docs_model import ROOT, DocumentError, Guide, Mission, Row, Section, State, load_guide, load_mission

TABLE_BEGIN = "<!-- table: from the guide to the product (rendered by scripts/render_docs.py) -->"
TABLE_END = "<!-- end of table -->"
RENDERED = "<!-- Rendered by scripts/render_docs.py from {source}. Edit that file instead. -->"


def render_all(root: Path = ROOT) -> dict[Path, str]:
    """Every rendered file with the text that it should have. Raises DocumentError."""
    mission, guide = load_mission(root), load_guide(root)
    readme = root / "README.md"
    return {
        root / "docs" / "mission.md": mission_page(mission),
        root / "docs" / "guide.md": guide_page(guide, mission),
        readme: with_table(readme.read_text(encoding="utf-8"), guide_table(guide, mission)),
    }


def mission_page(mission: Mission) -> str:
    """`docs/mission.md`: one table row per statement, and the counts above it."""
    states = [row.state for row in mission.rows if row.repeats is None]
    lines = [
        "# The guide, statement by statement",
        "",
        RENDERED.format(source="docs/mission.yaml"),
        "",
        "[The guide](guide.md) makes 105 statements about user management in a revenue platform. This table says what",
        "each one asks of this project and what shows that we do it. *works* needs a test that passes. *partly* means",
        "that a part is shown. *not yet* means that nothing is shown, whatever code there may be. **?** marks what the",
        "guide itself leaves open.",
        "",
        f"Of {len(states)} different statements: {states.count('works')} work, {states.count('partly')} work partly, "
        f"{states.count('not yet')} do not yet.",
        "",
        "| n | The guide says | On | What must be seen here | State | Shown by |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_mission_row(row) for row in mission.rows)]) + "\n"


def _mission_row(row: Row) -> str:
    statement = _cell(row.statement) + (" **?**" if row.unknown else "")
    behaviour = _cell(row.behaviour) + (f" *{_cell(row.note)}*" if row.note else "")
    if row.repeats is not None:
        shown = f"see [row {row.repeats}](#row-{row.repeats})"
    else:
        shown = "<br>".join(
            [*(f"`{test}`" for test in row.tests), *(f"`{_cell(command)}`" for command in row.commands)]
        )
    anchor = f'<a id="row-{row.n}"></a>'
    return f"| {row.n} | {anchor}{statement} | {', '.join(row.on)} | {behaviour} | {row.state} | {shown or '–'} |"


def guide_page(guide: Guide, mission: Mission) -> str:
    """`docs/guide.md`: the guide's sections in its order, with our answer and its state."""
    head = [
        "# From the guide to the product",
        "",
        RENDERED.format(source="docs/guide.yaml and docs/mission.yaml"),
        "",
        f"*{guide.title}*, published by {guide.publisher} and last updated on {guide.updated}, describes user",
        "management in a revenue platform by hand. This page follows its headings in its order: what it says in our",
        "words, and what this project does about it. **usher** is the automation, **tally** is a revenue platform, the",
        "**catalogue** holds facts about apps.",
        "",
        "The state behind each line comes from [the statements](mission.md). Where it says *not yet*, the line says",
        "what is meant to happen, not what happens.",
        "",
        "This project is independent. It is not affiliated with Clari, Salesloft or Stitchflow.",
    ]
    return "\n".join([*head, *(text for section in guide.sections for text in _section(section, mission))]) + "\n"


def _section(section: Section, mission: Mission) -> list[str]:
    lines = ["", f'<a id="{section.id}"></a>', "", f"## {section.heading}", "", f"> {section.quote}", ""]
    for line in section.lines:
        lines.append(f"- {line.guide}")
        lines += [
            f"  - **{part}**: {answer}"
            for part, answer in (("usher", line.usher), ("tally", line.tally), ("catalogue", line.catalogue))
            if answer
        ]
        links = ", ".join(f"[{n}](mission.md#row-{n})" for n in line.rows)
        lines.append(f"  - *{state_of(mission, line.rows)}* ({'row' if len(line.rows) == 1 else 'rows'} {links})")
    return lines


def guide_table(guide: Guide, mission: Mission) -> str:
    """The table of README.md: heading, page, command, test, state."""
    lines = ["| The guide | Page | Command | Test | State |", "|---|---|---|---|---|"]
    for row in guide.table:
        page = row.page or f"docs/guide.md#{row.section}"
        shown = sorted((mission[n] for n in row.rows), key=lambda one: one.state != "works")
        tests = [test for one in shown for test in one.tests]
        first_test = f"[`{tests[0].split('::')[-1]}`]({tests[0].split('::')[0]})" if tests else "–"
        command = f"`{_cell(row.command)}`" if row.command else "–"
        title = row.page.rpartition("/")[2].partition("#")[0] if row.page else "guide"
        state = f"{state_of(mission, row.rows)} ({_count(mission, row.rows)})"
        lines.append(f"| {row.heading} | [{title}]({page}) | {command} | {first_test} | {state} |")
    return "\n".join(lines)


def state_of(mission: Mission, rows: Iterable[int]) -> State:
    """*works* when all rows do, *not yet* when none does even in part."""
    states = {mission[n].state for n in rows}
    return next(iter(states)) if len(states) == 1 else "partly"


def _count(mission: Mission, rows: tuple[int, ...]) -> str:
    works = sum(mission[n].state == "works" for n in rows)
    partly = sum(mission[n].state == "partly" for n in rows)
    return f"{works} of {len(rows)}" + (f", {partly} partly" if partly else "")


def with_table(readme: str, table: str) -> str:
    """README.md with the table between its two markers. Raises DocumentError when a marker is missing."""
    before, begin, rest = readme.partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not begin or not end:
        raise DocumentError(f"README.md: expected the lines {TABLE_BEGIN!r} and {TABLE_END!r} around the table")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def stale(rendered: dict[Path, str]) -> list[Path]:
    """The files whose text on disk is not the rendered one."""
    return [path for path, text in rendered.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    """Write the rendered files, or with `--check` only say which are stale (exit code 1)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when a file is stale")
    options = parser.parse_args(arguments)
    try:
        rendered = render_all()
    except DocumentError as error:
        print(error, file=sys.stderr)
        return 2
    changed = stale(rendered)
    for path in changed:
        if options.check:
            print(f"{path.relative_to(ROOT)}: stale; run python scripts/render_docs.py", file=sys.stderr)
        else:
            path.write_text(rendered[path], encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: rendered")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
