"""Every change before an exported head is found, by our verifier and by the one an auditor runs alone."""

import functools
import random
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.usher.domain import ledger_tampering as tampering
from tests.usher.domain.ledger_tampering import BATCH, EXPORTED_SIZE, MUTATIONS, NEEDS_THE_EXPORTED_HEAD, SIZE, build

from usher.domain.ledger import standalone
from usher.domain.ledger.export import head_line, verify_export
from usher.domain.ledger.leaf import Leaf
from usher.domain.ledger.verify import What, verify

ALL_MUTATIONS = 1000
BY_SUBPROCESS = 25


@pytest.fixture(autouse=True)
def _the_same_signature_is_judged_once(monkeypatch):
    """The verifier without packages takes milliseconds for a signature, and most heads are the same in every try."""
    monkeypatch.setattr(standalone, "ed25519_verify", functools.cache(standalone.ed25519_verify))


@pytest.fixture(scope="module")
def ledger():
    return build()


def ours(ledger, files, *, with_exported_head=True):
    return verify_export(*files, ledger.public, [ledger.exported] if with_exported_head else [])


def alone(ledger, files, *, with_exported_head=True):
    kept = {"kept.json": head_line(ledger.exported)} if with_exported_head else {}
    return standalone.check(*files, ledger.public, kept)


def alone_as_a_script(ledger, files, folder, *arguments):
    """Run the verifier as an auditor does: one copied file, isolated from our code and from all packages."""
    for name, data in zip(("ledger.jsonl", "heads.jsonl"), files, strict=True):
        (folder / name).write_bytes(data)
    (folder / "key.pub").write_text(ledger.public + "\n")
    (folder / "kept.json").write_bytes(head_line(ledger.exported))
    script = folder / "verify_ledger.py"
    script.write_bytes(Path(standalone.__file__).read_bytes())
    command = [sys.executable, "-I", "-S", script, "--export", folder, "--key", folder / "key.pub", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def whats(report):
    return {problem.what for problem in report.problems}


def test_an_untouched_ledger_is_whole_for_both_verifiers(ledger, tmp_path):
    report = ours(ledger, ledger.files())
    assert report.problems == ()
    assert (report.leaves, report.sealed, report.anchored, report.erased) == (SIZE, SIZE, EXPORTED_SIZE, 0)
    assert alone(ledger, ledger.files()).reasons == []
    answer = alone_as_a_script(ledger, ledger.files(), tmp_path, "--head", tmp_path / "kept.json")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"WHOLE: {SIZE} leaves, 7 signed heads, 0 details erased")


def test_all_of_1000_mutations_before_the_exported_head_are_found_by_both_verifiers(ledger, tmp_path):
    rng = random.Random(20260301)
    untouched = ledger.files()
    missed = []
    for number in range(ALL_MUTATIONS):
        mutate = MUTATIONS[number % len(MUTATIONS)]
        files = mutate(ledger, rng)
        assert files != untouched, f"mutation {number} ({mutate.__name__}) changed nothing"
        if ours(ledger, files).ok:
            missed.append((number, mutate.__name__, "ours"))
        if number % (ALL_MUTATIONS // BY_SUBPROCESS) == 0:
            answer = alone_as_a_script(ledger, files, tmp_path, "--head", tmp_path / "kept.json")
            found = answer.returncode == 1 and answer.stdout.startswith("CHANGED:") and answer.stderr == ""
        else:
            found = bool(alone(ledger, files).reasons)
        if not found:
            missed.append((number, mutate.__name__, "alone"))
    assert missed == []


@pytest.mark.parametrize("mutate", NEEDS_THE_EXPORTED_HEAD)
def test_a_store_that_agrees_with_itself_is_caught_only_by_the_exported_head(ledger, mutate):
    rng = random.Random(5)
    for _ in range(10):
        files = mutate(ledger, rng)
        assert ours(ledger, files, with_exported_head=False).ok
        assert alone(ledger, files, with_exported_head=False).reasons == []
        assert not ours(ledger, files).ok
        assert alone(ledger, files).reasons != []


@pytest.mark.parametrize(
    ("mutate", "named"),
    [
        (tampering.delete_a_leaf, What.DELETED),
        (tampering.delete_a_leaf_and_renumber, What.REWRITTEN),
        (tampering.swap_two_leaves, What.SWAPPED),
        (tampering.swap_two_leaves_and_renumber, What.REWRITTEN),
        (tampering.swap_two_details, What.SWAPPED),
        (tampering.change_a_detail, What.DETAIL_MISMATCH),
        (tampering.insert_a_leaf, What.REWRITTEN),
        (tampering.cut_the_tail, What.CUT_TAIL),
        (tampering.cut_the_tail_and_its_heads, What.OLD_BACKUP),
        (tampering.restore_an_old_backup, What.OLD_BACKUP),
        (tampering.rewrite_from_k, What.REWRITTEN),
        (tampering.rewrite_from_k_without_heads, What.REWRITTEN),
        (tampering.rewrite_from_k_and_sign_with_another_key, What.BAD_SIGNATURE),
        (tampering.fork_with_the_real_key, What.FORK),
    ],
)
def test_the_problem_is_called_by_its_name(ledger, mutate, named):
    rng = random.Random(3)
    for _ in range(5):
        assert named in whats(ours(ledger, mutate(ledger, rng)))


def test_a_flipped_bit_in_a_leaf_of_the_store_is_placed_between_two_heads(ledger):
    leaves = ledger.indexed()
    index, leaf = leaves[37]
    leaves[index] = (index, replace(leaf, event="account:entitlement:grans"))
    report = verify(leaves, ledger.details(), ledger.heads, ledger.public, [ledger.exported])
    assert [(problem.what, problem.index) for problem in report.problems] == [(What.REWRITTEN, 30)]
    assert "leaves 30 to 39" in report.problems[0].why
    assert report.verdict().startswith("ledger NOT whole (1 problems): 60 leaves, 30 under a signed head, 0 under")


def test_a_changed_detail_is_placed_at_its_leaf(ledger):
    details = ledger.details()
    details[41] = replace(details[41], document={"login": "someone.else@example.test"})
    report = verify(ledger.indexed(), details, ledger.heads, ledger.public, [ledger.exported])
    assert [(problem.what, problem.index) for problem in report.problems] == [(What.DETAIL_MISMATCH, 41)]


def test_swapped_details_are_placed_at_both_leaves(ledger):
    details = ledger.details()
    details[4], details[45] = details[45], details[4]
    report = verify(ledger.indexed(), details, ledger.heads, ledger.public)
    assert [(problem.what, problem.index) for problem in report.problems] == [(What.SWAPPED, 4), (What.SWAPPED, 45)]


def test_thousands_of_changed_details_are_counted_and_not_all_listed():
    big = build(seed=2, size=150)
    details = {index: replace(detail, document={}) for index, detail in big.details().items()}
    report = verify(big.indexed(), details, big.heads, big.public)
    assert Counter(problem.what for problem in report.problems) == {What.DETAIL_MISMATCH: 101}
    assert "50 details more" in report.problems[-1].why


def test_erasing_details_keeps_the_tree_whole_and_is_counted(ledger, tmp_path):
    erased = tampering.Ledger(ledger.private, list(ledger.entries), ledger.heads)
    for index in (0, 17, 55):
        erased.entries[index] = (erased.entries[index][0], None)
    report = ours(ledger, erased.files())
    assert report.problems == ()
    assert (report.erased, report.anchored) == (3, EXPORTED_SIZE)
    answer = alone_as_a_script(ledger, erased.files(), tmp_path, "--head", tmp_path / "kept.json")
    assert (answer.returncode, "3 details erased" in answer.stdout) == (0, True)
    assert b"person17@" not in erased.files()[0]
    assert b"person17@" in ledger.files()[0]


def test_erasing_the_document_but_keeping_the_salt_is_not_an_erasure(ledger):
    data, heads = ledger.files()
    lines = data.split(b"\n")
    start = lines[8].index(b'"detail":') + len(b'"detail":')
    lines[8] = lines[8][:start] + b"null" + lines[8][lines[8].index(b',"index":') :]
    files = b"\n".join(lines), heads
    assert What.MALFORMED in whats(ours(ledger, files))
    assert alone(ledger, files).reasons != []


def test_leaves_after_the_last_head_are_whole_but_counted_as_not_sealed():
    longer = build(seed=4, size=EXPORTED_SIZE + BATCH // 2)
    report = ours(longer, longer.files())
    assert report.ok
    assert (report.leaves, report.sealed) == (EXPORTED_SIZE + BATCH // 2, EXPORTED_SIZE)


def test_without_an_exported_head_nothing_counts_as_anchored_and_the_script_says_so(ledger, tmp_path):
    assert ours(ledger, ledger.files(), with_exported_head=False).anchored == 0
    answer = alone_as_a_script(ledger, ledger.files(), tmp_path)
    assert answer.returncode == 0
    assert "no head from elsewhere was given" in answer.stdout


def test_a_head_of_another_workspace_is_not_accepted(ledger):
    other = build(workspace="globex")
    moved = verify(other.indexed(), other.details(), ledger.heads, ledger.public, [ledger.exported])
    assert {What.OTHER_WORKSPACE, What.REWRITTEN} <= whats(moved)


def test_two_signed_heads_of_one_size_with_two_roots_are_a_fork_even_when_the_leaves_are_gone(ledger):
    second = build(seed=9)
    second.private = ledger.private
    heads = tampering.sign_heads(second.entries, ledger.private, second.entries[-1][0].at)
    report = verify([], {}, heads, ledger.public, ledger.heads)
    assert {What.CUT_TAIL, What.FORK} <= whats(report)


def test_after_a_change_of_keys_old_and_new_heads_are_trusted_when_both_keys_are_given(ledger):
    later = tampering.new_private_key()
    heads = [*ledger.heads[:3], *tampering.sign_heads(ledger.entries, later, ledger.entries[-1][0].at)[3:]]
    both = f"{ledger.public}\n{tampering.public_of(later)}\n"
    files = ledger.files()[0], b"".join(map(head_line, heads))
    assert verify_export(*files, both).ok
    assert standalone.check(*files, both, {}).reasons == []
    assert whats(verify_export(*files, ledger.public)) == {What.BAD_SIGNATURE}


def test_an_empty_ledger_is_whole(ledger):
    assert verify([], {}, [], ledger.public).ok
    assert standalone.check(b"", b"", ledger.public, {}).reasons == []


def test_a_leaf_rewritten_by_someone_who_writes_json_with_repeated_keys_is_refused(ledger):
    data, heads = ledger.files()
    doubled = data.replace(b'{"detail":', b'{"detail":{},"detail":', 1)
    assert What.MALFORMED in whats(ours(ledger, (doubled, heads)))
    assert alone(ledger, (doubled, heads)).reasons != []


def test_a_salt_spelled_with_capital_digits_is_a_change(ledger):
    data, heads = ledger.files()
    salt = ledger.entries[0][1].salt.hex().encode()
    respelled = data.replace(salt, salt.upper())
    assert What.MALFORMED in whats(ours(ledger, (respelled, heads)))
    assert alone(ledger, (respelled, heads)).reasons != []


def test_the_leaf_type_survives_the_export(ledger):
    leaf = ledger.entries[0][0]
    assert Leaf.from_json(leaf.as_json()) == leaf
