"""Exports as apps really write them, and as they arrive when something went wrong."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from usher.connectors.conformance import ConnectorConformance
from usher.connectors.contract import Call
from usher.connectors.csv_folder import CsvConnector
from usher.connectors.door import Door
from usher.connectors.errors import AccessLost, Unreadable
from usher.connectors.person import PersonConnector
from usher.domain.account import AccountKind, AccountState
from usher.domain.connection import ConnectionConfig

GOOD = "Id,Login,Email,Status\n7,ana,ana@example.com,Active\n8,bob,bob@example.com,Inactive\n"


def config(**fields):
    return ConnectionConfig(
        **{"name": "crm", "app": "crm", "speaks": "csv", "owner": "olga", "path": "exports"} | fields
    )


def read(folder: Path, content: str | bytes, name: str = "users.csv", **fields):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvConnector(config(**fields)).accounts(None, Call(door=Door(connection="crm", folder=folder))).items


def one(folder: Path, heading: str, cell: str, **fields):
    return read(folder, f'id,login,{heading}\n1,ana,"{cell}"\n', **fields)[0]


class TestCsv(ConnectorConformance):
    @pytest.fixture
    def door(self, tmp_path):
        (tmp_path / "users.csv").write_text(GOOD)
        return Door(connection="crm", folder=tmp_path)

    @pytest.fixture
    def connector(self):
        return CsvConnector(config())

    @pytest.fixture
    def expected_ids(self):
        return ["7", "8"]

    @pytest.fixture
    def inactive_id(self):
        return "8"


class TestPerson(TestCsv):
    @pytest.fixture
    def connector(self):
        return PersonConnector(config(speaks="person"))

    def test_it_declares_no_write_so_that_people_get_the_steps(self, connector):
        assert connector.capabilities() == frozenset()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_any_usual_encoding_and_delimiter_is_recognised(tmp_path, encoding, delimiter):
    text = "id,login,name\r\n1,zoé,Zoé Müller\r\n".replace(",", delimiter)
    (account,) = read(tmp_path, text.encode(encoding))
    assert (account.id, account.user_name, account.display_name) == ("1", "zoé", "Zoé Müller")


def test_a_comma_inside_a_quoted_heading_does_not_hide_the_semicolons(tmp_path):
    (account,) = read(tmp_path, 'id;login;"name, first, last, all"\n1;ana;x\n')
    assert account.user_name == "ana"


def test_quoted_cells_may_hold_delimiters_quotes_and_lines(tmp_path):
    (account,) = read(tmp_path, 'id,login,title\n1,ana,"Head, ""Sales""\nEMEA"\n')
    assert account.attributes["title"] == 'Head, "Sales"\nEMEA'


def test_every_column_that_policies_read_arrives(tmp_path):
    (account,) = read(
        tmp_path,
        "Worker ID,Login,Work Email,First Name,Last Name,Employee_Number,Employment-Status,Department,"
        "Job Title,Manager ID,Office,Hire Date,Termination Date,Last Working Day,"
        "Created At,Last Login,Roles,Modules,Worker Type\n"
        "w1,ana,ana@example.com,Ana,Li,0042,On Leave,Sales,AE,w9,Porto,2020-01-02,2026-12-31,2026-12-15,"
        "2020-01-02T08:00:00+01:00,2026-11-01T10:00:00Z,Rep;Forecaster,Core|Copilot,Contractor\n",
    )
    assert (account.id, account.employee_number, account.given_name, account.family_name) == ("w1", "0042", "Ana", "Li")
    assert account.state is AccountState.FROZEN
    assert account.kind is AccountKind.EXTERNAL
    assert account.created == datetime(2020, 1, 2, 7, tzinfo=UTC)
    assert account.last_login == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert account.entitlements == {"role:Rep", "role:Forecaster", "module:Core", "module:Copilot"}
    assert account.attributes == {
        "department": "Sales",
        "title": "AE",
        "manager": "w9",
        "location": "Porto",
        "start_date": "2020-01-02",
        "end_date": "2026-12-31",
        "last_day": "2026-12-15",
        "status": "On Leave",
    }


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Active", "active"),
        ("TRUE", "active"),
        ("Inactive", "suspended"),
        ("on-leave", "frozen"),
        ("Terminated", "archived"),
        ("invitation_sent", "invited"),
        ("locked", "locked"),
    ],
)
def test_the_words_of_exports_for_states_are_known(tmp_path, word, state):
    assert one(tmp_path, "Status", word).state == state


def test_a_connection_adds_its_own_words_for_states(tmp_path):
    assert one(tmp_path, "Status", "Ruhend", options={"states": {"ruhend": "frozen"}}).state is AccountState.FROZEN


def test_a_file_without_a_state_column_says_unknown_and_not_active(tmp_path):
    assert one(tmp_path, "title", "AE").state is AccountState.UNKNOWN


def test_never_signed_in_is_absent_and_not_an_error(tmp_path):
    assert one(tmp_path, "Last Login", "Never").last_login is None


def test_instants_without_an_offset_are_told_in_the_declared_zone(tmp_path):
    account = one(tmp_path, "created", "2026-07-01 12:00", options={"timezone": "Europe/Berlin"})
    assert account.created == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_declared_form_of_days_is_read_as_declared(tmp_path):
    account = one(tmp_path, "start date", "03/04/2026", options={"date_format": "%d/%m/%Y"})
    assert account.attributes["start_date"] == "2026-04-03"


def test_columns_can_be_named_and_become_attributes(tmp_path):
    columns = {"id": "Key", "user_name": "Who", "region": "Gebiet"}
    (account,) = read(tmp_path, "Key,Who,Gebiet\n1,ana,Nord\n", options={"columns": columns})
    assert (account.id, account.user_name, account.attributes["region"]) == ("1", "ana", "Nord")


def test_in_an_hr_export_the_employee_number_is_the_id(tmp_path):
    (account,) = read(tmp_path, "Employee ID,Name,Status\n0042,Ana,Active\n", part="hr")
    assert (account.id, account.employee_number) == ("0042", "0042")


def test_a_login_is_the_id_only_where_the_connection_says_so(tmp_path):
    content = "Login,Status\nana,Active\n"
    with pytest.raises(Unreadable, match="app's own id"):
        read(tmp_path, content)
    (account,) = read(tmp_path, content, key="mutable")
    assert account.id == "ana"


def test_the_newest_file_that_fits_the_pattern_is_read(tmp_path):
    for age, name in enumerate(["users-3.csv", "users-1.csv", "other.csv", "users-2.csv"]):
        (tmp_path / name).write_text(f"id,login\n{name},x\n")
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    connector = CsvConnector(config(options={"pattern": "users-[12].csv"}))
    call = Call(door=Door(connection="crm", folder=tmp_path))
    assert [a.id for a in connector.accounts(None, call).items] == ["users-1.csv"]


def test_a_path_to_one_file_is_read_and_named_in_errors(tmp_path):
    (tmp_path / "only.csv").write_text("id,login\n1\n")
    door = Door(connection="crm", folder=tmp_path / "only.csv")
    with pytest.raises(Unreadable, match=r"only\.csv, line 2"):
        CsvConnector(config()).check(Call(door=door))


def test_an_empty_folder_is_access_lost(tmp_path):
    with pytest.raises(AccessLost, match="no file"):
        CsvConnector(config()).check(Call(door=Door(connection="crm", folder=tmp_path)))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret.csv").write_text(GOOD)
    inside = tmp_path / "exports"
    inside.mkdir()
    (inside / "users.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(AccessLost, match="outside"):
        CsvConnector(config()).check(Call(door=Door(connection="crm", folder=inside)))


def test_blank_lines_are_no_accounts(tmp_path):
    assert [a.id for a in read(tmp_path, "id,login\n\n1,ana\n,\n2,bob\n\n")] == ["1", "2"]


def test_leading_zeros_of_ids_are_kept(tmp_path):
    assert one(tmp_path, "employee number", "0007").employee_number == "0007"


def test_a_renamed_heading_changes_the_shape_and_a_moved_column_does_not(tmp_path):
    shapes = []
    for number, heading in enumerate(["id,login,status", "status;id;login", "id,login,state"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "users.csv").write_text(heading + "\n")
        shapes.append(CsvConnector(config()).shape(Call(door=Door(connection="crm", folder=folder))))
    assert shapes[0] == shapes[1] != shapes[2]


BAD = {
    "an empty file": ("", 1, None, "a line of headings"),
    "blank lines only": ("\n\n", 1, None, "a line of headings"),
    "no id": ("login,status\nana,active\n", 1, "id", "own id"),
    "a heading twice": ("id,login,Status,status\n1,ana,active,active\n", 1, "status", "each heading once"),
    "an empty heading": ("id,,login\n1,x,ana\n", 1, None, "a name above every column"),
    "half a file, cut inside quotes": ('id,login,title\n1,ana,x\n2,bob,"Head of Sa', 3, None, "around a cell"),
    "half a file, cut between cells": ("id,login,title\n1,ana,x\n2,bo", 3, "title", "3 cells"),
    "half a file, cut after an unquoted id": ("id,login,title\n1,ana,x\n2", 3, "login", "3 cells"),
    "text after a closing quote": ('id,login\n1,"ana"x\n', 2, None, "around a cell"),
    "a row with a cell too many": ("id,login\n1,ana,extra\n", 2, None, "2 cells"),
    "an unknown state": ("id,login,status\n1,ana,active\n2,bob,Wobbly\n", 3, "status", "options.states"),
    "an empty state": ("id,login,status\n1,ana,\n", 2, "status", "options.states"),
    "an id twice": ("id,login\n1,ana\n2,bob\n1,cy\n", 4, "id", "each id once"),
    "an empty id": ("id,login\n1,ana\n,bob\n", 3, "id", "a value in every row"),
    "an ambiguous day": ("id,login,start date\n1,ana,03/04/2026\n", 2, "start date", "YYYY-MM-DD"),
    "a day that does not exist": ("id,login,start date\n1,ana,2026-02-30\n", 2, "start date", "YYYY-MM-DD"),
    "a broken instant": ("id,login,last login\n1,ana,yesterday\n", 2, "last login", "ISO 8601"),
    "a NUL in the middle": ("id,login\n" + "1,ana\n" * 60 + "2,b\0b\n", 62, None, "text"),
    "a spreadsheet instead of text": (b"PK\x03\x04\x14\x00\x06\x00\x08\x00" * 9, 1, None, "text"),
    "a web page instead of a file": ("<!doctype html>\n<html><body>Sign in</body></html>\n", 1, "id", "own id"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_as_a_whole_with_one_line_that_says_where(tmp_path, what):
    content, line, column, expected = BAD[what]
    with pytest.raises(Unreadable) as caught:
        read(tmp_path, content)
    error = caught.value
    assert (error.file, error.column) == ("users.csv", column)
    assert line is None or error.line == line
    assert expected in error.expected
    assert str(error).startswith("users.csv")
    assert "\n" not in str(error)


def test_a_duplicate_id_names_both_lines(tmp_path):
    with pytest.raises(Unreadable, match=r"line 4, .*'1' is also on line 2"):
        read(tmp_path, BAD["an id twice"][0])


def test_a_row_is_named_by_the_line_on_which_it_begins(tmp_path):
    with pytest.raises(Unreadable, match="line 4"):
        read(tmp_path, 'id,login,title\n1,ana,"two\nlines"\n2,bob\n')


def test_a_heading_that_options_name_and_the_file_lacks_is_told(tmp_path):
    with pytest.raises(Unreadable, match='column "Key"'):
        read(tmp_path, GOOD, options={"columns": {"id": "Key"}})


def test_a_forced_encoding_that_does_not_fit_is_told(tmp_path):
    with pytest.raises(Unreadable, match="utf-8"):
        read(tmp_path, "id,login\n1,zoé\n".encode("cp1252"), options={"encoding": "utf-8"})


def test_reading_needs_no_permit_and_works_in_a_rehearsal(tmp_path):
    (tmp_path / "users.csv").write_text(GOOD)
    door = replace(Door(connection="crm", folder=tmp_path), rehearsing=True)
    assert len(CsvConnector(config()).accounts(None, Call(door=door)).items) == 2
