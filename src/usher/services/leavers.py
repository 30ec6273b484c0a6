"""Leavers: everybody who left in a period, and for each of their accounts when it was seen to be closed.

An auditor asks first whether the population is complete, so each leaver that a source told of is in it, with a row even
where no account is known; and so is each leave plan that people made without a source. What was not seen to be closed
has no `verified_utc`. Times that nobody said are empty, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from usher.domain.account import AccountState
from usher.domain.clock import from_text, to_text
from usher.domain.plan import Plan, PlanKind, PlannedStep, PlanState, Verb
from usher.domain.signals import SignalKind
from usher.domain.step import StepState
from usher.services.judge import is_admin_role
from usher.services.secrecy import hidden_plans
from usher.services.when import zone_of
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

SLA_MINUTES = 24 * 60
"""The limit that most auditors expect: access is gone within a day."""
COLUMNS = (
    "person_id", "name", "source_record_id", "term_effective_local", "tz", "term_effective_utc", "signal_received_utc",
    "plan_id", "app", "account_id", "privileged", "requested_utc", "acknowledged_utc", "verified_utc", "verify_method",
    "minutes_from_effective", "sla_minutes", "within_sla", "exception_id", "minutes_from_said", "minutes_from_seen",
    "rejoined_utc",
)  # fmt: skip
LEAVING = (Verb.DEACTIVATE, Verb.DELETE)
OPEN = (PlanState.PROPOSED.value, PlanState.HELD.value, PlanState.APPROVED.value, PlanState.RUNNING.value)
SEEN = (StepState.VERIFIED.value, StepState.CLOSED.value)
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Leaver:
    """One leave: whose, and when it was true, said and seen; a leave without a source has a plan alone.

    `rejoined` is when a source says that the person came back; it is empty otherwise.
    """

    person: str
    source: str
    true_at: str | None
    said_at: str | None
    seen_at: str
    plan: str | None
    rejoined: str = ""


def leavers(workspace: Workspace, since: datetime, until: datetime, sla_minutes: int = SLA_MINUTES) -> list[Line]:
    """One row for each account of each leaver of the period (from `since` on, before `until`), oldest leave first."""
    with workspace.store.read() as unit:
        hidden = hidden_plans(workspace, unit)
        return [
            line
            for leaver in sorted(_population(unit), key=_effective)
            if since <= from_text(_effective(leaver)) < until and leaver.plan not in hidden
            for line in _lines(workspace, unit, leaver, sla_minutes)
        ]


def _effective(leaver: Leaver) -> str:
    return leaver.true_at or leaver.said_at or leaver.seen_at


def _population(unit: Unit) -> list[Leaver]:
    """Every leave that a source told of and has not withdrawn, and every leave plan that was run without a source."""
    found: list[Leaver] = []
    last: dict[tuple[str, str], Leaver] = {}
    for row in reversed(unit.findings.signals()):
        key = (row["person_id"], row["source"])
        if row["kind"] == SignalKind.LEAVER.value:  # a later one about the same employment moves its date
            times = row["true_at"], row["said_at"], row["seen_at"]
            last[key] = Leaver(row["person_id"], row["source"], *times, row["plan_id"])
        elif row["kind"] == SignalKind.STAYS.value:
            last.pop(key, None)
        elif row["kind"] == SignalKind.JOINER.value and key in last:
            found.append(replace(last.pop(key), rejoined=row["true_at"] or row["said_at"] or row["seen_at"]))
    found += last.values()
    told = {leaver.plan for leaver in found}
    for row in unit.plans.all():
        if row["kind"] == PlanKind.LEAVE.value and row["id"] not in told and unit.runs.of_plan(row["id"]):
            found.append(Leaver(row["person_id"], "", row["act_at"], None, row["created_at"], row["id"]))
    return found


def _lines(workspace: Workspace, unit: Unit, leaver: Leaver, sla_minutes: int) -> Iterator[Line]:
    about = _about(workspace, unit, leaver) | {"sla_minutes": sla_minutes}
    lines = [*_closings(workspace, unit, leaver)]
    known = {(line["app"], line["account_id"]) for line in lines}
    lines += [line for line in _still_open(workspace, unit, leaver) if (line["app"], line["account_id"]) not in known]
    for line in lines or [_line()]:
        whole = about | line | _minutes(leaver, line["verified_utc"], sla_minutes)
        whole["exception_id"] = _exception(unit, leaver, line)
        yield {name: whole[name] for name in COLUMNS}


def _about(workspace: Workspace, unit: Unit, leaver: Leaver) -> Line:
    person = unit.people.by_id(leaver.person)
    rows = [row for row in unit.people.employments(person_id=leaver.person) if row["source"] == leaver.source]
    zone = zone_of(workspace, load(person["attributes"])) if person else workspace.zone
    effective = from_text(_effective(leaver))
    return {
        "person_id": leaver.person,
        "name": person["name"] if person else "",
        "source_record_id": f"{leaver.source}:{rows[-1]['source_key']}" if rows else "",
        "term_effective_local": effective.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M"),
        "tz": zone,
        "term_effective_utc": to_text(effective),
        "signal_received_utc": leaver.seen_at,
        "rejoined_utc": leaver.rejoined,
    }


def _line(**values: str) -> Line:
    names = ("plan_id", "app", "account_id", "privileged", "requested_utc", "acknowledged_utc", "verified_utc")
    return dict.fromkeys((*names, "verify_method"), "") | values


def _closings(workspace: Workspace, unit: Unit, leaver: Leaver) -> Iterator[Line]:
    """One line for each step by which a leave plan of this leave closes an account."""
    for row in unit.plans.of_person(leaver.person):
        meant = row["id"] == leaver.plan or (
            row["kind"] == PlanKind.LEAVE.value and row["created_at"] >= leaver.seen_at
        )
        run = unit.runs.of_plan(row["id"])
        if not meant or (run is None and row["state"] not in OPEN):
            continue
        carried = {step["id"]: step for step in unit.runs.steps(run["id"])} if run else {}
        for step in Plan.of(load(row["document"])).steps:
            if step.verb in LEAVING:
                yield _closing(workspace, unit, row, step, carried.get(step.id))


def _closing(workspace: Workspace, unit: Unit, plan: Row, step: PlannedStep, carried: Row | None) -> Line:
    receipts = unit.runs.receipts(step.id) if carried else []
    acted = [receipt["at"] for receipt in receipts if receipt["kind"] in ("act", "adopt")]
    verified = carried["verified_at"] if carried and carried["state"] in SEEN else None
    configured = step.connection in workspace.connections.names()
    speaks = workspace.connections.config(step.connection).speaks if configured else step.path
    return _line(
        plan_id=plan["id"],
        app=step.connection,
        account_id=step.native_id or step.user_name,
        privileged=_privileged(unit, step.account, plan["created_at"]),
        requested_utc=plan["created_at"],
        acknowledged_utc=acted[0] if acted else "",
        verified_utc=verified or "",
        verify_method=f"read back ({speaks})" if verified else "",
    )


def _still_open(workspace: Workspace, unit: Unit, leaver: Leaver) -> Iterator[Line]:
    """Accounts that nothing closes: they are part of the population, without a time at which they were closed."""
    sources = {name for name in workspace.connections.names() if workspace.connections.config(name).part == "hr"}
    for row in unit.accounts.linked(leaver.person):
        if row["connection"] not in sources and row["ended_at"] is None and AccountState(row["state"]).can_sign_in:
            privileged = _privileged(unit, row["id"], leaver.seen_at)
            yield _line(app=row["connection"], account_id=row["native_id"], privileged=privileged)


def _privileged(unit: Unit, account_id: str | None, at: str) -> str:
    """Whether the account administered its app at an instant: y, n, or nothing where that is not known."""
    if account_id is None:
        return ""
    return "y" if any(map(is_admin_role, unit.accounts.grants_at(account_id, at))) else "n"


def _minutes(leaver: Leaver, verified: str, sla_minutes: int) -> Line:
    """How long access outlived the leave, from each of its three times; less than nothing is nothing."""
    found: Line = {"minutes_from_effective": "", "minutes_from_said": "", "minutes_from_seen": "", "within_sla": "n"}
    if not verified:
        return found | ({"within_sla": ""} if leaver.rejoined else {})
    times = {"effective": _effective(leaver), "said": leaver.said_at, "seen": leaver.seen_at}
    for name, begun in times.items():
        if begun:
            seconds = (from_text(verified) - from_text(begun)).total_seconds()
            found[f"minutes_from_{name}"] = max(0, math.ceil(seconds / 60))
    found["within_sla"] = "y" if found["minutes_from_effective"] <= sla_minutes else "n"
    return found


def _exception(unit: Unit, leaver: Leaver, line: Line) -> str:
    """The open finding that says why an account of this leaver is not closed, or that it was opened again since."""
    for row in unit.findings.open(person_id=leaver.person):
        if row["connection"] == line["app"] and row["opened_at"] > line["verified_utc"]:
            return str(row["id"])
    return ""
