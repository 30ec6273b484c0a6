"""A confidential plan: its person, steps and reason are for those who must sign, until what was done is proven."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.usher.services.conftest import Firm, MakeFirm

from usher.domain.plan import Plan, PlanKind
from usher.domain.policyfiles import Emergency, Rules
from usher.domain.step import RunState
from usher.engine.inline import begin, tick
from usher.services.approve import approve
from usher.services.operators import Acting, acting, add_operator
from usher.services.plan import make_plan
from usher.services.run import start
from usher.services.show import findings, people, task, tasks
from usher.services.show_plans import plan as shown
from usher.services.show_plans import plans, run, runs
from usher.services.signfile import export_plan
from usher.services.when import How
from usher.services.why import why
from usher.services.workspace import Refusal

SECRETS = ("ann@", "Ann", "Eann", "let go for cause", "crm")


def another(firm: Firm, name: str, *accounts: str) -> Acting:
    """One more operator."""
    _, key = add_operator(firm.workspace, name, accounts, by=firm.olga)
    return acting(firm.workspace, name, key)


def secret(firm: Firm, **how: bool) -> Plan:
    """A confidential plan about Ann, asked for by omar; olga owns the app."""
    wanted = How(confidential=True, **how)
    return make_plan(firm.workspace, PlanKind.LEAVE, "ann@acme.test", firm.omar, "let go for cause", wanted)


def by(firm: Firm, viewer: Acting | None) -> Firm:
    """The firm as somebody sees it."""
    return replace(firm, workspace=replace(firm.workspace, viewer=viewer.id if viewer else None))


def tells(document: object) -> list[str]:
    """Which secrets a document tells."""
    text = json.dumps(document)
    return [word for word in SECRETS if word in text]


def test_its_requester_and_the_owner_see_it_and_others_see_that_there_is_one(firm: Firm) -> None:
    paula = another(firm, "paula")
    plan = secret(firm)
    for viewer in (firm.omar, firm.olga):
        seen = by(firm, viewer).workspace
        assert shown(seen, plan.id)["person_name"] == "Ann Person"
        assert plans(seen)[0]["kind"] == "leave"
    for stranger in (None, paula):
        seen = by(firm, stranger).workspace
        document = shown(seen, plan.id)
        assert tells(document) == []
        assert tells(plans(seen)) == []
        assert document["person_name"] == "confidential plan 1"
        assert (document["steps"], document["digest"], document["state"]) == ([], plan.digest, "proposed")
        assert "--as NAME" in document["missing"][0]
        assert document.keys() == shown(by(firm, firm.olga).workspace, plan.id).keys()


def test_who_may_give_a_signature_that_the_owners_cannot_sees_it_until_it_is_given(make_firm: MakeFirm) -> None:
    firm = make_firm()
    paula = another(firm, "paula")
    plan = make_plan(
        firm.workspace, PlanKind.LEAVE, "ann@acme.test", firm.olga, "let go for cause", How(confidential=True)
    )
    assert shown(by(firm, paula).workspace, plan.id)["person_name"] == "Ann Person", "olga owns it and cannot sign"
    approve(firm.workspace, plan.id, plan.digest, firm.omar)
    assert tells(shown(by(firm, paula).workspace, plan.id)) == []
    assert shown(by(firm, firm.omar).workspace, plan.id)["person_name"] == "Ann Person"


def test_the_person_whom_it_is_about_never_sees_it(firm: Firm) -> None:
    annie = another(firm, "annie", "ann@acme.test")
    plan = secret(firm)
    assert tells(shown(by(firm, annie).workspace, plan.id)) == []


def test_its_run_tasks_and_findings_are_hidden_and_nothing_leads_from_the_person_to_it(firm: Firm) -> None:
    paula = another(firm, "paula")
    plan = secret(firm)
    approve(firm.workspace, plan.id, plan.digest, firm.olga)
    start(firm.workspace, plan.id)
    tick(firm.workspace, begin(firm.workspace))
    with firm.workspace.store.begin() as unit:
        step = unit.runs.step(plan.steps[0].id)
        assert step is not None
        unit.findings.open_finding(
            "step:x", "parked", "high", "ann@acme.test in crm", {"step": step["id"]}, "look", person_id=plan.person
        )
    stranger, owner = by(firm, paula).workspace, by(firm, firm.olga).workspace
    assert tells([run(stranger, "1"), runs(stranger), tasks(stranger), task(stranger, "1")]) == []
    assert tells([one for one in findings(stranger) if one["rule"] == "parked"]) == []
    assert run(owner, "1")["steps"][0]["user_name"] == "ann@acme.test"
    assert task(owner, "1")["title"]
    hers = why(stranger, "ann@acme.test")
    assert (hers.plans, [one for one in hers.findings if one["rule"] == "parked"]) == ([], [])
    assert len(why(owner, "ann@acme.test").plans) == 1
    assert [one["rule"] for one in findings(stranger, person="ann@acme.test")].count("parked") == 0
    counts = [people(seen, "ann@acme.test")[0]["findings"] for seen in (stranger, owner)]
    assert counts[1] == counts[0] + 1


def test_once_it_is_proven_everybody_may_see_what_was_done(firm: Firm) -> None:
    plan = secret(firm)
    approve(firm.workspace, plan.id, plan.digest, firm.olga)
    begun = start(firm.workspace, plan.id)
    assert tells(runs(firm.workspace)) == []
    with firm.workspace.store.begin() as unit:
        unit.runs.set_run(begun["id"], state=RunState.VERIFIED.value)
    assert runs(firm.workspace)[0]["person_name"] == "Ann Person"
    assert shown(firm.workspace, plan.id)["reason"] == "let go for cause"


def test_it_is_exported_only_to_those_who_may_see_it(firm: Firm) -> None:
    plan = secret(firm)
    with pytest.raises(Refusal, match="is confidential"):
        export_plan(firm.workspace, plan.id)
    assert export_plan(by(firm, firm.olga).workspace, plan.id)["digest"] == plan.digest


def test_an_emergency_too_is_seen_by_the_owner_who_may_get_its_task(make_firm: MakeFirm) -> None:
    firm = make_firm(rules=Rules(emergency=Emergency(allowed=True)))
    plan = secret(firm, emergency=True)
    assert shown(by(firm, firm.olga).workspace, plan.id)["person_name"] == "Ann Person"
    assert tells(shown(firm.workspace, plan.id)) == []
