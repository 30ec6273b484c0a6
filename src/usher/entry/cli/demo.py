"""`usher demo`: the guide's leaver and joiner at a made-up company, on real systems of this machine, end to end."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from usher.entry.cli.context import Context

if TYPE_CHECKING:
    from rich.console import Console

    from usher.entry.cli.demo_ending import Ending
    from usher.services.workspace import Workspace

SECONDS = 600.0
"""How long the runs may take before the demo gives up."""
EXAMPLE = Path("examples") / "acme"


def demo(
    ctx: typer.Context,
    yes: Annotated[
        bool, typer.Option("--yes", help="Approve with two generated operators and let a scripted person work.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files.")] = Path("var") / "demo",
    example: Annotated[Path, typer.Option(help="The company: a folder with stack.yaml and workspace/.")] = EXAMPLE,
    seconds: Annotated[float, typer.Option(help="Give up when the runs take longer than this.")] = SECONDS,
    directory: Annotated[
        Literal["scim", "ldap"], typer.Option(help="The directory: a SCIM server, or OpenLDAP where slapd is there.")
    ] = "scim",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the systems running until Enter is pressed.")] = False,
) -> None:
    """Play the guide's leaver and joiner at Acme (60 people): observe, find, plan, approve, run, prove, record.

    Starts a directory, a wiki, a console without an API and an app that only a person can change, all on this
    machine, and ends exactly those. Kills its own worker once on the way. Ends 0 only if every step was verified.
    """
    from rich.console import Console

    from usher.entry.cli.demo_ending import write_summary
    from usher.entry.cli.stack import Stack, fill_workspace
    from usher.services.workspace import Refusal

    context: Context = ctx.obj
    console = Console(stderr=False)
    started = time.monotonic()
    parts = [example] if directory == "scim" else [example, example / directory]
    stack_file = parts[-1] / "stack.yaml"
    if not stack_file.is_file():
        raise Refusal(f"{stack_file} is not there: run the demo from a checkout, or name it with --example")
    if directory == "ldap" and not (shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin")):
        raise Refusal("slapd is not on this machine; get it by: sudo apt-get install slapd ldap-utils")
    folder = folder.resolve()
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    os.environ["USHER_KEYS_DIR"] = str(folder / "keys")
    with Stack.load(stack_file) as stack:
        console.rule("[bold]Acme starts its systems")
        for process in stack.processes:
            console.print(f"  {process.name:<12} {process.about}")
        stack.start(folder, datetime.now(UTC).date())
        home = folder / "workspace"
        for part in parts:
            fill_workspace(part / "workspace", home, stack.workspace_values())
        context.opener.init(home, "acme", "UTC")
        workspace = context.opener.open(home)
        try:
            ending = _play(workspace, folder, example, console, yes=yes, seconds=seconds)
        finally:
            workspace.close()
        summary = write_summary(folder / "summary.json", ending, time.monotonic() - started)
        _say(console, ending, summary, folder)
        if keep and sys.stdin.isatty():
            console.input("The systems are still running. Press Enter to end them. ")
    raise typer.Exit(0 if ending.is_good else 1)


def _play(workspace: Workspace, folder: Path, example: Path, console: Console, *, yes: bool, seconds: float) -> Ending:
    from usher.domain.plan import PlanKind
    from usher.entry.cli.demo_ending import Ending
    from usher.entry.cli.demo_people import Clerk, Signers, change_hr, story_of
    from usher.entry.cli.demo_run import carry_out, show_findings, show_plan
    from usher.services.observe import observe
    from usher.services.plan import make_plan
    from usher.services.reconcile import reconcile
    from usher.services.run import start

    signers = Signers.generate(workspace, folder / "operators", yes=yes, console=console)
    console.rule("[bold]Observe and find")
    for name in workspace.connections.names():
        with console.status(f"reading {name}"):
            seen = observe(workspace, name)
        console.print(f"  {name:<12} {seen.accounts:>3} accounts, {seen.kind}")
    findings = reconcile(workspace)
    show_findings(workspace, console)
    before = Ending.seats_in_use(workspace)

    story = story_of(folder)
    console.rule("[bold]The HR export changes")
    for who in ("leaver", "joiner"):
        change_hr(example, folder, story[who])
        console.print(f"  {story[who]['name']}: {story[who]['hr_change']}")
    observe(workspace, "hr")
    reconcile(workspace)

    plans = []
    for kind, who in ((PlanKind.LEAVE, "leaver"), (PlanKind.JOIN, "joiner")):
        console.rule(f"[bold]Plan: {kind} {story[who]['name']}")
        plan = make_plan(workspace, kind, story[who]["employee_number"], signers.first)
        show_plan(console, workspace, plan)
        signers.approve(plan)
        plans.append(plan)

    console.rule("[bold]Run, with the worker killed once on the way")
    clerk = Clerk(workspace, folder, example, signers.first, console, scripted=yes)
    for plan in plans:
        start(workspace, str(plan.number))
    carry_out(workspace, clerk, console, seconds)
    return Ending.read_back(workspace, story, findings, before)


def _say(console: Console, ending: Ending, summary: dict[str, Any], folder: Path) -> None:
    console.rule("[bold]What the guide asks for, and what was read back")
    colours = {"PASS": "green", "FAIL": "red", "not yet": "yellow"}
    for line in ending.lines:
        console.print(f"  [{colours[line.state]}]{line.state:<8}[/] {line.words}: {line.read_back}", highlight=False)
    verdict = "whole" if summary["ledger_verified"] else "NOT whole"
    console.print(
        f"\n  {summary['verified']} of {summary['steps']} steps verified by a fresh reading, "
        f"{summary['tasks']} by a person; ledger {verdict}; {summary['seconds']} s"
    )
    console.print(f"  Everything is in {folder}: summary.json, workspace/, evidence, the systems' own journals.\n")
