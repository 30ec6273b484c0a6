"""The demo's ending: reads every app again, and says in the guide's words what is so and what is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from usher.domain.account import Account
from usher.domain.seats import count, released
from usher.domain.step import StepState
from usher.services.observe import observe
from usher.services.reconcile import reconcile
from usher.services.record import exported_heads, sequence, verify_ledger
from usher.services.workspace import Workspace
from usher.store.accounts import account_of

State = Literal["PASS", "FAIL", "not yet"]
PLATFORM = "forecastly"
DIRECTORY = "directory"
READINGS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One statement of the guide: what was wanted, whether it is so, and what was read back."""

    key: str
    words: str
    state: State
    read_back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Everything that the demo ends with; `is_good` decides its exit code."""

    lines: tuple[Line, ...]
    findings: Mapping[str, int]
    steps: int
    verified: int
    tasks: int
    ledger_verified: bool

    @property
    def is_good(self) -> bool:
        """Every step verified, no line a failure, and the ledger whole."""
        no_failure = all(line.state != "FAIL" for line in self.lines)
        return no_failure and self.steps > 0 and self.verified == self.steps and self.ledger_verified

    @staticmethod
    def seats_in_use(workspace: Workspace) -> Mapping[str, int]:
        """Seats of the revenue platform in use, by module, as last observed."""
        with workspace.store.read() as unit:
            used = count(account_of(row) for row in unit.accounts.of(PLATFORM))
        return {module: use.used for module, use in used.items()}

    @classmethod
    def read_back(
        cls, workspace: Workspace, story: Mapping[str, Any], findings: Mapping[str, int], before: Mapping[str, int]
    ) -> Ending:
        """Read every app once more, completely, and compare it with what the guide asks for."""
        readings = {name: _read_whole(workspace, name) for name in workspace.connections.names()}
        reconcile(workspace)
        accounts = _accounts(workspace)
        sequence(workspace)
        report = verify_ledger(workspace, exported_heads(workspace.heads / "heads.jsonl"))
        with workspace.store.read() as unit:
            rows = [row for run in unit.runs.all() for row in unit.runs.steps(run["id"])]
            tasks = len(unit.runs.tasks(open_only=False))
        good = (StepState.VERIFIED.value, StepState.CLOSED.value)
        joiner, leaver = story["joiner"]["email"], story["leaver"]["email"]
        apps = tuple(name for name in workspace.connections.names() if name not in (DIRECTORY, "hr"))
        return cls(
            lines=(
                _added(accounts, joiner, (DIRECTORY, *apps), readings),
                Line("mapped_in_crm", "mapped in the CRM", "not yet", "Acme has no CRM in this demo"),
                Line("visible_in_rollup", "visible in the roll-up", "not yet", "the roll-up comes with tally"),
                _modules(accounts, joiner, workspace),
                _removed("removed_in_idp", "removed in the IdP", accounts, leaver, (DIRECTORY,), readings),
                _removed("removed_in_app", "removed in the app", accounts, leaver, apps, readings),
                Line("not_brought_back", "CRM sync did not bring back", "not yet", "there is no CRM sync to wait for"),
                _seat(workspace, accounts, leaver, joiner, before),
            ),
            findings=findings,
            steps=len(rows),
            verified=sum(row["state"] in good for row in rows),
            tasks=tasks,
            ledger_verified=report.ok,
        )


def _read_whole(workspace: Workspace, name: str) -> str:
    """Read one app to its end; a reading that breaks off is tried again, as any reading is."""
    for _ in range(READINGS):
        seen = observe(workspace, name)
        if seen.kind == "complete":
            return ""
    return f"{name} could not be read whole: {'; '.join(seen.reasons)}"


def _accounts(workspace: Workspace) -> dict[tuple[str, str], Account]:
    with workspace.store.read() as unit:
        found = [(row["connection"], account_of(row)) for row in unit.accounts.all()]
    return {(name, address.casefold()): a for name, a in found for address in (*a.emails, a.user_name)}


def _added(
    accounts: Mapping[tuple[str, str], Account], who: str, where: tuple[str, ...], readings: Mapping[str, str]
) -> Line:
    states = {name: accounts.get((name, who)) for name in where}
    good = all(account is not None and account.state.can_sign_in for account in states.values())
    unread = [readings[name] for name in where if readings[name]]
    told = ", ".join(
        [*(f"{name} {account.state if account else 'absent'}" for name, account in states.items()), *unread]
    )
    good = good and not unread
    return Line("added", "added", "PASS" if good else "FAIL", f"{who}: {told}")


def _modules(accounts: Mapping[tuple[str, str], Account], who: str, workspace: Workspace) -> Line:
    account = accounts.get((PLATFORM, who))
    held = sorted(text for text in (account.entitlements if account else ()) if text.startswith("module:"))
    with workspace.store.read() as unit:
        person = unit.people.search(who)[0]
    from usher.services.plan import assigned, find_person

    with workspace.store.read() as unit:
        wanted = assigned(workspace, find_person(workspace, unit, person["id"])).entitlements(PLATFORM)
    missing = {text for text in wanted if text.startswith("module:")} - set(held)
    good = bool(held) and not missing
    return Line("modules_given", "modules given", "PASS" if good else "FAIL", f"{PLATFORM} shows {', '.join(held)}")


def _removed(
    key: str,
    words: str,
    accounts: Mapping[tuple[str, str], Account],
    who: str,
    where: tuple[str, ...],
    readings: Mapping[str, str],
) -> Line:
    states = {name: accounts.get((name, who)) for name in where}
    good = all(account is None or not account.state.can_sign_in for account in states.values())
    unread = [readings[name] for name in where if readings[name]]
    told = ", ".join(
        [*(f"{name} {account.state if account else 'absent'}" for name, account in states.items()), *unread]
    )
    good = good and not unread
    return Line(key, words, "PASS" if good else "FAIL", f"{who}: {told}")


def _seat(
    workspace: Workspace,
    accounts: Mapping[tuple[str, str], Account],
    leaver: str,
    joiner: str,
    before: Mapping[str, int],
) -> Line:
    gone, new = accounts.get((PLATFORM, leaver)), accounts.get((PLATFORM, joiner))
    still = [text for text in (gone.entitlements if gone else ()) if text.startswith("module:")]
    after = Ending.seats_in_use(workspace)
    taken = {text.removeprefix("module:") for text in (new.entitlements if new else ()) if text.startswith("module:")}
    modules = sorted({*before, *after})
    # The leaver's seat came back: in use are as many as before, less the leaver's own, plus the joiner's.
    freed = [module for module in modules if before.get(module, 0) - after.get(module, 0) + (module in taken) == 1]
    good = not still and bool(freed)
    told = f"{', '.join(freed) or 'no module'} {released(workspace.contracts.get(PLATFORM))}"
    return Line("seat_freed", "seat freed", "PASS" if good else "FAIL", told)


def write_summary(path: Path, ending: Ending, seconds: float) -> dict[str, Any]:
    """Write `summary.json` and return its content."""
    summary = {
        "guide": {line.key: line.state for line in ending.lines},
        "read_back": {line.key: line.read_back for line in ending.lines},
        "findings": dict(ending.findings),
        "steps": ending.steps,
        "verified": ending.verified,
        "unverified": ending.steps - ending.verified,
        "tasks": ending.tasks,
        "ledger_verified": ending.ledger_verified,
        "seconds": round(seconds),
    }
    path.write_text(json.dumps(summary, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return summary
