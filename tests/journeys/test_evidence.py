"""Evidence: one zip that somebody checks who has nothing of ours, and that tells nothing of others."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.journeys.conftest import Company
from tests.journeys.test_reports import LEFT, off

from usher.domain.canonical import canonical, digest
from usher.domain.ledger import standalone
from usher.domain.plan import PlanKind
from usher.domain.signing import new_private_key, sign
from usher.services.evidence import of_period, of_person, of_run
from usher.services.pack import SCHEMA, VERIFIER, write_evidence
from usher.services.plan import make_plan
from usher.services.reconcile import reconcile
from usher.services.when import How
from usher.services.workspace import Refusal

FLIPS = 60


@pytest.fixture
def gone(company: Company) -> Company:
    """Ann has left and is off, and Ben is about to leave."""
    company.hr(*LEFT)
    off(company)
    make_plan(company.workspace, PlanKind.LEAVE, "ben@acme.test", company.olga, "Ben Brook resigned")
    reconcile(company.workspace)
    return company


def pack_of_ann(company: Company, name: str = "ann.zip") -> Path:
    file = company.folder / name
    write_evidence(company.workspace, of_person(company.workspace, "ann@acme.test"), file)
    return file


def files_of(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def verdict(file: Path, *more: str, capsys: pytest.CaptureFixture[str] | None = None) -> tuple[int, str]:
    code = standalone.main(["--evidence", str(file), *more])
    return code, capsys.readouterr().out if capsys else ""


def signed_anew(files: dict[str, bytes], key: str) -> bytes:
    """The zip of changed files with a manifest that the holder of a key signs."""
    manifest = json.loads(files.pop(standalone.MANIFEST))
    manifest["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    body = {name: value for name, value in manifest.items() if name not in ("schema", "signature")}
    manifest["signature"] = sign(key, digest(SCHEMA, body), SCHEMA)
    return standalone.pack({**files, standalone.MANIFEST: canonical(manifest)})


def test_somebody_with_python_alone_checks_it_and_reads_who_signed_what(gone: Company, tmp_path: Path) -> None:
    file = pack_of_ann(gone)
    place = tmp_path / "elsewhere"
    with zipfile.ZipFile(file) as archive:
        archive.extractall(place)
    for what in (str(file), "."):
        command = [sys.executable, "-I", "-S", VERIFIER, "--evidence", what]
        told = subprocess.run(command, cwd=place, env={}, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr
        assert told.stdout.startswith("WHOLE: ")
        assert "1 signatures on plans" in told.stdout
    told_all = json.loads((place / "evidence.json").read_text())
    [plan] = told_all["plans"]
    assert plan["digest"] == "sha256:" + hashlib.sha256((place / plan["file"]).read_bytes()).hexdigest()
    assert [one["name"] for one in plan["signatures"]] == ["omar"]
    assert [step["state"] for step in plan["steps"]] == ["verified", "verified"]
    for step in plan["steps"]:
        kinds = [one["kind"] for one in step["receipts"]]
        assert kinds.index("act") < kinds.index("verify")
        assert step["intents"][0]["outcome"] == "done"
        assert next(one for one in step["receipts"] if one["kind"] == "verify")["saw"]["state"] == "suspended"
    rows = list(csv.DictReader(io.StringIO((place / "leavers.csv").read_text())))
    assert [(one["app"], bool(one["verified_utc"])) for one in rows] == [("directory", True), ("wiki", True)]


def test_it_tells_of_nobody_else_and_yet_holds_every_leaf(gone: Company) -> None:
    files = files_of(pack_of_ann(gone))
    for name, data in files.items():
        assert b"ben@acme.test" not in data.lower(), name
        assert b"Brook" not in data, name
    with gone.workspace.store.read() as unit:
        size = unit.ledger.size()
    assert files["ledger/ledger.jsonl"].count(b"\n") in (size, size - 1)  # the last one says that it was handed out


def test_one_changed_byte_is_found_wherever_it_is(gone: Company) -> None:
    file = pack_of_ann(gone)
    data = file.read_bytes()
    at_random = random.Random(7)
    broken = gone.folder / "broken.zip"
    for place in [0, 10, len(data) - 1, *(at_random.randrange(len(data)) for _ in range(FLIPS))]:
        changed = bytearray(data)
        changed[place] ^= 1 << at_random.randrange(8)
        broken.write_bytes(changed)
        assert verdict(broken)[0] == 1, place
    broken.write_bytes(data + b"\n")
    assert verdict(broken)[0] == 1
    broken.write_bytes(data[:-1])
    assert verdict(broken)[0] == 1
    assert verdict(file)[0] == 0


def test_a_file_that_is_added_taken_away_or_exchanged_is_found(
    gone: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(pack_of_ann(gone))
    other = gone.folder / "other.zip"
    for change, said in (
        ({"more.txt": b"x"}, "added: more.txt"),
        ({"evidence.json": b"{}"}, "changed: evidence.json"),
        ({"plans/1.json": None}, "missing: plans/1.json"),
    ):
        changed = {name: data for name, data in (files | change).items() if data is not None}
        other.write_bytes(standalone.pack(changed))
        code, out = verdict(other, capsys=capsys)
        assert code == 1
        assert said in out


def test_whoever_holds_the_ledgers_key_cannot_exchange_a_plan_that_others_signed(
    gone: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(pack_of_ann(gone))
    plan = json.loads(files["plans/1.json"])
    plan["value"]["reason"] = "another reason"
    files["plans/1.json"] = canonical(plan)
    forged = gone.folder / "forged.zip"
    forged.write_bytes(signed_anew(files, gone.workspace.ledger_key))
    code, out = verdict(forged, capsys=capsys)
    assert code == 1
    assert "bad_approval" in out


def test_evidence_that_somebody_else_signed_is_refused_with_the_key_that_one_has(
    gone: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pack_of_ann(gone)
    key = gone.folder / "key.txt"
    key.write_text(gone.workspace.ledger_public_key + "\n")
    assert verdict(file, "--key", str(key))[0] == 0
    forged = gone.folder / "forged.zip"
    forged.write_bytes(signed_anew(files_of(file), new_private_key()))
    capsys.readouterr()
    code, out = verdict(forged, "--key", str(key), capsys=capsys)
    assert code == 1
    assert "the manifest is not signed by a trusted key" in out


def test_a_run_and_a_period_have_their_evidence_too(gone: Company) -> None:
    workspace = gone.workspace
    run = gone.folder / "run.zip"
    assert write_evidence(workspace, of_run(workspace, "1"), run).plans == 1
    told = json.loads(files_of(run)["evidence.json"])
    assert told["people"] == [{"id": told["people"][0]["id"], "name": "Ann Archer"}]
    assert {one["plan_id"] for one in told["leavers"]} == {json.loads(files_of(run)["plans/1.json"])["value"]["id"]}
    period = gone.folder / "period.zip"
    year = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)
    made = write_evidence(workspace, of_period(workspace, *year, "always", "always"), period)
    assert (made.plans, made.people) == (2, 2)
    none = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
    empty = gone.folder / "empty.zip"
    assert write_evidence(workspace, of_period(workspace, *none, "January", "january"), empty).plans == 0
    for file in (run, period, empty):
        assert verdict(file)[0] == 0
    with pytest.raises(Refusal, match="no run 9"):
        of_run(workspace, "9")


def test_that_it_was_handed_out_is_in_the_ledger(gone: Company) -> None:
    file = pack_of_ann(gone)
    with gone.workspace.store.read() as unit:
        last = unit.ledger.newest("workspace:evidence:hand_out")
    assert last is not None
    made = hashlib.sha256(file.read_bytes()).hexdigest()
    again = json.loads(files_of(pack_of_ann(gone, "again.zip"))["evidence.json"])
    assert made not in json.dumps(again), "who else got evidence is not the reader's business"


def test_a_confidential_plan_is_in_it_for_those_alone_who_may_see_it(company: Company) -> None:
    workspace = company.workspace
    plan = make_plan(workspace, PlanKind.LEAVE, "ben@acme.test", company.olga, "a secret", How(confidential=True))
    file = company.folder / "ben.zip"
    assert write_evidence(workspace, of_person(workspace, "ben@acme.test"), file).plans == 0
    assert all(b"a secret" not in data and plan.digest.encode() not in data for data in files_of(file).values())
    seen = replace(workspace, viewer=company.olga.id)
    own = company.folder / "own.zip"
    assert write_evidence(seen, of_person(seen, "ben@acme.test"), own).plans == 1
    assert verdict(file)[0] == verdict(own)[0] == 0


def test_the_page_opens_from_the_folder_without_a_network(gone: Company, chromium_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    place = gone.folder / "opened"
    with zipfile.ZipFile(pack_of_ann(gone)) as archive:
        archive.extractall(place)
    asked: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium_path, chromium_sandbox=os.geteuid() != 0)
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.goto((place / "index.html").as_uri())
        assert page.get_by_role("heading", name="Plan 1: leave of Ann Archer").is_visible()
        assert page.get_by_role("heading", name="directory: deactivate").is_visible()
        page.get_by_text("Read back").first.click()
        assert page.get_by_text('"state": "suspended"').first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert all(one.startswith("file:") for one in asked)
