"""Residual access: written down when an account is seen to be closed, taken back when it is opened again.

What the app itself shows is proven by a reading; what outlives the account is not, so each word says what it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from usher.domain.clock import from_text, to_text
from usher.domain.plan import PlannedStep, Verb
from usher.domain.residual import Kind, ResidualFact, ResidualState, Residue, now_closed, residues
from usher.services.operators import Acting
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row
from usher.store.unit import Unit

RULE = "outlives its account"
CLOSING = (Verb.DEACTIVATE, Verb.DELETE)
Document = dict[str, Any]


def facts_of(workspace: Workspace, connection: str) -> dict[Kind, ResidualFact]:
    """What is known of an app: the connection's own word, then the app's guide, then what its connector proves."""
    connector = workspace.connections.connector(connection)
    proven = {kind: ResidualFact(ends="at once", source=how) for kind, how in connector.proves_closed.items()}
    told = workspace.connections.profile(connection).residual
    return {**proven, **told, **workspace.connections.config(connection).residual}


def seen_closed(workspace: Workspace, unit: Unit, row: Row, planned: PlannedStep) -> None:
    """A step was verified: note what may outlive the account that it closed, or that it is open again."""
    if planned.account is None:
        return
    if planned.verb is Verb.REACTIVATE:
        _let_in_again(unit, planned.account)
        return
    if planned.verb not in CLOSING:
        return
    now = workspace.clock.now()
    found = residues(facts_of(workspace, planned.connection), now)
    for one in found:
        unit.residuals.put(
            planned.account, planned.connection, planned.person, one.kind, one.state.value, one.basis,
            until=to_text(one.until) if one.until else None, step_id=row["id"],
        )  # fmt: skip
        if one.state is ResidualState.UNTIL and one.until is None:
            _ask_for_an_end(unit, row, planned, one)
    detail: dict[str, Any] = {one.kind: [one.state.value, to_text(one.until) if one.until else ""] for one in found}
    unit.ledger.append("account:residual:see", (planned.account, row["id"]), detail)


def _ask_for_an_end(unit: Unit, row: Row, planned: PlannedStep, residue: Residue) -> None:
    """What does not end by itself is a finding until somebody has ended it in the app, and says so."""
    assert planned.account is not None
    subject = f"{residue.kind} of {planned.user_name} in {planned.connection}"
    fix = f'end it in the app, then: usher residual {planned.account} "{residue.kind}" --reason WHAT-WAS-DONE'
    evidence = {"step": row["id"], "kind": residue.kind, "basis": residue.basis}
    id, is_new = unit.findings.open_finding(
        finding_key(planned.account, residue.kind), RULE, "medium", subject, evidence, fix,
        connection=planned.connection, account_id=planned.account, person_id=planned.person,
    )  # fmt: skip
    if is_new:
        unit.ledger.append("finding:finding:open", (id, planned.account), {"rule": RULE, "evidence": evidence})


def finding_key(account_id: str, kind: str) -> str:
    """The key of the finding that one kind of access outlives an account."""
    return f"residual:{account_id}:{kind}"


def _let_in_again(unit: Unit, account_id: str) -> None:
    for known in unit.residuals.of_account(account_id):
        _close(unit, account_id, known["kind"], "the account is open again")
    unit.residuals.drop(account_id)


def _close(unit: Unit, account_id: str, kind: str, why: str) -> None:
    if unit.findings.close_key(finding_key(account_id, kind), why):
        unit.ledger.append("finding:finding:close", (account_id,), {"rule": RULE, "kind": kind, "why": why})


def end(workspace: Workspace, account_id: str, kind: str, by: Acting, reason: str) -> str:
    """Take an operator's signed word that he has ended one kind of access in the app; returns what it now rests on.

    It is a word and no proof, and is shown as that. Refusal where nothing of the kind was written down as open.
    """
    with workspace.store.begin() as unit:
        known = next((one for one in unit.residuals.of_account(account_id) if one["kind"] == kind), None)
        if known is None:
            raise Refusal(f"nothing is known of {kind} of this account: it was not seen to be closed by a plan")
        if _is_closed(known, workspace.clock.now()):
            raise Refusal(f"{kind} of this account is closed already: {known['basis']}")
        basis = f"{by.row['name']} says so: {reason}"
        unit.residuals.put(
            account_id, known["connection"], known["person_id"], kind, ResidualState.CLOSED.value, basis,
            step_id=known["step_id"],
        )  # fmt: skip
        detail = {"kind": kind, "reason": reason} | by.signed(unit, "end residual access", (account_id, kind), reason)
        unit.ledger.append("account:residual:end", (account_id, by.id), detail)
        _close(unit, account_id, kind, basis)
        return basis


def of_person(workspace: Workspace, unit: Unit, person_id: str, hidden: Mapping[str, int]) -> list[Document]:
    """What may outlive a person's closed accounts, as it stands now; without what a hidden plan closed."""
    now = workspace.clock.now()
    rows = unit.residuals.of_person(person_id)
    steps = {id: unit.runs.step(id) for id in {row["step_id"] for row in rows}}
    return [
        _document(row, now) for row in rows if (step := steps[row["step_id"]]) is None or step["plan_id"] not in hidden
    ]


def _is_closed(row: Row, now: datetime) -> bool:
    until = from_text(row["until"]) if row["until"] else None
    return now_closed(ResidualState(row["state"]), until, now)


def _document(row: Row, now: datetime) -> Document:
    return {
        "account": row["account_id"],
        "connection": row["connection"],
        "kind": row["kind"],
        "state": ResidualState.CLOSED.value if _is_closed(row, now) else row["state"],
        "until": row["until"],
        "basis": row["basis"],
        "seen_at": row["seen_at"],
    }
