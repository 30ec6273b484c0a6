"""The states of a step on its way, and what an attempt can end in."""

from __future__ import annotations

from enum import StrEnum


class StepState(StrEnum):
    """Where a step stands. `parked`: unknown outcome with an open finding, still being looked at."""

    PENDING = "pending"
    READY = "ready"
    ACTING = "acting"
    UNKNOWN = "unknown"
    PARKED = "parked"
    PERSON = "waiting for a person"
    DONE = "acknowledged"
    VERIFIED = "verified"
    CLOSED = "closed"
    CANCELLED = "cancelled"

    @property
    def allows_successors(self) -> bool:
        """True where steps that require this one may begin: the app has acknowledged or shown the change."""
        return self in (StepState.DONE, StepState.VERIFIED, StepState.CLOSED)

    @property
    def is_settled(self) -> bool:
        """True where nothing more happens without a person: proven, or parked with a finding, or cancelled."""
        return self in (StepState.VERIFIED, StepState.CLOSED, StepState.PARKED, StepState.CANCELLED)


class Outcome(StrEnum):
    """What an intent ended in; an intent without one is unknown."""

    DONE = "done"
    NOT_DONE = "not done"
    NOT_SEEN = "not seen"
    """Not seen after the declared lag and safe to repeat; it may still have been done."""
    UNKNOWN = "unknown"
    ADOPTED = "adopted"


class DueKind(StrEnum):
    """What a due instant asks for."""

    ACT = "act"
    SETTLE = "settle"
    VERIFY = "verify"
    WATCH = "watch"
    OBSERVE = "observe"
    ESCALATE = "escalate"
    """A plan that waits for signatures: tell of it, or end it."""
    NOTICE = "notice"
    """A mail of the outbox."""
    PREFLIGHT = "preflight"
    """A plan with a time is looked at before it begins."""
    START = "start"
    """A plan with a time begins."""
    SECOND = "second"
    """An emergency wants its second signature by now."""


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    ATTENTION = "needs a person"
    VERIFIED = "verified"
    CLOSED = "closed"
    ENDED = "ended with cancelled steps"
