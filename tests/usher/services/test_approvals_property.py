"""Whatever six actors and somebody who can write the database do: nothing happens without the right approval.

USHER_APPROVAL_EXAMPLES=2000 makes many histories at random; without it a short, seeded set is tried.

Longer than other files: one machine, whose rules share one state; what must hold is apart, in approval_model.py.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import update
from tests.helpers.workspaces import make_workspace
from tests.usher.services.approval_model import Actor, Case, Company, Given
from tests.usher.services.conftest import CRM_HEADINGS, HR_HEADINGS

from usher.domain.canonical import digest as digest_of
from usher.domain.clock import VirtualClock, from_text, to_text
from usher.domain.connection import ConnectionConfig
from usher.domain.guard import Limit, Limits
from usher.domain.plan import Plan, PlanKind, PlanState
from usher.domain.policyfiles import QuorumRisk, Rules
from usher.engine.inline import begin, tick
from usher.services.approve import approve, reject
from usher.services.delegate import absent, delegate, end_delegation
from usher.services.observe import observe
from usher.services.operators import APPROVAL, REJECTION, Acting, acting, add_operator, revoke_operator
from usher.services.plan import make_plan, void
from usher.services.reconcile import reconcile
from usher.services.run import release, start
from usher.services.signfile import PLAN_FILE, SIGNATURE_FILE, bring_signature, export_plan, read_plan, sign_plan
from usher.services.workspace import Refusal, Workspace
from usher.store.tables import plan as plan_table

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = ("ann", "ben", "cleo", "dan", "eve")
ACTORS = ("olga", "omar", "mia", "noor", "rex", "ann")
"""Omar owns the CRM and Mia the wiki; Noor and Rex are one person; the operator Ann is the person Ann."""
OWNERS = {"crm": "omar", "wiki": "mia"}
RULES = Rules(
    deputies={"omar": ("noor",), "mia": ("olga",)},
    quorum_risk=QuorumRisk(privileged=3, confidential=2),
    plan_valid_hours=24,
)
LIMITS = Limits(windows=(Limit(hours=24, count=1000, percent=100),), stale_hours=8760)
EXAMPLES = int(os.environ.get("USHER_APPROVAL_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 25,
    stateful_step_count=30,
    derandomize=not EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=(Phase.generate,),
)

EDITS = ("verb", "quorum", "person", "requester", "expiry", "steps", "column")
names = st.sampled_from(ACTORS)
which = st.integers(min_value=0, max_value=5)


class Kit:
    """The company as it is at the beginning of every history, made once and copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys: dict[str, str] = {}
        self._count = 0
        (folder / "hr.csv").write_text("\n".join([HR_HEADINGS, *map(self._employment, PEOPLE)]) + "\n")
        for app in OWNERS:
            rows = [
                f"{app}-{name},{name}@acme.test,{name}@acme.test,{name.title()} Person,E{name},active,"
                f"{'Admin' if name in ('ben', 'eve') and app == 'crm' else 'Rep'}"
                for name in PEOPLE
            ]
            (folder / f"{app}.csv").write_text("\n".join([CRM_HEADINGS, *rows]) + "\n")
        workspace, _ = self.open("template")
        _, self.keys["olga"] = add_operator(workspace, "olga")
        olga = acting(workspace, "olga", self.keys["olga"])
        for name in ACTORS[1:]:
            _, self.keys[name] = add_operator(workspace, name, by=olga)
        for name in ("hr", *OWNERS):
            assert observe(workspace, name).kind == "complete"
        reconcile(workspace)
        with workspace.store.begin() as unit:
            people = {row["name"].partition(" ")[0].casefold(): row["id"] for row in unit.people.all()}
            for operator, person in (("ann", "ann"), ("noor", "eve"), ("rex", "eve")):
                row = unit.operators.named(operator)
                assert row is not None
                unit.operators.tie(row["id"], people[person])
        workspace.close()

    @staticmethod
    def _employment(name: str) -> str:
        end = "terminated,2020-01-01,2026-02-27" if name == "cleo" else "active,2020-01-01,"
        return f"C{name},E{name},{name.title()},Person,{name}@acme.test,{end}"

    def open(self, name: str) -> tuple[Workspace, VirtualClock]:
        """Open the workspace of one history."""
        clock = VirtualClock(START)
        hr = ConnectionConfig(
            name="hr", app="csv", speaks="csv", part="hr", owner="olga", path=str(self.folder / "hr.csv"),
            options={"columns": {"id": "employment_id"}},
        )  # fmt: skip
        apps = [
            ConnectionConfig(name=app, app="csv", speaks="csv", owner=owner, path=str(self.folder / f"{app}.csv"))
            for app, owner in OWNERS.items()
        ]
        made = make_workspace(self.folder / name, [hr, *apps], clock=clock, rules=RULES, limits=LIMITS)
        return made, clock

    def fresh(self) -> tuple[Workspace, VirtualClock]:
        """A copy of one's own."""
        self._count += 1
        name = f"history-{self._count}"
        shutil.copytree(self.folder / "template", self.folder / name)
        return self.open(name)


class Approvals(RuleBasedStateMachine):
    """One history; the model says beside usher what must be allowed and what must not."""

    kit: Kit
    seen: Counter[str] = Counter()
    """How often what matters happened in all histories: a test in which nothing begins proves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.workspace, self.clock = self.kit.fresh()
        self.company = Company()
        self.files: list[tuple[Case, str]] = []
        with self.workspace.store.read() as unit:
            for row in unit.operators.all():
                self.company.actors[row["name"]] = Actor(row["name"], row["id"], row["person_id"])

    def teardown(self) -> None:
        """The copy is not kept."""
        folder = self.workspace.folder
        self.workspace.close()
        shutil.rmtree(folder)

    def acting(self, name: str) -> Acting:
        """The operator with his key, as one who showed it before he was perhaps revoked."""
        with self.workspace.store.read() as unit:
            row = unit.operators.named(name)
        assert row is not None
        return Acting(row, self.kit.keys[name])

    def case(self, number: int) -> Case | None:
        """One of the plans."""
        return self.company.cases[number % len(self.company.cases)] if self.company.cases else None

    def now(self) -> datetime:
        """The present instant."""
        return self.clock.now()

    def state(self, case: Case) -> str:
        """What its row says."""
        with self.workspace.store.read() as unit:
            row = unit.plans.find(case.plan.id)
        assert row is not None
        return str(row["state"])

    def is_open(self, case: Case) -> bool:
        """True where the plan takes signatures."""
        return self.state(case) == PlanState.PROPOSED.value and self.now() < case.expires

    @initialize()
    def begin_with_a_plan(self) -> None:
        self.request("olga", "ben")
        self.request("omar", "cleo")

    @rule(name=names, person=st.sampled_from(("ann", "ben", "cleo", "dan")))
    def request(self, name: str, person: str) -> None:
        """Ask for somebody's leaving."""
        actor = self.company.actors[name]
        by = self.acting(name)
        try:
            made = make_plan(self.workspace, PlanKind.LEAVE, f"{person}@acme.test", by, "asked")
        except Refusal:
            return
        assert actor.who != made.person, "nobody asks for a plan about himself"
        for owner in made.needs.owners.values():
            assert self.company.by_id(owner).who != made.person and self.company.by_id(owner).is_active
        if person == "ben" and not made.signal:
            assert made.needs.quorum == 2, "an administrator's account needs three people"
        self.company.cases.append(Case(made, actor, from_text(made.expires_at), from_text(made.created_at)))

    @rule(name=names, number=which)
    def approve(self, name: str, number: int) -> None:
        """Sign here."""
        case = self.case(number)
        if case is not None:
            self._approve(case, name, lambda: approve(self.workspace, case.plan.id, None, self.acting(name)))

    @rule(order=st.permutations(ACTORS), many=st.integers(1, 6), number=which)
    def approve_in_turn(self, order: list[str], many: int, number: int) -> None:
        """Several sign here, one after the other."""
        for name in order[:many]:
            self.approve(name, number)

    @rule(order=st.permutations(ACTORS), number=which)
    def approve_and_begin(self, order: list[str], number: int) -> None:
        """Everybody signs who may, and somebody begins it at once."""
        self.approve_in_turn(order, len(order), number)
        self.begin(number)

    @rule(name=names, number=which)
    def approve_elsewhere(self, name: str, number: int) -> None:
        """Sign on another machine, and bring the file."""
        case = self.case(number)
        if case is None or case.is_edited:
            return
        try:
            text = json.dumps({"schema": PLAN_FILE, **export_plan(self.workspace, case.plan.id)})
            made = sign_plan(read_plan(text).plan, name, self.kit.keys[name], "approve", "", self.workspace.now())
        except Refusal:
            assert not self.is_open(case)
            return
        file = json.dumps({"schema": SIGNATURE_FILE, **made})
        self.files.append((case, file))
        self._approve(case, name, lambda: bring_signature(self.workspace, case.plan.id, file))

    def _approve(self, case: Case, name: str, sign: Callable[[], Any]) -> None:
        actor = self.company.actors[name]
        may = self.is_open(case) and self.company.may_sign(case, actor)
        try:
            sign()
        except Refusal:
            assert not may or case.is_edited, "somebody who may sign was refused"
            return
        if case.is_edited:
            case.forged.add(name)  # a signature over something that is not the plan
            return
        assert may, "somebody who may not sign was not refused"
        case.approvals[name] = self.now()
        self.seen["an approval"] += 1
        case.says_approved = self.state(case) == PlanState.APPROVED.value
        assert case.says_approved == self.company.may_begin(case, self.now())

    @precondition(lambda self: self.files)
    @rule(number=which, onto=which, relabel=st.booleans())
    def replay(self, number: int, onto: int, relabel: bool) -> None:
        """Bring an old signature again, to its own plan or to another one, as it is or with another label."""
        case, file = self.files[number % len(self.files)]
        other = self.case(onto)
        assert other is not None
        document = json.loads(file)
        name = document["operator"]
        if relabel:
            document |= {"plan": other.plan.id, "digest": other.plan.digest}
        is_true = other is case and name not in case.approvals
        may = is_true and self.is_open(case) and self.company.may_sign(case, self.company.actors[name])
        before = self.signers(other)
        try:
            bring_signature(self.workspace, other.plan.id, json.dumps(document))
        except Refusal:
            assert self.signers(other) == before
            return
        assert may, "a replayed signature was taken"
        case.approvals[name] = self.now()
        case.says_approved = self.state(case) == PlanState.APPROVED.value

    def signers(self, case: Case) -> list[str]:
        """Whose signatures are kept."""
        with self.workspace.store.read() as unit:
            return sorted(row["operator_id"] for row in unit.plans.signatures(case.plan.id))

    @rule(name=names, number=which)
    def reject(self, name: str, number: int) -> None:
        """Refuse a plan for good."""
        case, actor = self.case(number), self.company.actors[name]
        if case is None:
            return
        try:
            reject(self.workspace, case.plan.id, self.acting(name), "no")
        except Refusal:
            return
        assert actor.is_active and actor.who != case.plan.person
        case.is_rejected = True

    @rule(name=names, number=which)
    def withdraw(self, name: str, number: int) -> None:
        """Withdraw a plan."""
        case = self.case(number)
        if case is None or not self.company.actors[name].is_active:
            return
        try:
            void(self.workspace, case.plan.id, self.acting(name), "not now")
        except Refusal:
            return
        case.is_withdrawn = True

    @precondition(lambda self: sum(actor.is_active for actor in self.company.actors.values()) > 4)
    @rule(name=names, by=names)
    def revoke(self, name: str, by: str) -> None:
        """End an operator's right to sign."""
        actor = self.company.actors[name]
        if not actor.is_active or not self.company.actors[by].is_active or name == by:
            return
        revoke_operator(self.workspace, name, self.acting(by))
        actor.is_active = False
        self.clock.advance(timedelta(seconds=1))

    @rule(
        name=names,
        to=names,
        app=st.sampled_from((None, "crm", "wiki")),
        wait=st.integers(0, 2),
        hours=st.integers(1, 20),
    )
    def delegate(self, name: str, to: str, app: str | None, wait: int, hours: int) -> None:
        """Let another one sign for oneself."""
        begins = self.now() + timedelta(hours=wait)
        self._delegate(
            name,
            lambda: delegate(
                self.workspace, self.acting(name), to, apps=(app,) if app else None, valid_from=to_text(begins),
                valid_to=to_text(begins + timedelta(hours=hours)), reason="away",
            ),
        )  # fmt: skip

    @rule(name=names, hours=st.integers(1, 20))
    def absent(self, name: str, hours: int) -> None:
        """Be away."""
        self._delegate(
            name, lambda: absent(self.workspace, self.acting(name), to_text(self.now() + timedelta(hours=hours)))
        )

    def _delegate(self, name: str, give: Callable[[], dict[str, Any]]) -> None:
        giver = self.company.actors[name]
        try:
            row = give()
        except Refusal:
            return
        taker = self.company.by_id(row["to_operator"])
        apps = None if row["connections"] is None else tuple(json.loads(row["connections"]))
        assert giver.is_active and taker.is_active and giver.who != taker.who
        assert all(OWNERS[one] == name for one in apps or ()), "nobody passes on what is not his own"
        self.company.given.append(
            Given(row["id"], giver, taker, apps, from_text(row["valid_from"]), from_text(row["valid_to"]))
        )

    @precondition(lambda self: self.company.given)
    @rule(number=which, name=names)
    def end(self, number: int, name: str) -> None:
        """End a delegation."""
        given = self.company.given[number % len(self.company.given)]
        try:
            end_delegation(self.workspace, self.acting(name), given.id)
        except Refusal:
            return
        assert name in (given.giver.name, given.taker.name)
        given.is_ended = True

    @rule(minutes=st.sampled_from((1, 30, 240, 900)))
    def wait(self, minutes: int) -> None:
        """Let time pass, and a worker do what is due."""
        self.clock.advance(timedelta(minutes=minutes))
        tick(self.workspace, begin(self.workspace))

    @rule(number=which)
    def begin(self, number: int) -> None:
        """Begin a plan by the front door."""
        case = self.case(number)
        if case is None or case.has_begun:
            return
        may = self.company.may_begin(case, self.now()) and self.state(case) == PlanState.APPROVED.value
        try:
            start(self.workspace, case.plan.id)
        except Refusal:
            assert not may, "a plan with every signature did not begin"
            return
        assert may, "UNAPPROVED: a plan began without the right signatures"
        case.has_begun = True
        self._acted(case, allowed=True)

    @rule(number=which)
    def begin_by_force(self, number: int) -> None:
        """Write a run into the database, past every check."""
        case = self.case(number)
        if case is None or case.has_begun or case.is_withdrawn:
            return
        allowed = self.company.may_begin(case, self.now())
        with self.workspace.store.begin() as unit:
            row = unit.plans.find(case.plan.id)
            assert row is not None
            run = unit.runs.add_run(Plan.of(json.loads(row["document"])))
            unit.plans.set_state(case.plan.id, PlanState.RUNNING)
            release(unit, run["id"])
        case.has_begun = True
        self._acted(case, allowed=allowed)

    def _acted(self, case: Case, *, allowed: bool) -> None:
        """A worker carries out what is due: a step goes on only if it may."""
        self.seen["a run with every signature" if allowed else "a run without"] += 1
        tick(self.workspace, begin(self.workspace))
        with self.workspace.store.read() as unit:
            run = unit.runs.of_plan(case.plan.id)
            assert run is not None
            notes = [(row["state"], str(row["note"])) for row in unit.runs.steps(run["id"])]
            tasks = [unit.runs.task_of(row["id"]) for row in unit.runs.steps(run["id"])]
        stopped = [state == "parked" and note.startswith("not what was approved") for state, note in notes]
        if allowed:
            assert not any(stopped), notes
            assert any(tasks), notes
        else:
            assert not any(tasks), "UNAPPROVED: a step acted without the right signatures"
            assert all(state in ("parked", "pending") for state, _ in notes) and any(stopped), notes

    @rule(
        number=which,
        what=st.sampled_from(("verb", "quorum", "person", "requester", "expiry", "steps")),
        anew=st.booleans(),
    )
    def edit(self, number: int, what: str, anew: bool) -> None:
        """Change a stored plan, and its digest with it or not."""
        case = self.case(number)
        if case is None or case.has_begun:
            return
        later = to_text(self.now() + timedelta(days=300))
        with self.workspace.store.begin() as unit:
            row = unit.plans.find(case.plan.id)
            assert row is not None
            document = json.loads(row["document"])
            values: dict[str, Any] = {}
            match what:
                case "verb":
                    document["steps"][0]["verb"] = "delete"
                case "quorum":
                    document["needs"] |= {"quorum": 0, "owners": {}}
                case "person":
                    document["person"] = "per_nobody"
                case "requester":
                    document["requested_by"] = self.company.actors["omar"].id
                    if document["requested_by"] == case.plan.requested_by:
                        return
                case "expiry":
                    document["expires_at"] = later
                case "steps":
                    document["steps"].append({**document["steps"][0], "id": self.workspace.ids.new("stp")})
                case "column":  # only that from which the end is read
                    values["expires_at"] = later
            values["document"] = json.dumps(document)
            if anew:
                values["digest"] = digest_of(document["schema"], document)
            unit.connection.execute(update(plan_table).where(plan_table.c.id == case.plan.id).values(**values))
        case.is_edited = True

    @rule(
        number=which,
        source=which,
        name=names,
        kind=st.sampled_from(("request", "rejection", "approval", "noise", "own")),
    )
    def forge(self, number: int, source: int, name: str, kind: str) -> None:
        """Put a signature into the database past every check: one for something else, or his own."""
        case, other = self.case(number), self.case(source)
        if case is None or other is None or name in case.approvals or name in case.forged:
            return
        if kind == "approval" and (other is case or not other.approvals):
            return
        with self.workspace.store.begin() as unit:
            held = {row["operator_id"]: row for row in unit.plans.signatures(other.plan.id)}
            row = unit.plans.find(other.plan.id)
            assert row is not None
            signature = {
                "request": row["signature"],
                "rejection": self.acting(name).sign(case.plan.digest, REJECTION),
                "approval": next(iter(held.values()))["signature"] if held else "",
                "noise": "A" * 86 + "==",
                "own": self.acting(name).sign(case.plan.digest, APPROVAL),
            }[kind]
            if self.company.actors[name].id in {one["operator_id"] for one in unit.plans.signatures(case.plan.id)}:
                return
            unit.plans.sign(case.plan.id, case.plan.digest, self.company.actors[name].id, "approve", signature, "")
        if kind == "own" and not case.is_edited:
            case.approvals[name] = self.now()  # a true signature, past every check: it counts where he may sign
        else:
            case.forged.add(name)

    @rule(number=which)
    def call_it_approved(self, number: int) -> None:
        """Change only the state of a plan that was never approved."""
        case = self.case(number)
        if case is None or case.has_begun or case.is_withdrawn:
            return
        with self.workspace.store.begin() as unit:
            unit.plans.set_state(case.plan.id, PlanState.APPROVED)

    @invariant()
    def only_what_may_begin_has_begun(self) -> None:
        """A run is there only where the model knows of it."""
        with self.workspace.store.read() as unit:
            begun = {row["plan_id"] for row in unit.runs.all()}
        assert begun == {case.plan.id for case in self.company.cases if case.has_begun}


def test_nothing_happens_without_the_right_approval_by_any_path(tmp_path_factory: pytest.TempPathFactory) -> None:
    Approvals.kit = Kit(tmp_path_factory.mktemp("approvals"))
    run_state_machine_as_test(Approvals, settings=SETTINGS)
    assert all(Approvals.seen[what] > 0 for what in ("an approval", "a run with every signature", "a run without"))
