"""What the guard holds goes on row by row, by another person's word, and only as far as that person was shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.journeys.conftest import Company

from usher.domain.clock import to_text
from usher.domain.guard import Limit, Limits
from usher.domain.plan import Plan, PlanKind, PlanState
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.operators import Acting, acting, add_operator, revoke_operator
from usher.services.plan import make_plan
from usher.services.record import verify_ledger
from usher.services.release import held_now, override, release_rows
from usher.services.run import start
from usher.services.workspace import Refusal

TIGHT = Limits(windows=(Limit(hours=24, count=1, percent=100),))


@pytest.fixture
def strict(company: Company) -> Iterator[Company]:
    """The company where one leaver a day is allowed, and Cleo has just left."""
    object.__setattr__(company.workspace, "limits", TIGHT)
    company.workspace.connections.config("hr")
    carried(company, leaver(company, "cleo"))
    yield company


def leaver(company: Company, person: str) -> Plan:
    return make_plan(company.workspace, PlanKind.LEAVE, f"{person}@acme.test", company.olga, "left today")


def carried(company: Company, plan: Plan) -> None:
    approve(company.workspace, str(plan.number), plan.digest, company.omar)
    fence = begin(company.workspace)
    start(company.workspace, str(plan.number))
    company.carry_out(fence)


def state(company: Company, plan: Plan) -> str:
    with company.workspace.store.read() as unit:
        row = unit.plans.find(plan.id)
    assert row is not None
    return str(row["state"])


def rows(plan: Plan) -> list[str]:
    return [row["row"] for row in plan.guard["held"]]


def third(company: Company) -> Acting:
    _, key = add_operator(company.workspace, "tess", by=company.olga)
    return acting(company.workspace, "tess", key)


def effects(company: Company) -> int:
    return len(company.directory.entries()) + len(company.wiki.entries())


def test_a_held_plan_goes_on_when_every_row_was_released_by_somebody_else(strict: Company) -> None:
    plan, before = leaver(strict, "ann"), effects(strict)
    assert state(strict, plan) == PlanState.HELD
    assert len(rows(plan)) == 2
    with pytest.raises(Refusal, match=r"is held by the guard.*usher plan release 2 ROW"):
        approve(strict.workspace, "2", plan.digest, strict.omar)
    with pytest.raises(Refusal, match="who asked for it cannot let it pass the guard"):
        release_rows(strict.workspace, "2", rows(plan), strict.olga, "sure")
    with pytest.raises(Refusal, match="has no held row 'wiki/x/deactivate'; held: directory/"):
        release_rows(strict.workspace, "2", ["wiki/x/deactivate"], strict.omar, "sure")
    assert release_rows(strict.workspace, "2", rows(plan)[:1], strict.omar, "really left") == (rows(plan)[1],)
    assert state(strict, plan) == PlanState.HELD
    assert release_rows(strict.workspace, "2", rows(plan)[1:], strict.omar, "really left") == ()
    assert state(strict, plan) == PlanState.PROPOSED
    assert effects(strict) == before
    carried(strict, plan)
    assert effects(strict) == before + 2
    assert verify_ledger(strict.workspace, []).problems == ()


def test_a_release_covers_no_more_than_was_shown(strict: Company) -> None:
    ann, ben = leaver(strict, "ann"), leaver(strict, "ben")
    for plan in (ann, ben):
        assert release_rows(strict.workspace, str(plan.number), rows(plan), strict.omar, "really left") == ()
    carried(strict, ann)
    with pytest.raises(Refusal, match=r"2 losses within 24 hours and 1 more planned, 1 of"):
        approve(strict.workspace, str(ben.number), ben.digest, strict.omar)
    assert release_rows(strict.workspace, str(ben.number), rows(ben), strict.omar, "he too") == ()
    approve(strict.workspace, str(ben.number), ben.digest, strict.omar)


def test_a_release_that_somebody_wrote_into_the_database_releases_nothing(strict: Company) -> None:
    plan = leaver(strict, "ann")
    release_rows(strict.workspace, "2", rows(plan), strict.omar, "really left")
    with strict.workspace.store.begin() as unit:
        kept = unit.answers.releases(plan.id)
        for one in kept:
            unit.answers.end_release(plan.id, one["row"])
            unit.answers.add_release(
                plan.id, one["digest"], one["row"], one["shown"].replace("2", "9"), one["operator_id"],
                one["signature"], one["reason"],
            )  # fmt: skip
    with strict.workspace.store.read() as unit:
        assert held_now(strict.workspace, unit, plan) is not None


def test_what_a_revoked_operator_released_is_held_again(strict: Company) -> None:
    plan, tess = leaver(strict, "ann"), third(strict)
    release_rows(strict.workspace, "2", rows(plan), tess, "really left")
    revoke_operator(strict.workspace, "tess", strict.olga)
    with pytest.raises(Refusal, match="the guard does not allow plan 2"):
        approve(strict.workspace, "2", plan.digest, strict.omar)


def test_an_override_lasts_one_run_and_ends_at_its_date(strict: Company) -> None:
    workspace = strict.workspace
    plan, before = leaver(strict, "ann"), effects(strict)
    until = to_text(workspace.clock.now() + timedelta(hours=1))
    with pytest.raises(Refusal, match="another operator must"):
        override(workspace, "2", strict.olga, until, "a site closes")
    with pytest.raises(Refusal, match="an override ends in the future"):
        override(workspace, "2", strict.omar, "2020-01-01T00:00:00.000Z", "a site closes")
    override(workspace, "2", strict.omar, until, "a site closes")
    assert state(strict, plan) == PlanState.PROPOSED
    with pytest.raises(Refusal, match="has an override already; it lasts one run"):
        override(workspace, "2", strict.omar, until, "again")
    carried(strict, plan)
    assert effects(strict) == before + 2
    with workspace.store.read() as unit:
        used = unit.answers.override_of(plan.id)
        assert used is not None
        assert used["used_at"] is not None
    other = leaver(strict, "ben")
    assert state(strict, other) == PlanState.HELD


def test_what_is_refused_is_neither_released_nor_overridden(strict: Company) -> None:
    workspace = strict.workspace
    config = workspace.connections.config("wiki")
    with workspace.store.begin() as unit:
        last = unit.accounts.last_snapshot("wiki", complete=False)
        assert last is not None
        unit.accounts.add_snapshot(
            **{**{k: v for k, v in last.items() if k != "id"}, "kind": "partial", "reasons": '["half a page"]'}
        )
    plan = leaver(strict, "ann")
    refused = [row["row"] for row in plan.guard["refused"]]
    assert config.name in refused[0]
    with pytest.raises(Refusal, match="can never be released: the last reading of wiki is partial"):
        release_rows(workspace, "2", refused, strict.omar, "sure")
    until = to_text(workspace.clock.now() + timedelta(hours=1))
    with pytest.raises(Refusal, match="nothing overrides what plan 2 is refused for"):
        override(workspace, "2", strict.omar, until, "sure")
