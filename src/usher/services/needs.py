"""Needs: says whose signatures a plan wants, from how risky it is, with every reason in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from usher.domain.folding import fold
from usher.domain.plan import Needs, PlannedStep, Verb
from usher.domain.policyfiles import QuorumRisk
from usher.services.delegate import delegates_of
from usher.services.judge import ADMIN_WORDS
from usher.services.workspace import Refusal, Workspace
from usher.store.accounts import account_of
from usher.store.repository import Row
from usher.store.unit import Unit


def needs_of(
    workspace: Workspace,
    unit: Unit,
    steps: Sequence[PlannedStep],
    *,
    from_signal: bool,
    confidential: bool = False,
    emergency: bool = False,
    held: bool = False,
) -> Needs:
    """How many operators must approve these steps, and who signs for which app.

    `confidential`, `emergency` and `held` (the guard held rows back) are what the plan will say of itself.
    Refusal where nobody may sign for an app.
    """
    rules = workspace.rules
    if emergency:  # no owner is waited for: whoever did not ask for it may agree afterwards
        why = f"an emergency: others must agree within {rules.emergency.second_within_minutes} minutes"
        others = 1 if rules.single_operator else rules.quorum_risk.emergency - 1
        return Needs(quorum=others, owners={}, why=why, single=rules.single_operator)
    owners, notes = _owners(workspace, unit, steps)
    if rules.single_operator:
        return Needs(quorum=1, owners=owners, why="; ".join(("single_operator: true", *notes)), single=True)
    people = rules.quorum_signal if from_signal else rules.quorum_request
    why = "a source's signal asked for it" if from_signal else "a person asked for it, another must agree"
    flags = {"confidential": confidential, "held": held}
    risks = list(_risks(unit, steps, rules.quorum_risk, flags))
    most = max((number for number, _ in risks), default=0)
    if most > people:
        people = most
        why = f"{most} people, since {' and '.join(said for number, said in risks if number == most)}"
    # Who asks counts as one of them; a plan that a signal asked for may be signed by its requester too.
    return Needs(quorum=people if from_signal else people - 1, owners=owners, why="; ".join((why, *notes)))


def _risks(
    unit: Unit, steps: Sequence[PlannedStep], risk: QuorumRisk, flags: Mapping[str, bool]
) -> Iterator[tuple[int, str]]:
    """People needed, and the reason in words, for everything that makes the plan risky."""
    if step := next((one for one in steps if _is_privileged(unit, one)), None):
        yield risk.privileged, f"step {step.ordinal} concerns an administrator of {step.connection}"
    if step := next((one for one in steps if one.verb.inverse is None), None):
        yield risk.irreversible, f"nothing takes step {step.ordinal} back ({step.verb})"
    if len(steps) > risk.steps_over:
        yield risk.many_steps, f"it has more than {risk.steps_over} steps"
    if flags["confidential"]:
        yield risk.confidential, "it is confidential"
    if flags["held"]:
        yield risk.held, "the guard held rows of it back"


def _is_privileged(unit: Unit, step: PlannedStep) -> bool:
    """True where the account holds an administrator's role, or the step gives or takes one."""
    roles = [step.entitlement or ""]
    row = unit.accounts.by_id(step.account) if step.account else None
    if row is not None:
        roles += account_of(row).entitlements
    if step.verb in (Verb.CREATE, Verb.UPDATE):
        roles += [f"role:{value}" for name, value in step.wanted.items() if name in ("role", "roles")]
    return any(kind == "role" and fold(name) in ADMIN_WORDS for kind, _, name in (one.partition(":") for one in roles))


def _owners(workspace: Workspace, unit: Unit, steps: Sequence[PlannedStep]) -> tuple[dict[str, str], list[str]]:
    """Who signs for each app, and in words where it is not its owner."""
    owners: dict[str, str] = {}
    notes: list[str] = []
    for step in steps:
        if step.connection in owners:
            continue
        name = workspace.connections.config(step.connection).owner
        row = unit.operators.named(name)
        if row is not None and not row["revoked_at"] and row["person_id"] != step.person:
            owners[step.connection] = row["id"]
            continue
        if row is None:
            why = f"expected an operator, got {name!r}; add one with: usher operator add {name}"
            raise Refusal(f"connections/{step.connection}.yaml: owner: {why}")
        gone = "was revoked" if row["revoked_at"] else "is the person whom the plan is about"
        other = _stand_in(workspace, unit, row, step)
        if other is None:
            raise Refusal(
                f"connections/{step.connection}.yaml: owner: {name} {gone}, and nobody stands in for him; "
                f"name another owner, or a deputy under rules: deputies: in usher.yaml"
            )
        owners[step.connection] = other["id"]
        notes.append(f"{other['name']} signs for {step.connection}, since its owner {name} {gone}")
    return owners, notes


def _stand_in(workspace: Workspace, unit: Unit, owner: Row, step: PlannedStep) -> Row | None:
    """The owner's deputy, else whom he let sign for him, else any operator who is somebody's deputy."""
    deputies = workspace.rules.deputies
    named = [unit.operators.named(name) for name in deputies.get(owner["name"], ())]
    given = [] if owner["revoked_at"] else delegates_of(unit, owner, step.connection)
    anybody = [unit.operators.named(name) for names in deputies.values() for name in names]
    for row in (*named, *given, *anybody):
        if row is not None and not row["revoked_at"] and row["id"] != owner["id"] and row["person_id"] != step.person:
            return row
    return None
