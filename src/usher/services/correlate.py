"""Correlate: decides whose account each account is, keeps the evidence with its dates, and abstains otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from usher.domain.account import AccountKind
from usher.domain.clock import from_text, to_text
from usher.domain.correlate import correlate as decide
from usher.domain.folding import fold
from usher.domain.links import Decision, Decisions, Evidence, KeyKind, KeyRow, Link, Seen, Situation
from usher.services.operators import Acting
from usher.services.sources import people
from usher.services.workspace import Refusal, Workspace
from usher.store.accounts import account_of, as_linked
from usher.store.repository import Row, load
from usher.store.unit import Unit

BY_USHER = "usher"
REFUSED = "refused"


def correlate(workspace: Workspace) -> Decisions:
    """Decide every account anew, write what changed, and return every decision.

    What a person decided stays until a person changes it. Rows of a source are employments: their links are made
    when the source is read.
    """
    with workspace.store.begin() as unit:
        watched = workspace.connections.names()
        everything = [row for row in unit.accounts.all() if row["connection"] in watched]
        rows = [row for row in everything if row["connection"] not in workspace.people_from]
        sources = [row for row in everything if row["connection"] in workspace.people_from]
        links = {row["account_id"]: row for row in unit.accounts.links()}
        everybody = people(workspace, unit)
        seen = [seen_of(workspace, row) for row in rows]
        known = [_link(links[one["id"]], one) for one in rows if _is_linked(links.get(one["id"]))]
        keys, refused = _keys(unit), _refused(unit, rows)
        decided = decide(everybody, keys, seen, known, aliases=workspace.aliases, refused=refused)
        if more := _directory_addresses(workspace, seen, decided, keys):
            decided = decide(everybody, [*keys, *more], seen, known, aliases=workspace.aliases, refused=refused)
        ours = {(row["connection"], row["native_id"]): row for row in rows}
        for decision in decided:
            account = ours.get((decision.connection, decision.account_id))
            if account is not None:
                _write(unit, account, links.get(account["id"]), decision)
        return Decisions((*decided.rows, *(_employed(row, links.get(row["id"])) for row in sources)))


def _employed(account: Row, link: Row | None) -> Decision:
    """What is known of a source's own row: it is the person's, or it is nobody's (a service account there)."""
    person = link["person_id"] if link is not None else None
    return Decision(
        connection=account["connection"],
        account_id=account["native_id"],
        situation=Situation.LINKED if person else Situation.UNMATCHED,
        kind=AccountKind(account["kind"]),
        person_id=person,
    )


def _directory_addresses(
    workspace: Workspace, seen: Iterable[Seen], decided: Decisions, keys: Iterable[KeyRow]
) -> list[KeyRow]:
    """Former and other addresses that the directory keeps for somebody whom it knows by employee number."""
    directories = {name for name in workspace.connections.names() if workspace.connections.config(name).part == "idp"}
    owners = decided.owners()
    held = {(row.person_id, fold(row.value)) for row in keys}
    found = []
    for one in seen:
        owner = owners.get((one.connection, one.account.id))
        number = one.account.employee_number
        if one.connection not in directories or owner is None or not number or (owner, fold(number)) not in held:
            continue
        new = [address for address in one.account.emails if (owner, fold(address)) not in held]
        found += [KeyRow(kind=KeyKind.ADDRESS, value=address, person_id=owner) for address in new]
    return found


def _write(unit: Unit, account: Row, known: Row | None, decision: Decision) -> None:
    decided = known is not None and known["decided_by"] != BY_USHER and known["person_id"] is not None
    if decided and decision.situation is not Situation.UNLINKED:
        return  # a person has decided, and only a person undoes that, unless the login has changed hands since
    owner = decision.person_id or (decision.candidates[0] if len(decision.candidates) == 1 else None)
    person = decision.person_id if decision.situation is Situation.LINKED else None
    same = known is not None and (known["situation"], known["person_id"]) == (decision.situation.value, person)
    if same:
        return
    evidence: list[dict[str, Any]] = [_evidence(one) for one in decision.evidence]
    evidence += [{"kind": "reason", "value": reason, "person": owner} for reason in decision.reasons]
    link = unit.accounts.relink(account["id"], person, decision.situation.value, evidence, BY_USHER)
    ids = [link, account["id"], *([person] if person else [])]
    unit.ledger.append("account:link:decide", ids, {"situation": decision.situation.value, "evidence": evidence})


def _is_linked(link: Row | None) -> bool:
    return link is not None and link["situation"] == Situation.LINKED.value


def _evidence(one: Evidence) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "value": one.value,
        "person": one.person_id,
        "from": to_text(one.valid_from) if one.valid_from else None,
        "to": to_text(one.valid_to) if one.valid_to else None,
    }


def seen_of(workspace: Workspace, row: Row) -> Seen:
    """A stored account as rules take it; one that is to be ignored counts as a service account."""
    config = workspace.connections.config(row["connection"])
    account = account_of(row)
    if fold(account.user_name) in {fold(name) for name in config.ignore}:
        account = replace(account, kind=AccountKind.SERVICE)
    return Seen(connection=row["connection"], account=account, key_mutable=config.key == "mutable")


def _keys(unit: Unit) -> list[KeyRow]:
    kinds = {kind.value for kind in KeyKind}
    return [
        KeyRow(
            kind=KeyKind(row["kind"]),
            value=row["value"],
            person_id=row["person_id"],
            valid_from=from_text(row["valid_from"]) if row["valid_from"] else None,
            valid_to=from_text(row["valid_to"]) if row["valid_to"] else None,
        )
        for row in unit.people.all_keys()
        if row["kind"] in kinds
    ]


def _link(row: Row, account: Row) -> Link:
    said = as_linked(row["evidence"])
    return Link(
        connection=account["connection"],
        account_id=account["native_id"],
        person_id=row["person_id"],
        valid_from=from_text(row["valid_from"]),
        created=from_text(said["created"]) if said.get("created") else None,
        name=said.get("display_name"),
        employee_number=said.get("employee_number"),
        by_person=row["decided_by"] != BY_USHER,
    )


def _refused(unit: Unit, rows: Iterable[Row]) -> frozenset[tuple[str, str, str]]:
    by_id = {row["id"]: row for row in rows}
    return frozenset(
        (by_id[link["account_id"]]["connection"], by_id[link["account_id"]]["native_id"], one["person"])
        for link in unit.accounts.links(valid_only=False)
        if link["account_id"] in by_id
        for one in load(link["evidence"])
        if one.get("kind") == REFUSED
    )


def link(workspace: Workspace, account_id: str, person_id: str, by: Acting, reason: str) -> None:
    """A person says whose account it is; kept with his name, and reversible by unlinking."""
    with workspace.store.begin() as unit:
        account, person = unit.accounts.by_id(account_id), unit.people.by_id(person_id)
        if account is None or person is None:
            raise Refusal(f"there is no {'account ' + account_id if account is None else 'person ' + person_id}")
        evidence = [{"kind": "decision", "value": reason, "person": person["id"], "by": by.id}]
        made = unit.accounts.relink(account_id, person["id"], Situation.LINKED.value, evidence, by.id)
        detail = {"reason": reason} | by.signed(unit, "link", (account_id, person["id"]), reason)
        unit.ledger.append("account:link:set", (made, account_id, person["id"], by.id), detail)


def unlink(workspace: Workspace, account_id: str, by: Acting, reason: str) -> None:
    """A person says that the account is not this person's; usher will not propose that owner again."""
    with workspace.store.begin() as unit:
        known = unit.accounts.link_of(account_id)
        if known is None or known["person_id"] is None:
            raise Refusal(f"account {account_id} is not linked to anybody")
        evidence = [{"kind": REFUSED, "value": reason, "person": known["person_id"], "by": by.id}]
        made = unit.accounts.relink(account_id, None, Situation.UNMATCHED.value, evidence, by.id)
        detail = {"reason": reason} | by.signed(unit, "unlink", (account_id, known["person_id"]), reason)
        unit.ledger.append("account:link:end", (made, account_id, known["person_id"], by.id), detail)
