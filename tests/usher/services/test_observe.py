"""A reading ends accounts only where it is whole: shrunken, broken-off, failed and delta readings never do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.workspaces import make_workspace
from tests.usher.services.conftest import NAMES, Firm, MakeFirm

from usher.connectors.contract import Call, Connector, Page
from usher.domain.account import Account, AccountState
from usher.domain.connection import ConnectionConfig
from usher.domain.signing import new_private_key
from usher.services.observe import confirm, observe
from usher.services.operators import Acting
from usher.services.workspace import Refusal
from usher.store.readings import read_reading
from usher.store.repository import load


def test_a_whole_reading_ends_the_account_that_is_gone_and_is_kept_as_a_file(firm: Firm) -> None:
    seen = firm.crm("ann", "ben", "cleo", "dan")
    assert (seen.kind, seen.accounts, seen.changed, seen.ended) == ("complete", 4, 0, 1)
    assert firm.names() == ["ann", "ben", "cleo", "dan"]
    kept = firm.workspace.snapshots / "crm"
    with firm.workspace.store.read() as unit:
        last = unit.accounts.last_snapshot("crm", complete=True)
    assert last is not None
    documents = read_reading(kept / f"{last['digest'].removeprefix('sha256:')}.parquet")
    assert [one["id"] for one in documents] == ["u-ann", "u-ben", "u-cleo", "u-dan"]


def test_reading_the_same_twice_changes_nothing_and_keeps_one_file(firm: Firm) -> None:
    again = firm.crm(*NAMES)
    assert (again.kind, again.changed, again.ended) == ("complete", 0, 0)
    assert len(list((firm.workspace.snapshots / "crm").iterdir())) == 1


def test_a_listing_that_shrank_too_far_ends_nobody_and_says_so(firm: Firm) -> None:
    seen = firm.crm("ann", "ben", "cleo")
    assert (seen.kind, seen.ended) == ("partial", 0)
    assert "2 fewer than the 5" in seen.reasons[0]
    assert firm.names() == list(NAMES)
    assert ("reading not complete", "crm") in firm.findings()


def test_what_a_shrunken_listing_does_show_is_believed(firm: Firm) -> None:
    assert firm.crm("ann", "ben", roles={"ann": "Manager"}).changed == 1


def test_a_person_confirms_that_it_really_shrank_and_then_the_accounts_end(firm: Firm) -> None:
    firm.crm("ann", "ben", "cleo")
    seen = confirm(firm.workspace, "crm", firm.olga)
    assert (seen.kind, seen.ended) == ("complete", 2)
    assert firm.names() == ["ann", "ben", "cleo"]
    assert ("reading not complete", "crm") not in firm.findings()
    with firm.workspace.store.read() as unit:
        assert firm.olga.id in [row["confirmed_by"] for row in unit.accounts.snapshots("crm")]


def test_what_was_confirmed_is_the_size_that_was_shown_and_a_listing_that_shrinks_further_is_partial(
    firm: Firm,
) -> None:
    firm.crm("ann", "ben", "cleo")
    firm.write_crm("ann")
    assert confirm(firm.workspace, "crm", firm.olga).kind == "partial"
    assert firm.names() == list(NAMES)


def test_a_whole_reading_has_nothing_to_confirm(firm: Firm) -> None:
    with pytest.raises(Refusal, match="not partial"):
        confirm(firm.workspace, "crm", firm.olga)


def test_a_listing_without_a_name_that_is_always_there_is_partial_and_cannot_be_confirmed(
    make_firm: MakeFirm,
) -> None:
    firm = make_firm(crm={"observe": {"sentinels": ["EVE@acme.test"]}})
    seen = firm.crm("ann", "ben", "cleo", "dan")
    assert (seen.kind, seen.ended) == ("partial", 0)
    assert "eve@acme.test" in seen.reasons[0].casefold()
    with pytest.raises(Refusal, match="cannot be confirmed"):
        confirm(firm.workspace, "crm", firm.olga)
    assert firm.crm(*NAMES).kind == "complete"


def test_a_file_that_cannot_be_read_ends_nobody_and_is_said_with_its_line(firm: Firm) -> None:
    (firm.folder / "crm.csv").write_text("id,user_name,status\nu-ann,ann@acme.test,perhaps\n")
    seen = observe(firm.workspace, "crm")
    assert (seen.kind, seen.accounts, seen.ended) == ("failed", 0, 0)
    assert "crm.csv" in seen.reasons[0]
    assert firm.names() == list(NAMES)
    assert firm.crm(*NAMES).kind == "complete"
    assert ("reading not complete", "crm") not in firm.findings()


def test_a_connection_that_is_not_there_is_refused_by_name(firm: Firm) -> None:
    with pytest.raises(Refusal, match="no connection 'crn'; known: crm, hr"):
        observe(firm.workspace, "crn")


class HostileApp:
    """A wiki of 30 people behind the hostile twin, whose weather the test makes."""

    def __init__(self, folder: Path, start_twin: Any) -> None:
        people = [{"userName": f"p{n}@acme.test", "active": True} for n in range(30)]
        (folder / "users.json").write_text(json.dumps({"users": people, "groups": []}))
        self._weather = folder / "faults.json"
        self.weather()
        twin = start_twin(
            "twins.chaos", "--load", folder / "users.json", "--faults-file", self._weather, "--page-size", "10"
        )
        config = ConnectionConfig(
            name="wiki", app="scim", speaks="scim", owner="olga", url=f"{twin.url}/scim/v2",
            lag_seconds=0.0, timeout_seconds=5,
        )  # fmt: skip
        self.workspace = make_workspace(folder / "wiki", [config], secrets={"wiki": {"token": "chaos"}})

    def weather(self, **faults: float) -> None:
        """Let these faults strike from now on."""
        half = self._weather.with_suffix(".part")
        half.write_text(json.dumps(faults))
        half.replace(self._weather)

    def count(self) -> int:
        """How many accounts have not ended."""
        with self.workspace.store.read() as unit:
            return unit.accounts.count_of("wiki")


@pytest.fixture
def hostile(tmp_path: Path, start_twin: Any) -> Any:
    """The hostile app, read once in fair weather."""
    app = HostileApp(tmp_path, start_twin)
    assert observe(app.workspace, "wiki").kind == "complete"
    yield app
    app.workspace.close()


def test_a_listing_that_gives_the_same_page_again_is_partial_and_cannot_be_confirmed(hostile: HostileApp) -> None:
    hostile.weather(repeated_cursor=1)
    seen = observe(hostile.workspace, "wiki")
    assert (seen.kind, seen.ended, hostile.count()) == ("partial", 0, 30)
    with pytest.raises(Refusal, match="cannot be confirmed"):
        confirm(hostile.workspace, "wiki", Acting({"id": "opr_1", "name": "olga"}, new_private_key()))
    hostile.weather()
    seen = observe(hostile.workspace, "wiki")
    assert (seen.kind, seen.accounts, seen.ended) == ("complete", 30, 0)


def test_lost_access_stops_the_connection_with_a_finding_until_it_can_be_read_again(hostile: HostileApp) -> None:
    hostile.weather(auth_storm=1)
    seen = observe(hostile.workspace, "wiki")
    assert (seen.kind, seen.ended, hostile.count()) == ("failed", 0, 30)
    with hostile.workspace.store.read() as unit:
        assert list(unit.leases.quarantined()) == ["wiki"]
        assert {row["rule"] for row in unit.findings.open()} == {"connection stopped", "reading not complete"}
    hostile.weather()
    assert observe(hostile.workspace, "wiki").kind == "complete"
    with hostile.workspace.store.read() as unit:
        assert (unit.leases.quarantined(), unit.findings.open()) == ({}, [])


def test_a_listing_that_breaks_off_in_the_middle_ends_nobody(hostile: HostileApp) -> None:
    hostile.weather(truncated_body=1)
    seen = observe(hostile.workspace, "wiki")
    assert (seen.kind, seen.ended, hostile.count()) == ("failed", 0, 30)


class ChangesApp(Connector):
    """An app that can also list what changed since an instant."""

    app = "changes"

    def __init__(self) -> None:
        self.people = [Account(id=f"u{n}", user_name=f"p{n}", state=AccountState.ACTIVE) for n in range(5)]
        self.changed: list[Account] = []

    def check(self, call: Call) -> None:
        """Always there."""

    def accounts(self, cursor: str | None, call: Call) -> Page[Account]:
        return Page(tuple(self.people))

    def changes(self, since: datetime, cursor: str | None, call: Call) -> Page[Account]:
        return Page(tuple(self.changed))


def test_a_delta_reading_writes_what_changed_and_never_ends_an_account(tmp_path: Path) -> None:
    app = ChangesApp()
    config = ConnectionConfig(name="app", app="changes", speaks="csv", owner="olga", path=str(tmp_path))
    workspace = make_workspace(tmp_path, [config], factories={"csv": lambda *_: app})
    assert observe(workspace, "app").kind == "complete"
    app.people = app.people[:2]
    assert observe(workspace, "app").kind == "partial"
    app.changed = [replace(app.people[0], state=AccountState.SUSPENDED)]
    seen = observe(workspace, "app", since=datetime(2026, 1, 1, tzinfo=UTC))
    assert (seen.kind, seen.accounts, seen.changed, seen.ended) == ("delta", 1, 1, 0)
    with workspace.store.read() as unit:
        assert unit.accounts.count_of("app") == 5
        current = unit.accounts.current("app", "u0")
        assert current is not None
        assert current["state"] == "suspended"
        # The listing was partial; a delta does not make it whole.
        (finding,) = unit.findings.open()
        assert load(finding["evidence"])["kind"] == "partial"
    workspace.close()
