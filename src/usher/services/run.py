"""Run: begins an approved plan, releases steps whose predecessors are done, and says where a run stands."""

from __future__ import annotations

from usher.domain.clock import from_text
from usher.domain.moments import in_words
from usher.domain.plan import Plan, PlanState
from usher.domain.step import DueKind, RunState, StepState
from usher.services import clockcheck, rests, starts
from usher.services.approve import end_plan, lacking
from usher.services.place import place_of
from usher.services.release import held_now, use
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit


def start(workspace: Workspace, reference: str) -> Row:
    """Begin the run of a plan, or give back the one that has begun; Refusal where it is not approved as it stands."""
    _void_if_expired(workspace, reference)
    with workspace.store.begin() as unit:
        row = unit.plans.find(reference)
        if row is None:
            raise Refusal(f"there is no plan {reference}; see: usher plan list")
        if begun := unit.runs.of_plan(row["id"]):
            return begun
        plan = Plan.of(load(row["document"]))
        missing = lacking(workspace, unit, row)
        if row["state"] != PlanState.APPROVED.value or missing:
            why = "; ".join(missing) or row["note"] or "it cannot run"
            raise Refusal(f"plan {plan.number} is {row['state']}: {why}")
        if plan.act_at and plan.act_at > workspace.now():
            at = in_words(from_text(plan.act_at), plan.act_zone or workspace.zone)
            raise Refusal(f"plan {plan.number} begins at {at} ({plan.act_at}): usher worker or usher serve begins it")
        if why := rests.why_not(workspace, unit, row):
            raise Refusal(f"plan {plan.number} rests on what is no longer so: {why}; make it again")
        if doubt := clockcheck.doubt(workspace, unit):
            raise Refusal(f"plan {plan.number} does not begin: {doubt}")
        if plan.configuration != workspace.configuration and (changed := moved(workspace, plan)):
            raise Refusal(f"plan {plan.number} was made under other files: {changed}; make it again")
        if why := held_now(workspace, unit, plan):
            raise Refusal(f"the guard does not allow plan {plan.number} as things stand now: {why}")
        use(unit, plan)
        run = unit.runs.add_run(plan)
        unit.plans.set_state(plan.id, PlanState.RUNNING)
        starts.drop_start(unit, plan.id, "it has begun")
        detail = {"digest": plan.digest, "steps": len(plan.steps), "planned_at": plan.act_at, "lane": plan.lane.value}
        unit.ledger.append("plan:run:begin", (plan.id, run["id"]), {**detail, "emergency": plan.emergency})
        release(unit, run["id"])
        return run


def _void_if_expired(workspace: Workspace, reference: str) -> None:
    """An approved plan that was not begun in time is void; its signal may ask again."""
    with workspace.store.begin() as unit:
        row = unit.plans.find(reference)
        if row is None or row["state"] != PlanState.APPROVED.value or row["expires_at"] > workspace.now():
            return
        end_plan(unit, row, PlanState.VOID, "it expired before it ran")
        unit.ledger.append("plan:plan:void", (row["id"],), {"reason": "it expired before it ran"})
    raise Refusal(f"plan {row['number']} expired at {row['expires_at']}: make it again")


def moved(workspace: Workspace, plan: Plan) -> str | None:
    """Say which connection of the plan is no longer what its owner signed for."""
    for step in plan.steps:
        if step.connection not in workspace.connections.names():
            return f"there is no connection {step.connection} any more"
        now = place_of(workspace, step.connection)
        if step.where != now:
            return f"{step.connection} was {step.where}, and is {now}"
    return None


def release(unit: Unit, run_id: str) -> int:
    """Make every step due whose predecessors allow it; returns how many.

    A predecessor in another app must be acknowledged. One in the same app must be verified: the step's own look would
    otherwise see the account as it was before the app's lag, and take that for a change by somebody else.
    """
    steps = {row["id"]: row for row in unit.runs.steps(run_id)}
    released = 0
    for row in steps.values():
        if row["state"] != StepState.PENDING.value:
            continue
        if all(_lets_go(steps[id], row) for id in load(row["document"])["requires"]):
            unit.runs.move(row["id"], StepState.READY)
            put_due(unit, DueKind.ACT, row, unit.runs.now())
            released += 1
    return released


def _lets_go(before: Row, row: Row) -> bool:
    state = StepState(before["state"])
    if before["connection"] == row["connection"]:
        return state in (StepState.VERIFIED, StepState.CLOSED)
    return state.allows_successors


def put_due(unit: Unit, kind: DueKind, row: Row, at: str, tries: int = 0) -> None:
    """Make a step due; a waiting row of the same kind gives way, so that no step is carried out in two rhythms."""
    unit.dues.drop(row["id"], kind)
    unit.dues.put(kind, row["id"], row["connection"], at, {"tries": tries})


def refresh(unit: Unit, run_id: str) -> RunState:
    """Work out where a run stands from its steps, and write it down."""
    run = unit.runs.find(run_id)
    assert run is not None, run_id
    states = [StepState(row["state"]) for row in unit.runs.steps(run_id)]
    state = _state(states)
    if state.value == run["state"]:
        return state
    changes = {"state": state.value}
    if state is RunState.ENDED:
        unit.plans.set_state(run["plan_id"], PlanState.DONE, "ended with cancelled steps")
    if state in (RunState.VERIFIED, RunState.CLOSED) and run["verified_at"] is None:
        changes["verified_at"] = unit.runs.now()
        unit.plans.set_state(run["plan_id"], PlanState.DONE)
        unit.ledger.append("plan:run:verify", (run["plan_id"], run_id), {"steps": len(states)})
    if state is RunState.CLOSED:
        changes["closed_at"] = unit.runs.now()
        unit.ledger.append("plan:run:close", (run["plan_id"], run_id), {"steps": len(states)})
    unit.runs.set_run(run_id, **changes)
    return state


def _state(states: list[StepState]) -> RunState:
    if all(state is StepState.CLOSED for state in states):
        return RunState.CLOSED
    if all(state in (StepState.VERIFIED, StepState.CLOSED) for state in states):
        return RunState.VERIFIED
    if any(state is StepState.PARKED for state in states):
        return RunState.ATTENTION
    if all(state in (StepState.VERIFIED, StepState.CLOSED, StepState.CANCELLED) for state in states):
        return RunState.ENDED
    return RunState.RUNNING
