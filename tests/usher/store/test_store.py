"""What the store keeps: whole transactions, current tables, dated rows; on both databases."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from usher.domain.account import Account, AccountState
from usher.domain.clock import VirtualClock
from usher.store.accounts import account_of
from usher.store.database import DatabaseNewer, Store
from usher.store.repository import load
from usher.store.tables import account, account_grant, link, metadata, person_key

ANN = Account(
    id="u1",
    user_name="ann@acme.test",
    emails=("ann@acme.test",),
    display_name="Ann Ärcher 'quoted' \u2028",
    state=AccountState.ACTIVE,
    entitlements=frozenset({"role:Rep", "group:all-staff"}),
    attributes={"department": "Sales"},
)
A_DAY = timedelta(days=1)


def table_of(store: Store, table: sqlalchemy.Table) -> list[dict[str, Any]]:
    with store.read() as unit:
        return unit.accounts.rows(sqlalchemy.select(table).order_by(table.c.id))


def test_a_transaction_that_fails_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.begin() as unit:
        unit.people.add_person("Ann", "working", {})
        unit.ledger.append("person:person:add", (store.ids.new("per"),), {"name": "Ann"})
        unit.leases.take("somebody")
        raise ZeroDivisionError
    with store.read() as unit:
        assert (unit.people.all(), unit.ledger.unsequenced(), unit.leases.current()) == ([], 0, None)


def test_migrating_twice_or_from_a_second_process_changes_nothing(store: Store, open_store: Any) -> None:
    with store.begin() as unit:
        unit.people.add_person("Ann", "working", {})
    store.migrate()
    open_store().migrate()
    with store.read() as unit:
        assert [row["name"] for row in unit.people.all()] == ["Ann"]


def test_two_processes_that_bring_a_new_database_up_at_once_both_succeed(url: str) -> None:
    program = (
        "import sys; from usher.domain.clock import SystemClock; from usher.domain.ids import IdFactory;"
        "from usher.store.database import Store;"
        "clock = SystemClock(); Store(sys.argv[1], 'test', clock, IdFactory(clock)).migrate()"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE) for _ in range(2)]
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert ended == [(b"", 0)] * 2


def test_a_database_of_a_newer_usher_is_refused_and_left_alone(store: Store) -> None:
    with store.begin() as unit:
        unit.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseNewer, match="9999"):
        store.migrate()
    with store.read() as unit:
        assert unit.connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.read() as unit:
        context = MigrationContext.configure(unit.connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_writers_come_one_after_the_other_so_no_number_is_given_twice(
    store: Store, open_store: Callable[[], Store]
) -> None:
    stores = [store, *(open_store() for _ in range(3))]
    given: list[int] = []

    def take_numbers(one: Store) -> None:
        for _ in range(10):
            with one.begin() as unit:
                given.append(unit.plans.next_number())

    threads = [threading.Thread(target=take_numbers, args=(one,)) for one in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 41))


def test_a_reader_sees_one_state_while_a_writer_goes_on(store: Store, open_store: Callable[[], Store]) -> None:
    with store.read() as before:
        assert before.people.all() == []
        with open_store().begin() as unit:
            unit.people.add_person("Ann", "working", {})
        assert before.people.all() == []
    with store.read() as after:
        assert len(after.people.all()) == 1


def test_a_key_has_an_interval_and_an_ended_address_may_be_somebody_elses(store: Store, clock: VirtualClock) -> None:
    with store.begin() as unit:
        ann, ben = (unit.people.add_person(name, "working", {})["id"] for name in ("Ann", "Ben"))
        unit.people.add_key(ann, "hr:C1", "address", "A.Archer@acme.test", "2020-01-01T00:00:00.000Z")
        assert unit.people.holder("address", "a.archer@ACME.test") == ann
        clock.advance(A_DAY)
        unit.people.end_key(unit.people.keys(ann)[0]["id"], unit.people.now())
        assert unit.people.holder("address", "a.archer@acme.test") is None
        unit.people.add_key(ben, "hr:C2", "address", "a.archer@acme.test", unit.people.now())
    with store.read() as unit:
        assert unit.people.holder("address", "a.archer@acme.test") == ben
        assert {row["name"] for row in unit.people.search("a.archer@acme.test")} == {"Ann", "Ben"}
    first, second = table_of(store, person_key)
    assert (first["valid_from"], first["valid_to"]) == ("2020-01-01T00:00:00.000Z", "2026-03-03T09:00:00.000Z")
    assert (second["valid_from"], second["valid_to"]) == ("2026-03-03T09:00:00.000Z", None)


def test_people_are_found_by_part_of_a_name_and_a_percent_sign_is_only_a_character(store: Store) -> None:
    with store.begin() as unit:
        for name in ("Ann Archer", "Anna 100% Real", "Ben Brook"):
            unit.people.add_person(name, "working", {})
    with store.read() as unit:
        assert [row["name"] for row in unit.people.search("ANN")] == ["Ann Archer", "Anna 100% Real"]
        assert [row["name"] for row in unit.people.search("%")] == ["Anna 100% Real"]


def test_reading_the_same_account_again_changes_no_row_but_when_it_was_last_seen(
    store: Store, clock: VirtualClock
) -> None:
    with store.begin() as unit:
        id, is_new = unit.accounts.put("crm", ANN)
    assert is_new
    (before,), grants = table_of(store, account), table_of(store, account_grant)
    clock.advance(A_DAY)
    with store.begin() as unit:
        assert unit.accounts.put("crm", ANN) == (id, False)
        unit.accounts.touch("crm", unit.accounts.now())
    (after,) = table_of(store, account)
    assert after == {**before, "last_seen": "2026-03-03T09:00:00.000Z"}
    assert table_of(store, account_grant) == grants
    assert account_of(after) == ANN


def test_each_grant_has_an_interval_and_coming_back_begins_another(store: Store, clock: VirtualClock) -> None:
    without = replace(ANN, entitlements=frozenset({"group:all-staff"}))
    for seen in (ANN, without, ANN):
        with store.begin() as unit:
            unit.accounts.put("crm", seen)
        clock.advance(A_DAY)
    roles = [row for row in table_of(store, account_grant) if row["entitlement"] == "role:Rep"]
    assert [(row["first_seen"][:10], (row["ended_at"] or "open")[:10]) for row in roles] == [
        ("2026-03-02", "2026-03-03"),
        ("2026-03-04", "open"),
    ]
    groups = [row for row in table_of(store, account_grant) if row["entitlement"] == "group:all-staff"]
    assert [(row["first_seen"][:10], row["ended_at"]) for row in groups] == [("2026-03-02", None)]


def test_an_account_that_ends_ends_with_its_grants_and_the_same_id_later_is_another_account(
    store: Store, clock: VirtualClock
) -> None:
    with store.begin() as unit:
        first, _ = unit.accounts.put("crm", ANN)
        clock.advance(A_DAY)
        unit.accounts.end(first)
        assert unit.accounts.current("crm", "u1") is None
        clock.advance(A_DAY)
        second, is_new = unit.accounts.put("crm", ANN)
    assert is_new
    assert first != second
    with store.read() as unit:
        assert [row["id"] for row in unit.accounts.of("crm")] == [second]
        assert [row["id"] for row in unit.accounts.of("crm", ended=True)] == [first, second]
        assert unit.accounts.count_of("crm") == 1
    ended = [row["ended_at"] for row in table_of(store, account_grant) if row["account_id"] == first]
    assert ended == ["2026-03-03T09:00:00.000Z"] * 2


def test_a_link_ends_where_the_next_begins_and_both_stay(store: Store, clock: VirtualClock) -> None:
    with store.begin() as unit:
        id, _ = unit.accounts.put("crm", ANN)
        ann, ben = (unit.people.add_person(name, "working", {})["id"] for name in ("Ann", "Ben"))
        unit.accounts.relink(id, ann, "linked", [{"kind": "address"}], "usher")
        clock.advance(A_DAY)
        unit.accounts.relink(id, ben, "linked", [{"kind": "decision"}], "opr_1")
        assert unit.accounts.linked(ann) == []
        assert [row["id"] for row in unit.accounts.linked(ben)] == [id]
    old, new = table_of(store, link)
    assert (old["person_id"], old["valid_to"]) == (ann, new["valid_from"])
    assert (new["person_id"], new["valid_to"]) == (ben, None)
    assert {"kind": "decision"} in load(new["evidence"])
