"""Evidence: everything that usher knows of one person, one run or one period, for somebody who was not there.

What is in it of the ledger is the whole chain of leaves, which name nobody, with the details of those that concern the
scope. So whoever reads it can see that nothing about it was left out, and learns nothing of other people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from usher.domain.clock import to_text
from usher.domain.plan import Plan, PlanKind
from usher.services import residual
from usher.services.joiners import joiners
from usher.services.leavers import leavers
from usher.services.plan import find_person
from usher.services.secrecy import hidden_finding, hidden_plans
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

Document = dict[str, Any]
ALWAYS = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 12, 30, tzinfo=UTC)
PROVEN = "operator:operator:add"
"""Leaves that say whose key an approval was signed with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the evidence is about. `name` is for the file, `title` for people; `plans` and `people` hold our ids."""

    kind: str
    name: str
    title: str
    plans: tuple[str, ...]
    people: tuple[str, ...]
    period: tuple[datetime, datetime] = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was gathered. `plans` maps a plan's number to it, `pictures` a name in the evidence to the file.

    `ids` are the ids of everything in scope, `secret` those of what whoever asks may not see.
    """

    document: Document
    plans: Mapping[int, Plan]
    pictures: Mapping[str, Path]
    ids: frozenset[str]
    secret: frozenset[str]


def of_person(workspace: Workspace, text: str) -> Scope:
    """All that concerns one person; Refusal where the text names nobody, or several."""
    with workspace.store.read() as unit:
        person = find_person(workspace, unit, text)
        hidden = hidden_plans(workspace, unit)
        plans = tuple(row["id"] for row in unit.plans.of_person(person.id) if row["id"] not in hidden)
    return Scope(kind="person", name=person.id, title=person.label, plans=plans, people=(person.id,))


def of_run(workspace: Workspace, reference: str) -> Scope:
    """One run by number or id, with its plan; Refusal where there is none, or it is confidential."""
    with workspace.store.read() as unit:
        row = unit.runs.find(reference)
        if row is None or row["plan_id"] in hidden_plans(workspace, unit):
            raise Refusal(f"there is no run {reference} that you may see; see: usher runs")
        plan = unit.plans.find(row["plan_id"])
        assert plan is not None, row["plan_id"]
    return Scope(
        kind="run",
        name=f"run-{row['number']}",
        title=f"run {row['number']}",
        plans=(plan["id"],),
        people=(plan["person_id"],),
    )


def of_period(workspace: Workspace, since: datetime, until: datetime, words: str, name: str) -> Scope:
    """Everybody who left or came, and every plan that was made, from `since` on and before `until`."""
    with workspace.store.read() as unit:
        hidden = hidden_plans(workspace, unit)
        rows = [
            row
            for row in unit.plans.all()
            if to_text(since) <= row["created_at"] < to_text(until) and row["id"] not in hidden
        ]
    lists = (*leavers(workspace, since, until), *joiners(workspace, since, until))
    people = dict.fromkeys([*(row["person_id"] for row in rows), *(line["person_id"] for line in lists)])
    return Scope(
        kind="period",
        name=name,
        title=words,
        plans=tuple(row["id"] for row in rows),
        people=tuple(people),
        period=(since, until),
    )


def gather(workspace: Workspace, scope: Scope) -> Evidence:
    """Put together what the scope is about, as it stands now."""
    with workspace.store.read() as unit:
        hidden = hidden_plans(workspace, unit)
        plans = {row["id"]: row for row in (unit.plans.find(id) for id in scope.plans) if row}
        found = _Gathering(workspace, unit, set(scope.plans))
        told = [found.plan(row) for row in sorted(plans.values(), key=lambda row: row["number"])]
        whole = scope.kind != "run"
        people = [found.person(id, hidden, whole=whole) for id in scope.people]
        secret = frozenset(id for plan in hidden for id in _ids_of_plan(unit, plan))
    lists = {
        "leavers": [one for one in leavers(workspace, *scope.period) if _is_about(scope, one, whole=whole)],
        "joiners": [one for one in joiners(workspace, *scope.period) if _is_about(scope, one, whole=whole)],
    }
    document = {"people": people, "plans": told, **lists}
    return Evidence(
        document=document,
        plans={row["number"]: Plan.of(load(row["document"])) for row in plans.values()},
        pictures=found.pictures,
        ids=frozenset(found.ids),
        secret=secret,
    )


def _is_about(scope: Scope, line: Document, *, whole: bool) -> bool:
    if whole:
        return line["person_id"] in scope.people
    return line.get("plan_id") in scope.plans


def _ids_of_plan(unit: Unit, plan_id: str) -> Iterator[str]:
    yield plan_id
    run = unit.runs.of_plan(plan_id)
    if run is not None:
        yield run["id"]
        yield from (step["id"] for step in unit.runs.steps(run["id"]))


@dataclass(slots=True)
class _Gathering:
    """Reads rows into plain documents, and notes the ids of all of them and the pictures on the way."""

    workspace: Workspace
    unit: Unit
    ids: set[str]
    pictures: dict[str, Path] = field(default_factory=dict)

    def plan(self, row: Row) -> Document:
        """A plan with who asked, who signed what, and its run."""
        made = Plan.of(load(row["document"]))
        run = self.unit.runs.of_plan(row["id"])
        return {
            "number": row["number"],
            "file": f"plans/{row['number']}.json",
            "kind": PlanKind(row["kind"]).value,
            "person": made.person_name,
            "state": row["state"],
            "digest": row["digest"],
            "reason": made.reason,
            "requested_by": self._operator(row["requested_by"])["name"],
            "requested_at": row["created_at"],
            "wants": made.needs.why,
            "guard": dict(made.guard),
            "notes": list(made.notes),
            "signatures": [
                {
                    **self._operator(one["operator_id"]),
                    "decision": one["decision"],
                    "at": one["at"],
                    "reason": one["reason"] or "",
                    "signature": one["signature"],
                }
                for one in self.unit.plans.signatures(row["id"])
            ],
            "steps": self._steps(made, run),
            "run": self._run(run) if run else None,
        }

    def _operator(self, id: str) -> Document:
        row = self.unit.operators.by_id(id)
        return {"name": row["name"] if row else id, "public_key": row["public_key"] if row else ""}

    def _run(self, run: Row) -> Document:
        self.ids.add(run["id"])
        return {name: run[name] for name in ("number", "id", "state", "started_at", "verified_at", "closed_at")}

    def _steps(self, made: Plan, run: Row | None) -> list[Document]:
        carried = {row["id"]: row for row in self.unit.runs.steps(run["id"])} if run else {}
        return [
            {
                "ordinal": step.ordinal,
                "id": step.id,
                "app": step.connection,
                "verb": step.verb.value,
                "path": step.path,
                "account": step.native_id or step.user_name,
                "entitlement": step.entitlement,
                "asked_by": step.asked_by,
                "before": dict(step.before),
                "after": dict(step.after),
                "reversible": step.reversible,
                **self._carried(carried.get(step.id)),
            }
            for step in made.steps
        ]

    def _carried(self, row: Row | None) -> Document:
        if row is None:
            return {
                "state": "not begun",
                "note": None,
                "verified_at": None,
                "intents": [],
                "receipts": [],
                "task": None,
            }
        self.ids.add(row["id"])
        intents = self.unit.runs.intents(row["id"])
        self.ids.update(intent["id"] for intent in intents)
        task = self.unit.runs.task_of(row["id"])
        return {
            "state": row["state"],
            "note": row["note"],
            "verified_at": row["verified_at"],
            "intents": [
                {**{name: one[name] for name in ("attempt", "recorded_at", "outcome")}, "saw": load(one["saw"])}
                for one in intents
            ],
            "receipts": [self._receipt(row, one) for one in self.unit.runs.receipts(row["id"])],
            "task": self._task(task) if task else None,
        }

    def _task(self, task: Row) -> Document:
        self.ids.add(task["id"])
        said = {name: task[name] for name in ("number", "why", "opened_at", "due_at", "said_done_at", "closed_at")}
        return said | {"assignee": task["assignee"]}

    def _receipt(self, step: Row, receipt: Row) -> Document:
        document = load(receipt["document"])
        taken = [self._picture(step, place) for place in document.get("pictures", ())]
        return {"kind": receipt["kind"], "at": receipt["at"], **document} | ({"pictures": taken} if taken else {})

    def _picture(self, step: Row, place: str) -> str:
        """The name under which a picture goes into the evidence; one that is not there any more is said."""
        file = self.workspace.pictures / Path(place).name
        if not file.is_file():
            return f"missing: {Path(place).name}"
        name = f"pictures/{step['id']}-{file.name}"
        self.pictures[name] = file
        return name

    def person(self, id: str, hidden: Mapping[str, int], *, whole: bool) -> Document:
        """A person with employments, what sources said, accounts and findings; without `whole` the name alone."""
        row = self.unit.people.by_id(id)
        about: Document = {"id": id, "name": row["name"] if row else ""}
        if not whole:
            return about
        accounts = self.unit.accounts.linked(id)
        findings = [one for one in self.unit.findings.about(id) if hidden_finding(self.unit, dict(hidden), one) is None]
        signals = self.unit.findings.signals(person_id=id)
        self.ids.update((id, *(one["id"] for one in (*accounts, *findings, *signals))))
        return about | {
            "employments": _pick(
                self.unit.people.employments(person_id=id), "source", "source_key", "status", "absent_since"
            ),
            "said": _pick(reversed(signals), "kind", "source", "true_at", "said_at", "seen_at"),
            "accounts": [
                _one(one, "connection", "native_id", "user_name", "state", "first_seen", "last_seen", "ended_at")
                | {"situation": one["situation"], "link": load(one["evidence"])}
                for one in accounts
            ],
            "residuals": residual.of_person(self.workspace, self.unit, id, hidden),
            "findings": _pick(findings, "id", "rule", "severity", "subject", "opened_at", "closed_at", "closed_why"),
        }


def _one(row: Row, *names: str) -> Document:
    return {name: row[name] for name in names}


def _pick(rows: Sequence[Row] | Iterator[Row], *names: str) -> list[Document]:
    return [_one(row, *names) for row in rows]
