"""Urgent work is claimed before bulk work that was due earlier, and approved like any other."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from tests.journeys.conftest import Company

from usher.domain.guard import Limit, Limits
from usher.domain.plan import PlanKind
from usher.domain.step import DueKind
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.plan import make_plan
from usher.services.run import start
from usher.services.when import AS_USUAL, How
from usher.services.workspace import Refusal


@pytest.mark.parametrize("by", ["its lane", "its time"])
def test_steps_of_an_urgent_plan_are_claimed_before_those_that_were_due_earlier(company: Company, by: str) -> None:
    workspace = company.workspace
    object.__setattr__(workspace, "limits", Limits(windows=(Limit(hours=24, count=10, percent=100),)))
    fence = begin(workspace)
    begun = []
    soon = datetime.now(UTC) + timedelta(seconds=2)
    how = How(urgent=True) if by == "its lane" else How(at=f"{soon:%Y-%m-%d %H:%M:%S} UTC")
    for person, asked in (("cleo", AS_USUAL), ("ann", how)):
        plan = make_plan(workspace, PlanKind.LEAVE, f"{person}@acme.test", company.olga, "left today", asked)
        with pytest.raises(Refusal, match="more operator"):
            start(workspace, str(plan.number))
        approve(workspace, str(plan.number), plan.digest, company.omar)
        if plan.act_at is not None:
            time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds() + 0.1))
        start(workspace, str(plan.number))
        begun.append(plan.steps[0].id)
    with workspace.store.begin() as unit:
        claimed = unit.dues.claim(workspace.now(), fence, kinds=(DueKind.ACT,))
    assert [row["subject"] for row in claimed] == [begun[1], begun[0]]
