"""Files that only their owner may read; whatever others can read is refused before it is believed."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class ReadableByOthers(Exception):
    """Others can read a secret file: take their rights away as the message says, and consider the secret known."""

    def __init__(self, path: Path, mode: int) -> None:
        wanted = "700" if path.is_dir() else "600"
        super().__init__(f"{path} has mode {mode:o}, so others can read it; run: chmod {wanted} '{path}'")
        self.path = path


def loose_mode(path: Path) -> int | None:
    """Return the mode of a file or folder that group or others have any right to, else None."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return mode if mode & 0o077 else None


def require_private(path: Path) -> None:
    """Raise ReadableByOthers unless the owner alone has rights."""
    mode = loose_mode(path)
    if mode is not None:
        raise ReadableByOthers(path, mode)


def make_private_folder(folder: Path) -> None:
    """Make a folder with mode 0700; raises ReadableByOthers for one that is there and open to others."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    require_private(folder)


def open_private_folder(folder: Path) -> None:
    """Make a folder with mode 0700, or take the rights of others away from one of ours that is there."""
    folder.mkdir(exist_ok=True, mode=0o700)
    if loose_mode(folder) is not None and folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)


def make_private_file(path: Path) -> None:
    """Make sure that a file is there, made for its owner alone; what is there already stays as it is."""
    path.touch(mode=0o600, exist_ok=True)


def create_private(path: Path, text: str) -> None:
    """Write a new file with mode 0600, durably; raises FileExistsError rather than replace one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
