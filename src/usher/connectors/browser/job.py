"""What a browser job is told and what it answers: the JSON lines between the worker and its child process."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from usher.domain.connection import Strict

ANSWERS = (
    "AccessLost",
    "AlreadyExists",
    "InDoubt",
    "NotFound",
    "NotPermitted",
    "OutcomeUnknown",
    "Rejected",
    "Transient",
    "Unsupported",
)
"""Classes of errors that a child may name."""


IDLE_SECONDS = 20.0
"""How long a child waits for another job of its connection."""


class Job(Strict):
    """One line on a child's standard input."""

    job: Literal["check", "list", "find", "verb"]
    verb: Literal["create", "update", "deactivate", "reactivate", "grant", "revoke"] | None = None
    recipe: dict[str, Any]
    base_url: str
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
    variables: dict[str, str] = Field(default_factory=dict)
    """What the recipe's `$name` stand for, secrets apart."""
    wanted: str | None = None
    """find: the id or user name that is sought."""
    wanted_in: Literal["id", "user_name"] = "id"
    kind: str | None = None
    """grant, revoke: the kind of the entitlement."""
    agree: dict[str, str] = Field(default_factory=dict)
    key: Literal["immutable", "mutable"] = "mutable"
    permit: dict[str, Any] | None = None
    deadline: float = Field(gt=0)
    """Seconds that the whole job may take."""
    patience: float = Field(default=10.0, gt=0)
    """Seconds to wait for one thing to show."""
    lag: float = Field(default=0.0, ge=0)
    """Seconds until a write is visible in the list, as declared."""
    totp_after: int = -1
    """The half minute (RFC 6238 counter) whose one-time code was used last."""
    chromium: str
    pictures: str | None = None
