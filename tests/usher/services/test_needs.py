"""Riskier plans need more people, an app always has somebody who signs for it, and the plan says why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import update
from tests.usher.services.conftest import Firm, MakeFirm

from usher.domain.clock import to_text
from usher.domain.plan import Needs, Plan, PlannedStep, Verb
from usher.domain.policyfiles import QuorumRisk, Rules
from usher.services.delegate import delegate
from usher.services.needs import needs_of
from usher.services.operators import Acting, acting, add_operator, revoke_operator
from usher.services.workspace import Refusal
from usher.store.tables import operator as operator_table


def needs(firm: Firm, plan: Plan, **more: bool) -> Needs:
    """What these steps need now."""
    with firm.workspace.store.read() as unit:
        return needs_of(firm.workspace, unit, plan.steps, **{"from_signal": True, **more})


def another(firm: Firm, name: str) -> Acting:
    """One more operator."""
    _, key = add_operator(firm.workspace, name, by=firm.olga)
    return acting(firm.workspace, name, key)


def test_a_plan_that_a_source_asked_for_needs_one_and_one_that_a_person_asked_for_another(firm: Firm) -> None:
    plan = firm.plan("ann")
    assert (plan.needs.quorum, plan.needs.why) == (1, "a person asked for it, another must agree")
    assert needs(firm, plan).quorum == 1 and needs(firm, plan).why == "a source's signal asked for it"


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("confidential", "it is confidential"),
        ("held", "the guard held rows of it back"),
    ],
)
def test_what_a_plan_says_of_itself_makes_it_need_two_people_also_where_a_source_asked(
    firm: Firm, flag: str, why: str
) -> None:
    found = needs(firm, firm.plan("ann"), **{flag: True})
    assert (found.quorum, found.why) == (2, f"2 people, since {why}")


def test_an_emergency_waits_for_no_owner_and_its_requester_counts_as_nobody_who_agrees(firm: Firm) -> None:
    found = needs(firm, firm.plan("ann"), emergency=True)
    assert (found.quorum, dict(found.owners)) == (1, {})
    assert found.why == "an emergency: others must agree within 60 minutes"


def test_an_administrators_account_makes_it_need_two(firm: Firm) -> None:
    firm.crm("ann", "ben", "cleo", "dan", "eve", roles={"ann": "Admin", "ben": "Admin"})
    found = needs(firm, firm.plan("ann"))
    assert (found.quorum, found.why) == (2, "2 people, since step 1 concerns an administrator of crm")


def changed(plan: Plan, **values: object) -> list[PlannedStep]:
    """The plan's only step, changed."""
    return [PlannedStep.of({**plan.steps[0].document(), **values})]


def test_giving_an_administrators_role_and_what_nothing_takes_back_need_more(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=Rules(quorum_risk=QuorumRisk(irreversible=4, privileged=3)))
    plan = firm.plan("ann")
    with firm.workspace.store.read() as unit:
        grant = needs_of(
            firm.workspace, unit, changed(plan, verb=Verb.GRANT, entitlement="role:Admin"), from_signal=False
        )
        delete = needs_of(firm.workspace, unit, changed(plan, verb=Verb.DELETE), from_signal=False)
    assert (grant.quorum, grant.why) == (2, "3 people, since step 1 concerns an administrator of crm")
    assert (delete.quorum, delete.why) == (3, "4 people, since nothing takes step 1 back (delete)")


def test_a_large_plan_needs_more_than_a_small_one(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=Rules(quorum_risk=QuorumRisk(steps_over=1, many_steps=3)))
    plan = firm.plan("ann")
    with firm.workspace.store.read() as unit:
        found = needs_of(firm.workspace, unit, [*plan.steps, *plan.steps], from_signal=True)
    assert (found.quorum, found.why) == (3, "3 people, since it has more than 1 steps")


def test_a_single_operator_needs_no_second_person_and_the_plan_says_so(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=Rules(single_operator=True))
    found = needs(firm, firm.plan("ann"), confidential=True)
    assert (found.quorum, found.single, found.why) == (1, True, "single_operator: true")


def revoked_owner(make_firm: MakeFirm, **rules: object) -> Firm:
    """The CRM's owner was revoked; Mia is an operator beside Olga and Omar."""
    firm = make_firm(owner="olly", rules=Rules.model_validate(rules))
    another(firm, "mia")
    another(firm, "olly")
    revoke_operator(firm.workspace, "olly", firm.olga)
    return firm


def test_for_a_revoked_owner_his_deputy_signs_and_the_plan_says_why(make_firm: MakeFirm) -> None:
    firm = revoked_owner(make_firm, deputies={"olly": ("mia",)})
    plan = firm.plan("ann")
    with firm.workspace.store.read() as unit:
        mia = unit.operators.named("mia")
    assert mia is not None and dict(plan.needs.owners) == {"crm": mia["id"]}
    assert plan.needs.why.endswith("mia signs for crm, since its owner olly was revoked")


def test_for_a_revoked_owner_without_a_deputy_any_deputy_of_the_rules_signs(make_firm: MakeFirm) -> None:
    firm = revoked_owner(make_firm, deputies={"olga": ("mia",)})
    assert "mia signs for crm" in firm.plan("ann").needs.why


def test_for_a_revoked_owner_without_anybody_the_plan_is_refused_with_what_to_do(make_firm: MakeFirm) -> None:
    firm = revoked_owner(make_firm)
    with pytest.raises(Refusal, match="owner: olly was revoked, and nobody stands in"):
        firm.plan("ann")


def test_an_owner_who_is_the_subject_does_not_sign_but_whom_he_let_sign_does(make_firm: MakeFirm) -> None:
    firm = make_firm(owner="omar")
    mia = another(firm, "mia")
    plan = firm.plan("ann")
    with firm.workspace.store.begin() as unit:
        unit.connection.execute(
            update(operator_table).where(operator_table.c.id == firm.omar.id).values(person_id=plan.person)
        )
    with pytest.raises(Refusal, match="omar is the person whom the plan is about, and nobody stands in"):
        firm.plan("ann")
    delegate(firm.workspace, firm.omar, "mia", apps=("crm",), valid_from=firm.workspace.now(),
             valid_to=to_text(firm.clock.now() + timedelta(days=1)), reason="")  # fmt: skip
    assert dict(firm.plan("ann").needs.owners) == {"crm": mia.id}


def test_a_subject_never_stands_in_for_the_owner_of_his_own_account(make_firm: MakeFirm) -> None:
    firm = revoked_owner(make_firm, deputies={"olly": ("mia",)})
    with firm.workspace.store.begin() as unit:
        found = unit.people.search("ann@acme.test")
        unit.connection.execute(
            update(operator_table).where(operator_table.c.name == "mia").values(person_id=found[0]["id"])
        )
    with pytest.raises(Refusal, match="nobody stands in"):
        firm.plan("ann")


@pytest.mark.parametrize("deputies", [{"olga": []}, {"olga": ["olga"]}, {"olga": ["mia", "mia"]}])
def test_a_deputy_is_somebody_else_and_named_once(deputies: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError):
        Rules.model_validate({"deputies": deputies})


def test_an_emergency_always_needs_a_second_person() -> None:
    with pytest.raises(ValidationError):
        QuorumRisk(emergency=1)
