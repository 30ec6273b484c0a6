"""Set-up: which steps are done, what is next, and how long it took people and the clock until the first results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from usher.domain.clock import from_text
from usher.domain.effort import minutes_of
from usher.domain.links import Situation
from usher.domain.plan import PlanKind
from usher.services.workspace import Workspace
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
        acts = [*unit.ledger.instants_of(BY_PEOPLE), *_written(workspace)]
        began = unit.ledger.first_at()
        report, leaver = _first_report(workspace, unit), _first_leaver(unit)
        stages = (*_people_and_apps(workspace, unit), *_first_results(report, leaver))
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


def _people_and_apps(workspace: Workspace, unit: Unit) -> Iterable[Stage]:
    operators = len(unit.operators.active())
    yield Stage(
        "two operators",
        "done" if operators >= FEWEST_OPERATORS else "open",
        f"{operators} can sign" if operators else "nobody can sign",
        "usher operator add NAME --account LOGIN --key-out FILE",
    )
    configs = [workspace.connections.config(name) for name in workspace.connections.names()]
    sources = [one.name for one in configs if one.part == "hr"]
    directories = [one.name for one in configs if one.part == "idp"]
    apps = [one.name for one in configs if one.part not in ("hr", "idp")]
    yield Stage(
        "where people come from",
        "done" if sources else "open",
        ", ".join(sources) or "no source says who works here",
        "usher connect hr --speaks csv --part hr --path exports/hr.csv --owner NAME",
    )
    yield Stage(
        "the directory",
        "done" if directories else "as you like",
        ", ".join(directories) or "none",
        "usher connect directory --speaks scim --part idp --url URL --owner NAME --secret token=file:PATH",
    )
    yield Stage(
        "the first app",
        "done" if apps else "open",
        f"{len(apps)}: {', '.join(apps[:8])}{' ...' if len(apps) > 8 else ''}" if apps else "none",
        "usher app add NAME --by person --csv FILE --owner NAME",
    )
    unread = [one.name for one in configs if unit.accounts.last_snapshot(one.name, complete=True) is None]
    yield Stage(
        "everything read once",
        "done" if configs and not unread else "open",
        f"not read whole yet: {', '.join(unread)}"
        if unread
        else f"{len(configs)} read"
        if configs
        else "nothing to read",
        f"usher observe {' '.join(unread[:8])}".strip(),
    )
    undecided = sum(row["situation"] in (Situation.UNLINKED, Situation.DISPUTED) for row in unit.accounts.links())
    yield Stage(
        "whose account is whose",
        "open" if undecided else "done" if configs and not unread else "open",
        f"{undecided} wait for your word" if undecided else "nothing waits for your word" if configs else "",
        "usher findings",
    )
    roles = len(workspace.policies.roles)
    yield Stage(
        "who shall have what",
        "done" if roles else "open",
        f"{roles} role{'' if roles == 1 else 's'}" if roles else "no policy",
        "write policies/roles.yaml, then: usher policy check",
    )
    yield Stage(
        "mails to operators",
        "done" if workspace.post else "as you like",
        "set" if workspace.post else "nobody is told by mail",
        "the how-to: mail notices",
    )


def _first_results(report: str | None, leaver: str | None) -> Iterable[Stage]:
    yield Stage("the first report", "done" if report else "open", "", "usher observe && usher findings")
    yield Stage("the first leaver, proven", "done" if leaver else "open", "", "usher plan leave PERSON")


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


def _written(workspace: Workspace) -> list[datetime]:
    """When the files that people write were last written."""
    folders = ("connections", "policies", "apps")
    files = [
        workspace.folder / "usher.yaml",
        *(one for name in folders for one in workspace.folder.glob(f"{name}/*.yaml")),
    ]
    return [datetime.fromtimestamp(file.stat().st_mtime, UTC) for file in files if file.is_file()]


def _minutes(began: str | None, at: str | None) -> int | None:
    if began is None or at is None:
        return None
    return max(0, round((from_text(at) - from_text(began)).total_seconds() / 60))
