"""What the store keeps of the way of a plan: claims under a fence, findings, leaves, signatures; on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy

from usher.domain.clock import VirtualClock, to_text
from usher.domain.ledger.leaf import BadLeaf
from usher.domain.ledger.tree import Frontier, leaf_hash
from usher.domain.plan import Needs, Plan, PlanKind, PlannedStep, PlanState, Verb
from usher.domain.step import DueKind, Outcome, StepState
from usher.store.database import Store
from usher.store.repository import load


def add_plan(store: Store, person: str = "per_1", steps: int = 1) -> Plan:
    """A plan in the store, signed by nobody."""
    with store.begin() as unit:
        owner = unit.operators.add_operator("olga", "usher-pub-1:x", (), None)["id"]
        made = Plan(
            id=store.ids.new("pln"), workspace="test", number=unit.plans.next_number(), kind=PlanKind.LEAVE,
            person=person, person_name="Ann", requested_by=owner, reason="", signal=None, created_at=unit.plans.now(),
            expires_at=unit.plans.later(3600), configuration="sha256:" + "0" * 64,
            needs=Needs(quorum=1, owners={"crm": owner}, why="test"), guard={"allowed": True},
            steps=tuple(
                PlannedStep(
                    id=store.ids.new("stp"), ordinal=number, connection="crm", app="CRM", verb=Verb.DEACTIVATE,
                    path="scim", person=person, account=None, native_id=f"u{number}", user_name=f"u{number}",
                    before={"exists": True}, after={"can_sign_in": False}, asked_by="a test",
                )
                for number in range(1, steps + 1)
            ),
        )  # fmt: skip
        unit.plans.add_plan(made, "signature", PlanState.PROPOSED)
    return made


def test_a_due_row_is_claimed_once_and_not_before_its_instant(store: Store, clock: VirtualClock) -> None:
    now = to_text(clock.now())
    with store.begin() as unit:
        late = unit.dues.put(DueKind.ACT, "stp_2", "crm", unit.dues.later(60))
        soon = unit.dues.put(DueKind.ACT, "stp_1", "crm", now)
        unit.dues.put(DueKind.ACT, "stp_3", "wiki", now)
        assert [row["id"] for row in unit.dues.claim(now, 1, connection="crm")] == [soon["id"]]
        assert unit.dues.connections(now) == ["wiki"]
    with store.begin() as unit:
        assert [row["subject"] for row in unit.dues.claim(now, 1)] == ["stp_3"]
        assert unit.dues.claim(now, 1) == []
        assert unit.dues.next_at() == late["at"]


def test_what_an_ended_worker_had_claimed_is_taken_back_and_what_is_done_is_not(
    store: Store, clock: VirtualClock
) -> None:
    now = to_text(clock.now())
    with store.begin() as unit:
        unit.dues.put(DueKind.ACT, "stp_1", "crm", now)
        unit.dues.put(DueKind.VERIFY, "stp_2", "crm", now)
        done, _ = unit.dues.claim(now, 1)
        unit.dues.finish(done["id"])
        assert unit.dues.take_back() == 1
        assert [row["subject"] for row in unit.dues.claim(now, 2)] == [
            subject for subject in ("stp_1", "stp_2") if subject != done["subject"]
        ]


def test_claims_of_two_workers_never_overlap(store: Store, open_store: Callable[[], Store]) -> None:
    with store.begin() as unit:
        for number in range(40):
            unit.dues.put(DueKind.ACT, f"stp_{number}", "crm", unit.dues.now())
    claimed: list[str] = []

    def claim_all(one: Store, fence: int) -> None:
        while True:
            with one.begin() as unit:
                rows = unit.dues.claim(unit.dues.now(), fence, limit=3)
            if not rows:
                return
            claimed.extend(row["id"] for row in rows)

    threads = [threading.Thread(target=claim_all, args=(one, n)) for n, one in enumerate((store, open_store()), 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40


def test_each_taking_of_the_lease_fences_the_holder_before_it(store: Store) -> None:
    with store.begin() as unit:
        first = unit.leases.take("one")
        assert unit.leases.beat(first)
    with store.begin() as unit:
        second = unit.leases.take("two")
        assert second == first + 1
        assert not unit.leases.beat(first)
        unit.leases.release(first)
        current = unit.leases.current()
        assert current is not None
        assert (current["holder"], current["fence"], current["released_at"]) == ("two", second, None)


def test_the_seal_and_a_quarantine_hold_until_they_are_lifted(store: Store) -> None:
    with store.begin() as unit:
        unit.leases.set_seal(sealed=True, by="olga", reason="drill")
        unit.leases.quarantine("crm", "no access", "access", "fnd_1")
        unit.leases.quarantine("crm", "still no access", "access", "fnd_1")
    with store.begin() as unit:
        sealed = unit.leases.sealed()
        assert sealed is not None
        assert sealed["reason"] == "drill"
        assert unit.leases.quarantined()["crm"]["reason"] == "still no access"
        unit.leases.set_seal(sealed=False, by="olga", reason="over")
        unit.leases.lift("crm")
    with store.read() as unit:
        assert (unit.leases.sealed(), unit.leases.quarantined()) == (None, {})


def test_a_finding_is_open_once_under_its_key_and_may_come_again_after_it_was_closed(store: Store) -> None:
    def say(unit: Any, days: int) -> tuple[str, bool]:
        return unit.findings.open_finding("ghost:crm:u1", "ghost", "high", "Ann in crm", {"days": days}, "remove it")

    with store.begin() as unit:
        first, is_new = say(unit, 1)
        assert is_new
        assert say(unit, 2) == (first, False)
        assert [load(row["evidence"]) for row in unit.findings.open()] == [{"days": 2}]
        assert unit.findings.counts() == {"ghost": 1}
        assert unit.findings.close_key("ghost:crm:u1", "gone")
        assert not unit.findings.close_key("ghost:crm:u1", "gone")
        again, is_new = say(unit, 3)
        assert is_new
        assert again != first
        closed = unit.findings.find(first)
        assert closed is not None
        assert closed["closed_why"] == "gone"


def test_a_signal_is_kept_once_under_its_key(store: Store) -> None:
    values = {"kind": "leaver", "person_id": "per_1", "source": "hr", "true_at": None, "said_at": None}
    with store.begin() as unit:
        id, is_new = unit.findings.put_signal("hr:C1:leaver", **values, details={"row": "C1"})
        assert is_new
        assert unit.findings.put_signal("hr:C1:leaver", **values, details={"row": "other"}) == (id, False)
        unit.findings.answer_signal(id, "pln_1")
        assert unit.findings.signals(unplanned_only=True) == []
        assert [load(row["details"]) for row in unit.findings.signals()] == [{"row": "C1"}]


def test_leaves_get_their_index_in_the_order_of_writing_and_an_erased_detail_leaves_its_leaf(store: Store) -> None:
    ann, ben, cleo = (store.ids.new("per") for _ in range(3))
    for id, name in ((ann, "ann"), (ben, "ben"), (cleo, "cleo")):
        with store.begin() as unit:
            unit.ledger.append("person:person:add", (id,), {"name": name})
    with store.begin() as unit:
        assert unit.ledger.unsequenced() == 3
        placed = unit.ledger.sequence()
        assert [(position, leaf.ids) for position, leaf in placed] == [(0, (ann,)), (1, (ben,)), (2, (cleo,))]
        frontier = Frontier()
        for _, leaf in placed:
            frontier.append(leaf_hash(leaf.leaf_bytes()))
        unit.ledger.keep_head(3, {"root": frontier.root().hex()}, frontier.peaks)
    with store.begin() as unit:
        assert (unit.ledger.unsequenced(), unit.ledger.sequence(), unit.ledger.size()) == (0, [], 3)
        assert Frontier(*unit.ledger.edge()).root() == frontier.root()
        unit.ledger.erase(1)
    with store.read() as unit:
        assert sorted(unit.ledger.details()) == [0, 2]
        assert list(unit.ledger.indexed()) == placed
        assert [row["document"] for row in unit.ledger.about(ben)] == [None]
        assert [load(row["document"]) for row in unit.ledger.about(ann)] == [{"name": "ann"}]


def test_a_name_or_an_address_never_gets_into_a_leaf(store: Store) -> None:
    with pytest.raises(BadLeaf, match="opaque id"), store.begin() as unit:
        unit.ledger.append("person:person:add", ("ann@acme.test",), {})
    with store.read() as unit:
        assert unit.ledger.unsequenced() == 0


def test_a_leaf_and_a_state_change_are_durable_together_or_not_at_all(store: Store) -> None:
    made = add_plan(store)
    with store.begin() as unit:
        unit.runs.add_run(made)
    step = made.steps[0].id
    with pytest.raises(sqlalchemy.exc.IntegrityError), store.begin() as unit:
        unit.runs.move(step, StepState.ACTING, attempt=1)
        unit.ledger.append("step:intent:record", (step,), {})
        unit.runs.add_intent(step, 1, 1, {"exists": True})
        unit.runs.add_intent(step, 1, 1, {"exists": True})
    with store.read() as unit:
        kept = unit.runs.step(step)
        assert kept is not None
        assert kept["state"] == "pending"
        assert (unit.runs.intents(step), unit.ledger.unsequenced()) == ([], 0)


def test_how_the_newest_writes_to_an_app_ended_is_told_newest_first(store: Store, clock: VirtualClock) -> None:
    made = add_plan(store, steps=3)
    with store.begin() as unit:
        unit.runs.add_run(made)
        for planned, outcome in zip(made.steps, (Outcome.DONE, Outcome.UNKNOWN, None), strict=True):
            intent = unit.runs.add_intent(planned.id, 1, 1, {"exists": True})
            clock.advance(timedelta(seconds=1))
            if outcome is not None:
                unit.runs.resolve(intent["id"], outcome)
        assert unit.runs.last_outcomes("crm", 5) == ["unknown", "done"]
        assert unit.runs.last_outcomes("wiki", 5) == []
        assert [row["step_id"] for row in unit.runs.open_intents()] == [made.steps[2].id]


def test_what_other_plans_are_about_to_take_is_known_before_and_after_they_begin(store: Store) -> None:
    made = add_plan(store, steps=2)
    with store.begin() as unit:
        assert unit.plans.losses_under_way("") == []
        unit.plans.set_state(made.id, PlanState.APPROVED)
        assert [row["state"] for row in unit.plans.losses_under_way("")] == [None, None]
        unit.runs.add_run(made)
        unit.plans.set_state(made.id, PlanState.RUNNING)
        assert [row["state"] for row in unit.plans.losses_under_way("")] == ["pending", "pending"]
        assert unit.plans.losses_under_way(made.id) == []


def test_one_operator_signs_one_plan_once(store: Store) -> None:
    made = add_plan(store)
    with store.begin() as unit:
        unit.plans.sign(made.id, made.digest, made.requested_by, "approve", "s", "")
    with pytest.raises(sqlalchemy.exc.IntegrityError), store.begin() as unit:
        unit.plans.sign(made.id, made.digest, made.requested_by, "reject", "s", "")


def test_a_version_of_the_configuration_is_kept_once_by_its_digest(store: Store) -> None:
    for document in ("first", "second"):
        with store.begin() as unit:
            unit.keep_configuration("sha256:1", document)
    with store.read() as unit:
        found = unit.connection.exec_driver_sql("SELECT document FROM configuration_version").scalars().all()
    assert found == ["first"]
