"""Only the right people's signatures over this very plan count, and only while they may sign."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import update
from tests.usher.services.conftest import Firm, MakeFirm

from usher.domain.guard import Limit, Limits
from usher.domain.policyfiles import Rules
from usher.services.approve import approve, reject
from usher.services.operators import APPROVAL, Acting, acting, add_operator, revoke_operator
from usher.services.run import start
from usher.services.workspace import Refusal
from usher.store.tables import plan as plan_table

LENIENT = Limits(windows=(Limit(hours=24, count=10, percent=100),))


def another(firm: Firm, name: str, *user_names: str) -> Acting:
    """One more operator."""
    _, key = add_operator(firm.workspace, name, user_names, by=firm.olga)
    return acting(firm.workspace, name, key)


def cannot_run(firm: Firm, number: int, why: str) -> None:
    """The plan does not begin, and nothing of it did."""
    with pytest.raises(Refusal, match=why):
        start(firm.workspace, str(number))
    with firm.workspace.store.read() as unit:
        assert unit.runs.all() == []


def test_an_approval_by_another_operator_makes_the_plan_approved(firm: Firm) -> None:
    plan = firm.plan("ann")
    assert approve(firm.workspace, str(plan.number), plan.digest, firm.omar).missing == ()
    assert firm.row(plan)["state"] == "approved"


def test_a_signature_over_another_digest_than_the_plans_is_refused_and_nothing_is_kept(firm: Firm) -> None:
    plan = firm.plan("ann")
    other = plan.digest[:-1] + ("0" if plan.digest[-1] != "0" else "1")
    with pytest.raises(Refusal, match="look at it again"):
        approve(firm.workspace, str(plan.number), other, firm.omar)
    with firm.workspace.store.read() as unit:
        assert unit.plans.signatures(plan.id) == []
    assert firm.row(plan)["state"] == "proposed"


def test_a_signature_made_for_another_plan_counts_for_nothing(make_firm: MakeFirm) -> None:
    firm = make_firm(limits=LENIENT)
    for_ann, for_ben = firm.plan("ann"), firm.plan("ben")
    approve(firm.workspace, str(for_ann.number), for_ann.digest, firm.omar)
    with firm.workspace.store.begin() as unit:
        (true_one,) = unit.plans.signatures(for_ann.id)
        unit.plans.sign(for_ben.id, for_ben.digest, firm.omar.id, "approve", true_one["signature"], "")
        unit.connection.execute(
            update(plan_table).where(plan_table.c.id == for_ben.id).values(state="approved")
        )  # as somebody would who can write the database
    cannot_run(firm, for_ben.number, "1 more operator")


def test_a_request_can_never_serve_as_an_approval(firm: Firm) -> None:
    plan = firm.plan("ann", by=firm.omar)
    with firm.workspace.store.begin() as unit:
        unit.plans.sign(plan.id, plan.digest, firm.olga.id, "approve", firm.row(plan)["signature"], "")
        unit.plans.sign(plan.id, plan.digest, firm.omar.id, "approve", firm.row(plan)["signature"], "")
        unit.connection.execute(update(plan_table).values(state="approved"))
    cannot_run(firm, plan.number, "1 more operator")


def test_a_plan_that_was_changed_in_the_database_after_it_was_signed_does_not_run(firm: Firm) -> None:
    plan = firm.plan("ann")
    approve(firm.workspace, str(plan.number), plan.digest, firm.omar)
    document = json.loads(firm.row(plan)["document"])
    document["steps"][0]["verb"] = "delete"
    with firm.workspace.store.begin() as unit:
        unit.connection.execute(update(plan_table).values(document=json.dumps(document)))
    cannot_run(firm, plan.number, "not the plan that was signed")


def test_the_requester_cannot_approve_what_he_asked_for(firm: Firm) -> None:
    plan = firm.plan("ann")
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(firm.workspace, str(plan.number), plan.digest, firm.olga)


def test_nobody_signs_twice_and_who_approved_cannot_reject_any_more(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=Rules(quorum_request=3))
    plan = firm.plan("ann")
    assert approve(firm.workspace, str(plan.number), plan.digest, firm.omar).missing
    with pytest.raises(Refusal, match="signed already"):
        approve(firm.workspace, str(plan.number), plan.digest, firm.omar)
    with pytest.raises(Refusal, match="signed already"):
        reject(firm.workspace, str(plan.number), firm.omar, "on second thoughts")
    assert firm.row(plan)["state"] == "proposed"


def test_an_operator_who_was_revoked_after_he_showed_his_key_signs_nothing(firm: Firm) -> None:
    plan = firm.plan("ann")
    revoke_operator(firm.workspace, "omar", firm.olga)
    for attempt in (
        lambda: approve(firm.workspace, str(plan.number), plan.digest, firm.omar),
        lambda: reject(firm.workspace, str(plan.number), firm.omar, "no"),
    ):
        with pytest.raises(Refusal, match="no longer an operator"):
            attempt()
    assert firm.row(plan)["state"] == "proposed"


def test_an_approval_stops_counting_when_its_operator_is_revoked_before_the_run(firm: Firm) -> None:
    plan = firm.plan("ann")
    approve(firm.workspace, str(plan.number), plan.digest, firm.omar)
    revoke_operator(firm.workspace, "omar", firm.olga)
    cannot_run(firm, plan.number, "1 more operator")


def test_the_person_whom_a_plan_is_about_neither_approves_nor_rejects_it(firm: Firm) -> None:
    ann = another(firm, "ann", "ann@acme.test")
    plan = firm.plan("ben", by=ann)
    with pytest.raises(Refusal, match="requester cannot approve"):
        approve(firm.workspace, str(plan.number), plan.digest, ann)
    ben = another(firm, "ben", "ben@acme.test")
    plan = firm.plan("cleo")
    assert approve(firm.workspace, str(plan.number), plan.digest, ben).missing == ()


def test_an_operator_who_leaves_cannot_stop_the_plan_about_himself(firm: Firm) -> None:
    plan = firm.plan("ann")
    ann = another(firm, "ann", "ann@acme.test")
    with pytest.raises(Refusal, match="own person"):
        approve(firm.workspace, str(plan.number), plan.digest, ann)
    with pytest.raises(Refusal, match="own person"):
        reject(firm.workspace, str(plan.number), ann, "I stay")
    assert firm.row(plan)["state"] == "proposed"


def test_the_owner_of_an_app_must_be_among_those_who_sign(make_firm: MakeFirm) -> None:
    firm = make_firm(owner="omar")
    mia = another(firm, "mia")
    plan = firm.plan("ann")
    standing = approve(firm.workspace, str(plan.number), plan.digest, mia)
    assert standing.missing == ("omar must approve as owner of crm",)
    cannot_run(firm, plan.number, "omar must approve")
    assert approve(firm.workspace, str(plan.number), plan.digest, firm.omar).missing == ()


def test_a_plan_that_expired_is_void_from_the_first_attempt_to_sign_it(firm: Firm) -> None:
    plan = firm.plan("ann")
    firm.clock.advance(timedelta(hours=24))
    with pytest.raises(Refusal, match="expired"):
        approve(firm.workspace, str(plan.number), plan.digest, firm.omar)
    assert firm.row(plan)["state"] == "void"
    with pytest.raises(Refusal, match="void"):
        approve(firm.workspace, str(plan.number), plan.digest, firm.omar)


def test_a_rejected_plan_takes_no_signatures_and_never_runs(firm: Firm) -> None:
    mia = another(firm, "mia")
    plan = firm.plan("ann")
    reject(firm.workspace, str(plan.number), firm.omar, "she stays")
    with pytest.raises(Refusal, match="rejected: it takes no signatures"):
        approve(firm.workspace, str(plan.number), plan.digest, mia)
    cannot_run(firm, plan.number, "rejected")
    assert firm.row(plan)["note"] == "omar: she stays"


def test_a_rejection_signature_can_never_serve_as_an_approval(firm: Firm) -> None:
    from usher.services.operators import REJECTION

    plan = firm.plan("ann")
    with firm.workspace.store.begin() as unit:
        no = firm.omar.sign(plan.digest, REJECTION)
        assert no != firm.omar.sign(plan.digest, APPROVAL)
        unit.plans.sign(plan.id, plan.digest, firm.omar.id, "approve", no, "")
        unit.connection.execute(update(plan_table).values(state="approved"))
    cannot_run(firm, plan.number, "1 more operator")
