"""`usher setup`: what is done, what is next, and the time to the first results, from nothing to a proven leaver."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML
from tests.helpers.needs import ROOT
from tests.usher.entry.cli.conftest import Shell

from usher.services.setup import BY_PEOPLE


def states(shell: Shell) -> dict[str, str]:
    document = shell.usher("setup", "--json").json()
    assert document["schema"] == "usher.setup/1"
    return {one["stage"]: one["state"] for one in document["stages"]}


def test_an_empty_workspace_says_what_is_next(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert shell.usher("init", shell.folder, "--name", "acme").code == 0
    assert set(states(shell).values()) == {"open", "as you like"}
    document = shell.usher("setup", "--json").json()
    assert (document["began_at"], document["first_report_at"], document["minutes_to_first_leaver"]) == (None,) * 3
    shown = shell.usher("setup")
    assert shown.code == 0
    assert "usher operator add" in shown.out
    assert "not yet" in shown.out


def test_what_was_read_is_done_and_what_is_missing_is_next(shell: Shell) -> None:
    found = states(shell)
    assert {name for name, state in found.items() if state == "done"} == {
        "two operators", "where people come from", "the first app", "everything read once", "whose account is whose",
        "the first report",
    }  # fmt: skip
    assert found["who shall have what"] == "open"
    document = shell.usher("setup", "--json").json()
    assert document["first_report_at"] >= document["began_at"]
    assert document["first_leaver_at"] is None
    assert 1 <= document["minutes_of_people"] <= 2 + document["minutes_to_first_report"]
    assert document["acts"] >= 2


def test_what_people_cause_is_named_as_the_ledger_names_it() -> None:
    events = YAML(typ="safe").load((ROOT / "docs" / "events.yaml").read_text(encoding="utf-8"))
    assert set(BY_PEOPLE) <= set(events)


def test_a_connection_that_was_never_read_is_named(shell: Shell) -> None:
    added = shell.usher("app", "add", "wiki", "--by", "person", "--owner", "omar",
                        "--csv", shell.folder / "exports" / "expenses.csv")  # fmt: skip
    assert added.code == 0, added.err
    document = shell.usher("setup", "--json").json()
    read = next(one for one in document["stages"] if one["stage"] == "everything read once")
    assert (read["state"], read["detail"], read["next"]) == ("open", "not read whole yet: wiki", "usher observe wiki")
