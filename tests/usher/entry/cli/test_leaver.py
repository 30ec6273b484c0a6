"""A leaver from the first command to the verified ledger, as an administrator types it; what acts, in processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.usher.entry.cli.conftest import EXPENSES, HR, Shell

pytestmark = pytest.mark.timeout(900)


def test_a_leaver_is_verified_by_commands_alone_and_the_ledger_verifies(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert shell.process("init", "acme", "--zone", "Europe/Berlin", cwd=tmp_path).code == 0
    shell.write("exports/hr.csv", HR)
    shell.write("exports/expenses.csv", EXPENSES)
    first = shell.process("operator", "add", "olga", "--key-out", "../olga.key")
    assert first.code == 0, first.err
    assert (tmp_path / "olga.key").stat().st_mode & 0o077 == 0
    second = shell.usher("operator", "add", "omar", "--json", *shell.as_("olga"))
    (tmp_path / "omar.key").write_text(second.json()["private_key"])
    (tmp_path / "omar.key").chmod(0o600)
    hr = shell.process("connect", "hr", "--speaks", "csv", "--part", "hr", "--path", "exports/hr.csv",
                       "--owner", "olga", "--option", "columns.id=employment_id")  # fmt: skip
    assert hr.code == 0, hr.err
    added = shell.process(
        "app", "add", "expenses", "--by", "person", "--csv", "exports/expenses.csv", "--owner", "omar"
    )
    assert added.code == 0, added.err
    assert shell.usher("observe").code == 0
    shell.ann_leaves()
    seen = shell.usher("observe", "--json")
    assert seen.code == 0, seen.err
    assert seen.json()["findings"] == {"ghost": 1}
    assert shell.usher("findings", "--check").code == 1

    planned = shell.process("plan", "leave", "ann@acme.test", "--json", *shell.as_("olga"))
    assert planned.code == 0, planned.err
    plan = planned.json()["plan"]
    assert [(step["connection"], step["verb"], step["path"]) for step in plan["steps"]] == [
        ("expenses", "deactivate", "person")
    ]
    assert plan["guard"]["allowed"] is True
    assert any("omar must approve as owner of expenses" in missing for missing in plan["missing"])
    for name in ("olga", "omar"):
        signed = shell.process("approve", "1", "--digest", plan["digest"][7:19], *shell.as_(name))
        assert signed.code == 0, signed.err
    begun = shell.process("run", "1", "--json")
    assert begun.code == 1, begun.err
    assert begun.json()["run"]["waits_for"] == ["person"]
    assert shell.usher("setup", "--json").json()["first_leaver_at"] is None, "a run that was begun proves nothing"
    assert begun.json()["run"]["tasks"][0]["steps"][0] == "Open Expenses as an administrator."

    too_soon = shell.process("task", "done", "1", *shell.as_("omar"))
    assert too_soon.code == 1
    assert "the account is active" in too_soon.out
    shell.write("exports/expenses.csv", EXPENSES.replace("Ann Archer,active", "Ann Archer,inactive"))
    done = shell.process("task", "done", "1", "--note", "set inactive", *shell.as_("omar"))
    assert done.code == 0, done.err + done.out
    run = shell.usher("runs", "1", "--json").json()["run"]
    assert (run["state"], run["verified"], run["total"]) == ("verified", 1, 1)
    assert [receipt["kind"] for receipt in run["steps"][0]["receipts"]][-1] == "verify"
    assert shell.usher("findings", "--check").code == 0

    setup = shell.usher("setup", "--json").json()
    assert setup["stages"][-1] == {
        "stage": "the first leaver, proven",
        "state": "done",
        "detail": "",
        "next": "usher plan leave PERSON",
    }
    assert setup["minutes_to_first_leaver"] >= setup["minutes_to_first_report"] >= 0

    checked = shell.usher("ledger", "verify", "--json")
    assert checked.code == 0
    assert checked.json()["whole"] is True
    assert checked.json()["anchored"] == checked.json()["leaves"]
    exported = shell.process("ledger", "export", tmp_path / "evidence", "--json")
    assert exported.code == 0, exported.err
    alone = [sys.executable, "-I", tmp_path / "evidence" / "verify_ledger.py", "--export", tmp_path / "evidence",
             "--key", tmp_path / "evidence" / "public-key.txt"]  # fmt: skip
    verified = subprocess.run(alone, capture_output=True, text=True, timeout=120, check=False)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.startswith(f"WHOLE: {exported.json()['leaves']} leaves")
