"""Timing: looks at a plan before its time, begins it at its time, and says aloud what keeps it from beginning."""

from __future__ import annotations

from datetime import timedelta

from usher.connectors.contract import RepeatedCursor
from usher.connectors.errors import ConnectorError
from usher.domain.clock import from_text, to_text
from usher.domain.expect import differences, holds
from usher.domain.plan import Lane, Plan, PlannedStep, PlanState
from usher.domain.step import DueKind
from usher.services import clockcheck, emergency, rests, run, starts
from usher.services.approve import lacking, standing
from usher.services.look import disagreement, look
from usher.services.observe import COMPLETE, DELTA, observe
from usher.services.recover import ASK_AFTER_HOURS
from usher.services.release import held_now
from usher.services.starts import ASK_RULE, PREFLIGHT_RULE, START_RULE
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

AGAIN_SECONDS = 60.0
"""While something is wrong it is looked at again this often, until the plan's time."""
RETRY_SECONDS = (5.0, 5.0, 15.0, 30.0, 60.0)
"""Seconds before a plan that could not begin tries again, by how often it has; the last goes on."""
FRESH_MINUTES = 60
"""A reading older than this is made anew before a plan begins."""
WAITING = (PlanState.PROPOSED.value, PlanState.HELD.value, PlanState.APPROVED.value)


def preflight(workspace: Workspace, plan_id: str) -> None:
    """Look whether a plan will begin at its time. A finding names what is wrong at once, until it is mended."""
    with workspace.store.read() as unit:
        row = unit.plans.find(plan_id)
    if row is None or row["state"] not in WAITING:
        return
    plan = Plan.of(load(row["document"]))
    problems = [*_readings(workspace, plan), *_looks(workspace, plan)]
    with workspace.store.begin() as unit:
        row = unit.plans.find(plan_id)
        if row is None or row["state"] not in WAITING or unit.runs.of_plan(plan_id):
            return
        if why := rests.why_not(workspace, unit, row):
            rests.make_void(unit, row, why)
            return
        problems = [*_formal(workspace, unit, row, plan), *problems]
        unit.ledger.append("plan:preflight:look", (plan.id,), {"problems": problems})
        _tell(unit, plan, PREFLIGHT_RULE, problems, f"mend it before {plan.act_at}: usher plan show {plan.number}")
        again = unit.dues.later(AGAIN_SECONDS)
        if problems and plan.act_at is not None and again < plan.act_at:
            unit.dues.put(DueKind.PREFLIGHT, plan.id, starts.PREFLIGHTS, again)


def begin(workspace: Workspace, plan_id: str, tries: int) -> None:
    """Begin a plan whose time has come. What keeps it from beginning is told, and it is tried again; never skipped."""
    with workspace.store.begin() as unit:
        row = unit.plans.find(plan_id)
        if row is None or row["state"] not in WAITING or unit.runs.of_plan(plan_id):
            return
        plan = Plan.of(load(row["document"]))
        if plan.act_at is not None and plan.act_at > workspace.now():
            unit.dues.put(DueKind.START, plan_id, starts.PLANS, plan.act_at, lane=Lane.URGENT)
            return
        if why := rests.why_not(workspace, unit, row):
            rests.make_void(unit, row, why)
            return
        if _too_old(workspace, plan) and tries == 0:
            why = f"it was to begin at {plan.act_at}, and nothing ran for longer than {ASK_AFTER_HOURS} h"
            fix = f"let it begin: usher run {plan.number}; or: usher plan withdraw {plan.number} --reason WHY"
            _tell(unit, plan, ASK_RULE, [why], fix)
            unit.ledger.append("plan:start:ask", (plan.id,), {"planned_at": plan.act_at})
            return
    try:
        run.start(workspace, plan_id)
    except Refusal as refused:
        with workspace.store.begin() as unit:
            _not_begun(unit, plan, str(refused), tries)


def second(workspace: Workspace, plan_id: str) -> None:
    """The time within which others must agree with an emergency is over: alarm where somebody has not."""
    with workspace.store.begin() as unit:
        row = unit.plans.find(plan_id)
        missing = standing(unit, row).missing if row else ()
        if row is not None and missing:
            emergency.alarm(unit, Plan.of(load(row["document"])), missing)


def _too_old(workspace: Workspace, plan: Plan) -> bool:
    limit = workspace.clock.now() - timedelta(hours=ASK_AFTER_HOURS)
    return plan.act_at is not None and from_text(plan.act_at) < limit


def _not_begun(unit: Unit, plan: Plan, why: str, tries: int) -> None:
    row = unit.plans.find(plan.id)
    if row is None or row["state"] not in WAITING:
        return  # it was ended meanwhile, and that is told where it happened
    _tell(unit, plan, START_RULE, [why], f"usher plan show {plan.number}; it is tried again until {plan.expires_at}")
    if tries == 0:
        unit.ledger.append("plan:start:fail", (plan.id,), {"why": why, "planned_at": plan.act_at})
    wait = RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)]
    again = unit.dues.later(wait)
    unit.dues.put(DueKind.START, plan.id, starts.PLANS, again, {"tries": tries + 1}, lane=Lane.URGENT)


def _tell(unit: Unit, plan: Plan, rule: str, problems: list[str], fix: str) -> None:
    """Open, change or close the finding of a plan that waits; it is its requester's to answer."""
    key = f"plan:{plan.id}:{rule}"
    if not problems:
        if unit.findings.close_key(key, "nothing is wrong any more"):
            unit.ledger.append("finding:finding:close", (plan.id,), {"rule": rule})
        return
    owner = starts.owner(unit, plan)
    evidence = {"plan": plan.id, "problems": problems, "owner": owner, "begins": plan.act_at}
    subject = f"plan {plan.number} ({plan.kind} {plan.person_name}): {problems[0]}"
    id, is_new = unit.findings.open_finding(
        key, rule, "high", subject, evidence, f"{owner}: {fix}", person_id=plan.person
    )
    if is_new:
        unit.ledger.append("finding:finding:open", (id, plan.person), {"rule": rule, "evidence": evidence})


def _formal(workspace: Workspace, unit: Unit, row: Row, plan: Plan) -> list[str]:
    """What our own rows say against it: approvals, files, guard, seal, stopped connections, the clock."""
    missing = lacking(workspace, unit, row)
    found = [f"it is {row['state']}: {one}" for one in missing]
    if row["state"] == PlanState.HELD.value:
        found.append(f"it is held by the guard: {row['note']}")
    if plan.configuration != workspace.configuration and (changed := run.moved(workspace, plan)):
        found.append(f"it was made under other files: {changed}")
    if why := held_now(workspace, unit, plan):
        found.append(f"the guard does not allow it as things stand now: {why}")
    if sealed := unit.leases.sealed():
        found.append(f"the workspace is sealed by {sealed['by']}: {sealed['reason']}")
    stopped = unit.leases.quarantined()
    concerned = sorted({step.connection for step in plan.steps} & stopped.keys())
    found += [f"{name} is stopped: {stopped[name]['reason']}" for name in concerned]
    if doubt := clockcheck.doubt(workspace, unit):
        found.append(doubt)
    return found


def _readings(workspace: Workspace, plan: Plan) -> list[str]:
    """Read anew whatever the plan concerns and was not read completely of late; returns what is wrong then."""
    found = []
    with workspace.store.read() as unit:
        signal = unit.findings.signal(plan.signal) if plan.signal else None
        source = (str(signal["source"]),) if signal else ()
        names = dict.fromkeys((*source, *(step.connection for step in plan.steps)))
        stopped = unit.leases.quarantined()
        old = [name for name in names if name not in stopped and not _is_fresh(workspace, unit, name)]
    for name in old:
        if name not in workspace.connections.names():
            continue  # told as a change of files
        seen = observe(workspace, name)
        if seen.kind not in (COMPLETE, DELTA):
            found.append(f"{name} could not be read completely: {'; '.join(seen.reasons)}")
    return found


def _is_fresh(workspace: Workspace, unit: Unit, name: str) -> bool:
    last = unit.accounts.last_snapshot(name, complete=False)
    oldest = to_text(workspace.clock.now() - timedelta(minutes=FRESH_MINUTES))
    return last is not None and last["kind"] in (COMPLETE, DELTA) and last["finished_at"] >= oldest


def _looks(workspace: Workspace, plan: Plan) -> list[str]:
    """Look at each account that a step begins with: is it still as people saw it when they signed?"""
    within = {step.id: step.connection for step in plan.steps}
    found = []
    for step in plan.steps:
        begins = all(within.get(id) != step.connection for id in step.requires)
        if begins and step.connection in workspace.connections.names() and (why := _look(workspace, step)):
            found.append(f"step {step.ordinal} ({step.verb} in {step.connection}): {why}")
    return found


def _look(workspace: Workspace, step: PlannedStep) -> str | None:
    try:
        sight = look(workspace, step, None)
    except (ConnectorError, RepeatedCursor) as error:
        return f"looking failed: {error}"
    if sight.doubt:
        return f"it is not in the listing, which proves nothing: {sight.doubt}"
    if sight.several:
        return f"{len(sight.several)} accounts are called {step.user_name}"
    if why := disagreement(step, sight.account):
        return why
    if holds(step.after, sight.account):
        return None
    return "; ".join(differences(step.before, sight.account)) or None
