"""The verifier that an auditor runs alone: its own signature check, its own canonical form, its answers."""

import ast
import random
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.usher.domain.ledger_tampering import build

from usher.domain.canonical import canonical
from usher.domain.ledger import standalone
from usher.domain.ledger.export import head_line

# RFC 8032 section 7.1: public key, message, signature of TEST 1, 2, 3 and SHA(abc).
PUBLISHED = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
UNICODE_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_it_imports_only_the_standard_library():
    tree = ast.parse(Path(standalone.__file__).read_text("utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.split(".")[0] for module in modules} <= sys.stdlib_module_names


@pytest.mark.parametrize(("public", "message", "signature"), PUBLISHED)
def test_it_accepts_the_published_ed25519_signatures_and_none_with_a_flipped_bit(public, message, signature):
    parts = [bytes.fromhex(part) for part in (public, message, signature)]
    assert standalone.ed25519_verify(*parts)
    rng = random.Random(8032)
    for _ in range(8):
        for which, part in enumerate(parts):
            if part:
                flipped = bytearray(part)
                flipped[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
                assert not standalone.ed25519_verify(*parts[:which], bytes(flipped), *parts[which + 1 :])


def test_it_refuses_a_signature_whose_scalar_is_not_reduced():
    public, message, signature = (bytes.fromhex(part) for part in PUBLISHED[0])
    scalar = int.from_bytes(signature[32:], "little") + standalone.ORDER
    assert not standalone.ed25519_verify(public, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("public", [b"", bytes(31), b"\xff" * 32, (2).to_bytes(32, "little")])
def test_it_refuses_bytes_that_are_no_public_key(public):
    assert not standalone.ed25519_verify(public, b"", bytes.fromhex(PUBLISHED[0][2]))


def test_it_agrees_with_the_cryptography_package_on_fresh_signatures():
    for length in range(20):
        key = Ed25519PrivateKey.generate()
        message = bytes(length)
        assert standalone.ed25519_verify(key.public_key().public_bytes_raw(), message, key.sign(message))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | UNICODE_TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(UNICODE_TEXT, inner, max_size=4),
        max_leaves=12,
    )
)
def test_its_canonical_form_is_ours(value):
    assert standalone.canonical(value) == canonical(value)


def test_a_float_is_no_part_of_a_ledger():
    with pytest.raises(ValueError, match=r"1\.5 is no integer"):
        standalone.parse(b'{"index":1.5}', "index")
    with pytest.raises(ValueError, match="NaN is no integer"):
        standalone.parse(b'{"index":NaN}', "index")


@pytest.fixture(scope="module")
def ledger():
    return build(size=30)


@pytest.fixture
def folder(ledger, tmp_path):
    data, heads = ledger.files()
    (tmp_path / "ledger.jsonl").write_bytes(data)
    (tmp_path / "heads.jsonl").write_bytes(heads)
    (tmp_path / "key.pub").write_text(ledger.public + "\n")
    (tmp_path / "kept.json").write_bytes(head_line(ledger.heads[-1]))
    return tmp_path


def run(folder, *more, export=None):
    return standalone.main(["--export", str(export or folder), "--key", str(folder / "key.pub"), *map(str, more)])


def test_it_takes_the_folder_or_the_file_and_says_what_it_proved(folder, capsys):
    for export in (folder, folder / "ledger.jsonl"):
        assert run(folder, "--head", folder / "kept.json", export=export) == 0
        expected = "WHOLE: 30 leaves, 4 signed heads, 0 details erased; nothing before leaf 30 was changed\n"
        assert capsys.readouterr().out == expected


def test_it_gives_one_reason_a_line(folder, capsys):
    lines = (folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "ledger.jsonl").write_bytes(b"".join(lines[:4] + lines[5:]))
    assert run(folder) == 1
    verdict, *reasons = capsys.readouterr().out.splitlines()
    assert verdict == "CHANGED: 29 leaves, 3 signed heads, 0 details erased"
    assert reasons[0] == "  deleted or swapped: index 5 comes where 4 was expected"
    assert "  rewritten or fork: the leaves do not give the root signed for 10 leaves" in reasons
    assert "  cut_tail: a stored head is signed for 30 leaves, the ledger ends at 29" in reasons


@pytest.mark.parametrize("key", ["", "usher-pub-1:AAAA", "usher-key-1:" + "A" * 43 + "="])
def test_without_a_public_key_it_says_that_it_cannot_check(folder, capsys, key):
    (folder / "key.pub").write_text(key)
    assert run(folder) == 1
    assert capsys.readouterr().out.startswith("CANNOT CHECK: ")


def test_a_missing_export_or_head_is_not_taken_for_a_whole_ledger(folder, capsys):
    assert run(folder, export=folder / "nowhere.jsonl") == 1
    assert run(folder, "--head", folder / "nowhere.json") == 1
    assert capsys.readouterr().out.count("CANNOT CHECK: ") == 2
