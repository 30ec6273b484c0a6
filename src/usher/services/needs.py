"""Needs: says whose signatures a plan wants, from how risky it is, with every reason in words."""

from __future__ import annotations

from collections.abc import Sequence

from usher.domain.plan import Needs, PlannedStep
from usher.services.workspace import Refusal, Workspace
from usher.store.unit import Unit


def needs_of(
    workspace: Workspace,
    unit: Unit,
    steps: Sequence[PlannedStep],
    *,
    from_signal: bool,
    confidential: bool = False,
    emergency: bool = False,
) -> Needs:
    """How many operators must approve these steps, and which owner signs for which app.

    `confidential` and `emergency` are what the plan will say of itself.
    Refusal where an app's owner is not an active operator.
    """
    owners = _owners(workspace, unit, steps)
    if workspace.rules.single_operator:
        return Needs(quorum=1, owners=owners, why="single_operator: true", single=True)
    if from_signal:
        return Needs(quorum=workspace.rules.quorum_signal, owners=owners, why="a source's signal asked for it")
    others = workspace.rules.quorum_request - 1
    return Needs(quorum=others, owners=owners, why="a person asked for it, another must agree")


def _owners(workspace: Workspace, unit: Unit, steps: Sequence[PlannedStep]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for step in steps:
        name = workspace.connections.config(step.connection).owner
        row = unit.operators.named(name)
        if row is None or row["revoked_at"]:
            raise Refusal(
                f"connections/{step.connection}.yaml: owner: expected an operator, got {name!r}; "
                f"add one with: usher operator add {name}"
            )
        owners[step.connection] = row["id"]
    return owners
