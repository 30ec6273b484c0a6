"""Bulk join: one joiner plan for each person of a list, all rows checked first; a second time nothing is made twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from usher.connectors.csv_columns import plain
from usher.connectors.table import Row as Line
from usher.connectors.table import Table
from usher.domain.links import KeyKind
from usher.domain.located import ConfigurationError, Problem
from usher.domain.moments import EXPECTED, BadMoment
from usher.domain.person import Person
from usher.domain.plan import Plan, PlanKind, PlanState, Verb
from usher.domain.seats import count
from usher.services.operators import Acting
from usher.services.plan import NothingToDo, plan_for
from usher.services.ports import Progress, silent
from usher.services.sources import people
from usher.services.when import How
from usher.services.workspace import Refusal, Workspace
from usher.store.accounts import account_of
from usher.store.repository import Row
from usher.store.unit import Unit

ID = "id"
COLUMNS = {
    ID: ("id", "person id", "person"),
    KeyKind.EMPLOYEE_NUMBER.value: ("employee number", "employee id", "employee no", "personnel number", "number"),
    KeyKind.ADDRESS.value: ("email", "e mail", "email address", "mail", "address", "work email"),
    "reason": ("reason",),
    "at": ("at", "begins", "begins at"),
}
"""Our name of a column -> headings that are taken for it, compared without case, hyphens and underscores."""
NAMING = (ID, KeyKind.EMPLOYEE_NUMBER.value, KeyKind.ADDRESS.value)
OPEN = (PlanState.PROPOSED.value, PlanState.HELD.value, PlanState.APPROVED.value, PlanState.RUNNING.value)

Document = dict[str, Any]


@dataclass(slots=True)
class Joined:
    """What became of each row: a plan, one that was there, nothing to do, or a person whom no source knows."""

    made: list[Document] = field(default_factory=list)
    existing: list[Document] = field(default_factory=list)
    nothing: list[Document] = field(default_factory=list)
    unknown: list[Document] = field(default_factory=list)
    unused_columns: list[str] = field(default_factory=list)


def plan_joins(
    workspace: Workspace, table: Table, by: Acting, reason: str, how: How, progress: Progress = silent
) -> Joined:
    """Make a joiner plan for each person of a list; `how` holds for rows that say nothing else.

    All of it happens in one transaction. ConfigurationError, with every row that cannot be taken and nothing made,
    where a row is empty, names two people, or somebody for whom no plan can be made. People whom no source knows are
    no mistake of the list: they are told of, and the others are planned.
    """
    columns = _columns(table)
    found = Joined(unused_columns=[one for one in table.headings if one not in columns.values()])
    with workspace.store.begin() as unit:
        bulk = _Bulk(workspace, unit, table, columns, by, found)
        bulk.read()
        bulk.stop_on_problems()
        for done, (line, person) in enumerate(bulk.people, 1):
            bulk.plan(line, person, reason, how)
            progress("plans", done, len(bulk.people))
        bulk.check_seats()
        bulk.stop_on_problems()
    return found


def _columns(table: Table) -> dict[str, str]:
    """Our name of each column that is there -> its heading; ConfigurationError where none names a person."""
    columns: dict[str, str] = {}
    for heading in table.headings:
        name = next((ours for ours, known in COLUMNS.items() if plain(heading) in known), None)
        if name in columns:
            raise ConfigurationError([Problem(table.file, 1, heading, f"one column for {name}", "a second one")])
        if name is not None:
            columns[name] = heading
    if not set(NAMING) & columns.keys():
        expected = "a column that names the person: id, employee number or email"
        raise ConfigurationError([Problem(table.file, 1, "-", expected, ", ".join(table.headings))])
    return columns


class _Bulk:
    """One list on its way into plans, within one transaction."""

    def __init__(
        self, workspace: Workspace, unit: Unit, table: Table, columns: dict[str, str], by: Acting, found: Joined
    ) -> None:
        self._workspace, self._unit, self._table, self._columns, self._by = workspace, unit, table, columns, by
        self._found = found
        self._everybody = {person.id: person for person in people(workspace, unit)}
        self._problems: list[Problem] = []
        self._seats: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], Line] = {}
        self.people: list[tuple[Line, Person]] = []

    def read(self) -> None:
        """Say of each row whom it names."""
        lines: dict[str, int] = {}
        for line in self._table.rows:
            person = self._named(line)
            if person is None:
                continue
            if person.id in lines:
                again = f"{person.label} again, as in line {lines[person.id]}"
                self._problem(line, self._first(), "each person once", again)
                continue
            lines[person.id] = line.line
            self.people.append((line, person))

    def _named(self, line: Line) -> Person | None:
        said = {name: line.cells[self._columns[name]] for name in NAMING if name in self._columns}
        given = {name: text for name, text in said.items() if text}
        if not given:
            self._problem(line, self._first(), "an id, an employee number or an address", "an empty cell")
            return None
        found = {name: self._holder(line, name, text) for name, text in given.items()}
        if None in found.values():
            return None
        ids = {person.id for person in found.values() if person is not None}
        if len(ids) > 1:
            column = self._columns[next(iter(given))]
            self._problem(line, column, "columns that name one person", ", ".join(given.values()))
            return None
        return next((one for one in found.values() if one is not None), None)

    def _holder(self, line: Line, name: str, text: str) -> Person | None:
        ids = [text] if name == ID else self._unit.people.holders(name, text)
        row = self._unit.people.by_id(text) if name == ID else None
        if row is not None:
            ids = [row["id"]]
        known = [self._everybody[id] for id in ids if id in self._everybody]
        if len(known) > 1:
            names = ", ".join(f"{person.label} ({person.id})" for person in known)
            self._problem(line, self._columns[name], "a value that one person has", f"{text!r}, which {names} have")
            return None
        if not known:
            self._tell_unknown(line, self._columns[name], text)
            return None
        return known[0]

    def _tell_unknown(self, line: Line, column: str, value: str) -> None:
        sources = " ".join(self._workspace.people_from)
        fix = f"add the person in {sources or 'a source of people'}, then: usher observe {sources}".rstrip()
        if line.line not in {one["line"] for one in self._found.unknown}:
            self._found.unknown.append({"line": line.line, "column": column, "value": value, "fix": fix})

    def plan(self, line: Line, person: Person, reason: str, how: How) -> None:
        """Make a person's plan, or say which one there is, or that there is nothing to do."""
        told: Document = {"line": line.line, "person": person.id, "person_name": person.label}
        if there := self._there(person):
            self._found.existing.append({**told, "plan": there["number"], "state": there["state"]})
            return
        its = replace(how, at=self._cell(line, "at") or how.at)
        why = self._cell(line, "reason") or reason
        try:
            made = plan_for(self._workspace, self._unit, PlanKind.JOIN, person, self._by, why, its)
        except NothingToDo as error:
            self._found.nothing.append({**told, "why": str(error)})
        except BadMoment as error:
            self._problem(line, self._columns.get("at", "--at"), EXPECTED, str(error))
        except Refusal as refused:
            self._problem(line, self._first(), f"a plan for {person.label}", f"a refusal: {refused}")
        else:
            row = self._unit.plans.find(made.id)
            state = row["state"] if row else ""
            self._found.made.append({**told, "plan": made.number, "state": state, "steps": len(made.steps)})
            self._count(line, made)

    def _there(self, person: Person) -> Row | None:
        """The joiner plan that a person has: one that is open, or one of which no reading has shown the end yet."""
        for row in reversed(self._unit.plans.of_person(person.id)):
            if row["kind"] == PlanKind.JOIN.value and (row["state"] in OPEN or self._unread(row)):
                return row
        return None

    def _unread(self, row: Row) -> bool:
        run = self._unit.runs.of_plan(row["id"])
        if run is None or run["verified_at"] is None:
            return False
        names = {step["connection"] for step in self._unit.runs.steps(run["id"])}
        read = [self._unit.accounts.last_snapshot(name, complete=True) for name in names]
        return any(last is None or last["finished_at"] < run["verified_at"] for last in read)

    def _count(self, line: Line, made: Plan) -> None:
        for step in made.steps:
            held = [step.entitlement] if step.verb is Verb.GRANT else step.wanted.get("entitlements", ())
            for text in held:
                if text and text.startswith("module:"):
                    self._seats[step.connection, text.removeprefix("module:")] += 1
                    self._last[step.connection, text.removeprefix("module:")] = line

    def check_seats(self) -> None:
        """Each plan alone may find a free seat, and all of them together too few."""
        for (connection, module), wanted in self._seats.items():
            contract = self._workspace.contracts.get(connection)
            terms = contract.modules.get(module) if contract else None
            if terms is None or terms.seats is None:
                continue
            used = count(account_of(row) for row in self._unit.accounts.of(connection))
            free = terms.seats - (used[module].used if module in used else 0)
            if wanted > free:
                expected = f"at most {free} people who get {module} in {connection} ({terms.seats} paid seats)"
                self._problem(self._last[connection, module], "-", expected, str(wanted))

    def stop_on_problems(self) -> None:
        """Make nothing where a row cannot be taken."""
        if self._problems:
            raise ConfigurationError(self._problems)

    def _cell(self, line: Line, name: str) -> str:
        return line.cells[self._columns[name]] if name in self._columns else ""

    def _first(self) -> str:
        return next(self._columns[name] for name in NAMING if name in self._columns)

    def _problem(self, line: Line, column: str, expected: str, got: str) -> None:
        self._problems.append(Problem(self._table.file, line.line, column, expected, got))
