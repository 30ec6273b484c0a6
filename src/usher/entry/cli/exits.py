"""The one place where an error becomes an exit code and a line for people."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the exit code of every command means."""

    DONE = 0
    NEEDS_PERSON = 1
    BAD_INPUT = 2
    REFUSED = 3
    UNREACHABLE = 4
    INTERNAL = 5
    INTERRUPTED = 130


MEANING = {
    ExitCode.DONE: "done",
    ExitCode.NEEDS_PERSON: "a person is needed (parked step, open task, partial reading, ledger not whole)",
    ExitCode.BAD_INPUT: "bad input or configuration: the line says where, and what was expected",
    ExitCode.REFUSED: "refused, nothing changed (unknown name, wrong key, approvals, guard, seal)",
    ExitCode.UNREACHABLE: "an app could not be reached, or does not let usher in",
    ExitCode.INTERNAL: "an internal failure: the line names an id to look for in the log",
    ExitCode.INTERRUPTED: "interrupted; what was begun is safe, and the next worker goes on",
}
"""In the order of the codes; `usher --help` and the reference show it."""

LOG_NAME = "usher.log"
logger = logging.getLogger("usher.cli")


class BadInput(Exception):
    """What was typed, piped or named cannot be used: one line that says what was expected."""


def say(line: str) -> None:
    """One line for people on standard error."""
    sys.stderr.write(f"usher: {' '.join(line.split())}\n")
    sys.stderr.flush()


def guarded(call: Callable[[], object], log_folder: Callable[[], Path | None]) -> int:
    """Run a command and return its exit code; every error it may end in is said in one line each."""
    from typer import Abort
    from typer.exceptions import TyperException

    try:
        answer = call()
    except TyperException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "usher"
        say(f"{error.format_message()} (see: {where} --help)")
        return ExitCode.BAD_INPUT
    except (KeyboardInterrupt, Abort):
        say("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _no_reader()
    except Exception as error:  # noqa: BLE001 - every error ends here, named by its class or logged with an id
        return _code_of(error, log_folder())
    return answer if isinstance(answer, int) else ExitCode.DONE


def _code_of(error: Exception, log_folder: Path | None) -> int:
    """Name the ending by the error's class. Imports late: the classes live in rooms that take time to load."""
    from usher.catalog.registry import UnknownApp
    from usher.connectors.contract import RepeatedCursor
    from usher.connectors.errors import ConnectorError, NotPermitted, Unreadable
    from usher.domain.located import ConfigurationError
    from usher.entry.cli.stack import StackError
    from usher.services.workspace import Refusal
    from usher.store.configurationinit import NotAWorkspace
    from usher.store.database import DatabaseNewer
    from usher.store.keys import KeyDamaged, KeyMissing, SealBroken
    from usher.store.privatefiles import ReadableByOthers
    from usher.store.secrets import SecretMissing

    match error:
        case ConfigurationError():
            for problem in error.problems:
                say(str(problem))
            return ExitCode.BAD_INPUT
        case BadInput() | Unreadable() | DatabaseNewer() | UnknownApp() | NotAWorkspace():
            say(str(error))
            return ExitCode.BAD_INPUT
        case KeyMissing() | KeyDamaged() | SealBroken() | SecretMissing() | ReadableByOthers():
            say(str(error))
            return ExitCode.BAD_INPUT
        case Refusal() | NotPermitted():
            say(str(error))
            return ExitCode.REFUSED
        case ConnectorError() | RepeatedCursor() | StackError():
            say(str(error))
            return ExitCode.UNREACHABLE
        case OSError(errno=errno.EPIPE):
            return _no_reader()
        case _:
            return _internal(error, log_folder)


def _internal(error: Exception, log_folder: Path | None) -> int:
    id = secrets.token_hex(4)
    text = "".join(traceback.format_exception(error))
    place = keep_in_log(log_folder, f"failure {id}\n{text}")
    if os.environ.get("USHER_DEBUG", "").strip().casefold() in ("1", "true", "yes", "on"):
        sys.stderr.write(text)
    where = f"look for it in {place}" if place else "run it again with USHER_DEBUG=1 to see where"
    say(f"internal failure {id}: {type(error).__name__}: {error}; {where}")
    return ExitCode.INTERNAL


def keep_in_log(folder: Path | None, text: str) -> Path | None:
    """Append to the log that only its owner may read; None where it cannot be written."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "usher"
    place = (folder or state) / LOG_NAME
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n")
    except OSError:
        return None
    return place


def _no_reader() -> int:
    """Whoever read our output has gone (`usher people | head`): nothing is wrong, and nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.DONE
