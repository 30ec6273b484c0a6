"""Joiners: everybody who came in a period, and for each account and entitlement who asked, who approved, and when.

An auditor wants to see that access was approved before it was given. So what appeared in an app without a plan of ours
is in the report too, with nobody as its approver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from usher.domain.clock import from_text
from usher.domain.plan import Plan, PlanKind, PlannedStep, Verb
from usher.domain.signals import SignalKind
from usher.services.secrecy import hidden_plans
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

COLUMNS = (
    "person_id", "name", "start_date", "request_id", "requested_by", "requested_utc", "app", "account_id",
    "role_or_module", "business_reason", "approvers", "approver_roles", "approved_utc", "provisioned_utc",
    "verified_utc", "approved_before_provisioned", "plan_hash",
)  # fmt: skip
GIVING = (Verb.CREATE, Verb.GRANT, Verb.REACTIVATE)
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Joiner:
    """Somebody who came, and from when on; a joiner that no source told of has a plan alone."""

    person: str
    starts: str
    plan: str | None


def joiners(workspace: Workspace, since: datetime, until: datetime) -> list[Line]:
    """One row for each account and entitlement of each joiner of the period (from `since` on, before `until`)."""
    with workspace.store.read() as unit:
        hidden = hidden_plans(workspace, unit)
        return [
            line
            for joiner in sorted(_population(unit), key=lambda one: (one.starts, one.person))
            if since <= from_text(joiner.starts) < until
            for line in _lines(workspace, unit, joiner, hidden)
        ]


def _population(unit: Unit) -> list[Joiner]:
    """Every joiner that a source told of, once a signal, and every join plan that was run without one."""
    found = [
        Joiner(row["person_id"], row["true_at"] or row["said_at"] or row["seen_at"], row["plan_id"])
        for row in reversed(unit.findings.signals())
        if row["kind"] == SignalKind.JOINER.value
    ]
    told = {joiner.person for joiner in found}
    asked = [
        Joiner(row["person_id"], row["act_at"] or row["created_at"], row["id"])
        for row in unit.plans.all()
        if row["kind"] == PlanKind.JOIN.value and row["person_id"] not in told and unit.runs.of_plan(row["id"])
    ]
    return found + asked


def _lines(workspace: Workspace, unit: Unit, joiner: Joiner, hidden: dict[str, int]) -> Iterator[Line]:
    person = unit.people.by_id(joiner.person)
    about = {
        "person_id": joiner.person,
        "name": person["name"] if person else "",
        "start_date": from_text(joiner.starts).astimezone(ZoneInfo(workspace.zone)).date().isoformat(),
    }
    planned = [
        row
        for row in unit.plans.of_person(joiner.person)
        if row["kind"] == PlanKind.JOIN.value and row["id"] not in hidden and unit.runs.of_plan(row["id"])
    ]
    lines = [line for row in planned for line in _given(workspace, unit, row)]
    by_plan = {(line["app"], line["account_id"]) for line in lines}
    lines += [line for line in _unasked(unit, joiner) if (line["app"], line["account_id"]) not in by_plan]
    for line in lines or [_line()]:
        whole = about | line
        yield {name: whole[name] for name in COLUMNS}


def _line(**values: str) -> Line:
    return dict.fromkeys(COLUMNS[3:], "") | values


def _given(workspace: Workspace, unit: Unit, plan: Row) -> Iterator[Line]:
    """One line for each account and entitlement that a join plan gave."""
    document = Plan.of(load(plan["document"]))
    run = unit.runs.of_plan(plan["id"])
    assert run is not None, plan["id"]
    carried = {step["id"]: step for step in unit.runs.steps(run["id"])}
    signed = [row for row in unit.plans.signatures(plan["id"]) if row["decision"] == "approve"]
    signers = [unit.operators.by_id(row["operator_id"]) for row in signed]
    about = {
        "request_id": f"plan {plan['number']}",
        "requested_by": _name(unit, plan["requested_by"]),
        "requested_utc": plan["created_at"],
        "business_reason": document.reason,
        "approvers": ", ".join(row["name"] for row in signers if row),
        "approver_roles": ", ".join(_role(document, row) for row in signers if row),
        "approved_utc": max((row["at"] for row in signed), default=""),
        "plan_hash": plan["digest"],
    }
    for step in document.steps:
        if step.verb in GIVING and step.id in carried:
            yield _line(**about, **_provided(unit, step, carried[step.id], about["approved_utc"]))


def _provided(unit: Unit, step: PlannedStep, carried: Row, approved: str) -> dict[str, str]:
    acted = [receipt["at"] for receipt in unit.runs.receipts(step.id) if receipt["kind"] in ("act", "adopt")]
    given = acted[0] if acted else ""
    return {
        "app": step.connection,
        "account_id": carried["native_id"] or step.native_id or step.user_name,
        "role_or_module": step.entitlement or ", ".join(step.wanted.get("entitlements", ())) or "account",
        "provisioned_utc": given,
        "verified_utc": carried["verified_at"] or "",
        "approved_before_provisioned": "" if not given else "y" if approved and approved <= given else "n",
    }


def _role(plan: Plan, operator: Row) -> str:
    owned = [name for name, owner in plan.needs.owners.items() if owner == operator["id"]]
    return f"owner of {' and '.join(sorted(owned))}" if owned else "operator"


def _name(unit: Unit, operator_id: str) -> str:
    row = unit.operators.by_id(operator_id)
    return str(row["name"]) if row else operator_id


def _unasked(unit: Unit, joiner: Joiner) -> Iterator[Line]:
    """The accounts that appeared from a joiner's first day on: nobody asked usher for them."""
    for row in unit.accounts.linked(joiner.person):
        created = load(row["document"])["created"] or row["first_seen"]
        if created >= joiner.starts and row["connection"] != _source(unit, joiner):
            yield _line(
                app=row["connection"], account_id=row["native_id"], role_or_module="account",
                provisioned_utc=created, approved_before_provisioned="n",
            )  # fmt: skip


def _source(unit: Unit, joiner: Joiner) -> str | None:
    rows = unit.people.employments(person_id=joiner.person)
    return str(rows[0]["source"]) if rows else None
