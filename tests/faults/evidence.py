"""Everything that the checker compares: the journals' effects beside our own plans, steps, findings and leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.company import Standing
from tests.faults.truth import Accounts, Effect, replay, start_of

from usher.services.approve import standing as standing_of
from usher.services.workspace import Workspace
from usher.store.repository import load

INTENT_EVENTS = ("step:intent:record", "step:task:open")
"""What must be in the ledger before an effect: an intent of ours, or the task that a person was given."""


@dataclass
class Step:
    """One step as our database has it. `document` is what was approved."""

    document: Mapping[str, Any]
    state: str
    native_id: str | None = None
    verified_at: str | None = None
    finding: bool = False
    """An open finding names the step."""
    task: bool = False
    """An open task stands for it."""
    due: bool = False
    """Something about it is still to come."""
    intended: list[str] = field(default_factory=list)
    """Instants of its intent leaves in the ledger."""

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def app(self) -> str:
        return str(self.document["connection"])

    @property
    def verb(self) -> str:
        return str(self.document["verb"])


@dataclass
class PlanEvidence:
    """One plan: whether it counts as approved, whose it is by employee number, and its steps (none: not begun)."""

    number: int
    owner: str
    approved: bool
    steps: list[Step]
    act_at: str | None = None
    """The time before which nothing of it may happen."""


@dataclass
class Evidence:
    """What happened, by the apps and by us."""

    effects: list[Effect]
    accounts: dict[str, Accounts]
    plans: list[PlanEvidence]
    until: str = ""
    """When it was gathered."""


def gather(standing: Standing, workspace: Workspace | None = None) -> Evidence:
    """Read the journals and the database of a company; the journals are replayed in the order of their instants."""
    workspace = workspace or standing.workspace
    lines: list[tuple[str, Mapping[str, Any]]] = []
    for app in standing.company.apps:
        path = standing.journal(app)
        if path.exists():
            *whole, _torn = path.read_bytes().split(b"\n")
            lines += [(app.name, json.loads(line)) for line in whole if line]
    lines.sort(key=lambda one: one[1]["at"])
    accounts = start_of(standing.company)
    return Evidence(replay(accounts, lines), accounts, _plans(standing, workspace), workspace.now())


def _plans(standing: Standing, workspace: Workspace) -> list[PlanEvidence]:
    with workspace.store.read() as unit:
        persons = {row["person_id"]: row["source_key"] for row in unit.people.employments(source="hr")}
        numbers = {one.key: one.employee_number for one in standing.company.people}
        findings = {load(row["evidence"]).get("step") for row in unit.findings.open()}
        tasks = {row["step_id"] for row in unit.runs.tasks()}
        dues = {row["subject"] for row in unit.dues.open()}
        found = []
        for row in unit.plans.all():
            plan = load(row["document"])
            run = unit.runs.of_plan(row["id"])
            steps = [] if run is None else unit.runs.steps(run["id"])
            found.append(
                PlanEvidence(
                    number=row["number"],
                    act_at=row["act_at"],
                    owner=numbers[persons[plan["person"]]],
                    approved=row["state"] in ("approved", "running", "done") and not standing_of(unit, row).missing,
                    steps=[
                        Step(
                            document=load(step["document"]),
                            state=step["state"],
                            native_id=step["native_id"],
                            verified_at=step["verified_at"],
                            finding=step["id"] in findings,
                            task=step["id"] in tasks,
                            due=step["id"] in dues,
                            intended=[
                                leaf["at"] for leaf in unit.ledger.about(step["id"]) if leaf["event"] in INTENT_EVENTS
                            ],
                        )
                        for step in steps
                    ],
                )
            )
        return found
