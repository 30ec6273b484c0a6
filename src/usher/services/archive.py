"""The one file of a backup: what may be in it, its manifest, and how it is written and read without trusting it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from usher.domain.canonical import NotCanonical, digest
from usher.domain.signing import BadKey, verify
from usher.services.workspace import Refusal
from usher.store.configuration import FOLDERS, MAIN_FILE

SCHEMA = "usher.backup/1"
MANIFEST = "manifest.json"
DATABASE = "data/usher.db"
SECRETS = "data/secrets.json"
HEADS = "heads/"
READINGS = "data/snapshots/"
PICTURES = "data/pictures/"
BLOCK = 1 << 20
LARGEST_MANIFEST = 256 << 20


class BackupDamaged(Refusal):
    """The file is not a whole backup: use another one; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `files` maps each name to its SHA-256 and size; `head` is the ledger's newest signed head.

    `revision` is that of the tables, `kept_in` the kind of database they were copied from. The ledger's key signs all.
    """

    workspace: str
    made_at: str
    made_by: str
    revision: str
    kept_in: str
    head: Mapping[str, Any] | None
    public_key: str
    files: Mapping[str, Mapping[str, Any]]
    signature: str = ""

    def document(self) -> dict[str, Any]:
        """The manifest as JSON, without its signature."""
        return {
            "schema": SCHEMA,
            "workspace": self.workspace,
            "made_at": self.made_at,
            "made_by": self.made_by,
            "revision": self.revision,
            "kept_in": self.kept_in,
            "head": dict(self.head) if self.head else None,
            "public_key": self.public_key,
            "files": {name: dict(facts) for name, facts in sorted(self.files.items())},
        }

    @property
    def digest(self) -> str:
        """What is signed, and what a restore names in the ledger."""
        return digest(SCHEMA, self.document())

    @property
    def size(self) -> int:
        """How many leaves of the ledger its newest head covers."""
        return int(self.head["size"]) if self.head else 0

    @property
    def unpacked(self) -> int:
        """How many bytes everything in it takes."""
        return sum(int(facts["bytes"]) for facts in self.files.values())

    @staticmethod
    def of(text: bytes) -> Manifest:
        """Read a manifest and check its signature; BackupDamaged where it is not what usher wrote."""
        try:
            values = json.loads(text)
            if values.pop("schema") != SCHEMA:
                raise BackupDamaged("the file is not a backup that this version of usher reads")
            manifest = Manifest(**values)
            if verify(manifest.public_key, manifest.digest, SCHEMA, manifest.signature):
                return manifest
        except (ValueError, TypeError, KeyError, AttributeError, NotCanonical, BadKey) as error:
            raise BackupDamaged("its manifest cannot be read: use another backup") from error
        raise BackupDamaged("its manifest was changed after it was signed: use another backup")


def allowed(name: str) -> bool:
    """True for the names that a backup may hold: never a key, never a path that leads out of the folder."""
    parts = PurePosixPath(name).parts
    if str(PurePosixPath(*parts)) != name or ".." in parts or name.startswith("/") or "\\" in name or "\0" in name:
        return False
    if name in (MAIN_FILE, DATABASE, SECRETS):
        return True
    if len(parts) == 2 and parts[0] in FOLDERS:
        return name.endswith(".yaml")
    return name.startswith((HEADS, READINGS, PICTURES)) and len(parts) > 1


@dataclass(slots=True)
class Writer:
    """Adds files to a new archive and remembers their sums."""

    tar: tarfile.TarFile
    seconds: float
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_bytes(self, name: str, data: bytes) -> None:
        """Add what was read already."""
        self._add(name, io.BytesIO(data), len(data))

    def add_file(self, name: str, path: Path) -> None:
        """Add a file as it is at this instant; what grows meanwhile is cut at the size that it had."""
        with path.open("rb") as stream:
            self._add(name, stream, os.fstat(stream.fileno()).st_size)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """Add the manifest, which ends the archive."""
        data = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
        self.tar.addfile(self._info(MANIFEST, len(data)), io.BytesIO(data))

    def _add(self, name: str, stream: IO[bytes], size: int) -> None:
        assert allowed(name), name
        summed = _Summing(stream, size)
        self.tar.addfile(self._info(name, size), summed)
        self.files[name] = {"sha256": summed.sum.hexdigest(), "bytes": size}

    def _info(self, name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(self.seconds)
        return info


class _Summing:
    """Hashes exactly the bytes that go into the archive."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size
        self.sum = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self.sum.update(data)
        return data


@contextmanager
def writing(path: Path, seconds: float) -> Iterator[Writer]:
    """A new archive of mode 0600, there as a whole or not at all; Refusal where the file exists already."""
    if path.exists():
        raise Refusal(f"{path} exists: name a new file, a backup is never written over")
    half = path.with_name(f".{path.name}.{os.getpid()}.half")
    try:
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            with (
                gzip.GzipFile("", "wb", 6, raw, mtime=seconds) as packed,
                tarfile.open(fileobj=packed, mode="w") as tar,
            ):
                yield Writer(tar, seconds)
            raw.flush()
            os.fsync(raw.fileno())
        try:
            os.link(half, path)  # unlike a rename, this never takes the place of a file that appeared meanwhile
        except FileExistsError as error:
            raise Refusal(f"{path} exists: name a new file, a backup is never written over") from error
    except OSError as error:
        why = f"{error.filename or path}: {error.strerror or error}"
        raise Refusal(f"the backup cannot be written ({why}): mend that, or name another place") from error
    finally:
        half.unlink(missing_ok=True)


def read_archive(path: Path, folder: Path) -> Manifest:
    """Unpack an archive into a new folder and check every sum; BackupDamaged where anything is not as it was written.

    Nothing in the archive decides where a file goes but its checked name; links and special files are refused.
    """
    if not path.is_file():
        raise Refusal(f"{path}: there is no such file")
    found: dict[str, dict[str, Any]] = {}
    manifest: bytes | None = None
    try:
        with tarfile.open(path, "r:gz") as tar:
            for info in tar:
                stream = tar.extractfile(info) if info.isreg() else None
                if stream is None or manifest is not None or (info.name != MANIFEST and not allowed(info.name)):
                    raise BackupDamaged(f"{path} holds {info.name!r}, which no backup of usher holds")
                if info.name == MANIFEST:
                    manifest = stream.read(LARGEST_MANIFEST)
                else:
                    found[info.name] = _unpack(stream, folder / info.name)
        with gzip.open(path) as whole:  # the last sum stands behind the end of the archive
            while whole.read(BLOCK):
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BackupDamaged(f"{path} is cut off or damaged ({error}): use another backup") from error
    if manifest is None:
        raise BackupDamaged(f"{path} has no manifest: it is cut off, or not a backup")
    read = Manifest.of(manifest)
    wrong = sorted(name for name in {*found, *read.files} if found.get(name) != read.files.get(name))
    if wrong:
        raise BackupDamaged(f"{path}: {wrong[0]} is not as it was written ({len(wrong)} files): use another backup")
    return read


def _unpack(stream: IO[bytes], target: Path) -> dict[str, Any]:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    summed, size = hashlib.sha256(), 0
    with os.fdopen(descriptor, "wb") as out:
        while data := stream.read(BLOCK):
            summed.update(data)
            size += len(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return {"sha256": summed.hexdigest(), "bytes": size}
