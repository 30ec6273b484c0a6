"""Drafting: the words and values that joiner, mover and leaver plans share when they write a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from usher.connectors.contract import Capability
from usher.domain.account import Account
from usher.domain.connection import ConnectionConfig
from usher.domain.person import Person
from usher.domain.plan import PlannedStep, Verb
from usher.domain.seats import released
from usher.services import residual
from usher.services.act import CAPABILITY
from usher.services.place import place_of
from usher.services.workspace import Workspace
from usher.store.accounts import account_of, as_linked
from usher.store.repository import Row

BY_PERSON = "person"


@dataclass(slots=True)
class Draft:
    """Collects the steps of one plan about one person, in the order in which they shall happen."""

    workspace: Workspace
    person: Person
    steps: list[PlannedStep] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        connection: str,
        verb: Verb,
        asked_by: str,
        *,
        account: Row | None = None,
        user_name: str = "",
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        wanted: Mapping[str, Any] | None = None,
        entitlement: str | None = None,
        requires: Sequence[PlannedStep] = (),
    ) -> PlannedStep:
        """Append a step; watch-outs, cost, guide and path come from the app's profile and the contract."""
        config = self.workspace.connections.config(connection)
        profile = self.workspace.connections.profile(connection)
        guide = profile.guide.get(verb.value)
        seen_account = account_of(account) if account else None
        agree = self._agree(connection, account)
        path = self.path(connection, verb)
        if _nothing_to_compare(config, verb, agree):
            path = BY_PERSON
            name = seen_account.user_name if seen_account else user_name
            self.notes.append(f"{connection}: {name} can change hands and shows no name; a person must look and act")
        lasting = _lasting(self.workspace, connection, verb)
        by_hand = path == BY_PERSON and guide is not None
        step = PlannedStep(
            id=self.workspace.ids.new("stp"),
            ordinal=len(self.steps) + 1,
            connection=connection,
            app=profile.title,
            verb=verb,
            path=path,
            person=self.person.id,
            account=account["id"] if account else None,
            native_id=seen_account.id if seen_account else None,
            user_name=seen_account.user_name if seen_account else user_name,
            before=before,
            after=after,
            asked_by=asked_by,
            where=place_of(self.workspace, connection),
            agree=agree,
            wanted=wanted or {},
            entitlement=entitlement,
            requires=tuple(one.id for one in requires),
            reversible=_reversible(verb),
            watch_outs=(*(guide.watch_outs if guide else ()), *(() if by_hand else lasting)),
            cost=self._cost(connection, verb, seen_account, entitlement),
            guide=(*(guide.steps if guide else ()), *(lasting if by_hand else ())),
            link=_link(config.url, guide.link if guide else None),
        )
        self.steps.append(step)
        return step

    def path(self, connection: str, verb: Verb) -> str:
        """How a step is carried out: by the connector's way of speaking, or by a person."""
        capabilities = self.workspace.connections.connector(connection).capabilities()
        able = CAPABILITY[verb] in capabilities
        return self.workspace.connections.config(connection).speaks if able else BY_PERSON

    def can(self, connection: str, capability: Capability) -> bool:
        """Whether the connection has a capability."""
        return capability in self.workspace.connections.connector(connection).capabilities()

    def number_again(self) -> None:
        """Give the steps their ordinals after they were put in order."""
        self.steps = [replace(step, ordinal=number) for number, step in enumerate(self.steps, 1)]

    def _agree(self, connection: str, account: Row | None) -> dict[str, str]:
        """A key that can change hands is believed only together with the name that was beside it when it was linked."""
        if self.workspace.connections.config(connection).key != "mutable":
            return {}
        name = self.person.label if account is None else as_linked(account["evidence"]).get("display_name")
        return {"display_name": name} if name else {}

    def _cost(self, connection: str, verb: Verb, account: Account | None, entitlement: str | None) -> str | None:
        contract = self.workspace.contracts.get(connection)
        held = [text for text in (account.entitlements if account else ()) if text.startswith("module:")]
        if verb is Verb.DEACTIVATE and held:
            return f"seats of {', '.join(sorted(text.removeprefix('module:') for text in held))}: {released(contract)}"
        if verb is Verb.REVOKE and entitlement and entitlement.startswith("module:"):
            return released(contract)
        if verb is Verb.GRANT and entitlement and entitlement.startswith("module:"):
            return f"takes one seat of {entitlement.removeprefix('module:')}"
        return None


def _lasting(workspace: Workspace, connection: str, verb: Verb) -> tuple[str, ...]:
    """What must be ended by hand where an account is closed, because it does not end with the account."""
    if verb not in residual.CLOSING:
        return ()
    facts = residual.facts_of(workspace, connection)
    return tuple(f"End the {kind} too: {fact.source}" for kind, fact in facts.items() if fact.ends == "never")


def needs_person(planned: PlannedStep, config: ConnectionConfig) -> bool:
    """Whether only a person can tell that the step's account is still the one that was approved."""
    return _nothing_to_compare(config, planned.verb, planned.agree)


def _nothing_to_compare(config: ConnectionConfig, verb: Verb, agree: Mapping[str, str]) -> bool:
    return config.key == "mutable" and verb is not Verb.CREATE and not agree


def state_of(account: Row) -> dict[str, Any]:
    """What must still be so right before a step: the account is there and can (or cannot) sign in, as it was seen."""
    state = account_of(account).state
    if not state.can_sign_in and not state.is_off:
        return {"exists": True}
    return {"exists": True, "can_sign_in": state.can_sign_in}


def _reversible(verb: Verb) -> str:
    inverse = verb.inverse
    if verb is Verb.CREATE:
        return "yes: the new account can be deactivated"
    return f"yes: {inverse}" if inverse else "no"


def _link(url: str | None, path: str | None) -> str | None:
    if url is None or path is None:
        return None
    return url.rstrip("/") + "/" + path.lstrip("/")
