"""An `usher` for documents that begins sooner: each command is a fork of one process that has loaded everything once.

The documents type a few hundred commands, and most of a command's time goes into Python's imports. What runs is the
same entry point, in a process, a folder, an environment and with open files of its own. `start` gives a folder for the
head of PATH; `python -m scripts.docs_usher SOCKET` is the process behind it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

from scripts.docs_model import ROOT

START_SECONDS = 60.0
END_SECONDS = 10.0
LOADED = (
    "usher.bootstrap",
    "usher.entry.cli.app",
    "usher.services.show",
    "usher.services.plan",
    "usher.services.observe",
    "usher.services.reconcile",
    "usher.store.database",
    "rich.table",
    "httpx2",
)
_one_at_a_time = threading.Lock()
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
one = socket.socket(socket.AF_UNIX)
one.connect({address!r})
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: one.sendall(bytes([number])))
asked = json.dumps({{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}})
socket.send_fds(one, [b"!"], [0, 1, 2])
one.sendall(asked.encode() + b"\\n")
code = one.recv(16)
sys.exit(int(code) if code else 70)
"""


def start() -> Path:
    """Start the process once, and return the folder in which its `usher` lies; it ends with this process."""
    with _one_at_a_time:
        return _started()


@cache
def _started() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="docs-usher-"))
    address = folder / "socket"
    command = [sys.executable, "-m", "scripts.docs_usher", str(address)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)

    def end() -> None:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    until = time.monotonic() + START_SECONDS
    while not address.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the process behind the documents' usher did not start")
        time.sleep(0.05)
    script = folder / "bin" / "usher"
    script.parent.mkdir()
    script.write_text(CLIENT.format(python=sys.executable, address=str(address)), encoding="utf-8")
    script.chmod(0o755)
    return script.parent


def serve(address: str) -> None:
    """Fork a keeper for each command that is asked for, until SIGTERM."""
    for name in LOADED:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{address}.new")
        door.listen(64)
        Path(f"{address}.new").rename(address)
        while True:
            one, _ = door.accept()
            if os.fork() == 0:
                door.close()
                os._exit(_keep(one))
            one.close()


def _keep(one: socket.socket) -> int:
    """Run one command, hand signals on to it, and say its exit code; it does not outlive whoever asked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(one, 1, 3)
    said = b""
    while not said.endswith(b"\n"):
        part = one.recv(65536)
        if not part:
            return 1  # whoever asked is gone before it had said what for
        said += part
    pid = os.fork()
    if pid == 0:
        one.close()
        _become(files, json.loads(said))
    for file in files:
        os.close(file)
    gone = None
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if gone is None:
                one.sendall(str(os.waitstatus_to_exitcode(status) & 0xFF).encode())
            return 0
        if gone is not None:
            if time.monotonic() > gone:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        elif select.select([one], [], [], 0.005)[0]:
            number = one.recv(1)
            gone = None if number else time.monotonic() + END_SECONDS
            os.kill(pid, number[0] if number else signal.SIGTERM)


def _become(files: list[int], asked: dict[str, object]) -> None:
    """Be the command: its files, folder, environment and arguments; never returns."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    environment = asked["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(asked["folder"]))
    arguments = asked["arguments"]
    assert isinstance(arguments, list)
    sys.argv = ["usher", *arguments]
    code = 70
    try:
        from usher.bootstrap import main

        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except KeyboardInterrupt:
        code = 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
