"""The long form: five hundred joiners wait for an app of ten calls a minute, and a leaver overtakes them all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.helpers.long import long_or
from tests.helpers.workspaces import make_workspace
from tests.journeys.conftest import Company, policies, scim

from usher.domain.plan import PlanKind
from usher.engine.worker import Worker
from usher.services.approve import approve
from usher.services.plan import make_plan
from usher.services.run import start
from usher.services.when import AS_USUAL, How
from usher.services.workspace import Workspace

pytestmark = pytest.mark.timeout(3600)
CALLS_A_MINUTE = 10
WINDOW_SECONDS = 60.0
PLENTY = 6_000
SECRETS = {"directory": {"token": "chaos"}, "wiki": {"token": "chaos"}}


@contextmanager
def opened(company: Company, calls: int) -> Iterator[Workspace]:
    """The company's workspace with so many calls a minute for the wiki, and a worker at work."""
    configs = [
        company.workspace.connections.config("hr"),
        company.workspace.connections.config("directory"),
        scim("wiki", company.wiki.url, requests_per_minute=calls),
    ]
    workspace = make_workspace(company.workspace.folder, configs, policies=policies(), secrets=SECRETS)
    stop = threading.Event()
    thread = threading.Thread(target=Worker(workspace, scheduled=False).work, args=(stop.is_set,), daemon=True)
    thread.start()
    try:
        yield workspace
    finally:
        stop.set()
        thread.join(120)
        assert not thread.is_alive()
        workspace.close()


def begin(company: Company, kind: PlanKind, person: str, how: How = AS_USUAL) -> int:
    plan = make_plan(company.workspace, kind, person, company.olga, "as asked", how=how)
    assert not approve(company.workspace, str(plan.number), plan.digest, company.omar).missing
    start(company.workspace, str(plan.number))
    return plan.number


def done_in_wiki(company: Company) -> Counter[str]:
    return Counter(one["effect"] for one in company.wiki.entries())


def until(so: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not so():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.parametrize("joiners", long_or([], [500]))
def test_a_leaver_is_done_in_two_windows_while_five_hundred_joiners_wait(company: Company, joiners: int) -> None:
    rows = [
        f"J{n},J{n},June{n},Jolly{n},j{n}@acme.test,active,2026-01-01,,Sales,Account Executive" for n in range(joiners)
    ]
    company.hr(more="\n".join(rows) + "\n")
    for number in range(joiners):
        begin(company, PlanKind.JOIN, f"j{number}@acme.test")
    with opened(company, CALLS_A_MINUTE) as workspace:
        until(lambda: done_in_wiki(company)["create"] >= 2, 300)
        asked = time.monotonic()
        number = begin(company, PlanKind.LEAVE, "ann@acme.test", How(urgent=True))

        def verified() -> bool:
            with workspace.store.read() as unit:
                run = unit.runs.of_plan(unit.plans.find(str(number))["id"])  # type: ignore[index]
                assert run is not None
                return run["state"] in ("verified", "closed")

        until(verified, 600)
        windows = (time.monotonic() - asked) / WINDOW_SECONDS
        assert windows <= 2, f"it took {windows:.1f} windows of {CALLS_A_MINUTE} calls"
        waiting = joiners - done_in_wiki(company)["create"]
        assert waiting > joiners * 0.9, "the joiners were still waiting"
    # The worker is another one, and the app takes more now: the bulk goes on where it stopped.
    with opened(company, PLENTY):
        until(lambda: done_in_wiki(company)["create"] >= joiners, 1800)
        time.sleep(5)
    made = [one["userName"] for one in company.wiki.entries() if one["effect"] == "create"]
    assert len(made) == len(set(made)) == joiners, "each was made once"
