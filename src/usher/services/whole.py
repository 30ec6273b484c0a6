"""Whole: says why a listing, though read to its last page, cannot be trusted to show what is missing or has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from usher.domain.account import Account
from usher.domain.connection import ConnectionConfig
from usher.domain.doubt import doubts, let_in_again
from usher.domain.step import StepState
from usher.services.workspace import Workspace
from usher.store.readings import read_kept
from usher.store.repository import Row
from usher.store.unit import Unit

ACTED = (StepState.PERSON, StepState.ACTING, StepState.UNKNOWN, StepState.PARKED)
OURS = (*ACTED, StepState.DONE, StepState.VERIFIED, StepState.CLOSED)
"""States of a step that may have changed its account."""


def incomplete(workspace: Workspace, name: str, accounts: Sequence[Account]) -> tuple[str, ...]:
    """Return the reasons; none means that what the listing lacks is really not there."""
    config = workspace.connections.config(name)
    with workspace.store.read() as unit:
        last = unit.accounts.last_snapshot(name, complete=True)
    return (*_too_few(config, accounts, last), *_sentinels(config, accounts))


def strange(workspace: Workspace, name: str, documents: Sequence[Mapping[str, Any]], made: str) -> tuple[str, ...]:
    """Return what the listing changes at one stroke since the last complete one, our own steps apart.

    `documents` are its accounts as they are stored, `made` is the digest of all of them.
    """
    config = workspace.connections.config(name)
    with workspace.store.read() as unit:
        last = unit.accounts.last_snapshot(name, complete=True)
        if last is None or last["digest"] == made:
            return ()
        ours = _changed_by_us(unit, name, last)
        same = [row for row in unit.accounts.snapshots(name) if row["digest"] == made and row["id"] < last["id"]]
    before = read_kept(workspace.snapshots / name, last["digest"])
    found = doubts(before, documents, percent=config.observe.shrink_percent, own=ours)
    if same and name in workspace.people_from and let_in_again(before, documents):
        when = same[0]["finished_at"]
        found.append(f"it is the reading of {when} again, without what came since: was {name} restored from a backup?")
    return tuple(f"{one}; if it really is so: usher observe {name} --confirm" for one in found)


def _changed_by_us(unit: Unit, name: str, last: Row) -> frozenset[str]:
    """The accounts, by the app's ids, that our own steps may have changed since the last complete reading began."""
    steps = [one for one in unit.runs.steps_in(*OURS) if one["connection"] == name]
    steps = [one for one in steps if one["updated_at"] >= last["started_at"]]
    return frozenset(row["native_id"] for row in steps if row["native_id"])


def _too_few(config: ConnectionConfig, accounts: Sequence[Account], last: Row | None) -> list[str]:
    reasons = []
    if len(accounts) < config.observe.min_accounts:
        reasons.append(f"{len(accounts)} accounts, fewer than min_accounts {config.observe.min_accounts}")
    if last is not None and last["accounts"] > 0:
        gone = int(last["accounts"]) - len(accounts)
        # One account may always go: a limit in percent alone would freeze a company of five.
        allowed = max(1, int(last["accounts"]) * config.observe.shrink_percent // 100)
        if gone > allowed:
            reasons.append(
                f"{len(accounts)} accounts, {gone} fewer than the {last['accounts']} of the last complete reading "
                f"(up to {allowed} are usual); if it really is so: usher observe {config.name} --confirm"
            )
    return reasons


def _sentinels(config: ConnectionConfig, accounts: Sequence[Account]) -> list[str]:
    names = {account.user_name.casefold() for account in accounts}
    lacking = [name for name in config.observe.sentinels if name.casefold() not in names]
    return [f"the listing lacks {', '.join(lacking)}, which is always there"] if lacking else []
