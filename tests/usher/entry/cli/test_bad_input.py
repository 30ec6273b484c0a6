"""Bad input: one clear line, the documented exit code, and nothing half-written in the folder or the database."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.usher.entry.cli.conftest import HR, Shell

NOTHING = lambda shell: None  # noqa: E731 - a table of small set-ups reads best as one


@dataclass(frozen=True)
class Case:
    """A command, what was spoilt before it, and the one line that it must answer with."""

    name: str
    args: tuple[str, ...]
    code: int
    line: str
    spoil: Callable[[Shell], object] = NOTHING
    acts: str | None = None


def yaml_of(text: str) -> Callable[[Shell], object]:
    return lambda shell: shell.write("connections/hr.yaml", text)


GOOD = "name: hr\napp: csv\nspeaks: csv\npart: hr\nowner: olga\npath: exports/hr.csv\n"
CASES = [
    Case(
        "YAML that is none",
        ("people",),
        2,
        r"connections/hr\.yaml:3: -: expected valid YAML",
        yaml_of("name: hr\napp: [csv\n"),
    ),
    Case(
        "a field that does not exist",
        ("people",),
        2,
        r"connections/hr\.yaml:7: ownr: expected 'owner', got the unknown field 'ownr'",
        yaml_of(GOOD + "ownr: x\n"),
    ),
    Case(
        "a value of another type",
        ("people",),
        2,
        r"connections/hr\.yaml:7: lag_seconds: expected a number, got 'soon'",
        yaml_of(GOOD + "lag_seconds: soon\n"),
    ),
    Case(
        "a policy of an app that is not connected",
        ("people",),
        2,
        r"policies/roles\.yaml:4: roles.*app: expected one of the connections expenses, hr, got 'clari'",
        lambda shell: shell.write(
            "policies/roles.yaml",
            "roles:\n  - name: all\n    when: {any: true}\n    give: [{app: clari, account: {}}]\n",
        ),
    ),
    Case("a folder that is no workspace", ("--workspace", "/nowhere/at/all", "people"), 3, r"is not a workspace"),
    Case(
        "a CSV that is not there",
        ("observe", "hr"),
        2,
        r"hr: failed: .*hr\.csv",
        lambda shell: (shell.folder / "exports/hr.csv").unlink(),
    ),
    Case(
        "a CSV without the column of the ids",
        ("connect", "check", "hr"),
        2,
        r"hr\.csv, line 1, column \"employment_id\": .*expected the heading that options\.columns names",
        lambda shell: shell.write("exports/hr.csv", HR.replace("employment_id", "nonsense")),
    ),
    Case(
        "a CSV with an id twice",
        ("connect", "check", "hr"),
        2,
        r"hr\.csv, line 3, column \"employment_id\": the id 'C1' is also on line 2; expected each id once",
        lambda shell: shell.write("exports/hr.csv", HR.replace("C2,", "C1,")),
    ),
    Case(
        "a person whom nobody knows",
        ("plan", "leave", "zed@acme.test"),
        3,
        r"nobody is called 'zed@acme\.test'",
        acts="olga",
    ),
    Case(
        "a name that several people bear", ("plan", "leave", "r"), 3, r"'r' names \d people: .*give the id", acts="olga"
    ),
    Case("nothing to do", ("plan", "move", "ben@acme.test"), 3, r"there is nothing to do", acts="olga"),
    Case(
        "a plan that does not exist",
        ("approve", "7", "--digest", "0123456789ab"),
        3,
        r"there is no plan 7",
        acts="omar",
    ),
    Case("a plan number that is none", ("plan", "show", "first"), 3, r"there is no plan first"),
    Case("a run of no plan", ("run", "7"), 3, r"there is no plan 7"),
    Case("a task that does not exist", ("task", "done", "7"), 3, r"there is no task 7", acts="omar"),
    Case("a connection that does not exist", ("observe", "clari"), 3, r"no connection 'clari'; known: expenses, hr"),
    Case(
        "an account that does not exist",
        ("link", "hr/zed", "E1", "--reason", "x"),
        3,
        r"no account 'hr/zed'",
        acts="olga",
    ),
    Case("an option that does not exist", ("people", "--ful"), 2, r"No such option: --ful"),
    Case("a command that does not exist", ("peple",), 2, r"No such command 'peple'\. Did you mean 'people'\?"),
    Case("an argument that is missing", ("plan", "leave"), 2, r"Missing argument 'person'.*usher plan leave --help"),
    Case("a reason that is missing", ("seal",), 2, r"Missing option '--reason'", acts="olga"),
    Case("nobody who acts", ("plan", "leave", "ann@acme.test"), 2, r"who acts\? give --as NAME --key file:PATH"),
    Case(
        "an operator whom nobody knows",
        ("seal", "--reason", "x", "--as", "zed", "--key", "env:KEY_OF_OLGA"),
        3,
        r"there is no operator 'zed'",
    ),
    Case(
        "a key of somebody else",
        ("seal", "--reason", "x", "--as", "omar", "--key", "env:KEY_OF_OLGA"),
        3,
        r"this is not the key of 'omar'",
    ),
    Case(
        "a key that is none",
        ("seal", "--reason", "x", "--as", "olga", "--key", "env:HOME"),
        3,
        r"the key of 'olga' cannot be read: expected a private key that starts with 'usher-key-1:'",
    ),
    Case(
        "a variable that is not set",
        ("seal", "--reason", "x", "--as", "olga", "--key", "env:NOT_SET_ANYWHERE"),
        2,
        r"the key of 'olga' cannot be read: the variable NOT_SET_ANYWHERE is not set",
    ),
    Case(
        "a key file that is not there",
        ("seal", "--reason", "x", "--as", "olga", "--key", "file:/no/such.key"),
        2,
        r"the key of 'olga' cannot be read: /no/such\.key: No such file",
    ),
    Case(
        "a key source of another kind",
        ("seal", "--reason", "x", "--as", "olga", "--key", "olga.key"),
        2,
        r"the key of 'olga': expected file:PATH, env:NAME or -",
    ),
    Case(
        "a secret on the command line",
        (
            "connect",
            "okta",
            "--speaks",
            "scim",
            "--owner",
            "olga",
            "--url",
            "https://okta.test/v2",
            "--secret",
            "token=s3cret",
        ),
        2,
        r"--secret token: expected FIELD=env:NAME",
    ),
    Case(
        "an address without encryption",
        ("connect", "okta", "--speaks", "scim", "--owner", "olga", "--url", "http://okta.test/v2"),
        2,
        r"connections/okta\.yaml:1: url: expected an https:// address",
    ),
    Case(
        "a connection without its address",
        ("connect", "okta", "--speaks", "scim", "--owner", "olga"),
        2,
        r"connections/okta\.yaml:1: url: expected a value, because the connection speaks scim",
    ),
    Case(
        "a name that no connection may have",
        ("connect", "Okta!", "--speaks", "csv", "--path", "x", "--owner", "olga"),
        2,
        r"name: expected text that matches",
    ),
    Case(
        "a connection that is there already",
        ("connect", "hr", "--speaks", "csv", "--path", "x", "--owner", "olga"),
        3,
        r"there is a connection 'hr' already: edit .*connections/hr\.yaml",
    ),
    Case(
        "a browser without a recipe",
        ("connect", "x", "--speaks", "browser", "--url", "https://x.test", "--owner", "olga"),
        3,
        r"a browser needs the recipe of its app, and there is none for 'browser'",
    ),
    Case(
        "an app whose list is not there",
        ("app", "add", "pay", "--csv", "/no/such.csv", "--owner", "olga"),
        2,
        r"--csv /no/such\.csv: there is no such file",
    ),
    Case(
        "an operator who is there already",
        ("operator", "add", "omar"),
        3,
        r"there is an operator 'omar' already",
        acts="olga",
    ),
    Case(
        "the last word of nobody", ("operator", "revoke", "zed"), 3, r"there is no active operator 'zed'", acts="olga"
    ),
    Case(
        "a head that is not there",
        ("ledger", "verify", "--head", "/no/heads.jsonl"),
        2,
        r"--head /no/heads\.jsonl: there is no",
    ),
    Case(
        "a time zone that is none",
        ("init", "/tmp/never-made", "--zone", "Mars/Base"),
        2,
        r"--zone: expected a time zone",
    ),
    Case(
        "a confirmation of nothing in particular",
        ("observe", "--confirm"),
        2,
        r"--confirm: name the connection",
        acts="olga",
    ),
    Case(
        "an unseal of what is not sealed", ("unseal", "--reason", "x"), 3, r"the workspace is not sealed", acts="olga"
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_bad_input_is_answered_in_one_line_and_changes_nothing(shell: Shell, case: Case) -> None:
    case.spoil(shell)
    shell.env["KEY_OF_OLGA"] = (shell.home / "olga.key").read_text()
    before = everything(shell)
    answer = shell.usher(*case.args, *(shell.as_(case.acts) if case.acts else ()))
    said = [line for line in answer.lines() if line]
    assert answer.code == case.code, answer
    assert len(said) == 1, said
    assert said[0].startswith("usher: ")
    assert re.search(case.line, said[0]), said[0]
    assert "Traceback" not in answer.err
    if case.args[0] != "observe" or case.code == 3:
        assert answer.out == ""
        assert everything(shell) == before


def test_every_mistake_of_every_file_is_named_at_once(shell: Shell) -> None:
    shell.write("connections/hr.yaml", GOOD + "ownr: x\n")
    shell.write("usher.yaml", "name: acme\nzone: Mars/Base\n")
    answer = shell.usher("findings")
    assert answer.code == 2
    assert [line.split(":")[1].strip() for line in answer.lines()] == ["connections/hr.yaml", "usher.yaml"]


def test_a_failed_reading_is_kept_as_failed_and_ends_no_account(shell: Shell) -> None:
    shell.write("exports/expenses.csv", "id,email\n1,ann@acme.test\n1,ben@acme.test\n")
    answer = shell.usher("observe", "expenses", "--json")
    assert answer.code == 2
    assert answer.json()["readings"][0]["kind"] == "failed"
    assert "expenses.csv, line 3" in answer.err
    assert [one["accounts"] for one in shell.usher("people", "--json").json()["people"]] == [2, 2, 2]


def test_an_app_out_of_reach_is_told_by_its_own_code(shell: Shell, free_port: int) -> None:
    added = shell.usher("connect", "wiki", "--speaks", "scim", "--url", f"http://127.0.0.1:{free_port}/v2",
                        "--owner", "olga", "--secret", "token=env:HOME")  # fmt: skip
    assert added.code == 0, added.err
    answer = shell.usher("connect", "check", "wiki")
    assert answer.code == 4
    assert len(answer.lines()) == 1
    assert shell.usher("observe", "wiki").code == 4


def test_an_operator_who_asked_for_a_plan_cannot_approve_it(shell: Shell) -> None:
    made = shell.usher("plan", "leave", "ann@acme.test", "--reason", "resigned", *shell.as_("olga"))
    assert made.code == 0, made.err
    before = everything(shell)
    answer = shell.usher("approve", "1", "--digest", shell.digest(), *shell.as_("olga"))
    assert answer.code == 3
    assert "olga cannot approve plan 1: the requester cannot approve; another operator must" in answer.err
    wrong = shell.usher("approve", "1", "--digest", "sha256:" + "0" * 64, *shell.as_("omar"))
    assert wrong.code == 3
    assert "look at it again" in wrong.err
    unseen = shell.usher("approve", "1", *shell.as_("omar"))
    assert unseen.code == 2
    assert "give the digest that you were shown: --digest" in unseen.err
    assert shell.usher("run", "1").code == 3
    assert everything(shell) == before


def test_an_internal_failure_is_one_line_with_an_id_that_the_log_has(shell: Shell) -> None:
    with sqlite3.connect(shell.folder / "data" / "usher.db") as database:
        database.execute("ALTER TABLE finding RENAME TO lost")
    answer = shell.usher("findings")
    assert answer.code == 5
    assert len(answer.lines()) == 1
    found = re.search(r"internal failure ([0-9a-f]{8}): .*look for it in (\S+)", answer.err)
    assert found is not None, answer.err
    log = Path(found[2])
    assert log == shell.folder / "data" / "usher.log"
    assert f"failure {found[1]}" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    assert "Traceback" in shell.usher("findings", env={"USHER_DEBUG": "1"}).err


def everything(shell: Shell) -> dict[str, str]:
    """Every file of the workspace but the log, and every row of its database, as one comparable value."""
    files = {
        str(path.relative_to(shell.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(shell.folder.rglob("*"))
        if path.is_file() and path.suffix not in (".log",) and not path.name.startswith("usher.db")
    }
    database = sqlite3.connect(shell.folder / "data" / "usher.db")
    try:
        # Each applied version of the configuration is kept when it is read; a look is no change.
        rows = [line for line in database.iterdump() if "configuration_version" not in line]
    finally:
        database.close()
    return {**files, "rows": "\n".join(rows)}
