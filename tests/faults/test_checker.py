"""The checker sees each way in which a promise can break: one planted violation for every counter."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faults.checker import COUNTERS, check
from tests.faults.evidence import Evidence, PlanEvidence, Step
from tests.faults.invent import ENTERPRISE
from tests.faults.truth import Accounts, replay

EARLY, LATER, LAST = "2026-01-05T10:00:00.000Z", "2026-01-05T10:00:01.000Z", "2026-01-05T10:00:02.000Z"
OURS = "E1"


def account(number: int, name: str, **more: Any) -> dict[str, Any]:
    """An account that employee E<number> owns."""
    return {"id": f"u{number}", "userName": name, "active": True, ENTERPRISE: {"employeeNumber": f"E{number}"}, **more}


def line(effect: str, on: dict[str, Any], at: str = LATER, **more: Any) -> tuple[str, dict[str, Any]]:
    """A line of the wiki's journal."""
    after = {name: value for name, value in on.items() if name != "id"} if effect == "create" else {"active": False}
    made = {"at": at, "effect": effect, "kind": "User", "id": on["id"], "userName": on["userName"], "before": None}
    return "wiki", {**made, "after": after, **more}


def step(verb: str, user_name: str, state: str, *, native_id: str | None = None, **more: Any) -> Step:
    """A step of the wiki; its intent lies in the ledger before LATER unless told otherwise."""
    after = {
        "create": {"exists": True, "can_sign_in": True},
        "deactivate": {"can_sign_in": False},
        "grant": {"has": ["group:Sales"]},
    }[verb]
    document = {"id": more.pop("id", f"stp {verb} {user_name}"), "connection": "wiki", "verb": verb,
                "user_name": user_name, "native_id": native_id, "after": after, "requires": more.pop("requires", []),
                "entitlement": "group:Sales" if verb == "grant" else None}  # fmt: skip
    return Step(document, state, native_id, intended=more.pop("intended", [EARLY]), **more)


def evidence(*lines: tuple[str, dict[str, Any]], steps: list[Step], approved: bool = True) -> Evidence:
    """Ann's plan over a wiki that holds Ann's and Ben's accounts."""
    accounts = {"wiki": Accounts({"u1": account(1, "ann"), "u2": account(2, "ben")}, {"Sales": set()})}
    effects = replay(accounts, lines)
    return Evidence(effects, accounts, [PlanEvidence(1, OURS, approved, steps)])


def broken(found: Evidence) -> dict[str, int]:
    """The counters that are not zero."""
    return {name: count for name, count in check(found).counts().items() if count}


LEAVES = ("deactivate", "ann", "verified")
ANN, BEN, NEW = account(1, "ann"), account(2, "ben"), {**account(1, "ann.new"), "id": "u9"}


def test_a_plan_that_was_carried_out_as_approved_breaks_nothing() -> None:
    done = evidence(line("deactivate", ANN), steps=[step(*LEAVES, native_id="u1")])
    assert broken(done) == {}
    assert set(check(done).counts()) == set(COUNTERS)


@pytest.mark.parametrize(
    "on_it",
    [
        step("deactivate", "ann", "parked", native_id="u1", finding=True),
        step("deactivate", "ann", "waiting for a person", native_id="u1", task=True),
        step("deactivate", "ann", "unknown", native_id="u1", due=True),
    ],
)
def test_a_step_that_somebody_or_something_is_still_on_is_not_lost(on_it: Step) -> None:
    assert broken(evidence(steps=[on_it])) == {}


@pytest.mark.parametrize("state", ["parked", "waiting for a person", "unknown", "ready", "pending", "cancelled"])
def test_a_step_that_is_not_done_and_that_nobody_is_on_is_lost(state: str) -> None:
    assert broken(evidence(steps=[step("deactivate", "ann", state, native_id="u1")])) == {"LOST": 1}


def test_a_step_that_waits_for_a_proven_one_and_was_never_released_is_lost() -> None:
    first = step(*LEAVES, native_id="u1", id="stp_1")
    second = step("grant", "ann", "pending", native_id="u1", requires=["stp_1"])
    assert broken(evidence(line("deactivate", ANN), steps=[first, second])) == {"LOST": 1, "HALF": 1}


def test_a_step_that_waits_for_a_parked_one_is_not_lost() -> None:
    first = step("deactivate", "ann", "parked", native_id="u1", id="stp_1", finding=True)
    second = step("grant", "ann", "pending", native_id="u1", requires=["stp_1"])
    assert broken(evidence(steps=[first, second])) == {}


def test_two_accounts_for_one_create_are_doubled() -> None:
    again = {**NEW, "id": "u10"}
    found = evidence(line("create", NEW), line("create", again, LAST), steps=[step("create", "ann.new", "verified")])
    assert broken(found) == {"DOUBLED": 1}


def test_an_effect_that_came_twice_is_doubled() -> None:
    found = evidence(line("deactivate", ANN), line("deactivate", ANN, LAST), steps=[step(*LEAVES, native_id="u1")])
    assert broken(found) == {"DOUBLED": 1}


def test_a_membership_that_was_given_taken_and_given_is_not_doubled() -> None:
    added, removed = {"after": "Sales", "group": "g"}, {"before": "Sales", "after": None, "group": "g"}
    lines = [line("member_add", ANN, **added), line("member_remove", ANN, **removed), line("member_add", ANN, **added)]
    doubled = check(evidence(*lines, steps=[])).counts()["DOUBLED"]
    assert doubled == 0
    assert check(evidence(lines[0], lines[2], steps=[])).counts()["DOUBLED"] == 1


def test_a_plan_of_which_one_half_is_true_and_the_other_forgotten_is_half() -> None:
    steps = [step(*LEAVES, native_id="u1"), step("grant", "ann", "unknown", native_id="u1")]
    assert broken(evidence(line("deactivate", ANN), steps=steps)) == {"LOST": 1, "HALF": 1}


def test_an_effect_on_somebody_elses_account_is_wrong_and_unapproved() -> None:
    found = evidence(line("deactivate", ANN), line("deactivate", BEN), steps=[step(*LEAVES, native_id="u1")])
    assert broken(found) == {"WRONG": 1, "UNAPPROVED": 1}


def test_an_approved_step_that_names_somebody_elses_account_is_wrong() -> None:
    found = evidence(line("deactivate", BEN), steps=[step("deactivate", "ben", "verified", native_id="u2")])
    assert broken(found) == {"WRONG": 1}


def test_an_effect_of_a_plan_that_was_not_approved_is_unapproved() -> None:
    found = evidence(line("deactivate", ANN), steps=[step(*LEAVES, native_id="u1")], approved=False)
    assert broken(found) == {"UNAPPROVED": 1}


def test_another_effect_than_the_approved_one_is_unapproved() -> None:
    found = evidence(line("deactivate", ANN), line("delete", ANN, LAST), steps=[step(*LEAVES, native_id="u1")])
    assert broken(found) == {"UNAPPROVED": 1}


@pytest.mark.parametrize("intended", [[], [LAST]])
def test_an_effect_without_an_intent_before_it_is_unlogged(intended: list[str]) -> None:
    found = evidence(line("deactivate", ANN), steps=[step(*LEAVES, native_id="u1", intended=intended)])
    assert broken(found) == {"UNLOGGED": 1}


@pytest.mark.parametrize("state", ["verified", "closed"])
def test_a_step_that_is_called_proven_while_the_app_says_otherwise_is_falsely_closed(state: str) -> None:
    counts = check(evidence(steps=[step("deactivate", "ann", state, native_id="u1")])).counts()
    assert counts["FALSE-CLOSE"] == 1


def test_a_create_that_takes_a_strangers_account_for_its_own_is_wrong() -> None:
    assert broken(evidence(steps=[step("create", "ben", "verified")])) == {"WRONG": 1}


def test_a_create_that_is_called_proven_without_any_account_is_falsely_closed() -> None:
    counts = check(evidence(steps=[step("create", "ann.new", "verified")])).counts()
    assert counts["FALSE-CLOSE"] == counts["LOST"] == 1


def timed(found: Evidence, act_at: str, until: str = LAST) -> Evidence:
    """The same, where the plan has a time."""
    found.plans[0].act_at, found.until = act_at, until
    return found


def test_what_happens_before_its_time_is_told() -> None:
    done = evidence(line("deactivate", ANN), steps=[step(*LEAVES, native_id="u1")])
    assert broken(timed(done, EARLY)) == {}
    assert broken(timed(done, LAST)) == {"LATE": 1}


def test_a_plan_that_begins_long_after_its_time_or_never_is_told() -> None:
    done = evidence(line("deactivate", ANN), steps=[step(*LEAVES, native_id="u1")])
    assert broken(timed(done, "2026-01-05T09:58:59.000Z")) == {"LATE": 1}
    assert broken(timed(evidence(steps=[]), EARLY, "2026-01-05T10:02:00.000Z")) == {"LATE": 1}
    assert broken(timed(evidence(steps=[]), EARLY, "2026-01-05T10:00:30.000Z")) == {}
