"""Show plans and runs: what was proposed, who has signed, how far it is and what it waits for, as plain documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usher.domain.clock import from_text
from usher.domain.moments import in_words
from usher.domain.plan import Plan, PlanState
from usher.domain.step import StepState
from usher.services import starts
from usher.services.approve import standing
from usher.services.secrecy import ASK, blank, called, hidden_plans
from usher.services.show import task_document
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

Document = dict[str, Any]
KEEPS_FAILING = "keeps failing"


def plans(workspace: Workspace) -> list[Document]:
    """Every plan, newest first, in short."""
    with workspace.store.read() as unit:
        hidden = hidden_plans(workspace, unit)
        return [_unless_hidden(_short(unit, row), hidden.get(row["id"])) for row in unit.plans.all()]


KEPT = (
    "number", "id", "state", "digest", "created_at", "confidential", "run", "plan", "at_rest", "waits_for", "sealed",
)  # fmt: skip
"""What everybody is shown of a hidden plan or run."""


def _unless_hidden(document: Document, number: int | None) -> Document:
    if number is None:
        return document
    counts = ("verified", "total", "started_at", "verified_at", "closed_at") if "total" in document else ()
    words: Document = {"kind": "confidential", "person_name": called(number), "missing": [ASK], "lane": "bulk"}
    return blank(document, number, (*KEPT, *counts), **words)


def _short(unit: Unit, row: Row) -> Document:
    document = load(row["document"])
    run = unit.runs.of_plan(row["id"])
    return {
        "number": row["number"],
        "id": row["id"],
        "kind": row["kind"],
        "person": document["person"],
        "person_name": document["person_name"],
        "state": row["state"],
        "note": row["note"],
        "steps": len(document["steps"]),
        "digest": row["digest"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "act_at": row["act_at"],
        "act_zone": document.get("act_zone"),
        "act_local": _local(row["act_at"], document.get("act_zone")),
        "lane": row["lane"],
        "confidential": bool(row["confidential"]),
        "emergency": bool(document.get("emergency", False)),
        "run": run["number"] if run else None,
    }


def _override(unit: Unit, made: Plan, names: dict[str, str]) -> Document | None:
    """By whom a plan may pass the guard's limits once, until when, and whether it has."""
    row = unit.answers.override_of(made.id)
    if row is None:
        return None
    said = {name: row[name] for name in ("until", "reason", "at", "used_at")}
    return {"operator": names.get(row["operator_id"])} | said


def _local(act_at: str | None, zone: str | None) -> str | None:
    """The time at which a plan begins, as people said it."""
    return in_words(from_text(act_at), zone or "UTC") if act_at else None


def plan(workspace: Workspace, reference: str) -> Document:
    """One plan by number or id with everything that is signed, and whose signatures are missing; Refusal: no such."""
    with workspace.store.read() as unit:
        row = unit.plans.find(reference)
        if row is None:
            raise Refusal(f"there is no plan {reference}; see: usher plan list")
        made = Plan.of(load(row["document"]))
        found = standing(unit, row)
        names = {operator["id"]: operator["name"] for operator in unit.operators.all()}
        document = {
            **_short(unit, row),
            "requested_by": names.get(made.requested_by),
            "reason": made.reason,
            "lane": made.lane.value,
            "releases": [
                {"row": one["row"], "operator": names.get(one["operator_id"]), "reason": one["reason"], "at": one["at"]}
                for one in unit.answers.releases(made.id)
            ],
            "override": _override(unit, made, names),
            "signal": _signal(unit, made),
            "configuration": made.configuration,
            "configuration_changed_since": made.configuration != workspace.configuration,
            "steps": [step.document() for step in made.steps],
            "notes": list(made.notes),
            "guard": dict(made.guard),
            "needs": made.needs.document()
            | {"owners": {connection: names.get(id) for connection, id in made.needs.owners.items()}},
            "approvers": list(found.approvers),
            "missing": list(found.missing),
            "signatures": [
                {
                    "operator": names.get(signature["operator_id"]),
                    "decision": signature["decision"],
                    "at": signature["at"],
                    "reason": signature["reason"],
                }
                for signature in unit.plans.signatures(made.id)
            ],
        }
        shown = _unless_hidden(document, hidden_plans(workspace, unit).get(row["id"]))
        guard = {"allowed": row["state"] != PlanState.HELD.value, "refused": [], "held": [], "numbers": []}
        return shown if shown["guard"] else {**shown, "guard": guard, "override": None, "signal": None}


def _signal(unit: Unit, made: Plan) -> Document | None:
    row = unit.findings.signal(made.signal) if made.signal else None
    return None if row is None else {name: row[name] for name in ("kind", "source", "true_at", "said_at", "seen_at")}


def runs(workspace: Workspace) -> list[Document]:
    """Every run, newest first, in short."""
    with workspace.store.read() as unit:
        hidden = hidden_plans(workspace, unit)
        return [_unless_hidden(_run(unit, row), hidden.get(row["plan_id"])) for row in unit.runs.all()]


def _run(unit: Unit, row: Row) -> Document:
    found = unit.plans.find(row["plan_id"])
    assert found is not None, row["plan_id"]
    document = load(found["document"])
    steps = unit.runs.steps(row["id"])
    first = starts.first_intent(unit, row["id"]) if found["act_at"] else None
    return {
        "number": row["number"],
        "id": row["id"],
        "plan": found["number"],
        "kind": found["kind"],
        "person": document["person"],
        "person_name": document["person_name"],
        "state": row["state"],
        "verified": sum(step["state"] in (StepState.VERIFIED.value, StepState.CLOSED.value) for step in steps),
        "total": len(steps),
        "lane": found["lane"],
        "emergency": bool(document.get("emergency", False)),
        "confidential": bool(found["confidential"]),
        "planned_at": found["act_at"],
        "planned_local": _local(found["act_at"], document.get("act_zone")),
        "first_intent_at": first,
        "late_seconds": starts.late_seconds(found["act_at"], first),
        "started_at": row["started_at"],
        "verified_at": row["verified_at"],
        "closed_at": row["closed_at"],
    }


def run_of_plan(workspace: Workspace, reference: str) -> str:
    """The number of the run that a plan has; Refusal where it has none."""
    with workspace.store.read() as unit:
        row = unit.plans.find(reference)
        found = unit.runs.of_plan(row["id"]) if row else None
        if found is None:
            raise Refusal(f"plan {reference} has no run yet; begin it with: usher run {reference}")
        return str(found["number"])


def run(workspace: Workspace, reference: str) -> Document:
    """One run by number or id: its steps, its open tasks and findings, and what it waits for; Refusal: no such.

    `at_rest` is true when nothing more happens without a person, a repaired connection or the end of a seal;
    `waits_for` then names why: `person`, `seal`, `app`, or nothing where every step is verified.
    """
    with workspace.store.read() as unit:
        row = unit.runs.find(reference)
        if row is None:
            raise Refusal(f"there is no run {reference}; see: usher runs")
        steps = unit.runs.steps(row["id"])
        sealed = unit.leases.sealed()
        stopped = unit.leases.quarantined()
        open_findings = _findings_of(unit, steps)
        waits = _waits(steps, open_findings, sealed=sealed is not None, stopped=stopped)
        document = {
            **_run(unit, row),
            "at_rest": waits is not None,
            "waits_for": sorted(waits or ()),
            "sealed": f"{sealed['by']}: {sealed['reason']}" if sealed else None,
            "steps": [_step(unit, step) for step in steps],
            "tasks": [
                task_document(workspace, unit, task)
                for step in steps
                if (task := unit.runs.task_of(step["id"])) and task["closed_at"] is None
            ],
            "findings": [
                {name: found[name] for name in ("rule", "severity", "subject", "fix")} | {"step": step_id}
                for step_id, rows in open_findings.items()
                for found in rows
            ],
        }
        number = hidden_plans(workspace, unit).get(row["plan_id"])
        if number is None:
            return document
        blanks = [blank(one, number, ("ordinal", "id", "state")) for one in document["steps"]]
        return {**_unless_hidden(document, number), "steps": blanks}


def _step(unit: Unit, row: Row) -> Document:
    document = load(row["document"])
    return {
        "ordinal": row["ordinal"],
        "id": row["id"],
        "connection": row["connection"],
        "verb": row["verb"],
        "entitlement": document["entitlement"],
        "user_name": document["user_name"],
        "path": document["path"],
        "state": row["state"],
        "note": row["note"],
        "attempts": row["attempt"],
        "requires": document["requires"],
        "updated_at": row["updated_at"],
        "verified_at": row["verified_at"],
        "receipts": [
            {"kind": receipt["kind"], "at": receipt["at"], **load(receipt["document"])}
            for receipt in unit.runs.receipts(row["id"])
        ],
    }


def _findings_of(unit: Unit, steps: list[Row]) -> dict[str, list[Row]]:
    ids = {row["id"] for row in steps}
    found: dict[str, list[Row]] = {}
    for row in unit.findings.open():
        step_id = load(row["evidence"]).get("step")
        if step_id in ids:
            found.setdefault(step_id, []).append(row)
    return found


def _waits(
    steps: list[Row], open_findings: Mapping[str, list[Row]], *, sealed: bool, stopped: Mapping[str, Row]
) -> set[str] | None:
    """What a run at rest waits for (nothing: it is proven), or None while a worker can still bring it on."""
    waits: set[str] = set()
    moving: set[str] = set()
    for row in steps:
        state = StepState(row["state"])
        failing = any(found["rule"] == KEEPS_FAILING for found in open_findings.get(row["id"], ()))
        if state in (StepState.PARKED, StepState.PERSON):
            waits.add("person")
        elif state is StepState.READY and sealed:
            waits.add("seal")
        elif (state is StepState.READY and row["connection"] in stopped) or (
            failing and state in (StepState.READY, StepState.UNKNOWN, StepState.DONE)
        ):
            waits.add("app")
        elif state in (StepState.READY, StepState.ACTING, StepState.UNKNOWN, StepState.DONE) or (
            state is StepState.PENDING and not _blocked(row, steps)
        ):
            moving.add(row["id"])
    return None if moving else waits


def _blocked(row: Row, steps: list[Row]) -> bool:
    """A step that has not begun waits for its predecessors; it moves by itself only when all of them have ended."""
    states = {one["id"]: StepState(one["state"]) for one in steps}
    return any(not states[id].allows_successors for id in load(row["document"])["requires"])


def is_said_done(workspace: Workspace, reference: str) -> bool:
    """True while a person's word on a task still waits to be looked at."""
    with workspace.store.read() as unit:
        row = unit.runs.find_task(reference)
        return row is not None and row["said_done_at"] is not None and row["closed_at"] is None
