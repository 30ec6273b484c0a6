"""Compare what the apps did with what we say: every way in which a promise can break has a counter of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.faults.evidence import Evidence, PlanEvidence, Step
from tests.faults.truth import Accounts, Effect, owner_of, wrong

from usher.services.starts import late_seconds

COUNTERS = ("LOST", "DOUBLED", "HALF", "WRONG", "UNAPPROVED", "UNLOGGED", "LATE", "FALSE-CLOSE")
LATE_SECONDS = 60.0
"""How much later than its time a plan's first intent may be recorded, while workers are killed all the time."""
PROVEN = ("verified", "closed")
INVERSE = {"create": "delete", "activate": "deactivate", "deactivate": "activate",
           "member_add": "member_remove", "member_remove": "member_add"}  # fmt: skip
HELD = frozenset({"roles", "entitlements"})


@dataclass
class Judgement:
    """Each broken promise as a line under its counter, and what is only good to know."""

    broken: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in COUNTERS})
    facts: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """True where no promise was broken."""
        return not any(self.broken.values())

    def counts(self) -> dict[str, int]:
        """Counter -> how often."""
        return {name: len(lines) for name, lines in self.broken.items()}


def check(evidence: Evidence) -> Judgement:
    """Judge a run by the apps' journals."""
    judgement = Judgement()
    for effect in evidence.effects:
        _check_effect(evidence, effect, judgement)
    for line in _doubled(evidence):
        judgement.broken["DOUBLED"].append(line)
    for plan in evidence.plans:
        if plan.approved:
            judgement.broken["LATE"] += _untimely(evidence, plan)
            _check_plan(evidence.accounts, plan, judgement)
    steps = [step for plan in evidence.plans for step in plan.steps]
    judgement.facts = {
        "plans": len(evidence.plans),
        "with a time": sum(plan.act_at is not None and bool(plan.steps) for plan in evidence.plans),
        "steps": len(steps),
        "effects": len(evidence.effects),
        "proven": sum(step.state in PROVEN for step in steps),
        "parked": sum(step.state == "parked" for step in steps),
        "waiting": sum(step.state not in (*PROVEN, "parked") for step in steps),
        "parked though done": sum(
            step.state == "parked" and not wrong(evidence.accounts[step.app], step.document, step.native_id)
            for step in steps
        ),
    }
    return judgement


def _untimely(evidence: Evidence, plan: PlanEvidence) -> Iterator[str]:
    """What a plan with a time did before it, or did not begin soon after it."""
    if plan.act_at is None:
        return
    ours = [(step, effect) for step in plan.steps for effect in evidence.effects if _asks(step, effect)]
    for step, effect in ours:
        if effect.owner == plan.owner and effect.at < plan.act_at:
            yield f"plan {plan.number}: {effect.kind} in {step.app} at {effect.at}, before its time {plan.act_at}"
    begun = min((at for step in plan.steps for at in step.intended), default=evidence.until)
    late = late_seconds(plan.act_at, begun)
    if late is not None and late > LATE_SECONDS:
        yield f"plan {plan.number}: nothing of it began until {late:.0f} s after its time {plan.act_at}"


def _check_effect(evidence: Evidence, effect: Effect, judgement: Judgement) -> None:
    shown = f"{effect.app}: {effect.kind} of {effect.user_name} ({effect.id}) at {effect.at}"
    meant = [(plan, step) for plan in evidence.plans for step in plan.steps if _asks(step, effect)]
    if any(plan.owner != effect.owner for plan, _ in meant) or not _is_about(evidence, effect):
        judgement.broken["WRONG"].append(f"{shown}: the account is {effect.owner}'s")
    approved = [step for plan, step in meant if plan.approved]
    if not approved:
        judgement.broken["UNAPPROVED"].append(f"{shown}: no approved plan asks for it")
        return
    if not any(at <= effect.at for step in approved for at in step.intended):
        judgement.broken["UNLOGGED"].append(f"{shown}: no intent of {approved[0].id} lies in the ledger before it")


def _is_about(evidence: Evidence, effect: Effect) -> bool:
    """Whether any plan of ours changes this app for the person whose account it is."""
    return any(plan.owner == effect.owner and any(step.app == effect.app for step in plan.steps)
               for plan in evidence.plans)  # fmt: skip


def _asks(step: Step, effect: Effect) -> bool:
    """Whether a step asks for just this effect on just this account."""
    if step.app != effect.app or effect.kind not in _kinds(step, effect):
        return False
    if step.verb == "create":
        return bool(step.document["user_name"].casefold() == effect.user_name.casefold())
    if step.document["native_id"] is not None:
        return bool(step.document["native_id"] == effect.id)
    return step.document["user_name"].casefold() == effect.user_name.casefold() and step.native_id in (None, effect.id)


def _kinds(step: Step, effect: Effect) -> tuple[str, ...]:
    kind, _, name = (step.document["entitlement"] or "").partition(":")
    match step.verb:
        case "create":
            return ("create",)
        case "deactivate":
            return ("deactivate",)
        case "reactivate":
            return ("activate",)
        case "delete":
            return ("delete",)
        case "update":
            return () if effect.changed & HELD else ("update",)
        case "grant" | "revoke" if kind == "group":
            is_grant = step.verb == "grant"
            group = effect.line["after"] if is_grant else effect.line["before"]
            return ("member_add" if is_grant else "member_remove",) if group == name else ()
        case "grant" | "revoke":
            return ("update",) if effect.changed and effect.changed <= HELD else ()
    return ()


def _doubled(evidence: Evidence) -> Iterator[str]:
    """Two accounts of one name, or an effect that came twice without its inverse in between."""
    for app, accounts in evidence.accounts.items():
        made = {effect.user_name.casefold() for effect in evidence.effects
                if (effect.app, effect.kind) == (app, "create")}  # fmt: skip
        for name in sorted(made):
            if len(found := accounts.named(name)) > 1:
                yield f"{app}: {len(found)} accounts are called {name}"
    last: dict[tuple[str, str, str], str] = {}
    for effect in evidence.effects:
        if effect.kind not in INVERSE:
            continue
        group = str(effect.line.get("group", "")) if effect.kind.startswith("member") else "account"
        state = "member" if effect.kind.startswith("member") else "sign-in" if "activate" in effect.kind else "being"
        key = (effect.app, effect.id, f"{state} {group}")
        if last.get(key) == effect.kind:
            yield f"{effect.app}: {effect.kind} of {effect.user_name} ({effect.id}) happened twice"
        last[key] = effect.kind


def _check_plan(accounts: Mapping[str, Accounts], plan: PlanEvidence, judgement: Judgement) -> None:
    by_id = {step.id: step for step in plan.steps}
    true = {step.id: not wrong(accounts[step.app], step.document, step.native_id) for step in plan.steps}
    lost = {step.id for step in plan.steps if not true[step.id] and not _is_carried(step, by_id)}
    for step in plan.steps:
        shown = f"plan {plan.number}, {step.verb} {step.document['user_name']} in {step.app} ({step.id}, {step.state})"
        if step.id in lost:
            judgement.broken["LOST"].append(f"{shown}: not done, and nothing and nobody is on it")
        if step.state in PROVEN and step.verb == "create" and (owner := _whose(accounts[step.app], step)) != plan.owner:
            judgement.broken["WRONG"].append(f"{shown}: taken for ours, but the account is {owner}'s")
        if step.state in PROVEN and not true[step.id]:
            said = "; ".join(wrong(accounts[step.app], step.document, step.native_id))
            judgement.broken["FALSE-CLOSE"].append(f"{shown}: the app's journal says: {said}")
    if any(true.values()) and lost:
        judgement.broken["HALF"].append(f"plan {plan.number}: {sum(true.values())} of {len(true)} steps are true, "
                                        "the rest is neither under way nor a finding")  # fmt: skip


def _whose(accounts: Accounts, step: Step) -> str | None:
    """Whose the account is that a create counts as its own."""
    found = accounts.named(step.document["user_name"])
    return owner_of(accounts.by_id.get(step.native_id) if step.native_id else next(iter(found), None))


def _is_carried(step: Step, by_id: Mapping[str, Step], deep: int = 0) -> bool:
    """Whether somebody or something is still on a step that is not done."""
    match step.state:
        case "parked":
            return step.finding
        case "waiting for a person":
            return step.task
        case "pending":
            waited = [by_id[id] for id in step.document["requires"]]
            return deep < len(by_id) and any(
                other.state not in PROVEN and _is_carried(other, by_id, deep + 1) for other in waited
            )
        case "ready" | "acting" | "unknown" | "acknowledged":
            return step.due
    return False
