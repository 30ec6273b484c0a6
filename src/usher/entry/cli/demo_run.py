"""The demo's running part: a worker of its own process, killed once and started again, shown from the database."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from usher.domain.plan import Plan
from usher.domain.step import StepState
from usher.entry.cli.demo_people import Clerk
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load

POLL_SECONDS = 0.25
COLOURS = {
    StepState.VERIFIED: "green",
    StepState.CLOSED: "green",
    StepState.DONE: "cyan",
    StepState.PARKED: "red",
    StepState.PERSON: "yellow",
    StepState.UNKNOWN: "magenta",
}


def show_findings(workspace: Workspace, console: Console) -> None:
    """Print the open findings by rule, with a few of each."""
    with workspace.store.read() as unit:
        rows = unit.findings.open()
    table = Table(title=f"{len(rows)} findings", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("finding")
    table.add_column("how many", justify="right")
    table.add_column("for example")
    rules: dict[str, list[Row]] = {}
    for row in rows:
        rules.setdefault(row["rule"], []).append(row)
    for rule, found in rules.items():
        table.add_row(rule, str(len(found)), "; ".join(row["subject"] for row in found[:2]))
    console.print(table)


def show_plan(console: Console, workspace: Workspace, plan: Plan) -> None:
    """Print a plan as people approve it."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("step", overflow="fold", ratio=3)
    table.add_column("app", no_wrap=True)
    table.add_column("by", no_wrap=True)
    table.add_column("asked by, and what to know", overflow="fold", ratio=5)
    for step in plan.steps:
        notes = [step.asked_by, *step.watch_outs[:1], *([step.cost] if step.cost else [])]
        table.add_row(str(step.ordinal), _what(step.document()), step.connection, step.path, "\n".join(notes))
    console.print(table)
    for note in plan.notes:
        console.print(f"  note: {note}", highlight=False)
    state = "allows it" if plan.guard["allowed"] else "holds it"
    console.print(f"  the guard {state}; {plan.needs.quorum} operator(s) must approve ({plan.needs.why})")


class WorkerProcess:
    """The worker as its own process, so that it can be killed like any process."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._log = Path(workspace.folder) / "data" / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output goes to the log."""
        command = [sys.executable, "-m", "usher.bootstrap", "--workspace", str(self._workspace.folder), "worker"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> int:
        """End it without any warning; returns its process id."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        return self._process.pid

    def stop(self) -> None:
        """Ask it to end, and insist after ten seconds."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Refusal with the end of its log where it died by itself."""
        if self._process is not None and self._process.poll() is not None:
            tail = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            raise Refusal(f"the worker ended by itself: {' / '.join(tail)}")


def carry_out(workspace: Workspace, clerk: Clerk, console: Console, seconds: float) -> None:
    """Run until every step is settled; the worker is killed after the first write and started again."""
    worker = WorkerProcess(workspace)
    worker.start()
    killed = False
    until = time.monotonic() + seconds
    try:
        with Live(_table(workspace), console=console, refresh_per_second=4, transient=False) as live:
            while time.monotonic() < until:
                rows = _steps(workspace)
                live.update(_table(workspace))
                if not killed and _under_way(workspace):
                    pid = worker.kill()
                    killed = True
                    live.console.print(f"  [bold]kill -9 {pid}[/]: the worker is gone in the middle of its work")
                    worker.start()
                    live.console.print("  a new worker takes the lease, looks at what was under way, and goes on")
                worker.check()
                if clerk.waiting():
                    _ask(live, clerk)
                if killed and rows and all(StepState(row["state"]).is_settled for row in rows):
                    return
                time.sleep(POLL_SECONDS)
    finally:
        worker.stop()


def _ask(live: Live, clerk: Clerk) -> None:
    """A question needs the terminal for itself; the scripted person asks none."""
    if not clerk.scripted:
        live.stop()
    clerk.work()
    if not clerk.scripted:
        live.start(refresh=True)


def _under_way(workspace: Workspace) -> bool:
    """True right after an intent was recorded whose step is not yet verified: the worst moment to be killed."""
    with workspace.store.read() as unit:
        verified = unit.runs.steps_in(StepState.VERIFIED)
        return bool(verified) and bool(unit.runs.steps_in(StepState.ACTING))


def _steps(workspace: Workspace) -> list[Row]:
    with workspace.store.read() as unit:
        return [row for run in reversed(unit.runs.all()) for row in unit.runs.steps(run["id"])]


def _what(step: Mapping[str, Any]) -> str:
    return " ".join(part for part in (step["verb"], step["entitlement"]) if part)


def _table(workspace: Workspace) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("run", no_wrap=True, min_width=3)
    table.add_column("step", no_wrap=True, min_width=22, max_width=30, overflow="ellipsis")
    table.add_column("app", no_wrap=True, min_width=10)
    table.add_column("state", no_wrap=True, min_width=13)
    table.add_column("note", no_wrap=True, overflow="ellipsis", ratio=1)
    with workspace.store.read() as unit:
        runs = {run["id"]: run["number"] for run in unit.runs.all()}
    for row in _steps(workspace):
        state = StepState(row["state"])
        painted = f"[{COLOURS.get(state, 'default')}]{state}[/]"
        step = load(row["document"])
        table.add_row(str(runs[row["run_id"]]), _what(step), row["connection"], painted, row["note"] or "")
    return table
