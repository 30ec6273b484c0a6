"""`python -m tests.faults`: one run of the fault harness from the command line; exit code 1 if a promise broke."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.faults.harness import Settings, run
from tests.faults.invent import Weather

LONG_PLANS = 200
LONG_KILLS = 200


def main() -> int:
    """Read the options, run, print the table."""
    options = _parser().parse_args()
    kind, _, count = options.kill.partition(":")
    plans = LONG_PLANS if options.long else options.plans
    kills = LONG_KILLS if options.long and not count else int(count or 20)
    settings = Settings(
        seed=options.seed,
        plans=plans,
        kills=kills,
        boundary_rounds=int(count or 10) if kind == "every-boundary" else 0,
        lag=options.lag,
        unique=not options.no_unique,
        weather=Weather(options.lost_reply, options.rate_limited, options.server_error, options.server_error_after),
        timed_over=options.timed_over if options.timed_over is not None else plans * 1.5,
        rivals=options.rivals,
        events=tuple(options.events.split(",")) if options.events else (),
    )
    folder = options.folder or Path(tempfile.mkdtemp(prefix="usher-faults-"))
    result = run(folder, settings)
    print(result.table())  # noqa: T201
    print(f"kept in           {folder}")  # noqa: T201
    return 0 if result.clean else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    fair = Weather()
    parser.add_argument("--seed", type=int, default=1, help="same seed: same company, weather and deaths")
    parser.add_argument("--plans", type=int, default=40)
    parser.add_argument("--long", action="store_true", help=f"{LONG_PLANS} plans and {LONG_KILLS} random kills")
    parser.add_argument("--lag", default="mixed", choices=("mixed", "0", "0.5", "5", "above"),
                        help="seconds for every app; above: 3 s where 0.5 s is declared")  # fmt: skip
    parser.add_argument("--kill", default="random", help="random:N or every-boundary:ROUNDS")
    parser.add_argument("--events", default="", help="join,leave,move for each plan in turn, instead of drawn ones")
    parser.add_argument(
        "--timed-over", type=float, help="every other leave has a time within so many seconds (0: none)"
    )
    parser.add_argument("--rivals", type=int, default=10, help="a second worker beside every so manieth (0: none)")
    parser.add_argument("--no-unique", action="store_true", help="no app refuses a second account of one name")
    for name in ("lost_reply", "rate_limited", "server_error", "server_error_after"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(fair, name))
    parser.add_argument("--folder", type=Path, help="an empty folder that keeps everything; default: a temporary one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
