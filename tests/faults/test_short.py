"""The short form of the fault harness: forty plans in every weather, and one plan of each kind killed everywhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faults.harness import Result, Settings, run
from tests.faults.invent import MIXED, App, Weather, invent
from tests.faults.nemesis import BOUNDARIES

MINUTES = 60
"""A generous end for a machine that is busy with other things; the usual time is a minute or two."""
FORTY = Settings(seed=2, plans=40, kills=12, timed_over=30, rivals=4)
SLOW = {"unique": False, "declared_lag": 0.5, "real_lag": 3.0}
DOUBTFUL = Settings(
    seed=5, kills=2, apps=(App("directory", part="idp", **SLOW), App("wiki", **SLOW)), events=("join",) * 6
)
CALM = Weather(0, 0, 0, 0)
"""Here the deaths are the fault; with lost replies on top, a death could not be placed where it is wanted."""
SMALL = (App("directory", part="idp"), App("wiki", unique=False))


def clean(result: Result) -> Result:
    """The result, shown with its table where a promise was broken."""
    assert result.clean, result.table()
    return result


@pytest.mark.timeout(15 * MINUTES)
def test_forty_leavers_and_joiners_in_every_weather_and_lag_survive_kills_at_random(tmp_path: Path) -> None:
    result = clean(run(tmp_path, FORTY))
    assert result.judgement.facts["plans"] == 40
    assert result.judgement.facts["with a time"] >= 5, "they began by themselves"
    assert result.judgement.facts["proven"] > 100
    assert result.kills.total() == 12
    assert result.refused + result.took_over == 3, (
        "a second worker waits or takes over, and never acts beside the first"
    )
    assert result.engines_deleted > 0, "nothing rests on the engine's own database"
    assert result.adopted > 0, "lost replies were found by looking"


def test_the_forty_plans_meet_every_lag() -> None:
    planned = invent(FORTY.seed, FORTY.plans, MIXED).planned()
    assert {one.event for one in planned} >= {"leave", "join"}
    for app in MIXED:
        touched = [one for one in planned if app.departments is None or one.department in app.departments]
        assert len(touched) >= 2, f"{app.name}: lag {app.real_lag}, declared {app.declared_lag}"


@pytest.mark.timeout(10 * MINUTES)
def test_a_create_in_doubt_is_parked_and_never_repeated_where_the_lag_is_above_the_declared(tmp_path: Path) -> None:
    result = clean(run(tmp_path, DOUBTFUL))
    assert result.was_parked > 0, "an app without uniqueness that is slower than it says leaves doubts"
    assert result.judgement.counts()["DOUBLED"] == 0


@pytest.mark.timeout(10 * MINUTES)
def test_a_leaver_and_a_joiner_survive_a_kill_at_every_boundary(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as together:
        asked = {
            event: together.submit(
                run, tmp_path / event, Settings(seed=3, boundary_rounds=3, weather=CALM, apps=SMALL, events=(event,))
            )
            for event in ("leave", "join")
        }
        results = {event: clean(future.result()) for event, future in asked.items()}
    for event, result in results.items():
        missed = [boundary for boundary in BOUNDARIES if not result.kills[boundary]]
        assert not missed, f"{event}: no worker died at {missed}"
        assert result.judgement.facts["proven"] + result.judgement.facts["parked"] == result.judgement.facts["steps"]
