"""Put an invented company on its feet: hostile apps, a workspace, two operators, approved plans."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.invent import MIXED, App, Company, Weather, csv_text, groups, invent
from tests.helpers.running import Running, Twins
from tests.helpers.workspaces import make_workspace

from usher.domain.connection import ConnectionConfig
from usher.domain.guard import Limit, Limits
from usher.domain.plan import Plan, PlanKind
from usher.domain.policyfiles import Give, Line, PlacedRole, Policies, Role, When
from usher.domain.signing import new_private_key
from usher.services.approve import approve
from usher.services.observe import confirm, observe
from usher.services.operators import Acting, acting, add_operator
from usher.services.plan import make_plan
from usher.services.ports import Reach, no_reach
from usher.services.reconcile import reconcile
from usher.services.when import AS_USUAL, How
from usher.services.workspace import Workspace

KINDS = {"leave": PlanKind.LEAVE, "join": PlanKind.JOIN, "move": PlanKind.MOVE}
TIMEOUT_SECONDS = 1.0
WATCH_SECONDS = (1.0,)
APPROVED_SECONDS = 0.5
"""More than a plan takes to be made and approved, so that no time is past by then."""
NO_LIMITS = Limits(windows=(Limit(hours=24, count=10_000, percent=100),))


@dataclass
class Standing:
    """A company that runs: its folder, servers, workspace, operators and plans."""

    folder: Path
    company: Company
    servers: dict[str, Running]
    workspace: Workspace
    requester: Acting
    approver: Acting
    plans: list[Plan] = field(default_factory=list)

    @property
    def papers(self) -> Path:
        """The export of the app that only people can change."""
        return self.folder / "papers.csv"

    def journal(self, app: App) -> Path:
        """Where an app, or the person who keeps it, writes down what was done."""
        return self.folder / "papers.journal.jsonl" if app.by_person else self.servers[app.name].journal

    def blow(self, weather: Weather) -> None:
        """Let the weather begin in every app; before this it is fair."""
        for app in self.company.apps:
            if not app.by_person:
                write_faults(self.folder, app, weather)


def write_faults(folder: Path, app: App, weather: Weather) -> None:
    """Change an app's weather; it is read before the next request."""
    path = folder / f"{app.name}.faults.json"
    half = path.with_suffix(".half")
    half.write_text(json.dumps(weather.faults(app.real_lag)))
    half.replace(path)


def build(
    folder: Path,
    twins: Twins,
    seed: int,
    plans: int,
    *,
    apps: tuple[App, ...] = MIXED,
    events: Iterable[str] = (),
    timed_over: float = 0.0,
) -> Standing:  # fmt: skip
    """Start everything in fair weather, observe it, and approve a plan for everybody who joins, moves or leaves.

    With `timed_over` every other leave has a time, within so many seconds from when the last one is approved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    company = invent(seed, plans, apps, events)
    servers = _start_all(folder, twins, company, seed)
    for app in company.apps:
        if app.by_person:
            (folder / f"{app.name}.csv").write_text(csv_text(company.accounts[app.name]))
    (folder / "hr.csv").write_text(company.hr(after=False))
    _describe(folder, company, servers)
    workspace = open_workspace(folder)
    olga, key = add_operator(workspace, "olga")
    requester = acting(workspace, olga["name"], key)
    omar, other = add_operator(workspace, "omar", by=requester)
    standing = Standing(folder, company, servers, workspace, requester, acting(workspace, omar["name"], other))
    for name in workspace.connections.names():
        seen = observe(workspace, name)
        assert seen.kind == "complete", seen
    reconcile(workspace)
    (folder / "hr.csv").write_text(company.hr(after=True))
    if observe(workspace, "hr").kind != "complete":  # many leave at one stroke
        confirm(workspace, "hr", requester)
    reconcile(workspace)
    everybody = company.planned()
    opening = datetime.now(UTC) + timedelta(seconds=APPROVED_SECONDS * len(everybody) + 5)
    for place, person in enumerate(everybody):
        timed = timed_over and person.event == "leave" and place % 2
        at = opening + timedelta(seconds=timed_over * place / len(everybody))
        how = How(at=f"{at:%Y-%m-%d %H:%M:%S} UTC") if timed else AS_USUAL
        plan = make_plan(workspace, KINDS[person.event], person.email, requester, how=how)
        missing = approve(workspace, str(plan.number), plan.digest, standing.approver).missing
        assert not missing, (plan.number, missing)
        standing.plans.append(plan)
    return standing


def _start_all(folder: Path, twins: Twins, company: Company, seed: int) -> dict[str, Running]:
    """Start all apps side by side: each needs a second of its own."""
    apps = [app for app in company.apps if not app.by_person]
    with ThreadPoolExecutor(len(apps)) as together:
        started = list(
            together.map(lambda app: _start(folder, Twins(folder / "servers" / app.name), company, app, seed), apps)
        )
    twins.started += started
    return {app.name: running for app, running in zip(apps, started, strict=True)}


def _start(folder: Path, twins: Twins, company: Company, app: App, seed: int) -> Running:
    load = folder / f"{app.name}.load.json"
    content: dict[str, Any] = {"users": company.accounts[app.name]}
    if app.part == "idp":
        content["groups"] = groups(company)
    load.write_text(json.dumps(content))
    doubles = () if app.unique else ("--no-unique",)
    return twins.start(
        "twins.chaos", "--load", load, "--seed", str(seed), "--faults-file", folder / f"{app.name}.faults.json",
        "--trace", folder / f"{app.name}.trace.jsonl", *doubles, journal=folder / f"{app.name}.journal.jsonl",
    )  # fmt: skip


def _describe(folder: Path, company: Company, servers: dict[str, Running]) -> None:
    """Write down what a worker process needs to open the same workspace."""
    configs = [
        ConnectionConfig(name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(folder / "hr.csv"),
                         options={"columns": {"id": "employment_id"}})
    ]  # fmt: skip
    for app in company.apps:
        shared: dict[str, Any] = {
            "name": app.name, "part": app.part, "owner": "olga", "lag_seconds": app.declared_lag,
            "timeout_seconds": TIMEOUT_SECONDS,
        }  # fmt: skip
        if app.by_person:
            configs.append(
                ConnectionConfig(app="person", speaks="person", path=str(folder / f"{app.name}.csv"), **shared)
            )
        else:
            url = f"{servers[app.name].url}/scim/v2"
            options = {"unique": app.unique}
            configs.append(ConnectionConfig(app="scim", speaks="scim", url=url, options=options, **shared))
    described = {
        "connections": [config.model_dump(mode="json") for config in configs],
        "apps": [app.__dict__ for app in company.apps],
        "ledger_key": new_private_key(),
    }
    (folder / "company.json").write_text(json.dumps(described))


def open_workspace(folder: Path, reach: Reach = no_reach, at: Path | None = None) -> Workspace:
    """Open the workspace of a company that was built in this folder; `at` is where it lies if it was restored."""
    described = json.loads((folder / "company.json").read_text())
    configs = [ConnectionConfig(**config) for config in described["connections"]]
    return make_workspace(
        at or folder / "workspace",
        configs,
        policies=_policies([App(**app) for app in described["apps"]]),
        limits=NO_LIMITS,
        secrets={config.name: {"token": "chaos"} for config in configs},
        reach=reach,
        watch_seconds=WATCH_SECONDS,
        ledger_key=described["ledger_key"],
    )


def _policies(apps: list[App]) -> Policies:
    """Everybody has the directory and the wiki, each department its own app; one cited line a gift."""
    roles = []
    for number, app in enumerate(apps, 1):
        when = When(any=True) if app.departments is None else When.model_validate({"department": list(app.departments)})
        account = {"department": "$department"} if app.part == "idp" else {"title": "$title"}
        held = ("dept-$department",) if app.part == "idp" else ()
        give = Give(app=app.name, account=account, role=app.role, modules=app.modules, groups=held)
        line = Line("policies/all.yaml", number, f"role {app.name}")
        roles.append(PlacedRole(Role(name=app.name, when=when, give=(give,)), line, ((give, line),)))
    return Policies(roles=tuple(roles), separation=())
