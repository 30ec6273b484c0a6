"""The connector for apps that are managed in their admin console alone: each verb is one job of a browser."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from usher.connectors.browser.job import Job
from usher.connectors.browser.process import run_job
from usher.connectors.browser.recipe import Recipe, read_recipe
from usher.connectors.browser.session import chromium_path
from usher.connectors.contract import Call, Capability, Connector, Page, Receipt, VerbFacts
from usher.connectors.errors import AccessLost, Rejected, Transient, Unsupported
from usher.domain.account import Account, AccountKind, AccountState
from usher.domain.connection import ConnectionConfig
from usher.domain.profile import AppProfile

DEADLINE_SECONDS = 180.0
PATIENCE_SECONDS = 10.0
_VERBS = {
    Capability.CREATE: "create",
    Capability.UPDATE: "update",
    Capability.DEACTIVATE: "deactivate",
    Capability.REACTIVATE: "reactivate",
    Capability.GRANT: "grant",
    Capability.REVOKE: "revoke",
}
_UPDATED = {"display_name": "name", "email": "email", "given_name": "given_name", "family_name": "family_name"}


class BrowserConnector(Connector):
    """Reads and changes accounts by the recipe of an app's profile.

    Options of the connection: `chromium` (path), `deadline_seconds` (of one job), `patience_seconds` (for one thing to
    show), `totp_reuse` (true where the console takes a one-time code twice). Secrets: `login`, `secret`, `totp`.
    """

    def __init__(self, config: ConnectionConfig, profile: AppProfile) -> None:
        if profile.recipe is None:
            raise AccessLost(f"app {profile.app} has no recipe: expected recipe: in its profile")
        self.config = config
        self.profile = profile
        self.recipe: Recipe = read_recipe(profile.recipe)
        asked = {name for step in self.recipe.create for name in step.names()}
        self.creates_with = frozenset({"role"} & asked)
        self.reads_whole = True
        self._code_used = -1
        self.on_start: Callable[[int], None] = lambda pid: None
        """Told the process id of each job."""

    @property
    def app(self) -> str:  # type: ignore[override]
        """The app's name in the catalogue."""
        return self.profile.app

    def capabilities(self) -> frozenset[Capability]:
        """The verbs that the recipe says how to do."""
        return frozenset(capability for capability, verb in _VERBS.items() if getattr(self.recipe, verb))

    def facts_of(self, capability: Capability) -> VerbFacts:
        """Every verb looks first and does nothing where nothing is left to do; a create is found again by its id."""
        if capability is Capability.CREATE:
            unique = self.recipe.accounts.rows.unique
            return VerbFacts(idempotent=False, natural_key="user_name", unique=unique, lag=self.config.lag_seconds)
        return VerbFacts(idempotent=capability in _VERBS, lag=self.config.lag_seconds)

    def check(self, call: Call) -> None:
        """Sign in and find the list of accounts."""
        self._run(call, job="check")

    def accounts(self, cursor: str | None, call: Call) -> Page[Account]:
        """Read the whole list in one job: a page of a console is no cursor that could be kept."""
        return Page(tuple(map(_account, self._run(call, job="list")["accounts"])))

    def find(self, account_id: str, call: Call) -> Account | None:
        """Read on until the row of this id shows; None where the whole list does not hold it."""
        found = self._run(call, job="find", wanted=account_id)["accounts"]
        return _account(found[0]) if found else None

    def find_named(self, user_name: str, call: Call) -> tuple[Account, ...]:
        """Read the whole list for every row with this user name."""
        return tuple(map(_account, self._run(call, job="find", wanted=user_name, wanted_in="user_name")["accounts"]))

    def create(self, wanted: Account, call: Call) -> Receipt:
        """Make an account with the one role that `wanted` holds; Rejected where the recipe needs what is not given."""
        if not self.recipe.create:
            raise Unsupported(f"the recipe of {self.app} does not say how to create")
        roles = sorted(text.partition(":")[2] for text in wanted.entitlements if text.startswith("role:"))
        if self.recipe.roles == "set" and len(roles) != 1:
            raise Rejected(f"create of {wanted.user_name}: expected exactly one role, got {len(roles)}")
        variables = _given(
            user_name=wanted.user_name,
            email=wanted.emails[0] if wanted.emails else None,
            name=wanted.display_name,
            given_name=wanted.given_name,
            family_name=wanted.family_name,
            role=roles[0] if roles else None,
        )
        variables["id"] = self._id_of_new(variables)
        return self._write(call, "create", variables, key="immutable")

    def update(self, account_id: str, changes: Mapping[str, str], call: Call) -> Receipt:
        """Set the name or the address, as far as the recipe knows their fields."""
        if not self.recipe.update:
            raise Unsupported(f"the recipe of {self.app} does not say how to update")
        known = {name for step in self.recipe.update for name in step.names()}
        variables = {"id": account_id}
        for attribute, value in changes.items():
            name = _UPDATED.get(attribute, attribute)
            if name not in known:
                raise Rejected(f"the recipe of {self.app} does not say how to set {attribute}")
            variables[name] = value
        return self._write(call, "update", variables)

    def deactivate(self, account_id: str, call: Call) -> Receipt:
        """Take access away; nothing is pressed where the list already shows it taken."""
        return self._write(call, "deactivate", {"id": account_id})

    def reactivate(self, account_id: str, call: Call) -> Receipt:
        """Give access back to the same account."""
        return self._write(call, "reactivate", {"id": account_id})

    def grant(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Give an entitlement of a kind that the recipe knows."""
        return self._change_grant("grant", account_id, entitlement, call)

    def revoke(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Take an entitlement away; one that every account must have can only be replaced by granting another."""
        return self._change_grant("revoke", account_id, entitlement, call)

    def _change_grant(self, verb: str, account_id: str, entitlement: str, call: Call) -> Receipt:
        kind, _, name = entitlement.partition(":")
        if not self.recipe.steps_of(verb, kind):
            if verb == "revoke" and self._always_one(kind):
                return self._already_replaced(account_id, entitlement, kind, call)
            raise Unsupported(f"the recipe of {self.app} does not say how to {verb} a {kind}")
        return self._write(call, verb, {"id": account_id, "entitlement": name}, kind=kind)

    def _always_one(self, kind: str) -> bool:
        single = any(held.as_ == kind and held.split is None for held in self.recipe.accounts.fields.entitlements)
        return single and kind in self.recipe.grant

    def _already_replaced(self, account_id: str, entitlement: str, kind: str, call: Call) -> Receipt:
        found = self.find(account_id, call)
        if found is not None and entitlement in found.entitlements:
            raise Rejected(
                f"an account of {self.app} always has one {kind}: grant another one to take {entitlement} away"
            )
        return Receipt(account=found, got={"already": True})

    def _id_of_new(self, variables: Mapping[str, str]) -> str:
        """What the column of the id will show for a new account."""
        find_by, fields = set(self.recipe.accounts.rows.find_by), self.recipe.accounts.fields
        for column, name in ((fields.emails, "email"), (fields.user_name, "user_name"), (fields.display_name, "name")):
            if column and find_by & set(column) and name in variables:
                return variables[name]
        raise Rejected(f"create: nothing is given for the column {' or '.join(sorted(find_by))}")

    def _write(
        self, call: Call, verb: str, variables: dict[str, str], *, kind: str | None = None, key: str | None = None
    ) -> Receipt:
        if not self.recipe.steps_of(verb, kind):
            raise Unsupported(f"the recipe of {self.app} does not say how to {verb}")
        result = self._run(
            call,
            job="verb",
            verb=verb,
            kind=kind,
            variables=variables,
            agree=dict(call.agree),
            key=key or self.config.key,
        )
        return Receipt(
            account=_account(result["account"]) if result["account"] else None,
            sent={"verb": verb, **variables},
            got={"already": result["already"], "requests": result["requests"]},
            pictures=tuple(result["pictures"]),
        )

    def _run(self, call: Call, **about: Any) -> dict[str, Any]:
        door, options = call.door, self.config.options
        base_url = door.base_url or self.config.url
        if base_url is None:
            raise AccessLost(f"connection {self.config.name} names no url")
        deadline = float(options.get("deadline_seconds", DEADLINE_SECONDS))
        if call.deadline is not None:
            deadline = min(deadline, (call.deadline - datetime.now(UTC)).total_seconds())
        if deadline <= 0:
            raise Transient(f"no time is left for a browser job on {self.config.name}")
        job = Job(
            recipe=self.profile.recipe or {},
            base_url=base_url,
            secrets={name: value for name, value in door.secrets.items() if name in ("login", "secret", "totp")},
            permit={"step": door.permit.step, "intent": door.permit.intent} if door.permit else None,
            deadline=deadline,
            patience=float(options.get("patience_seconds", PATIENCE_SECONDS)),
            lag=self.config.lag_seconds,
            totp_after=self._code_used,
            chromium=chromium_path(options.get("chromium"), dict(os.environ), shutil.which),
            pictures=str(door.pictures) if door.pictures else None,
            **about,
        )
        if door.budget is not None:
            door.budget.wait()
        return self._recorded(call, job)

    def _recorded(self, call: Call, job: Job) -> dict[str, Any]:
        started = time.monotonic()
        outcome = "done"
        try:
            return run_job(job, call.door.admit_write, self._heard, started=self.on_start)
        except Exception as error:
            outcome = type(error).__name__
            raise
        finally:
            milliseconds = round((time.monotonic() - started) * 1000)
            call.door.record({"method": "BROWSER", "path": job.verb or job.job, "ms": milliseconds, "outcome": outcome})

    def _heard(self, said: Mapping[str, Any]) -> None:
        if "counter" in said and not self.config.options.get("totp_reuse"):
            self._code_used = int(said["counter"])


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        id=row["id"],
        user_name=row["user_name"],
        emails=tuple(row["emails"]),
        display_name=row["display_name"],
        given_name=row["given_name"],
        family_name=row["family_name"],
        employee_number=row.get("employee_number"),
        state=AccountState(row["state"]) if row["state"] in set(AccountState) else AccountState.UNKNOWN,
        kind=AccountKind(row["kind"]) if row.get("kind") in set(AccountKind) else AccountKind.PERSON,
        entitlements=frozenset(row["entitlements"]),
        attributes=row["attributes"],
        raw=row["raw"],
    )
