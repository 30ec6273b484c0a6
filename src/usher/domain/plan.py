"""A plan: the ordered steps that people approve by its digest, frozen before the first signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from usher.domain.canonical import digest

PLAN_SCHEMA = "usher.plan/2"
FIRST_SCHEMA = "usher.plan/1"
"""Plans of the first version carry no time, lane, secrecy or inverse; their digests were signed without those."""


class Verb(StrEnum):
    """What a step does to one account in one app."""

    CREATE = "create"
    UPDATE = "update"
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    DELETE = "delete"
    GRANT = "grant"
    REVOKE = "revoke"

    @property
    def is_loss(self) -> bool:
        """True where somebody may lose access: what the guard counts."""
        return self in (Verb.DEACTIVATE, Verb.DELETE, Verb.REVOKE)

    @property
    def inverse(self) -> Verb | None:
        """The verb that gives back what this one took, or None where nothing does."""
        return _INVERSES.get(self)


_INVERSES = {
    Verb.CREATE: Verb.DEACTIVATE,
    Verb.UPDATE: Verb.UPDATE,
    Verb.DEACTIVATE: Verb.REACTIVATE,
    Verb.REACTIVATE: Verb.DEACTIVATE,
    Verb.GRANT: Verb.REVOKE,
    Verb.REVOKE: Verb.GRANT,
}


class PlanKind(StrEnum):
    """Which lifecycle event a plan answers."""

    JOIN = "join"
    MOVE = "move"
    LEAVE = "leave"
    UNDO = "undo"


class Lane(StrEnum):
    """Which queue a plan's steps are in: urgent work overtakes bulk work under rate limits."""

    URGENT = "urgent"
    BULK = "bulk"

    @property
    def rank(self) -> int:
        """What rows are claimed by: the lowest first."""
        return 0 if self is Lane.URGENT else 1


def queue_of(kind: PlanKind, lane: Lane, *, timed: bool) -> Lane:
    """The queue of what is due for a plan: its lane, but the urgent one for a leave with a time.

    Somebody was told when the access ends; work that was promised for no time can wait.
    """
    return Lane.URGENT if timed and kind is PlanKind.LEAVE else lane


class PlanState(StrEnum):
    """Where a plan stands; only `proposed` takes signatures."""

    PROPOSED = "proposed"
    HELD = "held"
    APPROVED = "approved"
    RUNNING = "running"
    DONE = "done"
    REJECTED = "rejected"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One change to one account in one app, as approved.

    `native_id` is the app's id (None for a create). `agree` holds second attributes that must be seen beside it.
    `before` and `after` are expectations (see `domain.expect`): immutable id, state, and what the step changes.
    `asked_by` cites the policy line or the request; `requires` names steps that must be done first.
    """

    id: str
    ordinal: int
    connection: str
    app: str
    verb: Verb
    path: str
    person: str
    account: str | None
    native_id: str | None
    user_name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    asked_by: str
    where: str = ""
    """What the connection was when its owner signed: a step acts nowhere else."""
    agree: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, Any] = field(default_factory=dict)
    entitlement: str | None = None
    requires: tuple[str, ...] = ()
    reversible: str = "no"
    watch_outs: tuple[str, ...] = ()
    cost: str | None = None
    guide: tuple[str, ...] = ()
    link: str | None = None

    def document(self) -> dict[str, Any]:
        """The step as canonical JSON takes it."""
        return {
            "id": self.id,
            "ordinal": self.ordinal,
            "connection": self.connection,
            "app": self.app,
            "verb": self.verb.value,
            "path": self.path,
            "person": self.person,
            "account": self.account,
            "native_id": self.native_id,
            "user_name": self.user_name,
            "before": dict(self.before),
            "after": dict(self.after),
            "asked_by": self.asked_by,
            "where": self.where,
            "agree": dict(self.agree),
            "wanted": dict(self.wanted),
            "entitlement": self.entitlement,
            "requires": list(self.requires),
            "reversible": self.reversible,
            "watch_outs": list(self.watch_outs),
            "cost": self.cost,
            "guide": list(self.guide),
            "link": self.link,
        }

    @staticmethod
    def of(document: Mapping[str, Any]) -> PlannedStep:
        """The step of a stored document."""
        values = dict(document)
        values["verb"] = Verb(values["verb"])
        for name in ("requires", "watch_outs", "guide"):
            values[name] = tuple(values[name])
        return PlannedStep(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Whose signatures a plan wants: a number of operators, and the owner of each app in it.

    `owners` maps a connection to the id of the operator who signs for that app. `why` says where the number is from.
    """

    quorum: int
    owners: Mapping[str, str]
    why: str
    single: bool = False
    """One person may request and approve (`single_operator`), as the rules stood when the plan was made."""

    def document(self) -> dict[str, Any]:
        """The needs as canonical JSON takes them."""
        return {"quorum": self.quorum, "owners": dict(self.owners), "why": self.why, "single": self.single}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that is signed. `configuration` is the digest of the files it was made under."""

    id: str
    workspace: str
    number: int
    kind: PlanKind
    person: str
    person_name: str
    requested_by: str
    reason: str
    signal: str | None
    created_at: str
    expires_at: str
    configuration: str
    needs: Needs
    guard: Mapping[str, Any]
    steps: tuple[PlannedStep, ...]
    notes: tuple[str, ...] = ()
    schema: str = PLAN_SCHEMA
    act_at: str | None = None
    """Not before this instant (UTC); None: as soon as it is approved and started."""
    act_zone: str | None = None
    """The zone in which people said that time."""
    lane: Lane = Lane.BULK
    confidential: bool = False
    """Shown only to its requester and to those who must sign."""
    emergency: bool = False
    """A reversible cut-off that one operator began; a second one must agree within the time the rules give."""
    undoes: str | None = None
    """The run whose effects this plan takes back."""

    def document(self) -> dict[str, Any]:
        """The frozen form; its canonical JSON is what the digest covers."""
        later = {
            "schema": self.schema,
            "act_at": self.act_at,
            "act_zone": self.act_zone,
            "lane": self.lane.value,
            "confidential": self.confidential,
            "emergency": self.emergency,
            "undoes": self.undoes,
        }
        return {
            **({} if self.schema == FIRST_SCHEMA else later),
            "id": self.id,
            "workspace": self.workspace,
            "number": self.number,
            "kind": self.kind.value,
            "person": self.person,
            "person_name": self.person_name,
            "requested_by": self.requested_by,
            "reason": self.reason,
            "signal": self.signal,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "configuration": self.configuration,
            "needs": self.needs.document(),
            "guard": dict(self.guard),
            "steps": [step.document() for step in self.steps],
            "notes": list(self.notes),
        }

    @property
    def digest(self) -> str:
        """`sha256:...` over the canonical form, naming the schema."""
        return digest(self.schema, self.document())

    @staticmethod
    def of(document: Mapping[str, Any]) -> Plan:
        """The plan of a stored document."""
        values = {"schema": FIRST_SCHEMA, **document}
        values["kind"] = PlanKind(values["kind"])
        values["lane"] = Lane(values.get("lane", Lane.BULK))
        values["needs"] = Needs(**values["needs"])
        values["steps"] = tuple(PlannedStep.of(step) for step in values["steps"])
        values["notes"] = tuple(values["notes"])
        return Plan(**values)
