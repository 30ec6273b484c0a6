"""Residual access: noted when an account is seen to be closed, shown with its basis, gone when it is open again."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest
from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import Company, policies, scim
from tests.journeys.test_reports import LEFT, off

from usher.domain.plan import PlanKind, Verb
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.evidence import of_person
from usher.services.pack import write_evidence
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.residual import RULE, end
from usher.services.run import start
from usher.services.undo import make_undo
from usher.services.why import why
from usher.services.workspace import Refusal

WIKI = {
    "sessions": {"ends": "later", "minutes": 480, "source": "Settings > Security"},
    "tokens": {"ends": "never", "source": "the vendor's page on tokens"},
    "local password": {"ends": "at once", "source": "tried on the test tenant"},
}


@pytest.fixture
def company_with_facts(company: Company) -> Company:
    """The company, of whose wiki somebody has written down what outlives an account."""
    configs = [company.workspace.connections.config(name) for name in ("hr", "directory")]
    wiki = scim("wiki", company.wiki.url, residual=WIKI)
    company.workspace.close()
    secrets = {"directory": {"token": "chaos"}, "wiki": {"token": "chaos"}}
    folder = company.workspace.folder
    company.workspace = make_workspace(folder, [*configs, wiki], policies=policies(), secrets=secrets)
    return company


def states(company: Company, app: str) -> dict[str, Any]:
    return {one["kind"]: one["state"] for one in why(company.workspace, "E1", app).residuals}


def test_what_may_outlive_an_account_is_said_with_its_basis(company_with_facts: Company) -> None:
    company = company_with_facts
    company.hr(*LEFT)
    assert why(company.workspace, "E1").residuals == []
    off(company)
    assert states(company, "wiki") == {
        "sessions": "open until",
        "tokens": "open until",
        "local password": "closed",
        "oauth grants": "unknown",
        "shared secrets": "unknown",
    }
    assert set(states(company, "directory").values()) == {"unknown"}, "what nobody has said is not taken for closed"
    told = {one["kind"]: one for one in why(company.workspace, "E1", "wiki").residuals}
    assert told["sessions"]["until"] > told["sessions"]["seen_at"]
    assert told["tokens"]["until"] is None
    assert told["tokens"]["basis"] == "the vendor's page on tokens"
    file = company.folder / "ann.zip"
    write_evidence(company.workspace, of_person(company.workspace, "E1"), file)
    with zipfile.ZipFile(file) as archive:
        document = json.loads(archive.read("evidence.json"))
        page = archive.read("index.html").decode()
    assert len(document["people"][0]["residuals"]) == 10
    assert "open until somebody ends it" in " ".join(page.split())


def findings(company: Company) -> list[str]:
    with company.workspace.store.read() as unit:
        return [row["subject"] for row in unit.findings.open(rule=RULE)]


def test_what_does_not_end_by_itself_is_a_finding_until_somebody_has_ended_it(company_with_facts: Company) -> None:
    company = company_with_facts
    company.hr(*LEFT)
    off(company)
    assert findings(company) == ["tokens of ann@acme.test in wiki"]
    reconcile(company.workspace)
    assert findings(company) == ["tokens of ann@acme.test in wiki"], "a reading proves nothing of tokens"
    with company.workspace.store.read() as unit:
        account = next(row["id"] for row in unit.accounts.of("wiki") if row["user_name"] == "ann@acme.test")
    with pytest.raises(Refusal, match="closed already"):
        end(company.workspace, account, "local password", company.olga, "changed it")
    end(company.workspace, account, "tokens", company.olga, "revoked both of them")
    assert findings(company) == []
    told = next(one for one in why(company.workspace, "E1", "wiki").residuals if one["kind"] == "tokens")
    assert (told["state"], told["basis"]) == ("closed", "olga says so: revoked both of them")
    with company.workspace.store.read() as unit:
        leaf = next(one for one in unit.ledger.about(account) if one["event"] == "account:residual:end")
    assert "signature" in leaf["document"], "whoever says so signs it"
    with pytest.raises(Refusal, match="closed already"):
        end(company.workspace, account, "tokens", company.olga, "again")


def test_whoever_signs_and_whoever_does_it_by_hand_is_told_what_to_end_too(company_with_facts: Company) -> None:
    company = company_with_facts
    company.hr(*LEFT)
    plan = make_plan(company.workspace, PlanKind.LEAVE, "ann@acme.test", company.olga)
    told = {step.connection: step.watch_outs for step in plan.steps if step.verb is Verb.DEACTIVATE}
    assert told["wiki"] == ("End the tokens too: the vendor's page on tokens",)
    assert told["directory"] == ()


def test_an_account_that_is_open_again_has_nothing_that_outlives_it(company_with_facts: Company) -> None:
    company = company_with_facts
    off(company, "ben@acme.test")
    assert len(why(company.workspace, "E2").residuals) == 10
    plan = make_undo(company.workspace, "1", company.olga, "the wrong Ben")
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(company.workspace)
    start(company.workspace, str(plan.number))
    assert findings(company) == ["tokens of ben@acme.test in wiki"]
    company.carry_out(fence)
    assert why(company.workspace, "E2").residuals == []
    assert findings(company) == []
