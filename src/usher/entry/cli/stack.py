"""Starts the systems that a demo manages, as processes of their own, and ends exactly those that it started."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from usher.domain.connection import Strict
from usher.domain.located import ConfigurationError, Problem, problems_of

READY_SECONDS = 30.0
LOAD_SECONDS = 60.0
STOP_SECONDS = 5.0
PORT_TRIES = 3
_PLACE = re.compile(r"\{([a-z_]+(?::[a-z0-9_-]+)?)\}")
_VALUE = re.compile(r"\$\{([a-z_]+)\}")


class StackError(Exception):
    """A system of the demo did not start or was asked for something it has not; one line or its last output."""


class Process(Strict):
    """One system of the demo."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name in commands, in `${name}` of the workspace's files and of its log."""
    about: str
    """What it is, for the person who watches the demo."""
    command: tuple[str, ...] = Field(min_length=1)
    """Program and arguments; it writes `{ready_file}`, or, where it cannot, takes a free `{port}` from us."""
    path: str = ""
    """What follows its address in the connection's url, such as `/v2`."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables of its environment, besides ours."""
    load: tuple[str, ...] = ()
    """A command that fills it once it accepts calls; runs to its end."""


class StackFile(Strict):
    """What `stack.yaml` may say."""

    secrets: tuple[str, ...] = ()
    """Names of secrets to draw anew at each start: `{secret:NAME}` here, `file:${secrets}/NAME` in the workspace."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """Commands that run to their end before anything starts."""
    processes: tuple[Process, ...] = Field(min_length=1)


@dataclass
class _Started:
    process: Process
    handle: subprocess.Popen[bytes]
    log: Path
    ready_file: Path
    port: int | None
    url: str = ""


class Stack:
    """The systems of one `stack.yaml`. Use it as a context manager: leaving ends what it started, also after Ctrl-C."""

    def __init__(self, content: StackFile, here: Path) -> None:
        self._content = content
        self._here = here
        self._started: list[_Started] = []
        self._values: dict[str, str] = {}
        self._var = Path()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `stack.yaml`; raises ConfigurationError naming file, line and field."""
        try:
            tree: Any = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
            return cls(StackFile.model_validate(tree), path.resolve().parent)
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigurationError([Problem(str(path), line, "-", "YAML", str(error.problem))]) from error
        except ValidationError as error:
            raise ConfigurationError(problems_of(str(path), error, tree, StackFile)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError([Problem(str(path), 1, "-", "a readable UTF-8 file", str(error))]) from error

    @property
    def processes(self) -> tuple[Process, ...]:
        """The systems, in the order in which they start."""
        return self._content.processes

    def start(self, var_dir: Path, today: date | None = None) -> dict[str, str]:
        """Start and fill every system, keeping its files below `var_dir`; return name -> url.

        When one fails all are ended again: StackError with what it wrote last.
        """
        assert not self._started, "a stack is started once"
        self._var = var_dir.resolve()
        for folder in ("data", "logs", "journals", "run", "secrets"):
            (self._var / folder).mkdir(parents=True, exist_ok=True)
        self._values = {
            "python": sys.executable,
            "bin": str(Path(sys.executable).parent),
            "here": str(self._here),
            "data": str(self._var / "data"),
            "today": (today or datetime.now(UTC).date()).isoformat(),
            **self._draw_secrets(),
        }
        try:
            for number, command in enumerate(self._content.prepare, start=1):
                self._run(command, self._values, f"prepare-{number}")
            for process in self._content.processes:
                self._started.append(self._launch(process))
            urls = {started.process.name: self._await(place) for place, started in enumerate(self._started)}
            for started in self._started:
                if started.process.load:
                    self._run(started.process.load, self._values_of(started), f"load-{started.process.name}")
        except BaseException:
            self.stop()
            raise
        return urls

    def stop(self) -> None:
        """End what was started, last first, by its process id; twice is not an error."""
        for started in reversed(self._started):
            if started.handle.poll() is None:
                started.handle.send_signal(signal.SIGTERM)
        for started in reversed(self._started):
            try:
                started.handle.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                started.handle.kill()
                started.handle.wait()
        self._started = []

    def pids(self) -> dict[str, int]:
        """Return the process id of each system that was started."""
        return {started.process.name: started.handle.pid for started in self._started}

    def journal(self, name: str) -> Path:
        """Return the file in which a system records what was really done to it; StackError where it keeps none."""
        process = next((process for process in self.processes if process.name == name), None)
        if process is None or not any("{journal}" in word for word in process.command):
            raise StackError(f"{name}: no such system, or it keeps no journal")
        return self._journal(name)

    def workspace_values(self) -> dict[str, str]:
        """Return what `${name}` stands for in the workspace's files: each system's url, `data` and `secrets`."""
        folders = {"data": str(self._var / "data"), "secrets": str(self._var / "secrets")}
        return {**folders, **{started.process.name: started.url for started in self._started}}

    def _journal(self, name: str) -> Path:
        return self._var / "journals" / f"{name}.jsonl"

    def _draw_secrets(self) -> dict[str, str]:
        drawn = {}
        for name in self._content.secrets:
            drawn[f"secret:{name}"] = value = secrets.token_hex(16)
            file = self._var / "secrets" / name
            file.unlink(missing_ok=True)
            file.touch(mode=0o600)
            file.write_text(value, encoding="utf-8")
        return drawn

    def _launch(self, process: Process) -> _Started:
        name = process.name
        log, ready_file = self._var / "logs" / f"{name}.log", self._var / "run" / f"{name}.ready.json"
        # What an earlier start left would be taken for this one's.
        for stale in (log, ready_file, self._journal(name)):
            stale.unlink(missing_ok=True)
        port = _free_port() if any("{port}" in word for word in process.command) else None
        values = {
            **self._values,
            "port": str(port),
            "ready_file": str(ready_file),
            "journal": str(self._journal(name)),
        }
        command = [_fill(word, values, name) for word in process.command]
        env = {key: _fill(value, values, name) for key, value in process.env.items()}
        return _Started(process, _spawn(command, env, log), log, ready_file, port)

    def _await(self, place: int) -> str:
        """Wait until a system accepts calls; one that lost the race for its free port is launched again."""
        deadline = time.monotonic() + READY_SECONDS
        tries = 1
        while True:
            started = self._started[place]
            url = _announced(started)
            if url is not None:
                started.url = url + started.process.path
                return started.url
            code = started.handle.poll()
            if code is not None and started.port is not None and tries < PORT_TRIES:
                self._started[place] = self._launch(started.process)
                tries += 1
            elif code is not None:
                raise StackError(f"{started.process.name} ended with exit code {code}:\n{_tail(started.log)}")
            elif time.monotonic() > deadline:
                name = started.process.name
                raise StackError(f"{name} was not ready after {READY_SECONDS:g} s:\n{_tail(started.log)}")
            time.sleep(0.05)

    def _values_of(self, started: _Started) -> dict[str, str]:
        return {**self._values, "url": started.url}

    def _run(self, command: tuple[str, ...], values: Mapping[str, str], name: str) -> None:
        log = self._var / "logs" / f"{name}.log"
        handle = _spawn([_fill(word, values, name) for word in command], {}, log)
        try:
            code = handle.wait(LOAD_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{name} did not end within {LOAD_SECONDS:g} s:\n{_tail(log)}") from error
        finally:
            if handle.poll() is None:
                handle.kill()
                handle.wait()
        if code != 0:
            raise StackError(f"{name} ended with exit code {code}:\n{_tail(log)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def fill_workspace(source: Path, target: Path, values: Mapping[str, str]) -> None:
    """Copy a folder of configuration, putting values in place of `${name}`; StackError naming file and line otherwise.

    Nothing is written unless every file can be filled.
    """
    filled: dict[Path, str] = {}
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            unknown = [name for name in _VALUE.findall(line) if name not in values]
            if unknown:
                known = ", ".join(f"${{{name}}}" for name in sorted(values))
                raise StackError(f"{file}:{number}: ${{{unknown[0]}}}: expected one of {known}")
        filled[file.relative_to(source)] = _VALUE.sub(lambda match: values[match[1]], "".join(lines))
    for path, text in filled.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")


def _spawn(command: list[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches us alone, and we end the systems in order.
    with log.open("ab") as output:
        try:
            return subprocess.Popen(
                command,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"{command[0]}: cannot be started: {error.strerror}") from error


def _announced(started: _Started) -> str | None:
    if started.port is None:
        if not started.ready_file.exists():
            return None
        return str(json.loads(started.ready_file.read_text(encoding="utf-8"))["url"])
    if started.handle.poll() is not None:
        return None
    try:
        socket.create_connection(("127.0.0.1", started.port), timeout=1).close()
    except OSError:
        return None
    return f"http://127.0.0.1:{started.port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fill(text: str, values: Mapping[str, str], name: str) -> str:
    unknown = [place for place in _PLACE.findall(text) if place not in values]
    if unknown:
        raise StackError(f"{name}: {{{unknown[0]}}} has no value here")
    return _PLACE.sub(lambda match: values[match[1]], text)


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
