"""The scripted people of the company: one does what tasks say, now and then saying so too early; one mends access."""

from __future__ import annotations

import json
import random
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tests.faults.company import Standing
from tests.faults.invent import ENTERPRISE, PAPERS, csv_text

from usher.connectors.errors import ConnectorError
from usher.domain.clock import to_text
from usher.services.check import check
from usher.services.observe import observe
from usher.services.task import say_done
from usher.store.repository import Row, load

PAUSE_SECONDS = 0.2
LIES = 0.3


class Clerk(threading.Thread):
    """Works until `stop`; every change is written into the journal of the app first, as an app would do it."""

    def __init__(self, standing: Standing, seed: int) -> None:
        super().__init__(name="clerk", daemon=True)
        self._standing = standing
        self._dice = random.Random(f"clerk {seed}")
        self._app = next((app for app in standing.company.apps if app.by_person), PAPERS)
        self._accounts = [dict(one) for one in standing.company.accounts.get(self._app.name, ())]
        self._lied: set[str] = set()
        self._ended = threading.Event()
        self.failure: Exception | None = None
        self.lies = 0
        self.mended = 0
        """How often a connection that was stopped was read again by its owner, and so taken into use."""

    def run(self) -> None:
        """Look at the open tasks and the stopped connections again and again."""
        try:
            while not self._ended.wait(PAUSE_SECONDS):
                with self._standing.workspace.store.read() as unit:
                    open_tasks = [task for task in unit.runs.tasks() if task["said_done_at"] is None]
                    steps = {task["id"]: unit.runs.step(task["step_id"]) for task in open_tasks}
                    stopped = list(unit.leases.quarantined())
                for name in stopped:
                    self._mend(name)
                for task in open_tasks:
                    self._do(task, load((steps[task["id"]] or {})["document"]))
        except Exception as error:  # noqa: BLE001 - shown by `stop`
            self.failure = error

    def stop(self) -> None:
        """Let the clerk go home; raises what went wrong on the way."""
        self._ended.set()
        self.join()
        if self.failure is not None:
            raise self.failure

    def _mend(self, name: str) -> None:
        """Read a stopped connection, and check it: a reading alone does not take back an app that was ill."""
        if observe(self._standing.workspace, name).kind == "complete":
            with suppress(ConnectorError):
                check(self._standing.workspace, name)
                self.mended += 1

    def _do(self, task: Row, step: dict[str, Any]) -> None:
        if task["id"] not in self._lied and self._dice.random() < LIES:
            self._lied.add(task["id"])
            self.lies += 1
        else:
            self._carry_out(step)
        say_done(self._standing.workspace, str(task["number"]), self._standing.requester, "done")

    def _carry_out(self, step: dict[str, Any]) -> None:
        known = next((one for one in self._accounts if one["userName"] == step["user_name"]), None)
        if step["verb"] == "create" and known is None:
            wanted = step["wanted"]
            made = {
                "id": f"papers-{step['user_name']}",
                "userName": step["user_name"],
                "displayName": wanted["display_name"],
                "emails": [{"value": address} for address in wanted["emails"]],
                "active": True,
                "roles": [{"value": text.partition(":")[2]} for text in wanted["entitlements"]],
                ENTERPRISE: {"employeeNumber": wanted["employee_number"]},
            }
            self._note("create", made, made)
            self._accounts.append(made)
        elif step["verb"] == "deactivate" and known is not None and known["active"]:
            self._note("deactivate", known, {"active": False})
            known["active"] = False
        half = self._standing.papers.with_suffix(".half")
        half.write_text(csv_text(self._accounts))
        half.replace(self._standing.papers)

    def _note(self, effect: str, account: dict[str, Any], after: dict[str, Any]) -> None:
        line = {"at": to_text(datetime.now(UTC)), "effect": effect, "kind": "User", "id": account["id"],
                "userName": account["userName"], "before": None, "after": after, "door": "hand"}  # fmt: skip
        with self._standing.journal(self._app).open("a") as file:
            file.write(json.dumps(line) + "\n")
