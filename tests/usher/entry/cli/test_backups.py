"""Backups by commands: whole and private, checked, restored sealed, and refused where anything is not as it was."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
from pathlib import Path

import pytest
from tests.usher.entry.cli.conftest import Shell


def backed_up(shell: Shell, name: str = "acme.tar.gz") -> Path:
    """A backup of the company."""
    file = shell.home / name
    made = shell.usher("backup", file, "--json")
    assert made.code == 0, made.err
    return file


def back(shell: Shell, file: Path, folder: Path, *more: str | Path, code: int = 0) -> str:
    """Restore as olga; returns what was said."""
    done = shell.usher("restore", file, folder, "--reason", "the disk died", *shell.as_("olga"), *more)
    assert done.code == code, done.err + done.out
    return done.out + done.err


def names(file: Path) -> list[str]:
    """What is in a backup."""
    with tarfile.open(file) as tar:
        return tar.getnames()


def test_a_backup_is_one_private_file_with_everything_but_keys(shell: Shell) -> None:
    file = backed_up(shell)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    held = names(file)
    assert {"usher.yaml", "connections/hr.yaml", "data/usher.db", "heads/heads.jsonl", "manifest.json"} <= set(held)
    assert any(name.startswith("data/snapshots/hr/") for name in held)
    unpacked = gzip.decompress(file.read_bytes())
    for secret in [*(shell.home / "keys").rglob("ledger.key"), *shell.home.glob("*.key")]:
        assert secret.read_bytes().strip() not in unpacked
    assert b'"key":' not in unpacked
    assert [path.name for path in shell.home.iterdir() if path.name.startswith(".")] == []


def test_a_backup_is_checked_without_the_workspace_and_its_keys(shell: Shell, tmp_path: Path) -> None:
    file = backed_up(shell)
    elsewhere = Shell(tmp_path / "elsewhere")
    checked = elsewhere.usher("backup", "check", file, "--json")
    assert checked.code == 0, checked.err
    made = checked.json()["backup"]
    assert made["workspace"] == "acme" and made["head"]["size"] > 0 and made["revision"]


@pytest.mark.parametrize("where", [0.2, 0.5, 0.9, 0.999])
def test_a_flipped_byte_or_a_cut_end_of_a_backup_is_found_and_nothing_is_restored(shell: Shell, where: float) -> None:
    file = backed_up(shell)
    whole = file.read_bytes()
    place = int(len(whole) * where)
    for damaged in (whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], whole[:place]):
        file.write_bytes(damaged)
        for command in (("backup", "check", file), ("restore", file, shell.home / "new", "--reason", "x")):
            said = shell.usher(*command, *(shell.as_("olga") if command[0] == "restore" else ()))
            assert said.code == 3 and "use another" in said.err, said.err
    assert not (shell.home / "new").exists()
    assert [path.name for path in shell.home.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "name", ["../evil.yaml", "/etc/evil.yaml", "connections/../../evil.yaml", "keys/ledger.key", "a"]
)
def test_a_file_that_no_backup_holds_is_refused(shell: Shell, name: str) -> None:
    file = shell.home / "made-up.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    said = back(shell, file, shell.home / "new", code=3)
    assert "no backup of usher holds" in said
    assert not (shell.home / "evil.yaml").exists()


def test_a_manifest_that_somebody_else_wrote_is_refused(shell: Shell) -> None:
    file = backed_up(shell)
    changed = shell.home / "changed.tar.gz"
    with tarfile.open(file) as old, tarfile.open(changed, "w:gz") as new:
        for info in old:
            data = old.extractfile(info).read()
            if info.name == "manifest.json":
                manifest = json.loads(data)
                manifest["made_at"] = "2020-01-01T00:00:00.000Z"
                data = json.dumps(manifest).encode()
                info.size = len(data)
            new.addfile(info, io.BytesIO(data))
    assert "changed after it was signed" in back(shell, changed, shell.home / "new", code=3)


def test_a_backup_is_never_written_over(shell: Shell) -> None:
    file = backed_up(shell)
    before = file.read_bytes()
    again = shell.usher("backup", file)
    assert again.code == 3 and "name a new file" in again.err
    assert file.read_bytes() == before


def test_a_restored_workspace_is_sealed_until_every_connection_was_read(shell: Shell) -> None:
    file = backed_up(shell)
    said = back(shell, file, shell.folder, "--replace")
    assert "The workspace is sealed" in said
    [old] = shell.home.glob("acme.before-restore-*")
    assert (old / "usher.yaml").is_file()
    refused = shell.usher("unseal", "--reason", "go on", *shell.as_("olga"))
    assert refused.code == 3 and "expenses, hr not read completely since" in refused.err
    # The exports lie in the old folder: they are other systems' files and no part of a backup.
    (old / "exports").rename(shell.folder / "exports")
    assert shell.usher("observe").code == 0
    assert shell.usher("unseal", "--reason", "go on", *shell.as_("olga")).code == 0


def test_after_a_restore_an_app_that_is_gone_for_good_does_not_keep_the_seal_for_ever(shell: Shell) -> None:
    file = backed_up(shell)
    back(shell, file, shell.folder, "--replace")
    lifted = shell.usher("unseal", "--anyway", "--reason", "hr is gone", *shell.as_("olga"))
    assert lifted.code == 0, lifted.err


def test_a_restore_is_told_by_the_ledger_and_the_heads_that_were_left_are_explained(shell: Shell) -> None:
    file = backed_up(shell)
    for reason in ("one", "two"):
        assert shell.usher("seal", "--reason", reason, *shell.as_("olga")).code == 0
        assert shell.usher("unseal", "--reason", reason, *shell.as_("olga")).code == 0
    assert shell.usher("ledger", "verify").code == 0
    back(shell, file, shell.folder, "--replace")
    verified = shell.usher("ledger", "verify", "--json")
    assert verified.code == 0, verified.out
    [restored] = verified.json()["restores"]
    assert restored["believed"] and restored["by"] == "olga" and restored["heads_left"] == restored["left"] > 0
    assert "restored at" in shell.usher("ledger", "verify").out
    [aside] = (shell.home / "keys").glob("*/heads/heads-left-*.jsonl")
    assert aside.name == restored["aside"]


def test_a_head_kept_elsewhere_that_a_restore_does_not_name_is_a_fork(shell: Shell, tmp_path: Path) -> None:
    file = backed_up(shell)
    assert shell.usher("seal", "--reason", "later", *shell.as_("olga")).code == 0
    [heads] = (shell.home / "keys").glob("*/heads")
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes((heads / "heads.jsonl").read_bytes())
    heads.rename(heads.with_name("lost"))  # the machine with the exported heads died too
    back(shell, file, shell.folder, "--replace")
    assert shell.usher("ledger", "verify").code == 0
    found = shell.usher("ledger", "verify", "--head", kept, "--json")
    assert found.code == 1
    assert {"fork", "old_backup", "rewritten"} & {one["what"] for one in found.json()["problems"]}


def test_heads_that_were_kept_elsewhere_can_be_named_at_the_restore(shell: Shell, tmp_path: Path) -> None:
    file = backed_up(shell)
    assert shell.usher("seal", "--reason", "later", *shell.as_("olga")).code == 0
    [heads] = (shell.home / "keys").glob("*/heads")
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes((heads / "heads.jsonl").read_bytes())
    heads.rename(heads.with_name("lost"))
    back(shell, file, shell.folder, "--replace", "--head", kept)
    explained = shell.usher("ledger", "verify", "--head", kept, "--json")
    assert explained.code == 0, explained.out
    assert explained.json()["restores"][0]["heads_left"] > 0


def test_a_restore_beside_a_workspace_that_may_be_in_use_is_refused(shell: Shell) -> None:
    file = backed_up(shell)
    assert shell.usher("seal", "--reason", "later", *shell.as_("olga")).code == 0
    said = back(shell, file, shell.home / "new", code=3)
    assert "may still be in use" in said and not (shell.home / "new").exists()
    assert shell.usher("ledger", "verify").code == 0
    shell.env["USHER_HEADS_DIR"] = str(shell.home / "rehearsal-heads")
    back(shell, file, shell.home / "new")
    shell.env.clear()
    assert shell.usher("ledger", "verify", "--json").json()["restores"] == []


def test_a_folder_with_something_in_it_is_not_restored_into(shell: Shell) -> None:
    file = backed_up(shell)
    before = sorted(shell.folder.iterdir())
    assert "--replace" in back(shell, file, shell.folder, code=3)
    assert sorted(shell.folder.iterdir()) == before


def test_nobody_restores_without_an_operators_key(shell: Shell, tmp_path: Path) -> None:
    file = backed_up(shell)
    said = shell.usher("restore", file, shell.folder, "--replace", "--reason", "x", "--as", "olga",
                       "--key", f"file:{shell.home / 'omar.key'}")  # fmt: skip
    assert said.code == 3 and "not the key of 'olga'" in said.err
    assert not list(shell.home.glob("acme.before-restore-*"))


def test_another_ledgers_key_is_refused(shell: Shell) -> None:
    file = backed_up(shell)
    other = Shell(shell.home / "other")
    assert other.usher("init", other.folder, "--name", "other").code == 0
    [mine] = (shell.home / "keys").glob("acme-*/ledger.key")
    [theirs] = (other.home / "keys").glob("other-*/ledger.key")
    mine.write_text(theirs.read_text())
    said = back(shell, file, shell.home / "new", code=3)
    assert "not the one that signed this backup" in said


def test_without_its_keys_a_restored_workspace_can_be_read_and_not_unsealed(shell: Shell) -> None:
    file = backed_up(shell)
    (shell.home / "keys").rename(shell.home / "keys-elsewhere")
    said = back(shell, file, shell.home / "new")
    assert "is not there; bring the keys of this workspace back" in said
    people = shell.usher("-w", shell.home / "new", "people", "--json")
    assert people.code == 0 and len(people.json()["people"]) == 3
    refused = shell.usher("-w", shell.home / "new", "unseal", "--anyway", "--reason", "x", *shell.as_("olga"))
    assert refused.code == 3 and "bring the keys" in refused.err
    (shell.home / "keys-elsewhere").rename(shell.home / "keys")
    lifted = shell.usher("-w", shell.home / "new", "unseal", "--anyway", "--reason", "x", *shell.as_("olga"))
    assert lifted.code == 0, lifted.err


def test_a_worker_that_misses_a_key_starts_sealed(shell: Shell) -> None:
    [keys] = (shell.home / "keys").glob("acme-*")
    (keys / "workspace.json").rename(shell.home / "workspace.json")
    assert "workspace.json is not there" in shell.usher("people").err
    from usher.bootstrap import WorkspaceOpener
    from usher.engine.inline import begin

    with pytest.MonkeyPatch.context() as patch:
        for name, value in shell.environment().items():
            patch.setenv(name, value)
        workspace = WorkspaceOpener().open(shell.folder)
        begin(workspace)
        with workspace.store.read() as unit:
            assert "workspace.json" in unit.leases.sealed()["reason"]
        workspace.close()
    (shell.home / "workspace.json").rename(keys / "workspace.json")
    assert shell.usher("unseal", "--reason", "the key is back", *shell.as_("olga")).code == 0


def test_secrets_of_another_workspace_key_seal_a_restored_workspace(shell: Shell) -> None:
    kept = shell.usher("connect", "wiki", "--speaks", "scim", "--url", "http://127.0.0.1:9/scim/v2", "--owner", "omar",
                       "--secret-stdin", "token", typed="the token\n")  # fmt: skip
    assert kept.code == 0, kept.err
    file = backed_up(shell)
    assert b"the token" not in gzip.decompress(file.read_bytes())
    other = Shell(shell.home / "other")
    assert other.usher("init", other.folder, "--name", "other").code == 0
    [mine] = (shell.home / "keys").glob("acme-*/workspace.json")
    [theirs] = (other.home / "keys").glob("other-*/workspace.json")
    mine.write_text(theirs.read_text())
    said = back(shell, file, shell.folder, "--replace")
    assert "secrets of wiki were sealed with a workspace key that is not here" in said
    refused = shell.usher("unseal", "--anyway", "--reason", "x", *shell.as_("olga"))
    assert refused.code == 3 and "workspace key that is not here" in refused.err
