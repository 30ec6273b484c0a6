"""The lease: one process a workspace may perform effects, held by a file lock and a fence number in the database."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import IO

from usher.services.workspace import Refusal, Workspace

try:
    import fcntl
except ImportError as error:  # pragma: no cover - only on systems without POSIX locks
    raise ImportError("usher's worker needs POSIX file locks (Linux or macOS)") from error


class LeaseTaken(Refusal):
    """Another process holds the lease: it carries the effects out, this one must not."""


class Lease:
    """Take it as a context manager; `fence` is the number under which effects may happen."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._path: Path = workspace.folder / "data" / "effects.lock"
        self._file: IO[str] | None = None
        self.fence = 0

    def __enter__(self) -> Lease:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise LeaseTaken(f"the lease is held by {holder}") from error
        holder = f"pid {os.getpid()} on {socket.gethostname()}"
        file.seek(0)
        file.truncate()
        file.write(holder)
        file.flush()
        self._file = file
        with self._workspace.store.begin() as unit:
            self.fence = unit.leases.take(holder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._workspace.store.begin() as unit:
            unit.leases.release(self.fence)
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._file.close()
            self._file = None

    def beat(self) -> bool:
        """Show that this holder lives; False where another has taken the lease since."""
        with self._workspace.store.begin() as unit:
            return unit.leases.beat(self.fence)
