"""Erase: takes a person's details out of the ledger; the leaves stay, and the tree stays valid."""

from __future__ import annotations

from usher.domain.person import Standing
from usher.services.operators import Acting
from usher.services.plan import find_person
from usher.services.record import sequence
from usher.services.workspace import Refusal, Workspace
from usher.store.unit import Unit


def erase_details(workspace: Workspace, text: str, by: Acting, reason: str) -> int:
    """Erase every ledger detail about one person and return how many; what happened, and when, stays provable.

    Refusal for somebody who has not left, or whose runs are not closed: their evidence is still needed.
    """
    sequence(workspace)
    with workspace.store.begin() as unit:
        person = find_person(workspace, unit, text)
        if person.standing(workspace.clock.now()) is not Standing.LEFT:
            raise Refusal(f"{person.label} has not left: details are erased only of people who have")
        ids = _about(unit, person.id)
        positions = [
            position
            for position, leaf in enumerate(unit.ledger.leaves())
            if ids.intersection(leaf.ids) and leaf.event != "ledger:detail:erase"
        ]
        kept = unit.ledger.details()
        erased = [position for position in positions if position in kept]
        for position in erased:
            unit.ledger.erase(position)
        detail = {"leaves": erased, "reason": reason}
        unit.ledger.append("ledger:detail:erase", (person.id, by.id), detail)
        return len(erased)


def _about(unit: Unit, person_id: str) -> frozenset[str]:
    """Every id of ours under which the ledger speaks of a person."""
    ids = {person_id}
    ids |= {link["account_id"] for link in unit.accounts.links(valid_only=False) if link["person_id"] == person_id}
    for plan in unit.plans.of_person(person_id):
        run = unit.runs.of_plan(plan["id"])
        if run is not None and run["closed_at"] is None:
            raise Refusal(f"run {run['number']} is not closed yet: its evidence is still needed")
        ids |= {plan["id"], *([run["id"]] if run else [])}
        ids |= {step["id"] for step in (unit.runs.steps(run["id"]) if run else [])}
    return frozenset(ids)
