"""Six actors and what they did, kept beside usher: says on its own whether a plan may begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from usher.domain.plan import Plan


@dataclass
class Actor:
    """One operator. `person`: whom he is tied to; two operators may be one person."""

    name: str
    id: str
    person: str | None
    is_active: bool = True

    @property
    def who(self) -> str:
        """The human being behind him."""
        return self.person or self.id


@dataclass
class Given:
    """One delegation."""

    id: str
    giver: Actor
    taker: Actor
    apps: tuple[str, ...] | None
    begins: datetime
    ends: datetime
    is_ended: bool = False


@dataclass
class Case:
    """One plan, and what was done to it by right and by wrong."""

    plan: Plan
    requester: Actor
    expires: datetime
    created: datetime
    approvals: dict[str, datetime] = field(default_factory=dict)
    """By whom (name), and when: true signatures alone."""
    forged: set[str] = field(default_factory=set)
    """Operators in whose name a false signature was put into the database."""
    is_rejected: bool = False
    is_edited: bool = False
    is_withdrawn: bool = False
    has_begun: bool = False
    says_approved: bool = False
    """Its row says so, by right or not."""


@dataclass
class Company:
    """Everything that the model knows."""

    actors: dict[str, Actor] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)

    def by_id(self, id: str) -> Actor:
        """The actor with an operator's id."""
        return next(actor for actor in self.actors.values() if actor.id == id)

    def may_sign(self, case: Case, actor: Actor) -> bool:
        """True where an approval by this actor must be taken; its plan is open."""
        signers = [self.actors[name] for name in (*case.approvals, *case.forged)]
        if not actor.is_active or actor.who == case.plan.person or actor.who in {one.who for one in signers}:
            return False
        return bool(case.plan.signal) or actor.who != case.requester.who

    def may_begin(self, case: Case, now: datetime) -> bool:
        """True where the plan has every signature that it needs, each by somebody who may give it."""
        if case.is_edited or case.is_rejected or now >= case.expires:
            return False
        if not case.requester.is_active or case.requester.who == case.plan.person:
            return False
        signers = {
            name: at
            for name, at in case.approvals.items()
            if self.actors[name].is_active and self.actors[name].who != case.plan.person
        }
        people = {self.actors[name].who for name in signers}
        if not case.plan.signal:
            people -= {case.requester.who}
        return len(people) >= case.plan.needs.quorum and all(
            self._has_signed_for(case, connection, self.by_id(owner), signers)
            for connection, owner in case.plan.needs.owners.items()
        )

    def _has_signed_for(self, case: Case, connection: str, owner: Actor, signers: dict[str, datetime]) -> bool:
        if owner.name in signers or owner is case.requester:
            return True
        return any(
            given.giver is owner
            and owner.is_active
            and not given.is_ended
            and (given.apps is None or connection in given.apps)
            and given.taker.name in signers
            and given.begins <= signers[given.taker.name] < given.ends
            and case.created < given.ends
            and given.taker.who != case.requester.who
            for given in self.given
        )
