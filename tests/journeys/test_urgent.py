"""Urgent work is claimed before bulk work that was due earlier, and approved like any other."""

from __future__ import annotations

import pytest
from tests.journeys.conftest import Company

from usher.domain.guard import Limit, Limits
from usher.domain.plan import Lane, PlanKind
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.plan import make_plan
from usher.services.run import start
from usher.services.when import How
from usher.services.workspace import Refusal


def test_steps_of_an_urgent_plan_are_claimed_before_those_that_were_due_earlier(company: Company) -> None:
    workspace = company.workspace
    object.__setattr__(workspace, "limits", Limits(windows=(Limit(hours=24, count=10, percent=100),)))
    fence = begin(workspace)
    begun = []
    for person, lane in (("cleo", Lane.BULK), ("ann", Lane.URGENT)):
        plan = make_plan(
            workspace,
            PlanKind.LEAVE,
            f"{person}@acme.test",
            company.olga,
            "left today",
            How(urgent=lane is Lane.URGENT),
        )
        with pytest.raises(Refusal, match="more operator"):
            start(workspace, str(plan.number))
        approve(workspace, str(plan.number), plan.digest, company.omar)
        start(workspace, str(plan.number))
        begun.append(plan.steps[0].id)
    with workspace.store.begin() as unit:
        assert [row["subject"] for row in unit.dues.claim(workspace.now(), fence)] == [begun[1], begun[0]]
