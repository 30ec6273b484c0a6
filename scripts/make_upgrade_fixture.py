"""Makes a workspace whose plans are paused at every state and boundary, for a later version to open and finish.

Run it with the code of the commit whose databases shall be kept, from a checkout of that commit:

    git worktree add /tmp/older COMMIT
    cd /tmp/older && PYTHONPATH=src:. python REPOSITORY/scripts/make_upgrade_fixture.py OUT.tar.xz

`tests/journeys/test_upgrade.py` opens a copy with the present code. Make a new file beside the old ones with the last
commit before the tables or the plan's schema change; the old files stay. Keys in it are made for it and open nothing
else. The apps have names that do not exist: `Elsewhere` sends their calls to a server of this machine, as a name
server would, so the address that people signed for stays what it was.

Longer than other files: it must run from one file beside the code of an older commit, which has no rooms for its parts.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from ruamel.yaml import YAML
from tests.helpers.running import Running, Twins
from tests.helpers.workspaces import make_workspace

from usher.domain.clock import VirtualClock, to_text
from usher.domain.connection import ConnectionConfig
from usher.domain.guard import Limit, Limits
from usher.domain.ids import IdFactory
from usher.domain.plan import Plan, PlanKind
from usher.domain.policyfiles import Policies, PolicyFile, gather
from usher.domain.signing import new_private_key
from usher.engine.carry import Carrier
from usher.engine.inline import begin
from usher.engine.runtime import APPLICATION_VERSION
from usher.services.approve import approve
from usher.services.connections import OpenConnections
from usher.services.observe import observe
from usher.services.operators import Acting, acting, add_operator
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.record import sequence
from usher.services.recover import recover
from usher.services.resolve import Answer, resolve
from usher.services.run import start
from usher.services.schedule import schedule_observations
from usher.services.task import say_done
from usher.services.workspace import Workspace
from usher.store.dues import CLAIMED, WAITING
from usher.store.tables import due as due_table

BEGAN = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
EXTENSION = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HOSTS = {"directory": "directory.acme.test", "wiki": "wiki.acme.test"}
NO_LIMITS = Limits(windows=(Limit(hours=24, count=10_000, percent=100),))
LEAVE, JOIN = PlanKind.LEAVE, PlanKind.JOIN
POLICY = """
roles:
  - name: staff
    when: {any: true}
    give:
      - {app: directory, account: {}}
      - {app: wiki, account: {}}
"""
HR = "employment_id,employee_number,first_name,last_name,email,status,start_date,department,title"


class Paused(BaseException):
    """The boundary at which a plan shall stay is reached; no service catches this."""


@dataclass
class Pause:
    """Stops what is carried out at one boundary."""

    boundary: str | None = None

    def __call__(self, boundary: str) -> None:
        """Told by the workspace at each boundary."""
        if boundary == self.boundary:
            raise Paused


class Elsewhere(httpx2.BaseTransport):
    """Sends the calls of a made-up host to a server of this machine."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._real = httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request as the server that stands for its host does."""
        place = httpx2.URL(self._places[request.url.host])
        request.url = request.url.copy_with(scheme=place.scheme, host=place.host, port=place.port)
        return self._real.handle_request(request)

    def close(self) -> None:
        """Give the connections back."""
        self._real.close()


class NamedConnections(OpenConnections):
    """The connections of a workspace in a world where made-up hosts have an address."""

    places: Mapping[str, str] = {}

    def _client(self, name: str) -> httpx2.Client:
        with self._lock:
            if name not in self._clients:
                self._clients[name] = httpx2.Client(transport=Elsewhere(self.places), trust_env=False)
            return self._clients[name]


def open_company(
    folder: Path, places: Mapping[str, str], clock: VirtualClock, ledger_key: str, pause: Any
) -> Workspace:
    """Open the workspace in a folder that holds `data/usher.db`, `hr.csv` and `payroll.csv`."""
    zero = {"lag_seconds": 0.0, "timeout_seconds": 5, "owner": "olga"}
    workspace = make_workspace(
        folder,
        [
            ConnectionConfig(name="hr", app="csv", speaks="csv", part="hr", path="hr.csv",
                             options={"columns": {"id": "employment_id"}}, **zero),
            ConnectionConfig(name="directory", app="scim", speaks="scim", part="idp",
                             url=f"https://{HOSTS['directory']}/scim/v2", protect=("held@acme.test",), **zero),
            ConnectionConfig(name="wiki", app="scim", speaks="scim", key="mutable",
                             url=f"https://{HOSTS['wiki']}/scim/v2", **zero),
            ConnectionConfig(name="payroll", app="person", speaks="person", path="payroll.csv", **zero),
        ],
        clock=clock,
        policies=_policies(),
        limits=NO_LIMITS,
        secrets={"directory": {"token": "chaos"}, "wiki": {"token": "chaos"}},
        reach=pause,
        ledger_key=ledger_key,
    )  # fmt: skip
    workspace.connections.__class__ = NamedConnections  # type: ignore[assignment]
    workspace.connections.places = {HOSTS[name]: url for name, url in places.items()}  # type: ignore[attr-defined]
    return workspace


def _policies() -> Policies:
    tree = YAML(typ="rt").load(POLICY)
    return gather([("policies/roles.yaml", PolicyFile.model_validate(tree), tree)])


@dataclass
class Case:
    """One plan: whose, of which kind, and how it comes to where it stays. `then` is what a later version must do."""

    name: str
    then: str
    kind: PlanKind = LEAVE
    until: str | None = None
    approved: bool = True
    begun: bool = True
    at_most: int | None = None
    """Rows carried out before the pause is looked for; None: as many as come."""
    after: Callable[[Company, Plan], None] | None = None
    payroll: bool = False
    wiki: bool = True


@dataclass
class Company:
    """The company while it is being paused."""

    folder: Path
    workspace: Workspace
    clock: VirtualClock
    pause: Pause
    olga: Acting
    omar: Acting
    directory: Running
    wiki: Running
    fence: int = 0
    made: dict[str, Any] = field(default_factory=dict)

    def carry(self, plan: Plan, until: str | None, at_most: int | None = None) -> None:
        """Carry one plan out until a boundary is reached, nothing of it is due, or so many rows are carried."""
        carrier = Carrier(self.workspace, self.fence)
        carried = 0
        while at_most is None or carried < at_most:
            if (row := self.claim(plan)) is None:
                return
            self.pause.boundary = until
            try:
                carrier(row)
            except Paused:
                return
            finally:
                self.pause.boundary = None
            carried += 1

    def claim(self, plan: Plan) -> str | None:
        """Claim the first row of a plan that is due now, as a worker does."""
        ids = {step.id for step in plan.steps}
        with self.workspace.store.begin() as unit:
            now = unit.dues.now()
            found = [row for row in unit.dues.open() if row["subject"] in ids and row["state"] == WAITING]
            ready = [row for row in found if row["at"] <= now]
            if not ready:
                return None
            unit.dues.set(due_table, ready[0]["id"], state=CLAIMED, fence=self.fence, claimed_at=now)
            return str(ready[0]["id"])

    def faults(self, app: str, **faults: Any) -> None:
        """Change how an app answers; read before its next request."""
        path = self.folder / f"{app}.faults.json"
        half = path.with_suffix(".half")
        half.write_text(json.dumps({name: {"rate": rate, "on": on} for name, (rate, on) in faults.items()}))
        half.replace(path)


def _ended(company: Company, plan: Plan) -> None:
    """The worker ended here; the next one took its steps up and looked."""
    recover(company.workspace)
    company.clock.advance(timedelta(seconds=10))
    company.carry(plan, None)


def _lost_reply(company: Company, plan: Plan) -> None:
    company.faults("wiki", lost_reply=(1.0, "PATCH"))
    company.carry(plan, "before settle")
    company.faults("wiki")


def _another_person(company: Company, plan: Plan) -> None:
    """The login changes hands before the step acts: its account is no longer the one that was approved."""
    step = next(one for one in plan.steps if one.connection == "wiki")
    url = f"{company.wiki.url}/scim/v2/Users/{step.native_id}"
    change = {"op": "replace", "path": "displayName", "value": "Somebody Else"}
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]}
    answer = httpx2.patch(url, json=body, headers={"Authorization": "Bearer chaos"}, trust_env=False)
    answer.raise_for_status()
    company.carry(plan, None)


def _cancel(company: Company, plan: Plan) -> None:
    _another_person(company, plan)
    step = next(one for one in plan.steps if one.connection == "wiki")
    resolve(company.workspace, step.id, Answer.CANCEL, company.olga, "he stays in the wiki")


def _said_done(company: Company, plan: Plan) -> None:
    company.carry(plan, None)
    step = next(one for one in plan.steps if one.connection == "payroll")
    with company.workspace.store.read() as unit:
        task = unit.runs.task_of(step.id)
    assert task is not None
    say_done(company.workspace, str(task["number"]), company.omar, "set him inactive")


def _closed(company: Company, plan: Plan) -> None:
    for hours in (1, 24):
        company.clock.advance(timedelta(hours=hours, minutes=1))
        company.carry(plan, None)
    _observe(company.workspace)  # nothing is approved on a reading that is older than a day


CASES = (
    Case("closed", "stays closed", after=_closed),
    Case("join-wiki-not-seen", "finishes", JOIN, at_most=2,
         after=lambda company, plan: (company.carry(plan, "after intent"), _ended(company, plan))[1]),
    Case("crashed", "finishes", until="after call", after=lambda company, _: (recover(company.workspace), None)[1]),
    Case("proposed", "waits for a signature", approved=False, begun=False),
    Case("held", "stays held", approved=False, begun=False),
    Case("approved", "can be begun", begun=False),
    Case("ready", "finishes", at_most=0),
    Case("claimed", "finishes", until="before look"),
    Case("looked", "finishes", until="after look"),
    Case("intended", "finishes", until="after intent"),
    Case("sent", "finishes", until="after call"),
    Case("acknowledged", "finishes", until="after receipt"),
    Case("verifying", "finishes", until="before verify"),
    Case("second-ready", "finishes", at_most=2),
    Case("second-sent", "finishes", at_most=2, after=lambda company, plan: company.carry(plan, "after call")),
    Case("unknown", "finishes", at_most=2, after=_lost_reply),
    Case("verified", "finishes"),
    Case("another", "stays with a person", at_most=2, after=_another_person),
    Case("cancelled", "stays ended", at_most=2, after=_cancel),
    Case("person", "stays with a person", payroll=True),
    Case("said-done", "stays with a person", payroll=True, after=_said_done),
    Case("join-ready", "finishes", JOIN, at_most=0),
    Case("join-intended", "finishes", JOIN, until="after intent"),
    Case("join-sent", "finishes", JOIN, until="after call"),
    Case("join-acknowledged", "finishes", JOIN, until="after receipt"),
    Case("join-wiki-intended", "finishes", JOIN, at_most=2,
         after=lambda company, plan: company.carry(plan, "after intent")),
    Case("join-wiki-sent", "finishes", JOIN, at_most=2, after=lambda company, plan: company.carry(plan, "after call")),
)  # fmt: skip
"""In this order they are made: the cases that recover come first, because all that is under way is taken up then."""


def _user(case: Case, number: int) -> dict[str, Any]:
    return {
        "userName": f"{case.name}@acme.test",
        "name": {"givenName": case.name.title(), "familyName": f"Number{number}"},
        "displayName": f"{case.name.title()} Number{number}",
        "emails": [{"value": f"{case.name}@acme.test", "primary": True}],
        "active": True,
        "meta": {"created": "2022-01-01T00:00:00Z"},
        EXTENSION: {"employeeNumber": f"E{number}"},
    }


def _files(folder: Path) -> None:
    """What HR, the two apps and the payroll export say at the beginning."""
    rows = [
        [f"C{n}", f"E{n}", case.name.title(), f"Number{n}", f"{case.name}@acme.test", "active", "2020-01-01", "IT", ""]
        for n, case in enumerate(CASES, 1)
    ]
    with (folder / "hr.csv").open("w", newline="") as out:
        csv.writer(out).writerows([HR.split(","), *rows])
    there = [(case, n) for n, case in enumerate(CASES, 1) if case.kind is LEAVE]
    for app in HOSTS:
        (folder / f"{app}.users.json").write_text(json.dumps({"users": [_user(*one) for one in there], "groups": []}))
        (folder / f"{app}.faults.json").write_text("{}")
    paid = [[n, f"{c.name}@acme.test", f"{c.name.title()} Number{n}", f"E{n}", "active"] for c, n in there if c.payroll]
    with (folder / "payroll.csv").open("w", newline="") as out:
        csv.writer(out).writerows([["id", "email", "name", "employee_number", "status"], *paid])


def _found(folder: Path, twins: Twins) -> Company:
    """Start the company and observe it once."""
    _files(folder)
    directory, wiki = (
        twins.start("twins.chaos", "--load", folder / f"{app}.users.json", "--state", folder / f"{app}.state.json",
                    "--faults-file", folder / f"{app}.faults.json", "--seed", str(number),
                    journal=folder / f"{app}.journal.jsonl")
        for number, app in enumerate(HOSTS, 1)
    )  # fmt: skip
    clock, pause = VirtualClock(BEGAN), Pause()
    ledger_key = new_private_key()
    places = {"directory": directory.url, "wiki": wiki.url}
    workspace = open_company(folder, places, clock, ledger_key, pause)
    workspace = replace(workspace, ids=IdFactory(clock, random.Random(1).randbytes))
    _, olgas = add_operator(workspace, "olga")
    olga = acting(workspace, "olga", olgas)
    _, omars = add_operator(workspace, "omar", by=olga)
    company = Company(
        folder, workspace, clock, pause, olga, acting(workspace, "omar", omars), directory, wiki,
        made={"keys": {"olga": olgas, "omar": omars}, "ledger_key": ledger_key, "cases": {}},
    )  # fmt: skip
    _observe(workspace)
    company.fence = begin(workspace)
    return company


def _observe(workspace: Workspace) -> None:
    for name in ("hr", "directory", "wiki", "payroll"):
        observed = observe(workspace, name)
        assert observed.kind == "complete", observed
    reconcile(workspace)


def _pause(company: Company, case: Case) -> None:
    plan = make_plan(company.workspace, case.kind, f"{case.name}@acme.test", company.olga, "a drill")
    if case.approved:
        approve(company.workspace, str(plan.number), plan.digest, company.omar)
    if case.begun:
        start(company.workspace, str(plan.number))
        company.carry(plan, case.until, case.at_most)
        if case.after:
            case.after(company, plan)
    company.clock.advance(timedelta(seconds=1))
    company.made["cases"][case.name] = {
        "plan": plan.id,
        "number": plan.number,
        "digest": plan.digest,
        "then": case.then,
    }


def _write_down(company: Company) -> None:
    """Keep where each plan stands at the end."""
    with company.workspace.store.read() as unit:
        for made in company.made["cases"].values():
            row = unit.plans.find(made["plan"])
            begun = unit.runs.of_plan(made["plan"])
            assert row is not None and row["digest"] == made["digest"]
            made["state"] = row["state"]
            made["steps"] = [step["state"] for step in unit.runs.steps(begun["id"])] if begun else []


def make(out: Path) -> dict[str, Any]:
    """Make the fixture; returns what was paused where."""
    with tempfile.TemporaryDirectory(prefix="usher-upgrade-") as place:
        folder = Path(place)
        twins = Twins(folder / "servers")
        try:
            company = _found(folder, twins)
            for case in CASES:
                _pause(company, case)
            _write_down(company)
            schedule_observations(company.workspace)
            sequence(company.workspace)
        finally:
            twins.stop()
        company.workspace.close()
        company.made["now"] = to_text(company.clock.now())
        company.made["application_version"] = APPLICATION_VERSION
        (folder / "cases.json").write_text(json.dumps(company.made, indent=1))
        names = ["data/usher.db", "heads/heads.jsonl", "hr.csv", "payroll.csv", "cases.json"]
        names += [f"{app}.{kind}" for app in HOSTS for kind in ("state.json", "journal.jsonl")]
        out.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(out, "w:xz") as tar:
            for name in names:
                tar.add(folder / name, name)
        return company.made


if __name__ == "__main__":
    paused = make(Path(sys.argv[1]))
    for name, one in paused["cases"].items():
        print(f"{name:<22}{one['state']:<10}{', '.join(one['steps'])}")
