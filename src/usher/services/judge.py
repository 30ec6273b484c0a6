"""Judge: gathers what the guard needs (history, source health, protected accounts, administrators) and asks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from usher.domain.clock import from_text
from usher.domain.folding import fold
from usher.domain.guard import Done, Effect, Protected, SourceHealth, Verdict, judge
from usher.domain.plan import PlannedStep, Verb
from usher.domain.step import StepState
from usher.services.look import MAY_BE_DONE
from usher.services.workspace import Workspace
from usher.store.accounts import account_of
from usher.store.repository import Row, load
from usher.store.unit import Unit

ADMIN_WORDS = frozenset({"admin", "administrator", "owner", "superuser"})
NOT_SHOWN_YET = (StepState.ACTING, StepState.DONE, StepState.UNKNOWN, StepState.PARKED)
ACTED = (StepState.DONE, StepState.VERIFIED, StepState.CLOSED, StepState.UNKNOWN, StepState.ACTING, StepState.PARKED)


def judge_steps(
    workspace: Workspace, unit: Unit, steps: Sequence[PlannedStep], plan_id: str | None, *, basis: tuple[str, ...] = ()
) -> Verdict:
    """Ask the guard about steps as one plan; `plan_id` leaves that plan's own steps out of the history.

    `basis` names the source whose signal asked for the plan: an unsound reading of it allows no loss either.
    """
    return judge(
        [replace(_effect(workspace, unit, step), basis=basis) for step in steps],
        _history(workspace, unit, plan_id),
        {name: health for name in workspace.connections.names() if (health := _health(workspace, unit, name))},
        workspace.limits,
        now=workspace.clock.now(),
        people=sum(row["status"] in ("working", "on leave") for row in unit.people.all()),
        protected=_protected(workspace, unit, steps),
        admins=_admins(workspace, unit, steps),
    )


def forbidden_now(workspace: Workspace, unit: Unit, step: PlannedStep) -> str | None:
    """Ask again right before a step acts what may have changed since the plan: protected accounts, the last admin."""
    seen_now = SourceHealth(connection=step.connection, complete=True, age=timedelta(0), count=1)
    verdict = judge(
        [_effect(workspace, unit, step)],
        (),
        {step.connection: seen_now},
        workspace.limits,
        now=workspace.clock.now(),
        people=1,
        protected=_protected(workspace, unit, [step]),
        admins=_admins(workspace, unit, [step]),
    )
    return "; ".join(reason for row in verdict.refused for reason in row.reasons) or None


def _effect(workspace: Workspace, unit: Unit, step: PlannedStep) -> Effect:
    row = unit.accounts.by_id(step.account) if step.account else None
    return Effect(
        connection=step.connection,
        account_id=step.account or step.user_name,
        verb=step.verb,
        person_id=step.person,
        privileged=row is not None and _is_admin(row),
        kind_of_loss=_takes_silently(row, step),
        deactivated=row is not None and not account_of(row).state.can_sign_in,
        detail=step.entitlement or "",
    )


def _takes_silently(row: Row | None, step: PlannedStep) -> bool:
    """A demotion is a loss though it is granted, and so is blanking an attribute though it is an update."""
    if row is not None and step.verb is Verb.GRANT and (step.entitlement or "").startswith("role:"):
        return _is_admin(row) and not is_admin_role(step.entitlement or "")
    return step.verb is Verb.UPDATE and any(value == "" for value in step.wanted.values())


def _history(workspace: Workspace, unit: Unit, plan_id: str | None) -> list[Done]:
    """What was done within the longest window, and what approved plans are still to do: both count."""
    longest = max(limit.hours for limit in workspace.limits.windows)
    since = workspace.clock.now() - timedelta(hours=longest + 24)
    done = []
    for row in unit.runs.steps_in(*ACTED):
        if row["plan_id"] != plan_id and from_text(row["updated_at"]) > since:
            step = PlannedStep.of(load(row["document"]))
            done.append(_done(step, row["updated_at"], silently=_took_silently(unit, row, step)))
    for coming in unit.plans.losses_under_way(plan_id or ""):
        if coming["state"] in (None, StepState.PENDING.value, StepState.READY.value, StepState.PERSON.value):
            step = PlannedStep.of({name: value for name, value in coming.items() if name not in ("plan", "state")})
            account = unit.accounts.by_id(step.account) if step.account else None
            done.append(_done(step, workspace.now(), silently=_takes_silently(account, step)))
    return done


def _done(step: PlannedStep, at: str, *, silently: bool) -> Done:
    return Done(
        connection=step.connection,
        at=from_text(at),
        loss=silently or step.verb.is_loss,
        account_id=step.account or step.user_name,
        person_id=step.person,
        verb=step.verb,
    )


def _took_silently(unit: Unit, row: Row, step: PlannedStep) -> bool:
    """As `_takes_silently`, of a step that was carried out: what it took is no longer held."""
    if step.verb is Verb.GRANT and step.account and (step.entitlement or "").startswith("role:"):
        intents = unit.runs.intents(row["id"])
        lost = unit.accounts.grants_ended_since(step.account, intents[0]["recorded_at"]) if intents else []
        return any(is_admin_role(text) for text in lost) and not is_admin_role(step.entitlement or "")
    return _takes_silently(None, step)


def _health(workspace: Workspace, unit: Unit, name: str) -> SourceHealth | None:
    last = unit.accounts.last_snapshot(name, complete=False)
    if last is None:
        return None
    complete = [row for row in unit.accounts.snapshots(name) if row["kind"] == "complete"]
    newest = complete[0] if complete and last["kind"] == "delta" else last
    previous = next((row for row in complete if row["id"] != newest["id"]), None)
    return SourceHealth(
        connection=name,
        complete=newest["kind"] == "complete",
        age=workspace.clock.now() - from_text(newest["finished_at"]),
        count=int(newest["accounts"]),
        previous_count=int(previous["accounts"]) if previous else None,
        confirmed_empty=newest["confirmed_by"] is not None or _confirmed_before(complete, newest),
    )


def _confirmed_before(complete: list[Row], newest: Row) -> bool:
    """A reading right after a confirmed one of the same size needs no second answer."""
    after = [row for row in complete if row["id"] < newest["id"]][:1]
    return bool(after) and after[0]["confirmed_by"] is not None and after[0]["accounts"] == newest["accounts"]


def _protected(workspace: Workspace, unit: Unit, steps: Sequence[PlannedStep]) -> list[Protected]:
    """Which of the steps' accounts can never be a step: only these are read, whatever the size of the estate."""
    found = []
    own = {fold(one): row["name"] for row in unit.operators.active() for one in load(row["user_names"])}
    configured = workspace.connections.names()
    for row in _accounts(unit, steps):
        if row["connection"] not in configured:
            continue
        config = workspace.connections.config(row["connection"])
        names = {fold(one) for one in (*config.protect, *config.observe.sentinels, *config.ignore)}
        if fold(row["user_name"]) in names or fold(row["native_id"]) in names:
            why = f"{row['user_name']} is protected in connections/{row['connection']}.yaml"
            found.append(Protected(reason=why, connection=row["connection"], account_id=row["id"]))
        if fold(row["user_name"]) in own:
            why = f"{row['user_name']} is the account of operator {own[fold(row['user_name'])]}"
            found.append(Protected(reason=why, connection=row["connection"], account_id=row["id"]))
    return found


def _accounts(unit: Unit, steps: Sequence[PlannedStep]) -> list[Row]:
    """The accounts that steps concern and that have not ended."""
    ids = dict.fromkeys(step.account for step in steps if step.account)
    return [row for id in ids if (row := unit.accounts.by_id(id)) is not None and row["ended_at"] is None]


def _admins(workspace: Workspace, unit: Unit, steps: Sequence[PlannedStep]) -> dict[str, frozenset[str]]:
    """The administrators who will be left when everything that other plans have begun has taken effect.

    A connection is read through only where a step concerns one of its administrators.
    """
    found: dict[str, frozenset[str]] = dict.fromkeys(workspace.connections.names(), frozenset())
    concerned = {row["connection"] for row in _accounts(unit, steps) if _is_admin(row)}
    going = _going(workspace, unit, frozenset(step.id for step in steps)) if concerned else frozenset()
    for name in concerned & found.keys():
        found[name] = frozenset(row["id"] for row in unit.accounts.of(name) if _is_admin(row)) - going
    return found


def _going(workspace: Workspace, unit: Unit, own: frozenset[str]) -> frozenset[str]:
    """Accounts that another step may have closed already, though no reading has shown it yet."""
    going = set()
    for row in unit.runs.steps_in(*NOT_SHOWN_YET):
        step = PlannedStep.of(load(row["document"]))
        begun = row["state"] != StepState.PARKED.value or any(
            intent["outcome"] in MAY_BE_DONE for intent in unit.runs.intents(row["id"])
        )
        if begun and step.id not in own and step.account and _effect(workspace, unit, step).is_loss:
            going.add(step.account)
    return frozenset(going)


def _is_admin(row: Row) -> bool:
    account = account_of(row)
    return any(map(is_admin_role, account.entitlements)) and account.state.can_sign_in


def is_admin_role(entitlement: str) -> bool:
    """True for a role by which an account administers its app."""
    kind, _, name = entitlement.partition(":")
    return kind == "role" and fold(name) in ADMIN_WORDS
