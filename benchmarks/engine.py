"""How many six-step plans a second are carried out, beside bare commits and the bare durable runtime, in one run.

    python -m benchmarks.engine [--plans 40] [--rounds 3]

Each plan closes one person's account in six apps that live in this process and answer at once, so that only our own
work is measured: for each step a look, the intent, the receipt and the verification, committed with a full sync of
the disk, with the ledger's leaves and at the end a signed head. Beside it, on the same disk in the same rounds:
  floor    as many bare SQLite commits (WAL, synchronous=FULL, one row each) as ours made
  dbos     DBOS Transact on SQLite as it comes, one workflow of six empty steps a plan, in the caller's thread
The best round of each counts.
"""

from __future__ import annotations

import argparse
import json
import logging
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy
from dbos import DBOS
from tests.helpers.workspaces import make_workspace

from usher.connectors.contract import Call, Capability, Connector, Page, Receipt, VerbFacts
from usher.domain.account import Account, AccountState
from usher.domain.connection import ConnectionConfig
from usher.domain.guard import Limit, Limits
from usher.domain.plan import PlanKind
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.observe import observe
from usher.services.operators import acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.run import start
from usher.services.workspace import Workspace

APPS = tuple(f"app{number}" for number in range(1, 7))


class Still(Connector):
    """An app that answers at once and keeps its accounts in memory."""

    app: ClassVar[str] = "still"
    facts = {Capability.DEACTIVATE: VerbFacts(idempotent=True)}

    def __init__(self, people: int) -> None:
        self._accounts = {
            f"u{n}": Account(id=f"u{n}", user_name=f"p{n}", employee_number=f"E{n}", state=AccountState.ACTIVE)
            for n in range(people)
        }

    def check(self, call: Call) -> None:
        """Always well."""

    def accounts(self, cursor: str | None, call: Call) -> Page[Account]:
        """Every account."""
        return Page(tuple(self._accounts.values()))

    def find(self, account_id: str, call: Call) -> Account | None:
        """One account."""
        return self._accounts.get(account_id)

    def deactivate(self, account_id: str, call: Call) -> Receipt:
        """Close one account."""
        closed = replace(self._accounts[account_id], state=AccountState.SUSPENDED)
        self._accounts[account_id] = closed
        return Receipt(account=closed, sent={"active": False}, got={"status": 200})


class Commits:
    """Counts the commits that changed something; SQLite syncs the disk for no others."""

    def __init__(self) -> None:
        self.count = 0
        self._changes: dict[int, int] = {}

    def __call__(self, connection: sqlalchemy.Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        if raw.total_changes != self._changes.get(id(raw), 0):
            self._changes[id(raw)] = raw.total_changes
            self.count += 1


@contextmanager
def counted() -> Iterator[Commits]:
    """Count commits meanwhile."""
    commits = Commits()
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", commits)
    try:
        yield commits
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "commit", commits)


def prepared(folder: Path, plans: int) -> tuple[Workspace, list[str]]:
    """A workspace with approved plans that have not begun."""
    hr = [{"employment_id": f"C{n}", "employee_number": f"E{n}", "first_name": f"P{n}"} for n in range(plans)]
    lines = ["employment_id,employee_number,first_name,last_name,status,start_date,end_date"]
    lines += [",".join([*row.values(), "Person,active,2020-01-01,"]) for row in hr]
    (folder / "hr.csv").write_text("\n".join(lines) + "\n")
    source = ConnectionConfig(
        name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(folder / "hr.csv"),
        options={"columns": {"id": "employment_id"}},
    )  # fmt: skip
    apps = [
        ConnectionConfig(name=name, app="still", speaks="person", owner="olga", path=str(folder), lag_seconds=0.0)
        for name in APPS
    ]
    workspace = make_workspace(
        folder,
        [source, *apps],
        limits=Limits(windows=(Limit(hours=24, count=10**6, percent=100),)),
        factories={"person": lambda config, profile: Still(plans)},
    )
    _, key = add_operator(workspace, "olga")
    olga = acting(workspace, "olga", key)
    _, other = add_operator(workspace, "omar", by=olga)
    omar = acting(workspace, "omar", other)
    for name in ("hr", *APPS):
        if observe(workspace, name).kind != "complete":
            raise SystemExit(f"{name} was not read as a whole")
    reconcile(workspace)
    made = [make_plan(workspace, PlanKind.LEAVE, f"E{n}", olga, "benchmark") for n in range(plans)]
    for plan in made:
        if len(plan.steps) != len(APPS) or approve(workspace, plan.id, plan.digest, omar).missing:
            raise SystemExit(f"plan {plan.number} is not the plan that was to be measured")
    return workspace, [plan.id for plan in made]


def ours(folder: Path, plans: int) -> tuple[float, int]:
    """Seconds and commits of carrying every plan out to its verification."""
    workspace, ids = prepared(folder, plans)
    fence = begin(workspace)
    with counted() as commits:
        began = time.perf_counter()
        for id in ids:
            start(workspace, id)
        tick(workspace, fence)
        seconds = time.perf_counter() - began
    with workspace.store.read() as unit:
        states = {row["state"] for row in unit.runs.all()}
    workspace.close()
    if states != {"verified"}:
        raise SystemExit(f"the measured runs ended as {', '.join(sorted(states))}")
    return seconds, commits.count


def bare(folder: Path, commits: int) -> float:
    """Seconds of as many commits of one row each."""
    row = json.dumps({"state": "done", "why": "x" * 200})
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE receipt (id INTEGER PRIMARY KEY, document TEXT)")
        began = time.perf_counter()
        for _ in range(commits):
            connection.execute("INSERT INTO receipt (document) VALUES (?)", (row,))
        return time.perf_counter() - began


@DBOS.step()
def empty_step(number: int) -> int:
    """Do nothing, durably."""
    return number


@DBOS.workflow()
def six_steps() -> int:
    """What a plan is to the bare runtime."""
    return sum(empty_step(number) for number in range(len(APPS)))


def runtime(folder: Path, plans: int) -> float:
    """Seconds of as many workflows in bare DBOS."""
    logging.getLogger("dbos").setLevel(logging.ERROR)
    url = f"sqlite:///{folder / 'dbos.db'}"
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False})
    DBOS.launch()
    six_steps()
    began = time.perf_counter()
    for _ in range(plans):
        six_steps()
    seconds = time.perf_counter() - began
    DBOS.destroy()
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plans", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    best: dict[str, float] = {}
    commits = 0
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory(prefix="usher-bench-") as name:
            folder = Path(name)
            seconds, commits = ours(folder, given.plans)
            round_ = {"ours": seconds, "floor": bare(folder, commits), "dbos": runtime(folder, given.plans)}
        best = {key: min(value, best.get(key, value)) for key, value in round_.items()}
    steps = given.plans * len(APPS)
    print(
        f"{given.plans} plans of {len(APPS)} steps, {commits / steps:.2f} commits a step; best of {given.rounds} rounds"
    )
    for key, text in (("floor", "bare commits"), ("dbos", "bare DBOS"), ("ours", "usher")):
        print(f"{text:13} {given.plans / best[key]:8.1f} plans/s  {best[key] / steps * 1000:6.2f} ms a step")
    print(f"usher / bare commits: {best['ours'] / best['floor']:.2f} x the time")
    print(f"usher / bare DBOS:    {best['ours'] / best['dbos']:.2f} x the time")


if __name__ == "__main__":
    main()
