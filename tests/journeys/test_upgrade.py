"""An upgrade in mid-flight: databases of older versions, with plans paused everywhere, are opened here and finished.

`scripts/make_upgrade_fixture.py` made each file under `data/` with the code of an older commit.
"""

from __future__ import annotations

import json
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from scripts.make_upgrade_fixture import HOSTS, Pause, open_company
from tests.helpers.running import Running, Twins

from usher.domain.clock import VirtualClock, from_text
from usher.domain.moments import BadMoment
from usher.domain.plan import Plan, PlanState
from usher.domain.signing import verify
from usher.domain.step import StepState
from usher.engine import runtime
from usher.engine.inline import begin, tick
from usher.engine.worker import Worker
from usher.services.approve import approve, standing
from usher.services.asof import moment_of
from usher.services.operators import REQUEST, acting
from usher.services.record import all_exported_heads, verify_ledger
from usher.services.resolve import Answer, resolve
from usher.services.run import start
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import dump, load
from usher.store.tables import due, plan, step

FILES = sorted((Path(__file__).parent / "data").glob("upgrade-*.tar.xz"))
FINISHED = {"verified", "closed"}
SECONDS = 60.0


@dataclass
class Upgraded:
    """A copy of an older workspace, opened with the present code, and the apps as they were."""

    folder: Path
    made: dict[str, Any]
    workspace: Workspace
    clock: VirtualClock
    servers: dict[str, Running]

    def case(self, name: str) -> tuple[dict[str, Any], list[str]]:
        """The plan of a case and the states of its steps."""
        with self.workspace.store.read() as unit:
            row = unit.plans.find(self.made["cases"][name]["plan"])
            run = unit.runs.of_plan(row["id"])
            return row, [one["state"] for one in unit.runs.steps(run["id"])] if run else []

    def step_ids(self, name: str) -> list[str]:
        """The ids of a plan's steps, in order."""
        return [one["id"] for one in load(self.case(name)[0]["document"])["steps"]]

    def carry_out(self, fence: int, minutes: int = 5) -> None:
        """Turn the clock while everything that becomes due is carried out."""
        for _ in range(minutes * 6):
            tick(self.workspace, fence)
            self.clock.advance(timedelta(seconds=10))

    def findings(self) -> dict[str, list[str]]:
        """Open findings: step -> their rules."""
        found: dict[str, list[str]] = {}
        with self.workspace.store.read() as unit:
            for one in unit.findings.open():
                if one["key"].startswith("step:"):
                    found.setdefault(one["key"].split(":")[1], []).append(one["rule"])
        return found

    def change(self, *statements: Any) -> None:
        """Change the database by hand, as another version would have left it."""
        engine = sqlalchemy.create_engine(self.workspace.store.url)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)
        engine.dispose()


@pytest.fixture(params=FILES, ids=lambda path: path.name.partition(".")[0])
def upgraded(request: pytest.FixtureRequest, tmp_path: Path, twins: Twins) -> Iterator[Upgraded]:
    """An older workspace of which the present code has just migrated a copy."""
    with tarfile.open(request.param) as tar:
        tar.extractall(tmp_path, filter="data")
    made = json.loads((tmp_path / "cases.json").read_text())
    servers = {
        name: twins.start("twins.chaos", "--state", tmp_path / f"{name}.state.json", "--seed", "9",
                          journal=tmp_path / f"{name}.journal.jsonl")
        for name in HOSTS
    }  # fmt: skip
    clock = VirtualClock(from_text(made["now"]) + timedelta(minutes=5))
    places = {name: running.url for name, running in servers.items()}
    workspace = open_company(tmp_path, places, clock, made["ledger_key"], Pause())
    yield Upgraded(tmp_path, made, workspace, clock, servers)
    workspace.close()


def test_there_is_a_database_of_an_older_version() -> None:
    assert FILES


def test_every_plan_is_still_what_was_signed_and_the_ledger_is_whole(upgraded: Upgraded) -> None:
    workspace = upgraded.workspace
    for name, made in upgraded.made["cases"].items():
        row, states = upgraded.case(name)
        read = Plan.of(load(row["document"]))
        assert read.digest == row["digest"] == made["digest"], name
        assert row["state"] == made["state"] and states == made["steps"], name
        with workspace.store.read() as unit:
            requester = unit.operators.by_id(row["requested_by"])
            assert verify(requester["public_key"], read.digest, REQUEST, row["signature"]), name
            missing = standing(unit, row).missing
        assert bool(missing) == (name in ("proposed", "held")), (name, missing)
    report = verify_ledger(workspace, all_exported_heads(workspace.heads))
    assert report.ok and report.anchored > 0, report.problems


def test_the_engines_version_is_pinned(upgraded: Upgraded) -> None:
    assert upgraded.made["application_version"] == runtime.APPLICATION_VERSION


def test_what_the_older_version_did_not_keep_is_not_shown_for_what_it_was(upgraded: Upgraded) -> None:
    yesterday = upgraded.workspace.clock.now() - timedelta(days=1)
    with pytest.raises(BadMoment, match="was not kept"):
        moment_of(upgraded.workspace, f"{yesterday:%Y-%m-%d %H:%M}")


def check(upgraded: Upgraded, *, also: tuple[str, ...] = ()) -> None:
    """Every plan came where it shall come, each thing was done in the apps exactly once, and nothing is forgotten."""
    findings = upgraded.findings()
    for name, made in upgraded.made["cases"].items():
        row, states = upgraded.case(name)
        match made["then"]:
            case "finishes":
                assert states and set(states) <= FINISHED, (name, states)
            case "can be begun" | "waits for a signature":
                wanted = FINISHED if name in also else set()
                assert set(states) <= wanted and (not also or states), (name, states)
            case "stays closed":
                assert set(states) == {"closed"}
            case "stays ended":
                assert row["state"] == "done" and "cancelled" in states
            case "stays held":
                assert row["state"] == "held"
            case "stays with a person":
                ids = dict(zip(upgraded.step_ids(name), states, strict=True))
                waiting = [id for id, state in ids.items() if state not in FINISHED]
                assert waiting and {ids[id] for id in waiting} <= {"parked", "waiting for a person"}, (name, states)
                with upgraded.workspace.store.read() as unit:
                    assert all(id in findings or unit.runs.task_of(id)["closed_at"] is None for id in waiting), name
            case other:
                raise AssertionError(f"{name}: nothing says what {other!r} means")
    effects = Counter(
        (app, entry["effect"], entry["userName"])
        for app, running in upgraded.servers.items()
        for entry in running.entries()
    )
    assert effects and max(effects.values()) == 1, effects


def test_recovery_and_the_clock_finish_every_paused_plan_or_list_it(upgraded: Upgraded) -> None:
    workspace, made = upgraded.workspace, upgraded.made
    omar = acting(workspace, "omar", made["keys"]["omar"])
    fence = begin(workspace)
    upgraded.carry_out(fence)
    check(upgraded)
    proposed = made["cases"]["proposed"]
    assert not approve(workspace, proposed["plan"], proposed["digest"], omar).missing
    for name in ("proposed", "approved"):
        start(workspace, made["cases"][name]["plan"])
    upgraded.carry_out(fence)
    check(upgraded, also=("proposed", "approved"))
    olga = acting(workspace, "olga", made["keys"]["olga"])
    for name in ("another", "person"):
        [id] = [
            id
            for id, state in zip(upgraded.step_ids(name), upgraded.case(name)[1], strict=True)
            if state not in FINISHED
        ]
        resolve(workspace, id, Answer.CANCEL, olga, "a drill")
        assert upgraded.case(name)[0]["state"] == PlanState.DONE.value


def test_a_real_worker_finishes_every_paused_plan(upgraded: Upgraded) -> None:
    until = time.monotonic() + SECONDS
    wanted = [name for name, made in upgraded.made["cases"].items() if made["then"] == "finishes"]

    def over() -> bool:
        upgraded.clock.advance(timedelta(milliseconds=500))
        done = all(set(upgraded.case(name)[1]) <= FINISHED for name in wanted)
        return done or time.monotonic() > until

    Worker(upgraded.workspace, scheduled=False).work(until=over)
    check(upgraded)


def test_a_step_whose_verb_this_version_does_not_know_is_listed_and_never_silently_left(upgraded: Upgraded) -> None:
    ids = [upgraded.step_ids(name)[0] for name in ("ready", "sent", "unknown")]
    for id in (ids[0], ids[1], upgraded.step_ids("unknown")[1]):
        with upgraded.workspace.store.read() as unit:
            document = {**load(unit.runs.step(id)["document"]), "verb": "vanish"}
        upgraded.change(step.update().where(step.c.id == id).values(verb="vanish", document=dump(document)))
    fence = begin(upgraded.workspace)
    upgraded.carry_out(fence)
    findings = upgraded.findings()
    for id in (ids[0], ids[1], upgraded.step_ids("unknown")[1]):
        with upgraded.workspace.store.read() as unit:
            assert unit.runs.step(id)["state"] == StepState.PARKED.value
        assert "not understood" in findings[id]
    others = [name for name, made in upgraded.made["cases"].items() if made["then"] == "finishes"]
    for name in set(others) - {"ready", "sent", "unknown"}:
        assert set(upgraded.case(name)[1]) <= FINISHED, name


def test_a_step_of_a_connection_that_was_renamed_is_listed_and_the_others_go_on(upgraded: Upgraded) -> None:
    id = upgraded.step_ids("sent")[0]
    upgraded.change(step.update().where(step.c.id == id).values(connection="directory-2"))
    upgraded.change(due.update().where(due.c.subject == id).values(connection="directory-2"))
    fence = begin(upgraded.workspace)
    upgraded.carry_out(fence)
    assert "no such connection" in upgraded.findings()[id]
    assert set(upgraded.case("ready")[1]) <= FINISHED


def test_a_due_row_of_a_kind_that_this_version_does_not_know_is_listed(upgraded: Upgraded) -> None:
    id = upgraded.step_ids("ready")[0]
    upgraded.change(due.update().where(due.c.subject == id).values(kind="sing"))
    fence = begin(upgraded.workspace)
    upgraded.carry_out(fence)
    with upgraded.workspace.store.read() as unit:
        rules = [one["rule"] for one in unit.findings.open()]
    assert "due kind not understood" in rules
    assert set(upgraded.case("ready")[1]) <= FINISHED


def test_a_state_that_this_version_does_not_know_is_listed_and_the_worker_starts(upgraded: Upgraded) -> None:
    id = upgraded.step_ids("ready")[0]
    upgraded.change(step.update().where(step.c.id == id).values(state="dreaming"))
    fence = begin(upgraded.workspace)
    upgraded.carry_out(fence)
    assert "not understood" in upgraded.findings()[id]
    assert set(upgraded.case("claimed")[1]) <= FINISHED


def test_a_plan_that_was_changed_on_the_way_does_not_act(upgraded: Upgraded) -> None:
    row, _ = upgraded.case("approved")
    document = {**load(row["document"]), "reason": "another one"}
    upgraded.change(plan.update().where(plan.c.id == row["id"]).values(document=dump(document)))
    with pytest.raises(Refusal, match="not the plan that was signed"):
        start(upgraded.workspace, row["id"])
