"""How long steps in healthy apps take while another app is ill, beside the same with all apps well, in one run.

    python -m benchmarks.quarantine [--plans 24] [--rounds 3]

Each plan closes one person's accounts in three apps behind SCIM, which run as servers of their own. In every other
round the third one answers nothing but errors (or refuses the credentials), until usher stops calling it. Told are the
95th percentiles, over all plans, of the seconds from the beginning of the run to the fresh reading that proves a step
in one of the two healthy apps, and the calls that the ill app got.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import threading
import time
from pathlib import Path

from tests.faults.company import Standing, build
from tests.faults.invent import App
from tests.helpers.running import Twins

from usher.domain.clock import from_text
from usher.engine.worker import Worker
from usher.services.run import start

HEALTHY = (App("directory", part="idp"), App("wiki"))
ILL = App("tickets")
ILLNESSES = {"500 always": {"server_error": 1}, "401 storm": {"auth_storm": 1}}
WELL = "all well"
PATIENCE_SECONDS = 300.0


def one_round(plans: int, illness: str) -> tuple[list[float], int, bool]:
    """Carry the plans out once: the seconds of each healthy step, the ill app's calls, and whether it was stopped."""
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        twins = Twins(Path(folder) / "servers")
        try:
            standing = build(Path(folder), twins, 1, plans, apps=(*HEALTHY, ILL), events=("leave",) * plans)
            trace = Path(folder) / f"{ILL.name}.trace.jsonl"
            before = _lines(trace)
            if illness != WELL:
                (Path(folder) / f"{ILL.name}.faults.json").write_text(json.dumps(ILLNESSES[illness]))
            for plan in standing.plans:
                start(standing.workspace, str(plan.number))
            seconds = _carried(standing)
            with standing.workspace.store.read() as unit:
                stopped = ILL.name in unit.leases.quarantined()
            standing.workspace.close()
            return seconds, _lines(trace) - before, stopped
        finally:
            twins.stop()


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def _carried(standing: Standing) -> list[float]:
    stop = threading.Event()
    thread = threading.Thread(target=Worker(standing.workspace, scheduled=False).work, args=(stop.is_set,))
    thread.start()
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            with standing.workspace.store.read() as unit:
                runs = unit.runs.all()
                steps = [(run, row) for run in runs for row in unit.runs.steps(run["id"])]
            healthy = [(run, row) for run, row in steps if row["connection"] != ILL.name]
            if all(row["verified_at"] for _, row in healthy):
                return [
                    (from_text(row["verified_at"]) - from_text(run["started_at"])).total_seconds()
                    for run, row in healthy
                ]
            time.sleep(0.1)
        raise SystemExit("the healthy apps' steps did not end in time")
    finally:
        stop.set()
        thread.join(60)


def percentile_95(values: list[float]) -> float:
    """The value that nineteen of twenty do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def main() -> int:
    """Run the rounds in turn and print both sides."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quarantine", description=__doc__.split("\n")[0])
    parser.add_argument("--plans", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    found: dict[str, list[float]] = {name: [] for name in (WELL, *ILLNESSES)}
    calls: dict[str, int] = {}
    for _ in range(options.rounds):
        for illness, seconds in found.items():
            taken, asked, stopped = one_round(options.plans, illness)
            seconds += taken
            calls[illness] = max(asked, calls.get(illness, 0))
            if stopped != (illness != WELL):
                raise SystemExit(f"{illness}: the app was {'' if stopped else 'not '}stopped")
    floor = percentile_95(found[WELL])
    print(f"{options.rounds} rounds of {options.plans} leavers in three apps")
    for illness, seconds in found.items():
        p95 = percentile_95(seconds)
        third = f"the third app got {calls[illness]} calls"
        print(f"{illness:<12}p95 {p95:7.2f} s   {p95 / floor:5.2f} times all well   {third}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
