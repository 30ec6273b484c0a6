"""A slip in the sources of the documents is one clear line."""

from pathlib import Path

import pytest
import typer
from pydantic import BaseModel, Field
from scripts import render_docs, render_reference
from scripts.docs_model import DocumentError, load_guide, load_mission
from scripts.reference_models import Undocumented, events_in, fields_of, model_section


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        (
            "mission",
            "    unknown: false\n",
            "    unknown: perhaps\n",
            r"mission\.yaml:\d+: rows\.0\.unknown: Input should",
        ),
        (
            "mission",
            "    on: [catalogue]\n",
            "    on: [somebody]\n",
            r"mission\.yaml:\d+: rows\.0\.on\.0: Input should be",
        ),
        ("mission", "  - n: 2\n", "  - n: 3\n", r"mission\.yaml:\d+: rows\.1\.n: expected 2, got 3"),
        (
            "mission",
            "    shows: []\n",
            "    shows: [maybe]\n",
            r"mission\.yaml:\d+: rows\.0\.shows: expected a test id",
        ),
        ("mission", "  - n: 1\n", "  - n: 1\n    n: 1\n", r"mission\.yaml:\d+: expected YAML"),
        ("mission", "    note: ", "    notes: ", r"mission\.yaml:\d+: rows\.0\.note: Field required"),
        ("guide", "rows: [4, 5]", "rows: [4]", r"guide\.yaml:\d+: sections: expected row 5 in one of their lines"),
        ("guide", "section: quick-facts", "section: facts", r"guide\.yaml:\d+: table\.0\.section: expected the id"),
        ("guide", "updated: 2026-03-09", "updated: spring", r"guide\.yaml:\d+: updated: Input should be a valid date"),
    ],
)
def test_a_slip_is_named_by_file_line_and_field(papers: Path, name: str, before: str, after: str, said: str) -> None:
    path = papers / "docs" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(DocumentError, match=said):
        (load_mission if name == "mission" else load_guide)(papers)


def test_the_line_in_the_message_is_the_line_of_the_slip(papers: Path) -> None:
    path = papers / "docs" / "mission.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    slip = next(index for index, line in enumerate(lines) if "unknown: true" in line)
    lines[slip] = "    unknown: perhaps"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DocumentError, match=rf"mission\.yaml:{slip + 1}: "):
        load_mission(papers)


def test_a_changed_row_makes_the_pages_stale_until_they_are_rendered(papers: Path) -> None:
    for path, text in render_docs.render_all(papers).items():
        path.write_text(text, encoding="utf-8")
    assert render_docs.stale(render_docs.render_all(papers)) == []
    source = papers / "docs" / "mission.yaml"
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("    note: ", "    note: Changed. #", 1), encoding="utf-8")
    assert [path.name for path in render_docs.stale(render_docs.render_all(papers))] == ["mission.md"]


def test_a_readme_without_a_place_for_the_table_is_refused(papers: Path) -> None:
    (papers / "README.md").write_text("# usher\n", encoding="utf-8")
    with pytest.raises(DocumentError, match=r"README\.md: expected the lines"):
        render_docs.render_all(papers)


def test_a_line_of_the_table_works_only_when_all_its_statements_do(papers: Path) -> None:
    mission = load_mission(papers)
    rows = [row.model_copy(update={"state": "works" if row.n == 12 else "not yet"}) for row in mission.rows]
    mixed = mission.model_copy(update={"rows": tuple(rows)})
    assert render_docs.state_of(mixed, [12]) == "works"
    assert render_docs.state_of(mixed, [12, 13]) == "partly"
    assert render_docs.state_of(mixed, [13, 14]) == "not yet"


def test_the_command_reference_shows_each_command_with_its_arguments_and_examples() -> None:
    app = typer.Typer()
    plan = typer.Typer()
    app.add_typer(plan, name="plan")

    @app.callback()
    def root() -> None:
        """Manage users."""

    @plan.command()
    def leave(
        person: str = typer.Argument(help="Who leaves."), json: bool = typer.Option(False, help="Print JSON.")
    ) -> None:
        """Plan a leaver.

        Examples:
          usher plan leave ann
        """

    page = render_reference.cli_page(app)
    assert "## usher plan leave\n\nPlan a leaver." in page
    assert "```text\nusher plan leave ann\n```" in page
    assert "| `PERSON` | yes | – | Who leaves. |" in page
    assert "| `--json`, `--no-json` | no | – | Print JSON. |" in page


def test_a_field_that_nobody_explains_is_named() -> None:
    class Options(BaseModel):
        page: int = Field(default=10, ge=1, le=99)
        """Rows in a page."""
        silent: bool = False

    with pytest.raises(Undocumented, match=r"expected Options\.silent"):
        list(fields_of(Options, {}))
    section = "\n".join(model_section(Options, {"Options.silent": "Say nothing."}, {}))
    assert "| `page` | whole number, from 1 to 99 | `10` | Rows in a page. |" in section
    assert "| `silent` | yes or no | no | Say nothing. |" in section


def test_an_event_without_a_sentence_is_named(tmp_path: Path) -> None:
    (tmp_path / "erase.py").write_text('append("person:record:erase", "12:00:00")\n', encoding="utf-8")
    events = events_in(tmp_path)
    assert events == {"person:record:erase": ["erase"]}
    with pytest.raises(DocumentError, match="expected a sentence on person:record:erase"):
        render_reference.events_page({}, events)
    with pytest.raises(DocumentError, match="expected no sentence on old:thing:do"):
        render_reference.events_page({"old:thing:do": "."}, {})


def test_a_variable_that_the_code_reads_and_nobody_explains_is_named(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text('os.environ["USHER_NEW_THING"]; "USHER_"\n', encoding="utf-8")
    with pytest.raises(DocumentError, match=r"expected a sentence on USHER_NEW_THING, which new\.py reads"):
        render_reference.settings_page({}, tmp_path)
