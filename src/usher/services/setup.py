"""Set-up: which steps are done, what is next, and how long it took people and the clock until the first results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from usher.domain.clock import from_text
from usher.domain.effort import minutes_of
from usher.domain.links import Situation
from usher.domain.plan import PlanKind
from usher.services.workspace import Workspace
from usher.store.configuration import written_at
from usher.store.unit import Unit

BY_PEOPLE = (
    "account:link:end", "account:link:set", "account:residual:end", "app:accounts:confirm",
    "connection:connection:remove", "ledger:detail:erase", "operator:delegation:end", "operator:delegation:make",
    "operator:email:set",
    "operator:operator:add", "operator:operator:revoke", "plan:emergency:begin", "plan:emergency:confirm",
    "plan:emergency:refuse", "plan:guard:override", "plan:plan:approve", "plan:plan:propose", "plan:plan:reject",
    "plan:row:release", "plan:run:begin", "step:step:resolve", "step:task:say_done", "workspace:backup:make",
    "workspace:backup:restore", "workspace:evidence:hand_out", "workspace:seal:lift", "workspace:seal:set",
)  # fmt: skip
"""Events that somebody caused; a reading, a finding or a step may have been the worker's."""
FEWEST_OPERATORS = 2
SHOWN = 8
Form = Literal["done", "open", "as you like"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of setting up; `as you like` is not done and need not be. `next` is what to type."""

    stage: str
    state: Form
    detail: str
    next: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a workspace is. Instants are null where nothing happened yet; minutes count from `began_at`."""

    stages: tuple[Stage, ...]
    began_at: str | None
    first_report_at: str | None
    first_leaver_at: str | None
    minutes_to_first_report: int | None
    minutes_to_first_leaver: int | None
    minutes_of_people: int
    acts: int


def progress(workspace: Workspace) -> Progress:
    """Look how far the set-up is; everything is read, nothing is kept for it."""
    with workspace.store.read() as unit:
        acts = [*unit.ledger.instants_of(BY_PEOPLE), *written_at(workspace.folder)]
        began = unit.ledger.first_at()
        report, leaver = _first_report(workspace, unit), _first_leaver(unit)
        stages = (*_stages(workspace, unit), *_first_results(report, leaver))
    return Progress(
        stages=stages,
        began_at=began,
        first_report_at=report,
        first_leaver_at=leaver,
        minutes_to_first_report=_minutes(began, report),
        minutes_to_first_leaver=_minutes(began, leaver),
        minutes_of_people=minutes_of(acts),
        acts=len(acts),
    )


def _stage(stage: str, done: object, there: str, missing: str, next: str, *, needed: bool = True) -> Stage:
    """One step: what there is where it is done, what is missing where it is not."""
    state: Form = "done" if done else "open" if needed else "as you like"
    return Stage(stage, state, there if done else missing, next)


def _stages(workspace: Workspace, unit: Unit) -> tuple[Stage, ...]:
    operators = len(unit.operators.active())
    roles = len(workspace.policies.roles)
    return (
        _stage(
            "two operators", operators >= FEWEST_OPERATORS, f"{operators} can sign",
            f"{operators or 'nobody'} can sign", "usher operator add NAME --account LOGIN --key-out FILE",
        ),
        *_connected(workspace),
        *_understood(workspace, unit),
        _stage(
            "who shall have what", roles, f"{roles} role{'' if roles == 1 else 's'}", "no policy",
            "write policies/roles.yaml, then: usher policy check",
        ),
        _stage(
            "mails to operators", workspace.post, "set", "nobody is told by mail", "the how-to: mail notices",
            needed=False,
        ),
    )  # fmt: skip


def _connected(workspace: Workspace) -> Iterable[Stage]:
    by_part: dict[str, list[str]] = {}
    for name in workspace.connections.names():
        by_part.setdefault(workspace.connections.config(name).part, []).append(name)
    sources, directories = by_part.pop("hr", []), by_part.pop("idp", [])
    apps = [name for names in by_part.values() for name in names]
    yield _stage(
        "where people come from", sources, ", ".join(sources), "no source says who works here",
        "usher connect hr --speaks csv --part hr --path exports/hr.csv --owner NAME",
    )  # fmt: skip
    yield _stage(
        "the directory", directories, ", ".join(directories), "none",
        "usher connect directory --speaks scim --part idp --url URL --owner NAME --secret token=file:PATH",
        needed=False,
    )  # fmt: skip
    shown = f"{len(apps)}: {', '.join(apps[:SHOWN])}{' ...' if len(apps) > SHOWN else ''}"
    yield _stage("the first app", apps, shown, "none", "usher app add NAME --by person --csv FILE --owner NAME")


def _understood(workspace: Workspace, unit: Unit) -> Iterable[Stage]:
    names = workspace.connections.names()
    unread = [name for name in names if unit.accounts.last_snapshot(name, complete=True) is None]
    missing = f"not read whole yet: {', '.join(unread)}" if unread else "nothing to read"
    read = names and not unread
    next = f"usher observe {' '.join(unread[:SHOWN])}".strip()
    yield _stage("everything read once", read, f"{len(names)} read", missing, next)
    open_ones = sum(row["situation"] in (Situation.UNLINKED, Situation.DISPUTED) for row in unit.accounts.links())
    yield _stage(
        "whose account is whose", read and not open_ones, "nothing waits for your word",
        f"{open_ones} wait for your word" if open_ones else "", "usher findings",
    )  # fmt: skip


def _first_results(report: str | None, leaver: str | None) -> Iterable[Stage]:
    yield _stage("the first report", report, "", "", "usher observe && usher findings")
    yield _stage("the first leaver, proven", leaver, "", "", "usher plan leave PERSON")


def _first_report(workspace: Workspace, unit: Unit) -> str | None:
    """When people and one app had been read for the first time: from then on findings say what is wrong."""
    first: dict[str, str] = {}
    for row in unit.accounts.snapshots():
        if row["kind"] == "complete":
            first[row["connection"]] = min(row["finished_at"], first.get(row["connection"], "~"))
    sources = [at for name, at in first.items() if name in workspace.people_from]
    others = [at for name, at in first.items() if name not in workspace.people_from]
    return max(min(sources), min(others)) if sources and others else None


def _first_leaver(unit: Unit) -> str | None:
    leaves = {row["id"] for row in unit.plans.all() if row["kind"] == PlanKind.LEAVE}
    verified = [row["verified_at"] for row in unit.runs.all() if row["plan_id"] in leaves and row["verified_at"]]
    return min(verified, default=None)


def _minutes(began: str | None, at: str | None) -> int | None:
    if began is None or at is None:
        return None
    return max(0, round((from_text(at) - from_text(began)).total_seconds() / 60))
