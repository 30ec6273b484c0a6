"""Why: everything that usher knows and did about one person, with the evidence of each link and each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from usher.domain.person import Standing
from usher.domain.policy import explain
from usher.services.plan import assigned, find_person
from usher.services.residual import of_person
from usher.services.secrecy import hidden_finding, hidden_plans
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """One person's story. Each part is a list of plain documents, ready for a table or for JSON."""

    person: dict[str, Any]
    employments: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    accounts: list[dict[str, Any]]
    assignments: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    residuals: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    plans: list[dict[str, Any]]


def why(workspace: Workspace, text: str, app: str | None = None) -> Why:
    """Gather one person's story; `app` keeps only what concerns one connection. Refusal where nobody is meant."""
    with workspace.store.read() as unit:
        person = find_person(workspace, unit, text)
        now = workspace.clock.now()
        hidden = hidden_plans(workspace, unit)
        made = assigned(workspace, person)
        active = person.standing(now) is not Standing.LEFT
        return Why(
            person={
                "id": person.id,
                "name": person.label,
                "standing": person.standing(now).value,
                "attributes": dict(person.attributes),
            },
            employments=[
                {
                    "source": row["source"],
                    "key": row["source_key"],
                    "status": row["status"],
                    "absent": row["absent_since"],
                }
                for row in unit.people.employments(person_id=person.id)
            ],
            keys=[
                {"kind": row["kind"], "value": row["value"], "from": row["valid_from"], "to": row["valid_to"]}
                for row in unit.people.keys(person.id)
            ],
            accounts=[_account(row) for row in unit.accounts.linked(person.id) if app in (None, row["connection"])],
            assignments=[
                {"connection": one.connection, "what": one.entitlement or "account", "cite": one.cite}
                for one in made.made
                if app in (None, one.connection)
            ],
            rules=[
                {"role": one.role, "matched": one.matched, "why": one.why, "cite": one.cite}
                for one in explain(workspace.policies, person.attributes, active=active)
            ],
            signals=[
                _plain(row, "kind", "source", "true_at", "said_at", "seen_at")
                | {"plan_id": None if row["plan_id"] in hidden else row["plan_id"]}
                for row in unit.findings.signals(person_id=person.id)
            ],
            residuals=[
                one for one in of_person(workspace, unit, person.id, hidden) if app in (None, one["connection"])
            ],
            findings=[
                _plain(row, "id", "rule", "severity", "subject", "fix", "opened_at")
                for row in unit.findings.open(person_id=person.id)
                if app in (None, row["connection"]) and hidden_finding(unit, hidden, row) is None
            ],
            plans=[_plan(unit, row, app) for row in unit.plans.of_person(person.id) if row["id"] not in hidden],
        )


def _account(row: Row) -> dict[str, Any]:
    document = load(row["document"])
    return {
        "id": row["id"],
        "connection": row["connection"],
        "user_name": row["user_name"],
        "state": row["state"] if row["ended_at"] is None else f"gone since {row['ended_at']}",
        "entitlements": document["entitlements"],
        "first_seen": row["first_seen"],
        "last_seen": row["last_seen"],
        "situation": row["situation"],
        "evidence": load(row["evidence"]),
    }


def _plan(unit: Unit, row: Row, app: str | None) -> dict[str, Any]:
    run = unit.runs.of_plan(row["id"])
    steps = unit.runs.steps(run["id"]) if run else []
    return {
        "number": row["number"],
        "kind": row["kind"],
        "state": row["state"],
        "digest": row["digest"],
        "created_at": row["created_at"],
        "steps": [
            {"id": step["id"], "connection": step["connection"], "verb": step["verb"], "state": step["state"],
             "note": step["note"], "verified_at": step["verified_at"]}
            for step in steps
            if app in (None, step["connection"])
        ],
    }  # fmt: skip


def _plain(row: Row, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
