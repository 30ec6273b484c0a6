"""The keys of a workspace, kept outside its data and its backups, and the box that seals secrets with them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from usher.domain.canonical import canonical
from usher.domain.signing import new_private_key, public_of
from usher.store.privatefiles import create_private, make_private_folder, require_private
from usher.store.yamlfiles import write_text

DEFAULT_FOLDER = Path("~/.config/usher/keys")
WORKSPACE_KEYS = "workspace.json"
LEDGER_KEY = "ledger.key"
_TOKEN = "usher-sealed-1"  # noqa: S105 - the label in front of sealed text, no secret
_NONCE_BYTES = 12
_KEY_BYTES = 32


class KeyMissing(Exception):
    """A key is not here: start sealed, and bring the key back from where it is kept. Never make another."""


class KeyDamaged(Exception):
    """A key file does not hold keys: bring it back from where it is kept."""


class SealBroken(Exception):
    """Sealed text does not open: it was changed, or it was sealed for another place. Enter the secret again."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one workspace; the first of `workspace_keys` (id -> 32 bytes) seals, every one opens.

    `missing` says which file is not here: then there are no keys of that kind, and the workspace starts sealed.
    """

    workspace_id: str
    folder: Path
    workspace_keys: Mapping[str, bytes] = field(repr=False)
    ledger_key: str = field(repr=False)
    missing: str | None = None

    @property
    def ledger_public_key(self) -> str:
        """The key with which anybody verifies the heads of the ledger; empty where the key is missing."""
        return public_of(self.ledger_key) if self.ledger_key else ""

    def box(self) -> SecretBox:
        """Return the box that seals and opens secrets with these keys."""
        return SecretBox(self.workspace_id, self.workspace_keys)


def key_folder(workspace_id: str, folder: Path | None = None) -> Path:
    """Return where the keys of a workspace lie; `folder` replaces `~/.config/usher/keys`."""
    return (folder or DEFAULT_FOLDER).expanduser() / workspace_id


def create_keys(workspace_id: str, folder: Path | None = None) -> Keys:
    """Make the keys of a new workspace; FileExistsError where there are any, ReadableByOthers if open.

    The folder gets mode 0700 and the files 0600.
    """
    place = key_folder(workspace_id, folder)
    make_private_folder(place)
    create_private(place / LEDGER_KEY, new_private_key() + "\n")
    create_private(place / WORKSPACE_KEYS, _to_json(_with_new_key({})))
    return open_keys(workspace_id, folder)


def open_keys(workspace_id: str, folder: Path | None = None) -> Keys:
    """Read the keys of a workspace; raises KeyMissing, KeyDamaged or ReadableByOthers."""
    place = key_folder(workspace_id, folder)
    ledger_key = _signing_key(place)
    return Keys(workspace_id, place, _from_json(_read(place, WORKSPACE_KEYS), place / WORKSPACE_KEYS), ledger_key)


def _signing_key(place: Path) -> str:
    ledger_key = _read(place, LEDGER_KEY).strip()
    try:
        public_of(ledger_key)
    except ValueError as error:
        raise KeyDamaged(f"{place / LEDGER_KEY}: {error}") from error
    return ledger_key


def open_keys_or_sealed(workspace_id: str, folder: Path | None = None) -> Keys:
    """Read whatever keys are here; `missing` says what to do about one that is not. Raises the rest of `open_keys`."""
    try:
        return open_keys(workspace_id, folder)
    except KeyMissing as error:
        missing, place = str(error), key_folder(workspace_id, folder)
    path = place / WORKSPACE_KEYS
    sealing = _from_json(_read(place, WORKSPACE_KEYS), path) if path.is_file() else {}
    signing = _signing_key(place) if (place / LEDGER_KEY).is_file() else ""
    return Keys(workspace_id, place, sealing, signing, missing)


def rotate_workspace_key(workspace_id: str, folder: Path | None = None) -> Keys:
    """Put a new workspace key first; older ones stay, so that everything sealed before still opens."""
    keys = open_keys(workspace_id, folder)
    write_text(keys.folder / WORKSPACE_KEYS, _to_json(_with_new_key(keys.workspace_keys)), mode=0o600)
    return open_keys(workspace_id, folder)


class SecretBox:
    """Seals text with AES-256-GCM for one field of one connection of one workspace, and opens it only there."""

    def __init__(self, workspace_id: str, keys: Mapping[str, bytes]) -> None:
        self._workspace_id = workspace_id
        self._keys = keys

    def seal(self, connection: str, field: str, text: str) -> str:
        """Return a token `usher-sealed-1:KEY ID:BASE64` that tells nothing but the length of the text."""
        if not self._keys:
            raise KeyMissing("the workspace's key is not here: bring it back before a secret is kept")
        key_id, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, text.encode(), self._place(connection, field, key_id))
        return f"{_TOKEN}:{key_id}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, connection: str, field: str, token: str) -> str:
        """Return the text; raises KeyMissing for a key that is not here and SealBroken for anything else."""
        where = f"the sealed {field!r} of {connection!r}"
        label, _, rest = token.partition(":")
        key_id, _, body = rest.partition(":")
        if label != _TOKEN:
            raise SealBroken(f"{where} is not a sealed text")
        if key_id not in self._keys:
            raise KeyMissing(f"{where} needs the workspace key {key_id!r}, which is not here")
        try:
            data = base64.b64decode(body, validate=True)
            if base64.b64encode(data).decode() != body:
                raise ValueError("base64 has spare bits at its end; only the one true spelling counts")
            opened = AESGCM(self._keys[key_id]).decrypt(
                data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._place(connection, field, key_id)
            )
            return opened.decode()
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"{where} was changed, or was sealed for another place") from error

    def has_key_of(self, token: str) -> bool:
        """True where the key that sealed this text is here; says nothing about whether it opens."""
        return token.split(":")[1:2] in [[key_id] for key_id in self._keys]

    def _place(self, connection: str, field: str, key_id: str) -> bytes:
        """Return the associated data, so that a token that is moved elsewhere does not open."""
        place = {"workspace": self._workspace_id, "connection": connection, "field": field, "key": key_id}
        return canonical(place)


def _read(place: Path, name: str) -> str:
    path = place / name
    if not path.is_file():
        raise KeyMissing(f"{path} is not there; bring the keys of this workspace back from where they are kept")
    require_private(place)
    require_private(path)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise KeyDamaged(f"{path} is not text") from error


def _with_new_key(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    key = secrets.token_bytes(_KEY_BYTES)
    return {hashlib.sha256(b"usher workspace key\0" + key).hexdigest()[:16]: key, **keys}


def _to_json(keys: Mapping[str, bytes]) -> str:
    rows = [{"id": key_id, "key": base64.b64encode(key).decode()} for key_id, key in keys.items()]
    return json.dumps({"schema": "usher.workspace-keys/1", "keys": rows}, indent=1) + "\n"


def _from_json(text: str, path: Path) -> dict[str, bytes]:
    try:
        keys = {str(row["id"]): base64.b64decode(row["key"], validate=True) for row in json.loads(text)["keys"]}
    except (ValueError, KeyError, TypeError) as error:
        raise KeyDamaged(f"{path} does not hold workspace keys") from error
    if not keys or any(len(key) != _KEY_BYTES for key in keys.values()):
        raise KeyDamaged(f"{path} does not hold keys of {_KEY_BYTES} bytes")
    return keys
