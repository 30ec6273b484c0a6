"""Each check of the documents finds what it is for."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scripts import check_docs
from scripts.docs_blocks import run_document
from scripts.docs_model import DocumentError, Mission, load_guide, load_mission

Project = Callable[..., Path]


def _mission(papers: Path, state: str, shows: str) -> Mission:
    path = papers / "docs" / "mission.yaml"
    rows = path.read_text(encoding="utf-8").split("  - n: ")
    rows = [_row(rows[1], state, shows) if row == rows[1] else _plain(row) for row in rows]
    path.write_text("  - n: ".join(rows), encoding="utf-8")
    return load_mission(papers)


def _row(row: str, state: str, shows: str) -> str:
    head, _, _ = row.partition("    state: ")
    return f'{head}    state: {state}\n    shows: [{shows}]\n    note: ""\n'


def _plain(row: str) -> str:
    head, found, _ = row.partition("    state: ")
    return f'{head}    state: not yet\n    shows: []\n    note: ""\n' if found else row


def test_a_link_to_a_file_that_does_not_exist_is_dead(project: Project) -> None:
    root = project(README="one\n\n[gone](docs/gone.md) [here](docs/here.md)", docs__here="# Here")
    assert check_docs.dead_links(root) == ["README.md:3: expected a file that exists, got 'docs/gone.md'"]


def test_a_link_to_a_heading_that_does_not_exist_is_dead(project: Project) -> None:
    root = project(README="[a](docs/here.md#two-words) [b](docs/here.md#two)", docs__here="# Two words")
    assert check_docs.dead_links(root) == ["README.md:1: expected an anchor of docs/here.md, got 'docs/here.md#two'"]


def test_a_second_heading_of_the_same_name_has_its_own_anchor() -> None:
    assert check_docs.anchors("# Add, `move`\n\n## Add, `move`\n") == {"add-move", "add-move-1"}


def test_a_link_out_of_the_project_is_dead(project: Project) -> None:
    root = project(README="[out](../elsewhere.md)")
    assert check_docs.dead_links(root) == ["README.md:1: expected a link inside the project, got '../elsewhere.md'"]


def test_a_link_inside_code_is_not_a_link(project: Project) -> None:
    assert check_docs.dead_links(project(README="`[a](gone.md)`\n\n```text\n[b](gone.md)\n```\n")) == []


def test_a_shell_block_that_does_not_say_whether_it_runs_is_refused(project: Project) -> None:
    root = project(
        README="```bash\ntrue\n```\n\n```console\n$ true\n```\n\n```bash not-run: needs a network\ntrue\n```\n"
    )
    assert [complaint.partition(": ")[0] for complaint in check_docs.unmarked_blocks(root)] == [
        "README.md:1",
        "README.md:5",
    ]


def test_a_reason_for_not_running_is_asked_for(project: Project) -> None:
    root = project(README="```bash not-run\ntrue\n```\n")
    assert len(check_docs.unmarked_blocks(root)) == 1


def test_blocks_of_one_document_run_in_order_in_one_empty_folder(project: Project) -> None:
    root = project(
        README="""
```bash run
ls -A; echo one > file.txt
```

```python run
print(open("file.txt").read() + "two")
```

```text output
one
t…o
```
"""
    )
    assert run_document(root / "README.md") == []


def test_folder_variables_and_servers_stay_from_block_to_block(project: Project) -> None:
    root = project(
        README="""
```bash run
mkdir acme && cd acme
export TOKEN="two words"
sleep 600 &
echo $! > pid
```

```bash run
kill -0 "$(cat pid)" && echo "$(basename "$PWD"): $TOKEN"
```

```text output
acme: two words
```

```python run
import os; print(os.environ["TOKEN"], os.path.basename(os.getcwd()))
```

```text output
two words acme
```
"""
    )
    assert run_document(root / "README.md") == []


def test_a_block_that_fails_is_named_by_its_line_and_what_it_printed(project: Project) -> None:
    root = project(README="\n```bash run\necho before; false; echo after\n```\n")
    assert run_document(root / "README.md") == [(2, "the block ended with exit code 1:\nbefore")]


def test_an_output_that_was_not_printed_is_named(project: Project) -> None:
    root = project(README="```bash run\necho 3 findings\n```\n\n```text output\n4 findings\n```\n")
    ((line, complaint),) = run_document(root / "README.md")
    assert line == 5
    assert complaint.startswith("expected this line in the output: '4 findings'")


def test_what_a_document_leaves_running_is_ended(project: Project) -> None:
    root = project(README="```bash run\nsleep 600 & echo $! > pid\ncp pid ../../left\n```\n")
    target = root / "left"
    text = (root / "README.md").read_text(encoding="utf-8").replace("../../left", str(target))
    (root / "README.md").write_text(text, encoding="utf-8")
    assert run_document(root / "README.md") == []
    pid = int(target.read_text(encoding="utf-8"))
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # it ended in between, or the system has no /proc
        return Path("/proc").exists() is False


def test_a_row_cannot_work_without_a_test(papers: Path) -> None:
    with pytest.raises(DocumentError, match=r"mission\.yaml:\d+: rows\.0\.shows: expected at least one test id"):
        _mission(papers, "works", "$ usher findings")


def test_a_row_whose_test_does_not_exist_is_named(papers: Path) -> None:
    mission = _mission(papers, "works", "tests/docs/test_checks.py::test_that_nobody_wrote")
    (complaint,) = check_docs.unknown_tests(mission)
    assert "row 1: expected a test that pytest collects" in complaint


def test_a_row_may_name_a_test_with_many_cases(papers: Path) -> None:
    mission = _mission(papers, "works", "tests/docs/test_sources.py::test_a_slip_is_named_by_file_line_and_field")
    assert check_docs.unknown_tests(mission) == []


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({}, "is: in no suite"),
        ({"tests/a.py::test_it": "skipped"}, "is: skipped"),
        ({"tests/a.py::test_it[1]": "passed", "tests/a.py::test_it[2]": "failed"}, "is: failed, passed"),
    ],
    ids=["in no suite", "skipped", "one case failed"],
)
def test_a_row_whose_test_did_not_pass_is_named(papers: Path, outcomes: dict[str, str], said: str) -> None:
    mission = _mission(papers, "works", "tests/a.py::test_it")
    (complaint,) = check_docs.unproven_rows(mission, outcomes)
    assert complaint.startswith("docs/mission.yaml: row 1 says 'works'")
    assert complaint.endswith(said)


def test_a_row_whose_test_passed_in_every_case_is_proven(papers: Path) -> None:
    mission = _mission(papers, "works", "tests/a.py::test_it")
    assert check_docs.unproven_rows(mission, {"tests/a.py::test_it[1]": "passed"}) == []


def test_a_row_whose_software_is_missing_here_is_left_to_the_machine_that_has_it(papers: Path) -> None:
    mission = _mission(papers, "works", "tests/a.py::test_it")
    assert check_docs.unproven_rows(mission, {"tests/a.py::test_it": "not run"}) == []


def test_a_command_that_no_document_shows_is_named(papers: Path) -> None:
    mission = _mission(papers, "partly", "$ usher no-such-command")
    complaints = check_docs.undocumented_commands(mission, load_guide(papers), papers)
    (complaint,) = [text for text in complaints if "no-such-command" in text]
    assert "row 1: expected a command from a bash block" in complaint


@pytest.mark.parametrize("text", ["[]", '{"tests/a.py::test_it": 1}', "{"], ids=["list", "number", "cut"])
def test_results_of_another_shape_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=r"results\.json:1: expected"):
        check_docs.read_outcomes(path)


def test_results_are_read_as_test_id_and_outcome(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"tests/a.py::test_it": "passed"}), encoding="utf-8")
    assert check_docs.read_outcomes(path) == {"tests/a.py::test_it": "passed"}
