"""Run every benchmark, one after the other, after a line about the machine: `python -m benchmarks`."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def processor() -> str:
    """The processor's name as the system tells it, or its architecture."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def sync_milliseconds() -> float:
    """The median time of one fsync of a 4 KiB append: durable work can never be faster than this."""
    taken = []
    with tempfile.NamedTemporaryFile(prefix="usher-bench-") as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return sorted(taken)[50] * 1000


def main() -> int:
    """Print the machine, then what each benchmark prints; returns how many of them failed."""
    load = os.getloadavg()[0]
    print(f"{processor()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}, load {load:.1f}")
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, fsync {sync_milliseconds():.3f} ms")
    failed = 0
    for path in sorted(HERE.glob("[a-z]*.py")):
        print(f"\n== {path.stem}", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"benchmarks.{path.stem}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
