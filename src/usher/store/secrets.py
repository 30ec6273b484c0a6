"""Finds the secrets of connections where the configuration says they are, and keeps those that nobody else keeps."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from usher.domain.connection import ConnectionConfig
from usher.store.keys import SecretBox
from usher.store.privatefiles import loose_mode
from usher.store.yamlfiles import write_text

logger = logging.getLogger("usher.secrets")
LARGEST_SECRET = 65_536


class SecretMissing(Exception):
    """A secret is not where the configuration says: do what the message says. It never shows a secret."""


class KeptSecrets:
    """Secrets sealed into `data/secrets.json` of the workspace; the file alone tells nothing without the keys."""

    def __init__(self, path: Path, box: SecretBox) -> None:
        self._path = path
        self._box = box

    def keep(self, connection: str, field: str, value: str, origin: str = "") -> None:
        """Seal a secret for one origin (see `origin_of`) and replace the file as a whole, one writer at a time."""
        with self._locked():
            sealed = self._read()
            token = self._box.seal(connection, _bound(field, origin), value)
            sealed.setdefault(connection, {})[field] = {"origin": origin, "sealed": token}
            self._write(sealed)

    def forget(self, connection: str) -> None:
        """Take all secrets of a connection out of the file; there may be none."""
        with self._locked():
            sealed = self._read()
            if sealed.pop(connection, None) is not None:
                self._write(sealed)

    def get(self, connection: str, field: str, origin: str = "") -> str:
        """Return a secret for the origin it was entered for; raises SecretMissing, KeyMissing or SealBroken.

        The origin is sealed in with the secret: to write another one into the file does not open it.
        """
        kept = self._read().get(connection, {}).get(field)
        if kept is None:
            raise SecretMissing(
                f"connections/{connection}.yaml: secrets.{field}: nothing is kept yet; enter it with --secret-stdin "
                f"or at the prompt, or name env:NAME or file:PATH"
            )
        if kept["origin"] != origin:
            raise SecretMissing(f"the address of {connection} changed: enter its secret again ({field})")
        return self._box.open(connection, _bound(field, origin), kept["sealed"])

    def missing_key(self) -> str | None:
        """Say which kept secrets were sealed with a key that is not here, None where every key is."""
        try:
            sealed = self._read()
        except SecretMissing:
            return None  # said where the secret is needed
        closed = [name for name, fields in sealed.items() if not all(self._has_key(kept) for kept in fields.values())]
        if not closed:
            return None
        return (
            f"the secrets of {', '.join(sorted(closed))} were sealed with a workspace key that is not here; "
            f"bring it back from where it is kept"
        )

    def _has_key(self, kept: Mapping[str, str]) -> bool:
        return self._box.has_key_of(kept["sealed"])

    def _read(self) -> dict[str, dict[str, dict[str, str]]]:
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise SecretMissing(f"{self._path} is damaged: bring it back, or enter the secrets again") from error
        connections = held.get("secrets") if isinstance(held, dict) else None
        if not isinstance(connections, dict) or not all(map(_is_whole, connections.values())):
            raise SecretMissing(f"{self._path} is damaged: bring it back, or enter the secrets again")
        return connections

    def _write(self, sealed: Mapping[str, Mapping[str, Mapping[str, str]]]) -> None:
        text = json.dumps({"schema": "usher.kept-secrets/1", "secrets": sealed}, indent=1, sort_keys=True)
        write_text(self._path, text + "\n", mode=0o600)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file for one writer, of this process or another."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def origin_of(config: ConnectionConfig) -> str:
    """Where the secrets of a connection may be sent: scheme, host and port of its address, empty without one."""
    if config.url is None:
        return ""
    parts = urlsplit(config.url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def _bound(field: str, origin: str) -> str:
    return f"{field} for {origin}"


def _is_whole(fields: object) -> bool:
    return isinstance(fields, dict) and all(
        isinstance(kept, dict) and isinstance(kept.get("origin"), str) and isinstance(kept.get("sealed"), str)
        for kept in fields.values()
    )


class Secrets:
    """Resolves what `secrets:` of a connection names; call it with the connection's configuration."""

    def __init__(self, folder: Path, kept: KeptSecrets, environment: Mapping[str, str]) -> None:
        """`folder` is the workspace: relative `file:` paths begin there."""
        self._folder = folder
        self._kept = kept
        self._environment = environment

    def __call__(self, config: ConnectionConfig) -> Mapping[str, str]:
        """Return name -> secret of a connection; raises SecretMissing with one line that says what to do."""
        return {name: self._find(config, name, place) for name, place in config.secrets.items()}

    def _find(self, config: ConnectionConfig, name: str, place: str) -> str:
        if place == "kept":
            return self._kept.get(config.name, name, origin_of(config))
        return self.at(f"connections/{config.name}.yaml: secrets.{name}", place)

    def at(self, where: str, place: str) -> str:
        """Return the secret at `env:NAME` or `file:PATH`; `where` is what names the place. Raises SecretMissing."""
        kind, _, rest = place.partition(":")
        if kind not in ("env", "file") or not rest:
            raise SecretMissing(f"{where}: expected env:NAME or file:PATH, never the secret itself")
        return self._from_environment(where, rest) if kind == "env" else self._from_file(where, rest)

    def _from_environment(self, where: str, variable: str) -> str:
        value = self._environment.get(variable, "")
        if not value:
            raise SecretMissing(f"{where}: the environment variable {variable} is not set; set it and start again")
        return value

    def _from_file(self, where: str, written: str) -> str:
        path = self._folder / Path(written).expanduser()
        try:
            mode = loose_mode(path)
            with path.open(encoding="utf-8") as stream:
                text = stream.read(LARGEST_SECRET + 1)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise SecretMissing(f"{where}: {path} cannot be read ({why}); put the secret there, mode 600") from error
        if mode is not None:
            logger.warning("%s: %s has mode %o, so others can read it; run: chmod 600 '%s'", where, path, mode, path)
        value = text.removesuffix("\n").removesuffix("\r")
        if not value or len(text) > LARGEST_SECRET:
            raise SecretMissing(f"{where}: {path} is {'empty' if not value else 'too large'}; put the secret there")
        return value
