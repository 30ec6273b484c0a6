"""One run of the fault harness: a company in foul weather, workers that are killed, and the checker's judgement."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.checker import COUNTERS, Judgement, check
from tests.faults.clerk import Clerk
from tests.faults.company import Standing, build
from tests.faults.evidence import gather
from tests.faults.invent import App, Weather, apps_of
from tests.faults.nemesis import REFUSED, TOOK_OVER, Kill, Nursery, Rival, every_boundary, random_kills
from tests.faults.worker import LEASE_TAKEN
from tests.helpers.running import Twins

from usher.services.record import verify_ledger
from usher.services.run import start

LIVE = ("ready", "acting", "unknown", "acknowledged", "verified", "waiting for a person")
PATIENCE_SECONDS = 60.0
"""How long nothing at all may change before a run counts as hanging; a slow machine is not a hanging one."""
LATE_ADOPTION_SECONDS = 20.0
"""How long a parked step that the journal shows as done may wait for the look that adopts it."""

_one_at_a_time = threading.Lock()
"""Migrations keep their context in a global, so two companies in one process are built one after the other."""


@dataclass(frozen=True)
class Settings:
    """What a run is made of; the same settings give the same company, weather and deaths."""

    seed: int = 1
    plans: int = 40
    kills: int = 20
    boundary_rounds: int = 0
    """Deaths at every boundary in turn, so many rounds, instead of `kills` random ones."""
    lag: str = "mixed"
    unique: bool = True
    weather: Weather = field(default_factory=Weather)
    events: tuple[str, ...] = ()
    timed_over: float = 0.0
    """Every other leave begins by itself at a time within so many seconds."""
    rivals: int = 0
    """Beside every so manieth worker a second one is started on the same workspace; 0: none."""
    apps: tuple[App, ...] = ()
    """These apps instead of the usual ones with `lag` and `unique`."""


@dataclass
class Result:
    """What a run gave."""

    settings: Settings
    judgement: Judgement
    kills: Counter[str]
    engines_deleted: int
    """How often the engine's own database was taken away between two workers."""
    refused: int
    """How often a second worker on the workspace was sent away."""
    took_over: int
    """How often it went on with what the first one had left when it was killed."""
    adopted: int
    was_parked: int
    lies: int
    mended: int
    settled: bool
    ledger: tuple[str, ...]
    seconds: float

    @property
    def clean(self) -> bool:
        """True where no promise was broken, nothing hangs and the ledger verifies."""
        return self.judgement.clean and self.settled and not self.ledger

    def table(self) -> str:
        """The counters and numbers as lines of text, the broken promises below."""
        one = self.settings
        rows = [(name, str(count)) for name, count in self.judgement.counts().items()]
        rows += [(name, str(count)) for name, count in self.judgement.facts.items()]
        rows += [
            ("ever parked", str(self.was_parked)),
            ("adopted", str(self.adopted)),
            ("said too early", str(self.lies)),
            ("stops mended", str(self.mended)),
            ("kills", str(self.kills.total())),
            ("engine.db deleted", str(self.engines_deleted)),
            ("rivals refused", str(self.refused)),
            ("rivals took over", str(self.took_over)),
            ("settled", "yes" if self.settled else "NO"),
            ("ledger", "verified" if not self.ledger else "BROKEN"),
            ("seconds", f"{self.seconds:.0f}"),
            ("seed", str(one.seed)),
            ("lag", one.lag),
            ("unique", "yes" if one.unique else "no"),
        ]
        lines = [f"{name:<18}{value:>8}" for name, value in rows]
        lines += [f"{name}: {line}" for name in COUNTERS for line in self.judgement.broken[name]]
        lines += [f"ledger: {line}" for line in self.ledger]
        return "\n".join(lines)


def run(folder: Path, settings: Settings) -> Result:
    """Build a company in a folder, torment it, wait until nothing moves any more, and judge it."""
    begun = time.monotonic()
    twins = Twins(folder / "servers")
    try:
        apps = settings.apps or apps_of(settings.lag, settings.unique)
        with _one_at_a_time:
            standing = build(
                folder, twins, settings.seed, settings.plans, apps=apps, events=settings.events,
                timed_over=settings.timed_over,
            )  # fmt: skip
        return _torment(standing, settings, begun)
    finally:
        twins.stop()


def _torment(standing: Standing, settings: Settings, begun: float) -> Result:
    kills = list(_kills(settings))
    struck: Counter[str] = Counter()
    clerk = Clerk(standing, settings.seed)
    nursery = Nursery(standing.folder / "worker.log")
    try:
        standing.blow(settings.weather)
        clerk.start()
        waiting = [str(plan.number) for plan in standing.plans if plan.act_at is None]
        share = -(-len(waiting) // max(1, len(kills) // 2))  # all have begun when half of the deaths are over
        for place, kill in enumerate(kills):
            for number in waiting[place * share : (place + 1) * share]:
                start(standing.workspace, number)
            rival = Rival(standing.folder) if settings.rivals and place % settings.rivals == 0 else None
            struck[_live_and_die(standing, nursery, kill, rival=rival is not None)] += 1
            if rival is not None:
                struck[rival.end()] += 1
            struck["engine.db deleted"] += forget_engine(standing.folder, settings.seed, place)
            if settings.boundary_rounds and not _moving(standing):
                break
        for number in waiting[len(kills) * share :] if kills else waiting:
            start(standing.workspace, number)
        nursery.start(standing.folder)
        settled = _settle(standing)
        nursery.end(signal.SIGTERM)
    finally:
        nursery.stop()
        clerk.stop()
    return _judge(standing, settings, struck, clerk, settled, begun)


def _kills(settings: Settings) -> Iterable[Kill]:
    if settings.boundary_rounds:
        return every_boundary(settings.boundary_rounds)
    return random_kills(settings.seed, settings.kills)


def _live_and_die(standing: Standing, nursery: Nursery, kill: Kill, *, rival: bool = False) -> str:
    """Let a worker live until its planned death; returns where it died. A rival may be there first and send it away."""
    nursery.start(standing.folder, kill)
    code = nursery.wait(kill.seconds)
    if code is None:
        nursery.end(signal.SIGKILL)
        return "by the clock"
    if rival and code == LEASE_TAKEN:
        return "sent away by its rival"
    assert code == -signal.SIGKILL, f"a worker ended by itself with {code}:\n{nursery.log.read_text()[-4000:]}"
    return kill.boundary or "by the clock"


def forget_engine(folder: Path, seed: int, place: int) -> bool:
    """Every other time, take the engine's own database away: our rows are the only truth."""
    if random.Random(f"engine {seed} {place}").random() < 0.5:
        return False
    for path in (folder / "workspace" / "data").glob("engine.db*"):
        path.unlink()
    return True


def _moving(standing: Standing) -> list[tuple[str, str, str]]:
    """The steps that are still on their way by themselves, as they stand now."""
    with standing.workspace.store.read() as unit:
        rows = [row for run in unit.runs.all() for row in unit.runs.steps(run["id"])]
        timed = [row for row in unit.plans.all() if row["act_at"] and unit.runs.of_plan(row["id"]) is None]
    now = standing.workspace.now()
    # Until its time a plan stands still without hanging.
    to_come = [(row["id"], "to come", now) for row in timed if row["act_at"] > now]
    late = [(row["id"], "late", row["act_at"]) for row in timed if row["act_at"] <= now]
    return [(row["id"], row["state"], row["updated_at"]) for row in rows if row["state"] in LIVE] + to_come + late


def _settle(standing: Standing) -> bool:
    """Wait until nothing is on its way, and until late looks have adopted what they can; False where it hangs."""
    last: list[tuple[str, str, str]] = []
    until = 0.0
    while moving := _moving(standing):
        if moving != last:
            last, until = moving, time.monotonic() + PATIENCE_SECONDS
        elif time.monotonic() > until:
            return False
        time.sleep(0.25)
    until = time.monotonic() + LATE_ADOPTION_SECONDS
    while time.monotonic() < until and (check(gather(standing)).facts["parked though done"] or _moving(standing)):
        time.sleep(0.5)
    return True


def _judge(
    standing: Standing, settings: Settings, struck: Counter[str], clerk: Clerk, settled: bool, begun: float
) -> Result:
    judgement = check(gather(standing))
    report = verify_ledger(standing.workspace, [])
    with standing.workspace.store.read() as unit:
        steps = [row for run in unit.runs.all() for row in unit.runs.steps(run["id"])]
        adopted = sum(any(one["kind"] == "adopt" for one in unit.runs.receipts(row["id"])) for row in steps)
        was_parked = sum(any(one["event"] == "step:step:park" for one in unit.ledger.about(row["id"])) for row in steps)
    standing.workspace.close()
    return Result(
        settings=settings,
        judgement=judgement,
        engines_deleted=struck.pop("engine.db deleted", 0),
        refused=struck.pop(REFUSED, 0),
        took_over=struck.pop(TOOK_OVER, 0),
        kills=struck,
        adopted=adopted,
        was_parked=was_parked,
        lies=clerk.lies,
        mended=clerk.mended,
        settled=settled,
        ledger=tuple(str(problem) for problem in report.problems),
        seconds=time.monotonic() - begun,
    )
