"""The ledger in the database: heads leave it, and whatever is changed in the file afterwards is found."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.usher.services.conftest import Firm

from usher.domain.ledger import standalone
from usher.domain.ledger.head import SignedHead, verify_head
from usher.domain.ledger.verify import Report, What
from usher.services import record
from usher.services.erase import erase_details
from usher.services.operators import add_operator
from usher.services.record import export, exported_heads, sequence, verify_ledger

Change = Callable[[sqlite3.Connection], None]


@pytest.fixture
def ledger(firm: Firm) -> Firm:
    """The firm with two heads exported, the last over every leaf."""
    sequence(firm.workspace)
    firm.hr("ann")
    sequence(firm.workspace)
    return firm


def database(firm: Firm) -> Path:
    return firm.folder / "workspace" / "data" / "usher.db"


def kept_heads(firm: Firm) -> list[SignedHead]:
    return exported_heads(firm.workspace.heads / "heads.jsonl")


def change(firm: Firm, how: Change) -> None:
    """Change the database as somebody would who can write its file."""
    firm.workspace.store.close()
    with closing(sqlite3.connect(database(firm))) as connection:
        how(connection)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def sql(*statements: str) -> Change:
    def run(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return run


def found(report: Report) -> set[What]:
    return {problem.what for problem in report.problems}


def test_each_head_is_signed_and_exported_once(ledger: Firm) -> None:
    heads = kept_heads(ledger)
    assert len(heads) == 2
    assert heads[0].head.size < heads[1].head.size
    assert all(verify_head(ledger.workspace.ledger_public_key, one) for one in heads)
    assert sequence(ledger.workspace) is None
    assert kept_heads(ledger) == heads


def test_a_head_that_was_signed_but_not_exported_is_exported_the_next_time_although_nothing_is_new(
    ledger: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise OSError("killed between signing and exporting")

    ledger.hr("ben")
    with monkeypatch.context() as context, pytest.raises(OSError, match="killed"):
        context.setattr(record, "export_head", killed)
        sequence(ledger.workspace)
    assert len(kept_heads(ledger)) == 2
    assert sequence(ledger.workspace) is None
    with ledger.workspace.store.read() as unit:
        assert kept_heads(ledger)[-1].head.size == unit.ledger.size()
    assert len(kept_heads(ledger)) == 3
    (ledger.workspace.heads / "heads.jsonl").unlink()
    sequence(ledger.workspace)
    assert len(kept_heads(ledger)) == 3


def test_a_head_that_was_cut_off_while_it_was_exported_is_exported_again(ledger: Firm) -> None:
    path = ledger.workspace.heads / "heads.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert sequence(ledger.workspace) is None
    assert path.read_bytes() == whole


def test_an_untouched_ledger_is_whole_up_to_the_exported_head(ledger: Firm) -> None:
    heads = kept_heads(ledger)
    report = verify_ledger(ledger.workspace, heads)
    assert (report.problems, report.anchored, report.erased) == ((), heads[-1].head.size, 0)
    assert report.leaves == heads[-1].head.size


@pytest.mark.parametrize("column", ["event", "at", "ids", "detail_digest", "salt", "document"])
def test_any_flipped_bit_of_a_leaf_or_its_detail_in_the_file_is_found(ledger: Firm, column: str) -> None:
    heads = kept_heads(ledger)
    change(ledger, sql())
    with closing(sqlite3.connect(database(ledger))) as connection:
        leaf, text = connection.execute(
            f"SELECT l.id, {column} FROM ledger_leaf l JOIN ledger_detail d ON d.leaf_id = l.id WHERE position = 2"
        ).fetchone()
        digest, salt = connection.execute(
            "SELECT detail_digest, salt FROM ledger_leaf JOIN ledger_detail ON leaf_id = id WHERE id = ?", (leaf,)
        ).fetchone()
    whole = database(ledger).read_bytes()
    # The row's other unique value lies beside it, so that the right one of several equal texts is taken.
    beside = whole.index((salt if column in ("salt", "document") else digest).encode())
    at = whole.rindex(text.encode(), 0, beside + len(text) + 200)
    if column in ("salt", "document"):
        at = whole.index(text.encode(), beside)
    unseen = []
    for bit in range(8):
        flipped = bytearray(whole)
        flipped[at + len(text) // 2] ^= 1 << bit
        ledger.workspace.store.close()
        database(ledger).write_bytes(flipped)
        if verify_ledger(ledger.workspace, heads).ok:
            unseen.append(bit)
    assert unseen == []


@pytest.mark.parametrize(
    ("how", "what"),
    [
        (
            sql(
                "DELETE FROM ledger_detail WHERE leaf_id = (SELECT id FROM ledger_leaf WHERE position = 3)",
                "DELETE FROM ledger_leaf WHERE position = 3",
            ),
            What.DELETED,
        ),
        (
            sql(
                "UPDATE ledger_leaf SET position = -1 WHERE position = 2",
                "UPDATE ledger_leaf SET position = 2 WHERE position = 3",
                "UPDATE ledger_leaf SET position = 3 WHERE position = -1",
            ),
            What.REWRITTEN,
        ),
        (sql("UPDATE ledger_leaf SET event = 'operator:operator:revoke' WHERE position = 1"), What.REWRITTEN),
        (sql("UPDATE ledger_leaf SET position = NULL WHERE position = 1"), What.DELETED),
        (
            sql("""UPDATE ledger_detail SET document = '{"name":"nobody"}' WHERE leaf_id = 1"""),
            What.DETAIL_MISMATCH,
        ),
        (
            sql(
                "DELETE FROM ledger_detail WHERE leaf_id IN (SELECT id FROM ledger_leaf WHERE position > 4)",
                "DELETE FROM ledger_leaf WHERE position > 4",
            ),
            What.CUT_TAIL,
        ),
    ],
    ids=["deleted", "swapped", "rewritten", "taken out of the order", "another detail", "tail cut"],
)
def test_a_change_by_somebody_without_the_key_is_found_and_named(ledger: Firm, how: Change, what: What) -> None:
    change(ledger, how)
    assert what in found(verify_ledger(ledger.workspace, []))


def test_a_tail_that_is_cut_together_with_its_heads_shows_only_against_an_exported_head(ledger: Firm) -> None:
    heads = kept_heads(ledger)
    kept = heads[0].head.size
    change(
        ledger,
        sql(
            f"DELETE FROM ledger_detail WHERE leaf_id IN (SELECT id FROM ledger_leaf WHERE position >= {kept})",
            f"DELETE FROM ledger_leaf WHERE position >= {kept}",
            f"DELETE FROM ledger_head WHERE size > {kept}",
        ),
    )
    assert verify_ledger(ledger.workspace, []).ok
    assert found(verify_ledger(ledger.workspace, heads)) == {What.OLD_BACKUP}


def test_a_history_rewritten_by_the_holder_of_the_key_shows_only_against_an_exported_head(ledger: Firm) -> None:
    heads = kept_heads(ledger)
    change(
        ledger,
        sql(
            "UPDATE ledger_leaf SET event = 'operator:operator:revoke' WHERE position = 1",
            "UPDATE ledger_leaf SET position = NULL",
            "DELETE FROM ledger_head",
        ),
    )
    assert sequence(ledger.workspace) is not None
    assert verify_ledger(ledger.workspace, []).ok
    assert What.FORK in found(verify_ledger(ledger.workspace, heads))


def test_an_old_backup_put_back_is_found_also_after_the_work_has_gone_on(ledger: Firm) -> None:
    backup = ledger.folder / "backup.db"
    change(ledger, sql())
    shutil.copy(database(ledger), backup)
    add_operator(ledger.workspace, "mia", by=ledger.olga)
    sequence(ledger.workspace)
    heads = kept_heads(ledger)
    change(ledger, sql())
    ledger.workspace.store.close()
    shutil.copy(backup, database(ledger))
    assert verify_ledger(ledger.workspace, []).ok
    assert found(verify_ledger(ledger.workspace, heads)) == {What.OLD_BACKUP}
    add_operator(ledger.workspace, "max", by=ledger.olga)
    sequence(ledger.workspace)
    assert What.FORK in found(verify_ledger(ledger.workspace, heads))


def test_a_ruined_database_is_a_problem_and_no_traceback(ledger: Firm) -> None:
    change(ledger, sql())
    data = bytearray(database(ledger).read_bytes())
    with closing(sqlite3.connect(database(ledger))) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ledger_detail'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data[(page - 1) * size : page * size] = b"\xff" * size
    database(ledger).write_bytes(data)
    assert found(verify_ledger(ledger.workspace, kept_heads(ledger))) >= {What.MALFORMED}


def alone(folder: Path, heads: Path) -> subprocess.CompletedProcess[str]:
    """Verify an export as an auditor does: one copied file, without our packages."""
    script = folder / "verify_ledger.py"
    shutil.copy(Path(standalone.__file__), script)
    newest = folder / "newest.json"
    newest.write_text(heads.read_text().splitlines()[-1] + "\n")
    command = [sys.executable, "-I", "-S", script, "--export", folder, "--key", folder / "public-key.txt"]
    return subprocess.run([*command, "--head", newest], capture_output=True, text=True, check=False)


def test_the_stand_alone_verifier_agrees_with_an_export_and_with_every_change_of_it(ledger: Firm) -> None:
    made = export(ledger.workspace, ledger.folder / "export")
    heads = ledger.workspace.heads / "heads.jsonl"
    answer = alone(ledger.folder / "export", heads)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"WHOLE: {made.size} leaves, 3 signed heads, 0 details erased")
    change(ledger, sql("UPDATE ledger_leaf SET event = 'operator:operator:revoke' WHERE position = 1"))
    export(ledger.workspace, ledger.folder / "changed")
    answer = alone(ledger.folder / "changed", heads)
    assert answer.returncode == 1
    assert answer.stdout.startswith("CHANGED:")


def test_erasing_a_leavers_details_keeps_the_tree_whole_for_both_verifiers(ledger: Firm) -> None:
    heads = kept_heads(ledger)
    erased = erase_details(ledger.workspace, "Eann", ledger.olga, "asked to be forgotten")
    assert erased > 0
    report = verify_ledger(ledger.workspace, heads)
    assert (report.problems, report.erased, report.anchored) == ((), erased, heads[-1].head.size)
    export(ledger.workspace, ledger.folder / "export")
    answer = alone(ledger.folder / "export", ledger.workspace.heads / "heads.jsonl")
    assert answer.returncode == 0
    assert f"{erased} details erased" in answer.stdout
