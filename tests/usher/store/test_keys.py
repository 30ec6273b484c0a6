"""Keys lie apart from the data; secrets open only in their own place; every refusal says what to do."""

import json
import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.connection import ConnectionConfig
from usher.domain.signing import sign, verify
from usher.store.keys import KeyDamaged, KeyMissing, SealBroken, SecretBox, create_keys, open_keys, rotate_workspace_key
from usher.store.privatefiles import ReadableByOthers
from usher.store.secrets import KeptSecrets, SecretMissing, Secrets, origin_of

BOX = SecretBox("wsp_1", {"k1": bytes(32)})
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def keys(tmp_path):
    return create_keys("wsp_1", tmp_path / "keys")


@pytest.fixture
def kept(tmp_path):
    return KeptSecrets(tmp_path / "acme/data/secrets.json", BOX)


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "acme").mkdir(exist_ok=True)
    return tmp_path / "acme"


def config(**places):
    return ConnectionConfig(
        name="okta", app="scim", speaks="scim", owner="dana", url="https://o.example", secrets=places
    )


def test_new_keys_are_for_their_owner_alone_and_read_back_the_same(keys, tmp_path):
    place = tmp_path / "keys/wsp_1"
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()} == {
        "ledger.key": 0o600, "workspace.json": 0o600,
    }  # fmt: skip
    again = open_keys("wsp_1", tmp_path / "keys")
    assert again == keys
    assert verify(keys.ledger_public_key, DIGEST, "usher.head/1", sign(again.ledger_key, DIGEST, "usher.head/1"))


def test_keys_never_show_in_a_representation(keys):
    shown = repr(keys)
    assert keys.ledger_key not in shown
    assert repr(next(iter(keys.workspace_keys.values()))) not in shown


def test_keys_that_are_there_are_never_replaced(keys, tmp_path):
    with pytest.raises(FileExistsError):
        create_keys("wsp_1", tmp_path / "keys")
    assert open_keys("wsp_1", tmp_path / "keys") == keys


@pytest.mark.parametrize("name", ["ledger.key", "workspace.json"])
def test_a_missing_key_is_told_with_its_place(keys, tmp_path, name):
    (tmp_path / "keys/wsp_1" / name).unlink()
    with pytest.raises(KeyMissing, match=rf"wsp_1/{name} is not there"):
        open_keys("wsp_1", tmp_path / "keys")


@pytest.mark.parametrize("name", ["ledger.key", "workspace.json", "."])
def test_keys_that_others_can_read_are_refused_with_the_command_that_helps(keys, tmp_path, name):
    path = tmp_path / "keys/wsp_1" / name
    path.chmod(path.stat().st_mode | 0o044)
    with pytest.raises(ReadableByOthers, match=r"run: chmod [67]00 '"):
        open_keys("wsp_1", tmp_path / "keys")


@pytest.mark.parametrize(
    ("name", "text"),
    [("workspace.json", "{}"), ("workspace.json", '{"keys": [{"id": "a", "key": "c2hvcnQ="}]}'),
     ("workspace.json", '{"keys": []}'), ("ledger.key", "usher-key-1:oops")],
)  # fmt: skip
def test_a_damaged_key_file_is_refused_and_not_repeated(keys, tmp_path, name, text):
    (tmp_path / "keys/wsp_1" / name).write_text(text)
    with pytest.raises(KeyDamaged) as caught:
        open_keys("wsp_1", tmp_path / "keys")
    assert "oops" not in str(caught.value)


def test_after_a_rotation_old_secrets_open_and_new_ones_use_the_new_key(keys, tmp_path):
    old = keys.box().seal("okta", "token", "t0p")
    rotated = rotate_workspace_key("wsp_1", tmp_path / "keys")
    assert rotated.box().open("okta", "token", old) == "t0p"
    new = rotated.box().seal("okta", "token", "t0p")
    assert new.split(":")[1] != old.split(":")[1]
    with pytest.raises(KeyMissing, match="workspace key"):
        keys.box().open("okta", "token", new)
    assert (tmp_path / "keys/wsp_1/workspace.json").stat().st_mode & 0o777 == 0o600


@given(st.text())
def test_what_is_sealed_opens_in_its_place(text):
    assert BOX.open("okta", "token", BOX.seal("okta", "token", text)) == text


def test_equal_secrets_have_different_seals():
    assert BOX.seal("okta", "token", "x") != BOX.seal("okta", "token", "x")


@pytest.mark.parametrize(
    ("box", "connection", "field"),
    [(BOX, "crm", "token"), (BOX, "okta", "password"), (SecretBox("wsp_2", {"k1": bytes(32)}), "okta", "token"),
     (SecretBox("wsp_1", {"k1": bytes([1] * 32)}), "okta", "token")],
    ids=["connection", "field", "workspace", "key"],
)  # fmt: skip
def test_a_sealed_secret_that_is_moved_to_another_place_does_not_open(box, connection, field):
    token = BOX.seal("okta", "token", "t0p")
    with pytest.raises(SealBroken):
        box.open(connection, field, token)


@given(st.integers(0, 10_000), st.integers(1, 127))
def test_a_sealed_secret_with_any_character_changed_does_not_open(position, shift):
    token = BOX.seal("okta", "token", "t0p secret")
    position %= len(token)
    changed = token[:position] + chr((ord(token[position]) + shift) % 128) + token[position + 1 :]
    with pytest.raises((SealBroken, KeyMissing)):
        BOX.open("okta", "token", changed)


def test_secrets_come_from_the_environment_a_file_or_our_own_store(workspace, kept):
    kept.keep("okta", "token", "from store", "https://o.example:443")
    (workspace / "pw").write_text("from file\n")
    (workspace / "pw").chmod(0o600)
    secrets = Secrets(workspace, kept, {"OKTA_LOGIN": "from env"})
    assert secrets(config(login="env:OKTA_LOGIN", password="file:pw", token="kept")) == {
        "login": "from env", "password": "from file", "token": "from store",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("env:NOPE", r"secrets\.token: the environment variable NOPE is not set; set it and start again"),
        ("file:nope", r"secrets\.token: .*/nope cannot be read \(No such file or directory\); put the secret there"),
        ("file:empty", r"secrets\.token: .*/empty is empty; put the secret there"),
        ("kept", r"secrets\.token: nothing is kept yet; enter it with --secret-stdin"),
    ],
)
def test_a_secret_that_is_not_there_says_what_to_do(workspace, kept, place, message):
    (workspace / "empty").write_text("\n")
    with pytest.raises(SecretMissing, match=r"^connections/okta\.yaml: " + message):
        Secrets(workspace, kept, {})(config(token=place))


def test_a_secret_file_that_others_can_read_works_with_a_warning_that_does_not_show_it(workspace, kept, caplog):
    (workspace / "pw").write_text("hunter2")
    (workspace / "pw").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert Secrets(workspace, kept, {})(config(token="file:pw")) == {"token": "hunter2"}
    assert "chmod 600" in caplog.text
    assert "hunter2" not in caplog.text


def test_kept_secrets_are_sealed_on_disk_for_their_owner_alone(kept, tmp_path):
    kept.keep("okta", "token", "hunter2-canary")
    path = tmp_path / "acme/data/secrets.json"
    assert b"canary" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    kept.forget("okta")
    assert json.loads(path.read_text())["secrets"] == {}


@pytest.mark.parametrize(
    "url", ["https://evil.example/scim", "https://o.example:8443", "https://o.example.evil.example", "http://localhost"]
)
def test_a_kept_secret_is_not_sent_to_another_address_than_it_was_entered_for(workspace, kept, tmp_path, url):
    here = config(token="kept")
    kept.keep("okta", "token", "hunter2", origin_of(here))
    secrets = Secrets(workspace, kept, {})
    assert secrets(here.model_copy(update={"url": "https://O.example/scim/v2"})) == {"token": "hunter2"}
    moved = here.model_copy(update={"url": url})
    with pytest.raises(SecretMissing, match="the address of okta changed: enter its secret again"):
        secrets(moved)
    path = tmp_path / "acme/data/secrets.json"
    path.write_text(path.read_text().replace(origin_of(here), origin_of(moved)))
    with pytest.raises(SealBroken):
        secrets(moved)


def test_secrets_that_are_kept_at_the_same_time_are_all_kept(kept):
    threads = [threading.Thread(target=kept.keep, args=(f"app{n}", "token", str(n))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [kept.get(f"app{n}", "token") for n in range(12)] == [str(n) for n in range(12)]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"secrets": []}', '{"secrets": {"okta": 1}}', '{"secrets": {"okta": {"token": "x"}}}']
)
def test_a_damaged_store_is_never_overwritten(kept, tmp_path, text):
    path = tmp_path / "acme/data/secrets.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(SecretMissing, match="damaged"):
        kept.keep("okta", "token", "x")
    assert path.read_text() == text
