"""Show: people, findings, connections, apps, operators and tasks as plain documents, the same for every door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from usher.domain.person import Person
from usher.domain.profile import AppProfile
from usher.domain.signing import key_id
from usher.services.plan import find_person
from usher.services.secrecy import ASK, blank, called, hidden_finding, hidden_plans
from usher.services.sources import people as everybody
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

Document = dict[str, Any]


def people(workspace: Workspace, text: str | None = None) -> list[Document]:
    """Everybody, or those whom a text finds (id, employee number, address, part of a name), with counts."""
    with workspace.store.read() as unit:
        wanted = {row["id"] for row in unit.people.search(text)} if text else None
        accounts = Counter(row["person_id"] for row in unit.accounts.links() if row["person_id"])
        hidden = hidden_plans(workspace, unit)
        findings = Counter(
            row["person_id"]
            for row in unit.findings.open()
            if row["person_id"] and hidden_finding(unit, hidden, row) is None
        )
        return [
            _person(workspace, person, accounts[person.id], findings[person.id])
            for person in everybody(workspace, unit)
            if wanted is None or person.id in wanted
        ]


def _person(workspace: Workspace, person: Person, accounts: int, findings: int) -> Document:
    standing = person.standing(workspace.clock.now()).value
    return person_line(person.id, person.label, standing, person.attributes, accounts, findings)


def person_line(
    id: str, name: str, standing: str, attributes: Mapping[str, str], accounts: int, findings: int
) -> Document:
    """One person as lists of people show him, with how many accounts and open findings he has."""
    about = {field: attributes.get(field) for field in ("employee_number", "email", "department", "title")}
    return {"id": id, "name": name, "standing": standing, **about, "accounts": accounts, "findings": findings}


def findings(workspace: Workspace, rule: str | None = None, person: str | None = None) -> list[Document]:
    """Open findings, gravest first; Refusal where the person or the rule is not known."""
    with workspace.store.read() as unit:
        person_id = find_person(workspace, unit, person).id if person else None
        rows = unit.findings.open(person_id=person_id)
        known = sorted({row["rule"] for row in rows})
        if rule is not None and rule not in known and known:
            rows = [row for row in rows if rule.casefold() in row["rule"].casefold()]
        elif rule is not None:
            rows = [row for row in rows if row["rule"] == rule]
        hidden = hidden_plans(workspace, unit)
        shown = [(row, hidden_finding(unit, hidden, row)) for row in rows]
        # Asked for one person's findings, those of a plan that is hidden are not there: they would say whose it is.
        return [
            _finding(row) if number is None else _hidden_finding(_finding(row), number)
            for row, number in shown
            if number is None or person is None
        ]


def _hidden_finding(document: Document, number: int) -> Document:
    words = {"subject": called(number), "fix": ASK, "connection": None, "account_id": None, "person_id": None}
    return blank(document, number, ("id", "rule", "severity", "opened_at"), **words)


def _finding(row: Row) -> Document:
    names = ("id", "rule", "severity", "subject", "connection", "account_id", "person_id", "fix", "opened_at")
    return {**{name: row[name] for name in names}, "evidence": load(row["evidence"])}


def connections(workspace: Workspace) -> list[Document]:
    """Every configured connection with its last reading, and whether it is stopped."""
    with workspace.store.read() as unit:
        stopped = unit.leases.quarantined()
        return [_connection(workspace, unit, name, stopped.get(name)) for name in workspace.connections.names()]


def _connection(workspace: Workspace, unit: Unit, name: str, stopped: Row | None) -> Document:
    config = workspace.connections.config(name)
    profile = workspace.connections.profile(name)
    last = unit.accounts.last_snapshot(name, complete=False)
    return {
        "name": name,
        "app": config.app,
        "title": profile.title,
        "grade": profile.grade,
        "speaks": config.speaks,
        "part": config.part,
        "owner": config.owner,
        "key": config.key,
        "place": config.url or config.path,
        "accounts": unit.accounts.count_of(name),
        "last_reading": None
        if last is None
        else {"kind": last["kind"], "at": last["finished_at"], "reasons": load(last["reasons"])},
        "stopped": stopped["reason"] if stopped else None,
    }


def app(profile: AppProfile, used_by: tuple[str, ...]) -> Document:
    """One app's guide and facts; `used_by` are the connections that use it."""
    return {
        "app": profile.app,
        "title": profile.title,
        "speaks": profile.speaks,
        "grade": profile.grade,
        "key": profile.key,
        "facts": profile.facts.model_dump(),
        "guide": {verb: steps.model_dump(mode="json") for verb, steps in profile.guide.items()},
        "used_by": list(used_by),
    }


def operators(workspace: Workspace) -> list[Document]:
    """Every operator, oldest first, revoked ones too."""
    with workspace.store.read() as unit:
        names = unit.people.names()
        return [operator(row, names.get(row["person_id"] or "")) for row in unit.operators.all()]


def operator(row: Row, person: str | None = None) -> Document:
    """One operator, with the short name of the key and never more of it."""
    return {
        "id": row["id"],
        "name": row["name"],
        "key_id": key_id(row["public_key"]),
        "public_key": row["public_key"],
        "accounts": load(row["user_names"]),
        "person_id": row["person_id"],
        "person": person,
        "added_at": row["added_at"],
        "revoked_at": row["revoked_at"],
        "email": row["email"],
    }


def tasks(workspace: Workspace, *, closed: bool = False) -> list[Document]:
    """Tasks for people, oldest first; `closed` adds those that were verified."""
    with workspace.store.read() as unit:
        return [task_document(workspace, unit, row) for row in unit.runs.tasks(open_only=not closed)]


def task(workspace: Workspace, reference: str) -> Document:
    """One task by number or id; Refusal where there is none."""
    with workspace.store.read() as unit:
        row = unit.runs.find_task(reference)
        if row is None:
            raise Refusal(f"there is no task {reference}; see: usher task list")
        return task_document(workspace, unit, row)


def task_document(workspace: Workspace, unit: Unit, row: Row) -> Document:
    """A task with the step that it stands for; of a hidden plan only that there is one, and for whom."""
    document = _task(workspace, unit, row)
    number = hidden_plans(workspace, unit).get(_step_of(unit, row)["plan_id"])
    if number is None:
        return document
    kept = ("number", "id", "assignee", "state", "plan", "run", "opened_at", "due_at", "overdue", "closed_at")
    return blank(document, number, kept, title=called(number), why=ASK)


def _step_of(unit: Unit, row: Row) -> Row:
    step = unit.runs.step(row["step_id"])
    assert step is not None, row["step_id"]
    return step


def _task(workspace: Workspace, unit: Unit, row: Row) -> Document:
    step = unit.runs.step(row["step_id"])
    assert step is not None, row["step_id"]
    run = unit.runs.find(step["run_id"])
    plan = unit.plans.find(step["plan_id"])
    return {
        "number": row["number"],
        "id": row["id"],
        "assignee": row["assignee"],
        "why": row["why"],
        **load(row["document"]),
        "connection": step["connection"],
        "verb": step["verb"],
        "step": step["id"],
        "state": step["state"],
        "note": step["note"],
        "plan": plan["number"] if plan else None,
        "run": run["number"] if run else None,
        "opened_at": row["opened_at"],
        "due_at": row["due_at"],
        "overdue": row["closed_at"] is None and row["due_at"] < workspace.now(),
        "said_done_at": row["said_done_at"],
        "closed_at": row["closed_at"],
    }


def find_account(workspace: Workspace, text: str) -> Row:
    """The one account that a text names: our id, or CONNECTION/USER_NAME; Refusal with the candidates otherwise."""
    with workspace.store.read() as unit:
        row = unit.accounts.by_id(text)
        if row is not None:
            return row
        connection, _, name = text.partition("/")
        wanted = (name or text).casefold()
        names = [connection] if name else list(workspace.connections.names())
        found = [row for one in names for row in unit.accounts.of(one)
                 if wanted in (row["user_name"].casefold(), row["native_id"].casefold())]  # fmt: skip
        if not found:
            raise Refusal(
                f"there is no account {text!r}; name it as CONNECTION/USER_NAME or by its id (usher findings)"
            )
        if len(found) > 1:
            known = ", ".join(f"{row['connection']}/{row['user_name']}" for row in found[:5])
            raise Refusal(f"{text!r} names {len(found)} accounts: {known}; name one of them")
        return found[0]
