"""Reconcile: compares accounts with people and policy, opens a finding for each difference, closes what is gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from usher.domain.clock import from_text
from usher.domain.findings import Finding, Rule
from usher.domain.folding import fold
from usher.domain.plan import Verb
from usher.domain.reconcile import Estate
from usher.domain.reconcile import reconcile as compare
from usher.domain.step import StepState
from usher.services.correlate import correlate, seen_of
from usher.services.plan import assigned
from usher.services.sources import people
from usher.services.workspace import Workspace
from usher.store.repository import load
from usher.store.unit import Unit

RULES = frozenset(rule.value for rule in Rule)


def reconcile(workspace: Workspace) -> dict[str, int]:
    """Correlate, compare, and bring the open findings up to date; returns open findings by rule."""
    decisions = correlate(workspace)
    with workspace.store.begin() as unit:
        rows = [row for row in unit.accounts.all() if row["connection"] in workspace.connections.names()]
        everybody = people(workspace, unit)
        estate = _estate(workspace, unit)
        found = compare(
            everybody,
            [seen_of(workspace, row) for row in rows],
            decisions,
            {person.id: assigned(workspace, person) for person in everybody},
            estate,
            workspace.clock.now(),
        )
        ours = {(row["connection"], row["native_id"]): row for row in rows}
        names = {person.id: person.label for person in everybody}
        still = set()
        for finding in found:
            still.add(finding.key)
            _open(unit, finding, ours, names)
        for row in unit.findings.open():
            judged = row["connection"] is None or row["connection"] in estate.complete
            if row["rule"] in RULES and row["key"] not in still and judged:
                unit.findings.close(row["id"], "the difference is no longer there")
                unit.ledger.append("finding:finding:close", (row["id"],), {"rule": row["rule"]})
        return unit.findings.counts()


def _open(unit: Unit, finding: Finding, ours: Mapping[tuple[str, str], Any], names: Mapping[str, str]) -> None:
    account = ours.get((finding.connection or "", finding.account_id or ""))
    evidence = dict(finding.evidence)
    if finding.money is not None:
        evidence["money"] = finding.money
    id, is_new = unit.findings.open_finding(
        finding.key,
        finding.rule.value,
        finding.severity.value,
        _subject(finding, account, names),
        evidence,
        finding.fix,
        connection=finding.connection,
        account_id=account["id"] if account else None,
        person_id=finding.person_id,
    )
    if is_new:
        ids = [id, *([finding.person_id] if finding.person_id else []), *([account["id"]] if account else [])]
        unit.ledger.append("finding:finding:open", ids, {"rule": finding.rule.value, "evidence": evidence})


def _subject(finding: Finding, account: Any, names: Mapping[str, str]) -> str:
    person = names.get(finding.person_id or "", "")
    place = f"{account['user_name']} in {finding.connection}" if account else (finding.connection or "")
    return ": ".join(part for part in (person, place) if part)


def _estate(workspace: Workspace, unit: Unit) -> Estate:
    names = workspace.connections.names()
    configs = {name: workspace.connections.config(name) for name in names}
    last = {name: unit.accounts.last_snapshot(name, complete=False) for name in names}
    return Estate(
        complete=frozenset(name for name, row in last.items() if row is not None and row["kind"] == "complete"),
        sources=frozenset(name for name, config in configs.items() if config.part == "hr"),
        closed_by_us=_closed_by_us(unit),
        ignored=frozenset((name, fold(one)) for name, config in configs.items() for one in config.ignore),
        contracts=dict(workspace.contracts),
    )


def _closed_by_us(unit: Unit) -> dict[tuple[str, str], datetime]:
    """Accounts that our own verified step closed, and that no later step of ours opened again."""
    closed: dict[tuple[str, str], datetime] = {}
    rows = unit.runs.steps_in(StepState.VERIFIED, StepState.CLOSED, StepState.PARKED)
    for row in sorted(rows, key=lambda one: one["verified_at"] or ""):
        if row["verified_at"] is None:
            continue
        key = (row["connection"], row["native_id"] or load(row["document"])["user_name"])
        if row["verb"] == Verb.DEACTIVATE.value:
            closed[key] = from_text(row["verified_at"])
        elif row["verb"] in (Verb.REACTIVATE.value, Verb.CREATE.value):
            closed.pop(key, None)
    return closed
