"""The documents of this project keep what they claim."""

import re
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from scripts import check_docs, render_docs, render_reference
from scripts.docs_blocks import split
from scripts.docs_model import ROOT, load_guide, load_mission

from usher.entry.cli.exits import ExitCode

WITH_BLOCKS = [
    path for path in check_docs.documents() if any(block.runs for block in split(path.read_text(encoding="utf-8"))[1])
]


def test_every_link_leads_somewhere() -> None:
    assert check_docs.dead_links() == []


def test_every_code_block_runs_or_says_why_not() -> None:
    assert check_docs.unmarked_blocks() == []


@pytest.fixture(scope="module")
def complaints(request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[list[str]]]]:
    """What is wrong with the blocks of each chosen document; two documents run at a time."""
    chosen = (getattr(item, "callspec", None) for item in request.session.items)
    paths = [spec.params["path"] for spec in chosen if spec and spec.params.get("path") in WITH_BLOCKS]
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {path: pool.submit(check_docs.failing_blocks, path) for path in paths}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", WITH_BLOCKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_code_blocks_of_the_document_run(path: Path, complaints: dict[Path, Future[list[str]]]) -> None:
    assert complaints[path].result() == []


def test_every_test_that_a_statement_names_exists() -> None:
    assert check_docs.unknown_tests(load_mission()) == []


def test_every_command_that_a_statement_or_the_table_names_is_documented() -> None:
    assert check_docs.undocumented_commands(load_mission(), load_guide()) == []


def test_the_pages_about_the_guide_are_rendered_from_their_sources() -> None:
    assert render_docs.stale(render_docs.render_all()) == []


def test_the_reference_is_rendered_from_the_code() -> None:
    assert render_docs.stale(render_reference.render_all()) == []


def test_the_page_of_statements_has_one_table_row_for_each_of_the_105() -> None:
    page = (ROOT / "docs" / "mission.md").read_text(encoding="utf-8")
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == list(range(1, 106))


def test_the_readme_names_the_guide_and_says_that_we_are_independent_before_any_install() -> None:
    before, _, _ = (ROOT / "README.md").read_text(encoding="utf-8").partition("make demo")
    assert "User management of a revenue platform such as Clari, documented and automated" in before
    assert "not affiliated with Clari, Salesloft or Stitchflow" in before
    assert render_docs.TABLE_END in before


def test_we_quote_the_guide_one_line_a_section() -> None:
    for section in load_guide().sections:
        assert "\n" not in section.quote


def test_every_dependency_has_its_reason() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [*settings["project"]["dependencies"], *settings["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=!~ ]", requirement)[0] for requirement in declared}
    page = (ROOT / "docs" / "decisions" / "0004-dependencies.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| ([a-z0-9.-]+) \|", page, re.MULTILINE)) == names


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_troubleshooting_says_what_every_exit_code_means() -> None:
    page = (ROOT / "docs" / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    assert listed == [code.value for code in ExitCode]


def test_every_document_is_reached_from_the_overview() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {target.partition("#")[0] for _, target in check_docs.links(index.read_text(encoding="utf-8"))}
    decisions = ROOT / "docs" / "decisions"
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path != index and decisions not in path.parents]
    assert {path.relative_to(ROOT / "docs").as_posix() for path in pages} <= linked
