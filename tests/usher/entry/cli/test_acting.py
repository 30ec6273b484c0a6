"""Who acts: a key is named by its place, never typed as an argument, and proves the operator for one command."""

from __future__ import annotations

import stat

from tests.usher.entry.cli.conftest import Shell

SEAL = ("seal", "--reason", "wrong file")


def test_a_key_comes_from_a_file_a_variable_standard_input_or_the_environment(shell: Shell) -> None:
    key = (shell.home / "olga.key").read_text()
    assert shell.usher(*SEAL, *shell.as_("olga")).code == 0
    assert shell.usher("unseal", "--reason", "x", "--as", "olga", "--key", "env:K", env={"K": key}).code == 0
    assert shell.usher(*SEAL, "--as", "olga", "--key", "-", typed=key).code == 0
    place = {"USHER_OPERATOR": "olga", "USHER_OPERATOR_KEY": f"file:{shell.home / 'olga.key'}"}
    answer = shell.usher("unseal", "--reason", "x", "--json", env=place)
    assert answer.json() == {"schema": "usher.seal/1", "sealed": False, "by": "olga", "reason": "x"}


def test_a_key_typed_as_an_argument_is_refused_before_anything_else_and_never_repeated(shell: Shell) -> None:
    key = (shell.home / "olga.key").read_text().strip()
    for typed in (("--key", key), (f"--key={key}",)):
        answer = shell.usher(*SEAL, "--as", "olga", *typed)
        assert answer.code == 2
        assert "name its place instead" in answer.err
        assert key not in answer.err + answer.out
    answer = shell.usher(*SEAL, "--as", "olga", env={"USHER_OPERATOR_KEY": key})
    assert answer.code == 2
    assert "USHER_OPERATOR_KEY holds a key; it must name its place" in answer.err
    assert key not in answer.err


def test_a_key_file_that_others_can_read_is_used_with_a_warning(shell: Shell) -> None:
    (shell.home / "olga.key").chmod(0o644)
    answer = shell.usher(*SEAL, *shell.as_("olga"))
    assert answer.code == 0
    assert "others can read" in answer.err


def test_a_new_key_is_written_for_its_owner_only_and_never_over_another_file(shell: Shell) -> None:
    place = shell.home / "paula.key"
    assert shell.usher("operator", "add", "paula", "--key-out", place, *shell.as_("olga")).code == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    kept = place.read_text()
    again = shell.usher("operator", "add", "pete", "--key-out", place, *shell.as_("olga"))
    assert again.code == 2
    assert place.read_text() == kept
    refused = shell.usher("operator", "add", "omar", "--key-out", shell.home / "omar2.key", *shell.as_("olga"))
    assert refused.code == 3
    assert not (shell.home / "omar2.key").exists()


def test_a_revoked_operator_can_sign_no_more(shell: Shell) -> None:
    assert shell.usher("operator", "revoke", "omar", *shell.as_("olga")).code == 0
    answer = shell.usher(*SEAL, *shell.as_("omar"))
    assert answer.code == 3
    assert "operator 'omar' was revoked at" in answer.err


def test_a_secret_from_standard_input_is_kept_encrypted_and_stands_in_no_file(shell: Shell) -> None:
    added = shell.usher("connect", "wiki", "--speaks", "scim", "--url", "https://wiki.test/v2", "--owner", "olga",
                        "--secret-stdin", "token", typed="s3cret-of-wiki\n")  # fmt: skip
    assert added.code == 0, added.err
    assert "token: kept" in (shell.folder / "connections" / "wiki.yaml").read_text()
    for path in shell.folder.rglob("*"):
        if path.is_file():
            assert b"s3cret-of-wiki" not in path.read_bytes(), path


def test_a_confidential_plan_is_read_with_a_key_or_not_at_all(shell: Shell) -> None:
    made = shell.usher("plan", "leave", "ann@acme.test", "--confidential", "--reason", "let go", *shell.as_("omar"))
    assert made.code == 0, made.err
    assert "Ann Archer" in made.out
    for command in (("plan", "list"), ("plan", "show", "1"), ("why", "ben@acme.test"), ("findings",)):
        hidden = shell.usher(*command)
        assert "Ann Archer" not in hidden.out and "let go" not in hidden.out
    shown = shell.usher("plan", "show", "1", "--json").json()["plan"]
    assert (shown["person_name"], shown["kind"], shown["steps"]) == ("confidential plan 1", "confidential", [])
    seen = shell.usher("plan", "show", "1", *shell.as_("omar"))
    assert "Ann Archer" in seen.out and "marked" in seen.out
    assert "Ann Archer" in shell.usher("plan", "list", *shell.as_("olga")).out
