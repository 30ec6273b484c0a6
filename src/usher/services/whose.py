"""Whose: decides which person a source's row speaks of; a number alone is never enough, since numbers repeat."""

from __future__ import annotations

from collections.abc import Mapping

from usher.domain.folding import name_words
from usher.domain.links import KeyKind
from usher.store.repository import Row, load
from usher.store.unit import Unit

RULE = "same number, another name"


def holders_of(unit: Unit, row: Mapping[str, str]) -> tuple[str | None, list[str]]:
    """The one person whose number and name a new row has, or None; and everybody of another name with the number."""
    number = row.get("employee_number")
    if not number:
        return None, []
    agree: list[str] = []
    differ: list[str] = []
    for id in unit.people.holders(KeyKind.EMPLOYEE_NUMBER, number):
        person = unit.people.by_id(id)
        known = load(person["attributes"]) if person else {}
        (agree if _agree(_words(row), _words(known)) else differ).append(id)
    return (agree[0], differ) if len(agree) == 1 else (None, agree + differ)


def is_somebody_else(before: Mapping[str, str], now: Mapping[str, str], *, after_a_gap: bool) -> bool:
    """Whether a row that was read before speaks of another person by now.

    A row that stays where it is may change a part of its name, as by a marriage. One that comes back after it was
    gone or had ended is believed only with its whole name.
    """
    one, other = _words(before), _words(now)
    if not one or not other:
        return False
    return not _agree(one, other) if after_a_gap else not one & other


def tell(unit: Unit, source: str, row_id: str, person: str, others: list[str], row: Mapping[str, str]) -> None:
    """Open a finding for each person of another name who has the same number: a person decides who they are."""
    names = unit.people.names()
    number = row.get("employee_number", "")
    for other in others:
        evidence = {"number": number, "source": source, "row": row_id, "people": [other, person]}
        subject = f"{names[person]} and {names[other]}: number {number}"
        fix = "Find out whether they are one person; if they are two, give each a number of their own in the source."
        id, is_new = unit.findings.open_finding(
            f"{RULE}|{other}|{person}", RULE, "high", subject, evidence, fix, connection=source, person_id=person
        )
        if is_new:
            unit.ledger.append("finding:finding:open", (id, person, other), {"rule": RULE, "evidence": evidence})


def close_parted(unit: Unit) -> None:
    """Close the findings of people who no longer have one number."""
    for row in unit.findings.open(rule=RULE):
        said = load(row["evidence"])
        if not set(said["people"]) <= set(unit.people.holders(KeyKind.EMPLOYEE_NUMBER, said["number"])):
            unit.findings.close(row["id"], "they no longer have the same number")
            unit.ledger.append("finding:finding:close", (row["id"],), {"rule": RULE})


def set_aside(unit: Unit, known: Row) -> None:
    """Keep what a row said of its former person, who is absent from now on and whose address is free again."""
    unit.people.set_aside(known)
    for key in unit.people.keys(known["person_id"]):
        mine = key["source"] == f"{known['source']}:{known['source_key']}" and key["valid_to"] is None
        if mine and key["kind"] == KeyKind.ADDRESS.value:
            unit.people.end_key(key["id"], unit.people.now())


def _words(row: Mapping[str, str]) -> frozenset[str]:
    return name_words(row.get("display_name"), row.get("given_name"), row.get("family_name"))


def _agree(one: frozenset[str], other: frozenset[str]) -> bool:
    """One given name in common is no proof: two words are, or a whole name of one word."""
    return len(one & other) >= 2 or (bool(one) and one == other)
