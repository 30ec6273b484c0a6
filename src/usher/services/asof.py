"""As of: who there was and who had what at an instant that is past, as usher had seen it by then.

Nothing here is what policy or the apps say today. What was not seen by then is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from usher.domain.account import AccountKind
from usher.domain.clock import from_text, to_text
from usher.domain.moments import BadMoment, Moment, in_words, read_moment
from usher.domain.person import standing
from usher.services.employments import employment_of
from usher.services.plan import find_person
from usher.services.secrecy import hidden_finding, hidden_plans
from usher.services.show import person_line
from usher.services.why import Why
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

Document = dict[str, Any]
COLUMNS = (
    "app", "account_id", "login", "person_id", "person", "status", "roles", "modules", "groups", "last_login",
    "created", "last_changed", "auth", "mfa", "owner_if_nonperson", "snapshot_id", "snapshot_at", "snapshot_complete",
)  # fmt: skip


def moment_of(workspace: Workspace, text: str) -> Moment:
    """The instant that a person typed; a day is meant at its end.

    BadMoment: no instant, one that is to come, or one of which an older version has kept nothing.
    """
    moment = read_moment(text, workspace.zone)
    if moment.instant > workspace.clock.now():
        raise BadMoment(f"{in_words(moment.instant, moment.zone)} is to come: nobody has seen it yet")
    with workspace.store.read() as unit:
        since = unit.pasts.kept_since()
    if since is not None and to_text(moment.instant) < since:
        shown = in_words(from_text(since), moment.zone)
        raise BadMoment(f"what was so before {shown} was not kept: an older version of usher wrote this database then")
    return moment


def people_as_of(workspace: Workspace, at: str, text: str | None = None) -> list[Document]:
    """Everybody who was known at an instant, in the form of `show.people`."""
    with workspace.store.read() as unit:
        wanted = {row["id"] for row in unit.people.search(text)} if text else None
        jobs = _jobs(unit, at)
        accounts = Counter(row["person_id"] for row in unit.pasts.accounts_at(at) if row["person_id"])
        hidden = hidden_plans(workspace, unit)
        found = []
        for row in unit.pasts.people_at(at):
            if wanted is not None and row["id"] not in wanted:
                continue
            open_then = [one for one in _findings(unit, row["id"], at) if hidden_finding(unit, hidden, one) is None]
            found.append(_person(workspace, row, jobs.get(row["id"], ()), at, accounts[row["id"]], len(open_then)))
        return found


def why_as_of(workspace: Workspace, at: str, text: str, app: str | None = None) -> Why:
    """One person's story as it stood at an instant, without what policy gives: that is judged by today's files."""
    with workspace.store.read() as unit:
        person = find_person(workspace, unit, text)
        row = next((one for one in unit.pasts.people_at(at) if one["id"] == person.id), None)
        if row is None:
            raise Refusal(f"{person.label} was not known yet at {at}")
        jobs = _jobs(unit, at).get(person.id, ())
        hidden = hidden_plans(workspace, unit)
        about = _person(workspace, row, jobs, at, 0, 0)
        return Why(
            person={**{n: about[n] for n in ("id", "name", "standing")}, "attributes": _attributes(workspace, jobs)},
            employments=[
                {
                    "source": one["source"],
                    "key": one["source_key"],
                    "status": one["status"],
                    "absent": one["absent_since"],
                }
                for one in jobs
            ],
            keys=[
                {"kind": one["kind"], "value": one["value"], "from": one["valid_from"], "to": one["valid_to"]}
                for one in unit.people.keys(person.id)
                if (one["valid_from"] or "") <= at and (one["valid_to"] is None or one["valid_to"] > at)
            ],
            accounts=[
                _account(one)
                for one in unit.pasts.accounts_at(at, app)
                if one["person_id"] == person.id
            ],
            assignments=[],
            rules=[],
            signals=[
                {n: one[n] for n in ("kind", "source", "true_at", "said_at", "seen_at", "plan_id")}
                for one in unit.findings.signals(person_id=person.id)
                if one["seen_at"] <= at and one["plan_id"] not in hidden
            ],
            residuals=[],
            findings=[
                {n: one[n] for n in ("id", "rule", "severity", "subject", "fix", "opened_at")}
                for one in _findings(unit, person.id, at)
                if app in (None, one["connection"]) and hidden_finding(unit, hidden, one) is None
            ],
            plans=[
                _plan(unit, one, app, at)
                for one in unit.plans.of_person(person.id)
                if one["created_at"] <= at and one["id"] not in hidden
            ],
        )  # fmt: skip


def accounts_as_of(workspace: Workspace, connection: str, at: str) -> list[Document]:
    """The accounts of one app at an instant, a row each; Refusal where there is no such connection."""
    with workspace.store.read() as unit:
        if unit.accounts.last_snapshot(connection, complete=False) is None:
            workspace.require(connection)
        snapshot = unit.pasts.snapshot_at(at, connection)
        names = unit.people.names()
        return [_listed(row, names, snapshot) for row in unit.pasts.accounts_at(at, connection)]


def _listed(row: Row, names: dict[str, str], snapshot: Row | None) -> Document:
    document = load(row["document"])
    held: dict[str, list[str]] = {}
    for text in document["entitlements"]:
        kind, _, name = text.partition(":")
        held.setdefault(kind, []).append(name)
    person = row["person_id"] if AccountKind(row["kind"]) is AccountKind.PERSON else None
    return {
        "app": row["connection"],
        "account_id": row["native_id"],
        "login": row["user_name"],
        "person_id": row["person_id"] or "",
        "person": names.get(row["person_id"], "") if row["person_id"] else "",
        "status": row["state"],
        "roles": "; ".join(held.get("role", ())),
        "modules": "; ".join((*held.get("module", ()), *held.get("licence", ()))),
        "groups": "; ".join((*held.get("group", ()), *held.get("team", ()))),
        "last_login": document["last_login"] or "",
        "created": document["created"] or "",
        "last_changed": document["attributes"].get("last_changed", ""),
        "auth": document["attributes"].get("auth", ""),
        "mfa": document["attributes"].get("mfa", ""),
        "owner_if_nonperson": names.get(row["person_id"], "") if row["person_id"] and person is None else "",
        "snapshot_id": snapshot["id"] if snapshot else "",
        "snapshot_at": snapshot["finished_at"] if snapshot else "",
        "snapshot_complete": ("y" if snapshot["kind"] == "complete" else "n") if snapshot else "",
    }


def _jobs(unit: Unit, at: str) -> dict[str, list[Row]]:
    """The employments of each person at an instant; one that vanished later was there."""
    found: dict[str, list[Row]] = {}
    for row in unit.pasts.employments_at(at):
        absent = row["absent_since"] if (row["absent_since"] or at) < at else None
        found.setdefault(row["person_id"], []).append({**row, "absent_since": absent})
    return found


def _attributes(workspace: Workspace, jobs: Sequence[Row]) -> dict[str, str]:
    return dict(load(jobs[-1]["row"])) if jobs else {}


def _person(
    workspace: Workspace, row: Row, jobs: Sequence[Row], at: str, accounts: int, findings: int
) -> Document:  # fmt: skip
    attributes = _attributes(workspace, jobs)
    names = " ".join(attributes[part] for part in ("given_name", "family_name") if attributes.get(part))
    employments = [employment_of(workspace, one) for one in jobs]
    name = attributes.get("display_name") or names or row["name"]
    return person_line(row["id"], name, standing(employments, from_text(at)).value, attributes, accounts, findings)


def _findings(unit: Unit, person_id: str, at: str) -> list[Row]:
    return [
        one
        for one in unit.findings.about(person_id)
        if one["opened_at"] <= at and (one["closed_at"] is None or one["closed_at"] > at)
    ]


def _account(row: Row) -> Document:
    return {
        "id": row["id"],
        "connection": row["connection"],
        "user_name": row["user_name"],
        "state": row["state"],
        "entitlements": load(row["document"])["entitlements"],
        "first_seen": row["first_seen"],
        "last_seen": row["last_seen"],
        "situation": row["situation"],
        "evidence": load(row["evidence"]),
    }


def _plan(unit: Unit, row: Row, app: str | None, at: str) -> Document:
    """A plan with what was proven by then; how far it was otherwise, its evidence tells."""
    run = unit.runs.of_plan(row["id"])
    began = run is not None and run["started_at"] <= at
    steps = unit.runs.steps(run["id"]) if run is not None and began else []
    over = run is not None and (run["verified_at"] or "~") <= at
    return {
        "number": row["number"],
        "kind": row["kind"],
        "state": "done" if over else "running" if began else "made",
        "digest": row["digest"],
        "created_at": row["created_at"],
        "steps": [
            {
                "id": step["id"],
                "connection": step["connection"],
                "verb": step["verb"],
                "state": "verified" if (step["verified_at"] or "~") <= at else "not yet verified",
                "note": "",
                "verified_at": step["verified_at"] if (step["verified_at"] or "~") <= at else None,
            }
            for step in steps
            if app in (None, step["connection"])
        ],
    }


def text_of(moment: Moment) -> str:
    """The instant as it is stored."""
    return to_text(moment.instant)
