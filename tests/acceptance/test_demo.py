"""`usher demo --yes`: the guide's leaver and joiner at Acme, on real systems, with the worker killed once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.long import long_or

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.timeout(900)]
GUIDE = {
    "added": "PASS",
    "mapped_in_crm": "not yet",
    "visible_in_rollup": "not yet",
    "modules_given": "PASS",
    "removed_in_idp": "PASS",
    "removed_in_app": "PASS",
    "not_brought_back": "not yet",
    "seat_freed": "PASS",
}


@pytest.fixture(scope="module", params=long_or(["scim"], ["ldap"]))
def demo(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """The demo, played once with each directory: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    command = [sys.executable, "-m", "usher.bootstrap", "demo", "--yes", "--folder", str(folder), "--seconds", "840",
               "--directory", request.param]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=880, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return folder, done.stdout


def test_the_demo_ends_with_the_guides_eight_lines(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["guide"] == GUIDE
    assert summary["verified"] == summary["steps"] == 16
    assert (summary["unverified"], summary["tasks"], summary["ledger_verified"]) == (0, 2, True)
    assert summary["findings"] == {"ghost": 6, "half off-boarded": 2, "drift": 2, "missing": 1, "orphan": 4}
    assert "kill -9" in printed
    for words in ("added", "mapped in the CRM", "seat freed"):
        assert words in printed


def test_the_apps_own_journals_hold_each_effect_once(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    told = [json.loads(line) for line in (folder / "journals" / "forecastly.jsonl").read_text().splitlines()]
    effects = [(entry["verb"], entry["email"]) for entry in told if entry.get("effect", True)]
    assert effects.count(("deactivate", "daniel.osei@acme.test")) == 1
    assert effects.count(("create", "jonas.reed@acme.test")) == 1
    assert {email for _, email in effects} == {"daniel.osei@acme.test", "jonas.reed@acme.test"}


def test_an_auditor_verifies_the_demos_ledger_with_nothing_of_ours(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    out = folder / "export"
    command = [sys.executable, "-m", "usher.bootstrap", "--workspace", str(folder / "workspace"), "ledger", "export"]
    environment = {"USHER_KEYS_DIR": str(folder / "keys"), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    subprocess.run([*command, str(out)], check=True, env=environment, timeout=60)
    verifier = next(out.glob("verify_ledger.py"))
    arguments = ["--export", str(out), "--key", str(next(out.glob("*key*")))]
    whole = subprocess.run([sys.executable, "-I", "-S", str(verifier), *arguments], timeout=120, check=False)
    assert whole.returncode == 0
    ledger = out / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace("jonas", "jonah", 1))
    changed = subprocess.run([sys.executable, "-I", "-S", str(verifier), *arguments], timeout=120, check=False)
    assert changed.returncode == 1
