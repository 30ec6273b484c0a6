"""What commands print: one JSON document or tables that fit the screen, and a next step where there is nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.needs import ROOT
from tests.usher.entry.cli.conftest import EXPENSES, Shell

LISTS = [
    ("setup",),
    ("operator", "list"),
    ("connect", "list"),
    ("app", "list"),
    ("people",),
    ("findings",),
    ("plan", "list"),
    ("plan", "show", "1"),
    ("runs",),
    ("runs", "1"),
    ("task", "list"),
    ("task", "show", "1"),
    ("why", "ann@acme.test"),
    ("policy", "test", "ann@acme.test"),
    ("policy", "check"),
    ("ledger", "heads"),
    ("ledger", "verify"),
    ("report", "leavers", "--from", "2026-01-01", "--to", "2126-01-01"),
    ("report", "joiners", "--from", "2026-01-01", "--to", "2126-01-01"),
    ("report", "accounts", "expenses"),
]
EVERYBODY = """roles:
  - name: all
    when: {any: true}
    give:
      - {app: expenses, account: {}, role: Rep}
"""
EMPTY = {
    ("operator", "list"): "usher operator add",
    ("connect", "list"): "usher connect",
    ("observe",): "usher connect",
    ("people",): "usher observe",
    ("findings",): "usher observe",
    ("plan", "list"): "usher plan leave",
    ("runs",): "usher run",
    ("task", "list"): "No open tasks",
    ("policy", "check"): "policies/roles.yaml",
}


@pytest.fixture(scope="module")
def leaving(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company while Ann leaves: a finding, an approved plan, a run, a task."""
    home = tmp_path_factory.mktemp("leaving") / "company"
    shutil.copytree(template, home)
    shell = Shell(home)
    shell.write("policies/roles.yaml", EVERYBODY)
    shell.ann_leaves()
    assert shell.usher("observe").code == 0
    approved(shell)
    assert shell.process("run", "1").code == 1
    return home


@pytest.fixture
def busy(leaving: Path, tmp_path: Path) -> Shell:
    """A copy of one's own of the company while Ann leaves."""
    home = tmp_path / "company"
    shutil.copytree(leaving, home)
    return Shell(home)


def approved(shell: Shell) -> None:
    assert shell.usher("plan", "leave", "ann@acme.test", *shell.as_("olga")).code == 0
    for name in ("olga", "omar"):
        assert shell.usher("approve", "1", "--digest", shell.digest(), *shell.as_(name)).code == 0


def test_every_list_is_one_json_document_before_or_after_the_command(busy: Shell) -> None:
    for words in LISTS:
        after, before = busy.usher(*words, "--json"), busy.usher("--json", *words)
        assert after.json()["schema"].startswith("usher."), words
        assert after.json().keys() == before.json().keys()
        assert json.loads(after.out) and after.err == "", words


def test_every_field_of_every_json_document_is_in_the_reference(busy: Shell) -> None:
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    for words in LISTS:
        document = busy.usher(*words, "--json").json()
        section = page.partition(f"## {document['schema']}\n")[2].partition("\n## ")[0]
        assert section, f"{document['schema']} is not in docs/reference/json.md"
        for field in fields(document):
            assert f"`{field}`" in section, f"{document['schema']}: {field} is not in docs/reference/json.md"


def test_what_evidence_and_reports_write_is_said_and_a_file_is_never_replaced(busy: Shell) -> None:
    page = (ROOT / "docs" / "reference" / "json.md").read_text(encoding="utf-8")
    file = busy.home / "ann.zip"
    made = busy.usher("evidence", "ann@acme.test", "--out", file, "--json").json()
    section = page.partition(f"## {made['schema']}\n")[2].partition("\n## ")[0]
    assert all(f"`{field}`" in section for field in fields(made))
    assert file.stat().st_size > 0
    again = busy.usher("evidence", "ann@acme.test", "--out", file)
    assert again.code == 2
    assert "there already" in again.err
    assert "ann.zip" in busy.usher("evidence", "1", "--out", busy.home / "run-ann.zip").out
    for words in (("evidence",), ("evidence", "ann@acme.test", "--from", "2026-01-01"), ("evidence", "--from", "x")):
        assert busy.usher(*words).code == 2
    assert busy.usher("evidence", "9").code == 3
    written = busy.usher("report", "leavers", "--from", "2026-01-01", "--to", "2126-01-01", "--out", busy.home / "out")
    assert "leavers.csv" in written.out
    assert sorted(one.name for one in (busy.home / "out").iterdir()) == ["leavers.csv", "leavers.html", "leavers.json"]


def fields(document: dict[str, Any]) -> list[str]:
    """Every field of a document, two levels deep; `[]` marks lists. What an app or a policy names is left out."""
    found = []
    for name, value in document.items():
        if name == "schema":
            continue
        items = value if isinstance(value, list) else [value]
        inner = [one for one in items if isinstance(one, dict)]
        place = f"{name}[]" if isinstance(value, list) else name
        whole = not inner or name in ("attributes", "snapshots")
        found += [place] if whole else [f"{place}.{key}" for one in inner for key in one]
    return list(dict.fromkeys(found))


def test_tables_fit_narrow_and_wide_screens_and_carry_no_colour_in_a_pipe(busy: Shell) -> None:
    for columns in (80, 120):
        for words in LISTS:
            answer = busy.usher(*words, env={"COLUMNS": str(columns)})
            assert answer.code == 0, answer.err
            assert "\x1b" not in answer.out
            table = answer.out.splitlines()
            rules = [place for place, line in enumerate(table) if line.startswith("──")]
            for place in rules:
                assert max(len(line) for line in table[place - 1 : place + 2]) <= columns, (words, table[place - 1])


def test_every_empty_list_says_what_to_do_next(empty: Shell) -> None:
    for words, hint in EMPTY.items():
        answer = empty.usher(*words)
        assert answer.code == 0, answer.err
        assert hint in answer.out, (words, answer.out)
        assert len(answer.out.splitlines()) == 1


def test_a_plan_shows_everything_that_is_signed(busy: Shell) -> None:
    shown = busy.usher("plan", "show", "1").out
    for words in (
        "Ann Archer leaves",
        "signal        leaver, said by hr",
        "deactivate ann@acme.test in expenses",
        "before      the account is there, it can sign in",
        "after       it cannot sign in",
        "by          a person",
        "reversible  yes: reactivate",
        "Guard: allowed",
        "approved by olga, omar",
        busy.digest(),
    ):
        assert words in shown, words


def test_why_names_the_evidence_of_each_link_and_the_line_of_each_grant(busy: Shell) -> None:
    ben = busy.usher("why", "ben@acme.test").out
    assert "address ben@acme.test" in ben
    assert "policies/roles.yaml:5" in ben
    only = busy.usher("why", "ben@acme.test", "hr", "--json").json()
    assert {one["connection"] for one in only["accounts"]} == {"hr"}
    assert busy.usher("why", "ben@acme.test", "clari").code == 3


def test_policy_is_tried_with_another_title_and_nothing_is_kept(busy: Shell) -> None:
    before = busy.usher("people", "ben", "--json").json()
    busy.write("policies/roles.yaml", "roles:\n  - name: sales\n    when: {title: Sales}\n    give:\n"
               "      - {app: expenses, account: {}, role: Rep}\n")  # fmt: skip
    assert busy.usher("policy", "test", "ben", "--json").json()["gives"] == []
    tried = busy.usher("policy", "test", "ben", "--with", "title=Sales", "--json").json()
    assert [one["what"] for one in tried["gives"]] == ["account", "role:Rep"]
    assert busy.usher("people", "ben", "--json").json() == before


def test_a_sealed_workspace_carries_nothing_out_until_it_is_unsealed(shell: Shell) -> None:
    shell.ann_leaves()
    assert shell.usher("observe").code == 0
    approved(shell)
    assert shell.usher("seal", "--reason", "wait", *shell.as_("olga")).code == 0
    sealed = shell.process("run", "1", "--json")
    assert sealed.code == 3
    assert sealed.json()["run"]["waits_for"] == ["seal"]
    assert shell.usher("plan", "withdraw", "1", "--reason", "x", *shell.as_("olga")).code == 3


def test_a_rejected_plan_can_run_no_more(shell: Shell) -> None:
    shell.ann_leaves()
    shell.usher("observe")
    assert shell.usher("plan", "leave", "ann@acme.test", *shell.as_("olga")).code == 0
    unsaid = shell.usher("approve", "1", "--reject", *shell.as_("omar"))
    assert unsaid.code == 2
    rejected = shell.usher("approve", "1", "--reject", "--reason", "she moves", "--json", *shell.as_("omar"))
    assert rejected.json()["plan"]["state"] == "rejected"
    assert shell.usher("run", "1").code == 3


def test_a_link_by_a_person_is_kept_and_can_be_undone(shell: Shell) -> None:
    shell.write("exports/expenses.csv", EXPENSES + "4,a.archer@elsewhere.test,A. Archer,active,Rep\n")
    assert shell.usher("observe", "expenses").code == 0
    place = "expenses/a.archer@elsewhere.test"
    linked = shell.usher("link", place, "E1", "--reason", "asked her", *shell.as_("olga"))
    assert linked.code == 0, linked.err
    assert shell.usher("people", "E1", "--json").json()["people"][0]["accounts"] == 3
    assert shell.usher("unlink", place, "--reason", "another one", *shell.as_("olga")).code == 0
    assert shell.usher("people", "E1", "--json").json()["people"][0]["accounts"] == 2


def test_a_shrunken_reading_is_partial_until_an_operator_confirms_it(shell: Shell) -> None:
    shell.write("exports/expenses.csv", "\n".join(EXPENSES.splitlines()[:2]) + "\n")
    partial = shell.usher("observe", "expenses", "--json")
    assert partial.code == 1
    assert partial.json()["readings"][0]["kind"] == "partial"
    assert shell.usher("people", "E2", "--json").json()["people"][0]["accounts"] == 2
    confirmed = shell.usher("observe", "expenses", "--confirm", "--json", *shell.as_("omar"))
    assert confirmed.code == 0, confirmed.err
    assert confirmed.json()["readings"][0]["ended"] == 2
