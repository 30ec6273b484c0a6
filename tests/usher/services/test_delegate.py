"""Somebody signs for another one only while that one lets him, and nobody becomes two people by it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from tests.usher.services.conftest import Firm, MakeFirm

from usher.domain.clock import to_text
from usher.domain.policyfiles import Rules
from usher.services.approve import approve, standing
from usher.services.delegate import absent, delegate, delegations, end_delegation
from usher.services.operators import Acting, acting, add_operator, revoke_operator
from usher.services.run import start
from usher.services.show_plans import plan as shown
from usher.services.workspace import Refusal
from usher.store.spine_tables import delegation as delegation_table
from usher.store.tables import operator as operator_table


@dataclasses.dataclass
class Four:
    """Omar owns the CRM; Mia may sign for him; Olga asks."""

    firm: Firm
    mia: Acting
    noor: Acting

    def gives(self, by: Acting | None = None, to: str = "mia", hours: float = 12, **more: Any) -> str:
        """One delegation, by Omar to Mia from now on."""
        clock = self.firm.clock
        given = {
            "apps": None, "valid_from": to_text(clock.now()), "valid_to": to_text(clock.now() + timedelta(hours=hours)),
            "reason": "on holiday", **more,
        }  # fmt: skip
        return str(delegate(self.firm.workspace, by or self.firm.omar, to, **given)["id"])

    def signs(self, by: Acting) -> tuple[str, ...]:
        """Approve plan 1; what is still missing."""
        return approve(self.firm.workspace, "1", None, by).missing


@pytest.fixture
def four(make_firm: MakeFirm) -> Four:
    """The firm of four operators, with a plan to sign."""
    firm = make_firm(owner="omar", rules=Rules(deputies={"omar": ("mia",)}))
    more = []
    for name in ("mia", "noor"):
        _, key = add_operator(firm.workspace, name, by=firm.olga)
        more.append(acting(firm.workspace, name, key))
    firm.plan("ann")
    return Four(firm, *more)


def test_who_may_sign_for_an_owner_satisfies_what_the_owner_must_and_the_plan_says_for_whom(four: Four) -> None:
    four.gives()
    document = shown(four.firm.workspace, "1")
    assert "omar must approve as owner of crm (or mia for omar (until 2026-03-02T21:01Z))" in document["missing"]
    assert four.signs(four.mia) == ()
    assert shown(four.firm.workspace, "1")["approvers"] == ["mia for omar (until 2026-03-02T21:01Z)"]
    start(four.firm.workspace, "1")


def test_without_a_delegation_another_operators_signature_is_not_the_owners(four: Four) -> None:
    assert four.signs(four.mia) == ("omar must approve as owner of crm",)


def test_a_delegation_makes_nobody_count_twice(make_firm: MakeFirm) -> None:
    firm = make_firm(owner="omar", rules=Rules(quorum_request=3))
    _, key = add_operator(firm.workspace, "mia", by=firm.olga)
    four = Four(firm, acting(firm.workspace, "mia", key), firm.omar)
    firm.plan("ann")
    four.gives()
    assert [one.partition(" (")[0] for one in four.signs(four.mia)] == ["1 more operator(s) must approve"]


def test_the_requester_never_signs_for_the_owner(make_firm: MakeFirm) -> None:
    firm = make_firm(owner="omar")
    firm.hr("ann")  # a source says so: even the requester may approve
    plan = firm.plan("ann")
    delegate(firm.workspace, firm.omar, "olga", apps=None, valid_from=firm.workspace.now(),
             valid_to=to_text(firm.clock.now() + timedelta(hours=5)), reason="")  # fmt: skip
    left = approve(firm.workspace, str(plan.number), plan.digest, firm.olga).missing
    assert [one.partition(" (")[0] for one in left] == ["omar must approve as owner of crm"]


def test_what_was_got_by_delegation_is_not_passed_on(four: Four) -> None:
    four.gives()
    four.gives(by=four.mia, to="noor")
    assert [one.partition(" (")[0] for one in four.signs(four.noor)] == ["omar must approve as owner of crm"]
    with pytest.raises(Refusal, match="does not own crm"):
        four.gives(by=four.mia, to="noor", apps=("crm",))


def test_a_delegation_counts_neither_before_it_begins_nor_after_it_ends(four: Four) -> None:
    now = four.firm.clock.now()
    four.gives(valid_from=to_text(now + timedelta(hours=1)), valid_to=to_text(now + timedelta(hours=2)))
    assert four.signs(four.mia) == ("omar must approve as owner of crm",)
    four.firm.clock.advance(timedelta(hours=1, minutes=1))
    four.firm.hr()
    four.firm.crm("ann", "ben", "cleo", "dan", "eve")
    with four.firm.workspace.store.read() as unit:
        row = unit.plans.find("1")
        assert row is not None
        assert standing(unit, row).missing, "he signed before he might"


def test_a_signature_made_while_it_might_be_counts_after_the_delegation_ran_out(four: Four) -> None:
    four.gives(hours=1)
    assert four.signs(four.mia) == ()
    four.firm.clock.advance(timedelta(hours=2))
    start(four.firm.workspace, "1")


def test_an_ended_delegation_counts_no_more_for_a_plan_that_has_not_begun(four: Four) -> None:
    given = four.gives()
    assert four.signs(four.mia) == ()
    end_delegation(four.firm.workspace, four.firm.omar, given, "I am back")
    with pytest.raises(Refusal, match="omar must approve"):
        start(four.firm.workspace, "1")


def test_a_revoked_owner_lets_nobody_sign_any_more(four: Four) -> None:
    four.gives()
    revoke_operator(four.firm.workspace, "omar", four.firm.olga)
    left = four.signs(four.mia)
    assert left == ("omar must approve as owner of crm, and is no longer an operator: make it again",)


def test_a_delegation_for_another_app_does_not_count(four: Four) -> None:
    with pytest.raises(Refusal, match="no connection wiki"):
        four.gives(apps=("wiki",))
    with pytest.raises(Refusal, match="does not own hr"):
        four.gives(apps=("hr",))
    four.gives(apps=("crm",))
    assert four.signs(four.mia) == ()


@pytest.mark.parametrize("column", ["to_operator", "valid_to", "connections", "signature"])
def test_a_delegation_that_was_changed_in_the_database_does_not_count(four: Four, column: str) -> None:
    four.gives(hours=2)
    later = to_text(four.firm.clock.now() + timedelta(days=9))
    value = {"to_operator": four.noor.id, "valid_to": later, "connections": '["crm"]', "signature": "A" * 86 + "=="}
    with four.firm.workspace.store.begin() as unit:
        unit.connection.execute(update(delegation_table).values(**{column: value[column]}))
    signer = four.noor if column == "to_operator" else four.mia
    assert four.signs(signer) == ("omar must approve as owner of crm",)


def test_two_operators_of_one_person_are_one(four: Four) -> None:
    with four.firm.workspace.store.begin() as unit:
        for one in (four.firm.olga, four.mia):
            unit.connection.execute(
                update(operator_table).where(operator_table.c.id == one.id).values(person_id="per_of_both")
            )
    with pytest.raises(Refusal, match="the same person as olga"):
        four.signs(four.mia)
    with pytest.raises(Refusal, match="the same person"):
        four.gives(by=four.firm.olga)


def test_who_is_absent_has_the_first_deputy_of_the_rules_sign_for_him(four: Four) -> None:
    until = to_text(four.firm.clock.now() + timedelta(days=3))
    absent(four.firm.workspace, four.firm.omar, until)
    assert four.signs(four.mia) == ()
    assert shown(four.firm.workspace, "1")["approvers"] == ["mia for omar (absent until 2026-03-05T09:01Z)"]
    with pytest.raises(Refusal, match="no deputy of olga"):
        absent(four.firm.workspace, four.firm.olga, until)


def test_a_delegation_is_ended_only_by_those_it_concerns_and_once(four: Four) -> None:
    given = four.gives()
    with pytest.raises(Refusal, match="by him who gave it"):
        end_delegation(four.firm.workspace, four.noor, given)
    end_delegation(four.firm.workspace, four.mia, given)
    with pytest.raises(Refusal, match="was ended"):
        end_delegation(four.firm.workspace, four.firm.omar, given)
    assert [(one["from"], one["to"], one["counts_now"]) for one in delegations(four.firm.workspace)] == [
        ("omar", "mia", False)
    ]


def test_a_delegation_has_an_end_and_not_too_late_a_one(four: Four) -> None:
    now = four.firm.clock.now()
    with pytest.raises(Refusal, match="ends after it begins"):
        four.gives(hours=0)
    with pytest.raises(Refusal, match="ends after it begins"):
        four.gives(valid_from=to_text(now - timedelta(days=2)), valid_to=to_text(now - timedelta(days=1)))
    with pytest.raises(Refusal, match="90 days at most"):
        four.gives(hours=24 * 91)
    with pytest.raises(Refusal, match="no active operator"):
        four.gives(to="nobody")
    with pytest.raises(Refusal, match="the same person"):
        four.gives(to="omar")
