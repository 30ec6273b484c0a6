"""A firm of five, known from exports alone: an HR file and the accounts of a CRM, two operators, a clock to turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.workspaces import make_workspace

from usher.domain.clock import VirtualClock
from usher.domain.connection import ConnectionConfig
from usher.domain.plan import Plan, PlanKind
from usher.services.observe import Observed, observe
from usher.services.operators import Acting, acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.workspace import Workspace

NAMES = ("ann", "ben", "cleo", "dan", "eve")
HR_HEADINGS = "employment_id,employee_number,first_name,last_name,email,status,start_date,end_date"
CRM_HEADINGS = "id,user_name,email,display_name,employee_number,status,roles"


@dataclass
class Firm:
    """The firm under test."""

    folder: Path
    workspace: Workspace
    clock: VirtualClock
    olga: Acting
    omar: Acting

    def hr(self, *leavers: str, names: tuple[str, ...] = NAMES) -> Observed:
        """Write the HR export with these people gone, and read it."""
        rows = [
            f"C{name},E{name},{name.title()},Person,{name}@acme.test,"
            + ("terminated,2020-01-01,2026-02-27" if name in leavers else "active,2020-01-01,")
            for name in names
        ]
        (self.folder / "hr.csv").write_text("\n".join([HR_HEADINGS, *rows]) + "\n")
        return observe(self.workspace, "hr")

    def write_crm(self, *names: str, roles: dict[str, str] | None = None) -> None:
        """Write the CRM's export."""
        rows = [
            f"u-{name},{name}@acme.test,{name}@acme.test,{name.title()} Person,E{name},active,"
            f"{(roles or {}).get(name, 'Rep')}"
            for name in names
        ]
        (self.folder / "crm.csv").write_text("\n".join([CRM_HEADINGS, *rows]) + "\n")

    def crm(self, *names: str, roles: dict[str, str] | None = None) -> Observed:
        """Write the CRM's export and read it."""
        self.write_crm(*names, roles=roles)
        return observe(self.workspace, "crm")

    def plan(self, name: str, by: Acting | None = None) -> Plan:
        """A leaver plan as it was made."""
        return make_plan(self.workspace, PlanKind.LEAVE, f"{name}@acme.test", by or self.olga)

    def row(self, plan: Plan) -> dict[str, Any]:
        """A plan's row."""
        with self.workspace.store.read() as unit:
            found = unit.plans.find(plan.id)
        assert found is not None
        return found

    def names(self) -> list[str]:
        """Whose CRM accounts have not ended."""
        with self.workspace.store.read() as unit:
            return sorted(row["user_name"].partition("@")[0] for row in unit.accounts.of("crm"))

    def findings(self) -> list[tuple[str, str | None]]:
        """Rule and connection of every open finding."""
        with self.workspace.store.read() as unit:
            return [(row["rule"], row["connection"]) for row in unit.findings.open()]


MakeFirm = Callable[..., Firm]


@pytest.fixture
def make_firm(tmp_path: Path) -> Iterator[MakeFirm]:
    """Found a firm; `crm` holds fields of its connection, the rest goes to the workspace."""
    opened: list[Workspace] = []

    def found(crm: dict[str, Any] | None = None, owner: str = "olga", **more: Any) -> Firm:
        clock = VirtualClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))
        hr = ConnectionConfig(
            name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(tmp_path / "hr.csv"),
            options={"columns": {"id": "employment_id"}},
        )  # fmt: skip
        app = ConnectionConfig(
            name="crm", app="csv", speaks="csv", owner=owner, path=str(tmp_path / "crm.csv"), **(crm or {})
        )
        workspace = make_workspace(tmp_path / "workspace", [hr, app], clock=clock, **more)
        opened.append(workspace)
        _, key = add_operator(workspace, "olga")
        olga = acting(workspace, "olga", key)
        _, other = add_operator(workspace, "omar", by=olga)
        firm = Firm(tmp_path, workspace, clock, olga, acting(workspace, "omar", other))
        firm.hr()
        firm.crm(*NAMES)
        reconcile(workspace)
        clock.advance(timedelta(minutes=1))
        return firm

    yield found
    for workspace in opened:
        workspace.close()


@pytest.fixture
def firm(make_firm: MakeFirm) -> Firm:
    """The firm as it usually is."""
    return make_firm()
