"""Whole: says why a listing, though read to its last page, cannot be trusted to show that something is missing."""

from __future__ import annotations

from collections.abc import Sequence

from usher.domain.account import Account
from usher.domain.connection import ConnectionConfig
from usher.services.workspace import Workspace
from usher.store.repository import Row


def incomplete(workspace: Workspace, name: str, accounts: Sequence[Account]) -> tuple[str, ...]:
    """Return the reasons; none means that what the listing lacks is really not there."""
    config = workspace.connections.config(name)
    with workspace.store.read() as unit:
        last = unit.accounts.last_snapshot(name, complete=True)
    return (*_too_few(config, accounts, last), *_sentinels(config, accounts))


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
