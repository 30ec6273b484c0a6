"""Start a twin on a loopback port, announce it by a ready file and keep its journal: every twin behaves alike."""

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 3  # calls in flight may end; a browser that keeps a connection open must not keep the twin alive


def now_text() -> str:
    """Return the present instant as UTC text with milliseconds and a final `Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_json_atomically(path: Path, value: object) -> None:
    """Write `value` as JSON so that a reader sees the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    half.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    half.replace(path)


class Journal:
    """An append-only file of JSON lines, one per thing that happened; kept in memory when `path` is None.

    Each line reaches the operating system before `append` returns, so a killed twin loses nothing;
    it is not forced to the disk. Safe to use from several threads.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._kept: list[dict[str, Any]] = read_journal(path) if path is not None else []
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _drop_torn_line(path)
            self._file = path.open("a", encoding="utf-8", newline="\n")

    def append(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Add one entry, with the present instant under `at` unless it carries one, and return what was written."""
        line = {"at": now_text(), **entry}
        with self._lock:
            if self._file is not None:
                self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
                self._file.flush()
            self._kept.append(line)
        return line

    def entries(self) -> list[dict[str, Any]]:
        """Return every entry, oldest first, those of earlier runs included."""
        with self._lock:
            return list(self._kept)

    def close(self) -> None:
        """Close the file; entries stay readable."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal file, oldest first; a missing file is an empty journal."""
    if not path.exists():
        return []
    *whole, _torn = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in whole if line]


def _drop_torn_line(path: Path) -> None:
    # A twin killed in mid-line leaves a part; the next entry must not be glued to it.
    if path.exists():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)


class _Announcing(uvicorn.Server):
    """A server that writes its ready file once it accepts calls and treats SIGTERM as a normal end."""

    def __init__(self, config: uvicorn.Config, ready_file: Path | None, announcement: dict[str, Any]) -> None:
        super().__init__(config)
        self._ready_file = ready_file
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready_file is not None:
            write_json_atomically(self._ready_file, self._announcement)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn raises the signal again after its shutdown; a twin that was asked to end has not failed.
        def end(_number: int, _frame: FrameType | None) -> None:
            self.should_exit = True

        earlier = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


def serve(
    app: ASGIApp,
    port: int = 0,
    ready_file: Path | None = None,
    extra: Mapping[str, Any] | None = None,
    *,
    certificate: tuple[Path, Path] | None = None,
) -> None:
    """Serve an ASGI app on 127.0.0.1 until SIGTERM or SIGINT, then return.

    `port` 0 takes a free one. `ready_file` receives `{"url", "port", "pid", **extra}` once calls are accepted and
    is removed at the end. `certificate` = (certificate file, key file) makes it https. Call it from the main thread.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        bound = listener.getsockname()[1]
        scheme = "https" if certificate else "http"
        announcement = {"url": f"{scheme}://{LOOPBACK}:{bound}", "port": bound, "pid": os.getpid(), **(extra or {})}
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=str(certificate[0]) if certificate else None,
            ssl_keyfile=str(certificate[1]) if certificate else None,
        )
        try:
            _Announcing(config, ready_file, announcement).run(sockets=[listener])
        finally:
            if ready_file is not None:
                ready_file.unlink(missing_ok=True)
