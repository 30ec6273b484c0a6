"""The people of the demo: two operators with keys of their own, the HR clerk, and the person who works the CSV app."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.prompt import Confirm

from usher.domain.plan import Plan
from usher.services.approve import approve
from usher.services.operators import Acting, acting, add_operator
from usher.services.task import say_done
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load

APP = "expenses"
"""Acme's app that only a person can change."""
NAMES = ("irene", "paula")
"""The operators that own Acme's apps in its connection files."""


def story_of(folder: Path) -> dict[str, Any]:
    """Who leaves and who joins, as the company's generator tells it."""
    found: dict[str, Any] = json.loads((folder / "data" / "story.json").read_text(encoding="utf-8"))
    return found


def change_hr(example: Path, folder: Path, person: dict[str, Any]) -> None:
    """The HR clerk changes one row of the export."""
    changes = [f"{name}={value}" for name, value in person["hr_change"].items()]
    _change(example, folder / "data" / "hr" / "people.csv", f"employment_id={person['employment_id']}", *changes)


def _change(example: Path, file: Path, *words: str) -> None:
    command = [sys.executable, str(example / "change.py"), str(file), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refusal(f"the clerk could not change {file}: {done.stderr.strip()}")


@dataclass(slots=True)
class Signers:
    """Two generated operators. With `--yes` they sign by themselves, and the demo says so."""

    workspace: Workspace
    operators: tuple[Acting, ...]
    console: Console
    yes: bool

    @classmethod
    def generate(cls, workspace: Workspace, folder: Path, *, yes: bool, console: Console) -> Signers:
        """Make two operators; their private keys lie in files of the demo's folder, readable by the owner only."""
        folder.mkdir(mode=0o700)
        made: list[Acting] = []
        for name in NAMES:
            _, key = add_operator(workspace, name, by=made[0] if made else None)
            file = folder / f"{name}.key"
            file.touch(mode=0o600)
            file.write_text(key + "\n", encoding="utf-8")
            made.append(acting(workspace, name, key))
        how = "they approve by themselves (--yes)" if yes else "you are asked to approve as each of them"
        console.print(f"  Two operators were generated, {' and '.join(NAMES)}, each with a key of their own: {how}.")
        return cls(workspace, tuple(made), console, yes)

    @property
    def first(self) -> Acting:
        """The operator who asks for plans."""
        return self.operators[0]

    def approve(self, plan: Plan) -> None:
        """Sign the plan's digest as each operator whose signature is wanted; Refusal where it is declined."""
        self.console.print(f"  digest {plan.digest}", highlight=False)
        for operator in reversed(self.operators):
            name = operator.row["name"]
            if not self.yes and not Confirm.ask(f"  Approve plan {plan.number} as {name}?", console=self.console):
                raise Refusal(f"plan {plan.number} was not approved by {name}: nothing was done")
            missing = approve(self.workspace, str(plan.number), plan.digest, operator).missing
            self.console.print(f"  signed by {name}" + (f"; still wanted: {'; '.join(missing)}" if missing else ""))
            if not missing:
                return
        raise Refusal(f"plan {plan.number} still lacks signatures")


@dataclass(slots=True)
class Clerk:
    """The person who works the app that only a person can change; usher believes no word of it, only the file."""

    workspace: Workspace
    folder: Path
    example: Path
    operator: Acting
    console: Console
    scripted: bool
    done: set[str] = field(default_factory=set)

    def waiting(self) -> list[tuple[Row, dict[str, Any]]]:
        """Open tasks that nobody has done yet, each with its step."""
        with self.workspace.store.read() as unit:
            tasks = [(task, unit.runs.step(task["step_id"])) for task in unit.runs.tasks()]
        mine = [(task, row) for task, row in tasks if row and row["connection"] == APP and task["id"] not in self.done]
        return [(task, load(row["document"])) for task, row in mine]

    def work(self) -> None:
        """Do every waiting task: change the app's own file, then say that it is done."""
        for task, step in self.waiting():
            self.done.add(task["id"])
            if not self.scripted:
                self._tell(task, step)
                continue
            self._change(step)
            say_done(self.workspace, str(task["number"]), self.operator, "done by the scripted person")

    def _tell(self, task: Row, step: dict[str, Any]) -> None:
        file = self.folder / "data" / "expenses" / "users.csv"
        self.console.print(f"\n  Task {task['number']} is yours: {step['verb']} {step['user_name']} in {file}")
        if Confirm.ask("  Shall the scripted person do it?", console=self.console, default=True):
            self._change(step)
        else:
            self.console.input("  Change the file, then press Enter. ")
        say_done(self.workspace, str(task["number"]), self.operator, "said at the terminal")

    def _change(self, step: dict[str, Any]) -> None:
        file = self.folder / "data" / "expenses" / "users.csv"
        if step["verb"] == "deactivate":
            _change(self.example, file, f"login={step['user_name']}", "status=inactive")
        elif step["verb"] == "create":
            wanted = step["wanted"]
            role = next((e.partition(":")[2] for e in wanted["entitlements"] if e.startswith("role:")), "member")
            words = (f"id=X{wanted['employee_number']}", f"login={step['user_name']}",
                     f"email={wanted['emails'][0]}", f"full_name={wanted['display_name']}", f"role={role}",
                     "status=active")  # fmt: skip
            _change(self.example, file, "--add", *words)
        else:
            raise Refusal(f"the scripted person does not know how to {step['verb']}")
