"""The errors a connector may raise, each named for what the engine does next.

ConnectorError
├── Transient         nothing happened           -> retry with back-off, not before `retry_after`
├── OutcomeUnknown    a write was sent, no answer -> settle, look, adopt or park; never retried blind
├── NotFound          the app itself says so     -> look again after the lag, then the link ends with a date
├── AlreadyExists     the app has it already     -> look it up; adopt only what our intent or an immutable id proves
├── Rejected          this one item is refused   -> the item goes to a person, the run goes on
├── InDoubt           the page is not what the recipe promises -> stop, picture, a task for a person under the same step
├── AccessLost        credentials dead, or the app answers as another app -> stop this connection, tell its owner
│   └── Unreadable    a file is not what it should be -> the same; names file, line, column and what was expected
└── Unsupported       no such capability here    -> the step becomes a task for a person
NotPermitted          a write without a permit, while sealed, or in a rehearsal: a bug or a stop, never an app's answer
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of everything a connector may raise; `evidence` maps names to texts or picture paths."""

    def __init__(self, message: str, *, evidence: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.evidence = evidence or {}


class Transient(ConnectorError):
    """Nothing happened in the app: it may be asked again, not before `retry_after` seconds."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, evidence: dict[str, str] | None = None
    ) -> None:
        super().__init__(message, evidence=evidence)
        self.retry_after = retry_after


class OutcomeUnknown(ConnectorError):
    """A write was sent and no trustworthy answer came: done, not done, nobody knows yet."""


class NotFound(ConnectorError):
    """The app itself, in its own format, says that it has no such account."""


class AlreadyExists(ConnectorError):
    """The app refuses a create because it has one already."""


class Rejected(ConnectorError):
    """The app refuses this one item and will refuse it again."""


class InDoubt(ConnectorError):
    """A screen is not what the recipe promises; nothing was written. `contract` names the line that broke."""

    def __init__(self, message: str, *, contract: str, evidence: dict[str, str] | None = None) -> None:
        super().__init__(message, evidence=evidence)
        self.contract = contract


class AccessLost(ConnectorError):
    """The credentials no longer work, or something else answers in the app's place."""


class Unreadable(AccessLost):
    """A file is not what it should be and nothing of it was used; `line` counts from 1, None for the whole file."""

    def __init__(
        self, problem: str, *, file: str, line: int | None = None, column: str | None = None, expected: str
    ) -> None:
        place = f"{file}, line {line}" if line is not None else file
        where = f'{place}, column "{column}"' if column is not None else place
        super().__init__(f"{where}: {problem}; expected {expected}")
        self.file = file
        self.line = line
        self.column = column
        self.expected = expected


class Unsupported(ConnectorError):
    """This connection has no such capability."""


class NotPermitted(Exception):
    """A write reached the door without the right to it: no permit, sealed, rehearsing, or an outlived lease."""
