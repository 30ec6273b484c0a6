"""A list of joiners: one plan a person, every row checked first, and a second time nothing is made twice."""

from __future__ import annotations

import pytest
from tests.journeys.conftest import Company

from usher.connectors.table import read_table
from usher.domain.located import ConfigurationError
from usher.domain.seats import Contract
from usher.engine.inline import begin
from usher.services.approve import approve
from usher.services.bulkjoin import Joined, plan_joins
from usher.services.run import start
from usher.services.when import How

NEW = """C4,E4,Nils,North,nils@acme.test,active,2021-01-01,,Sales,Account Executive
C5,E5,Olive,Oak,olive@acme.test,active,2021-01-01,,IT,Engineer
"""


def join(company: Company, text: str, how: How | None = None) -> Joined:
    """Plan what a list asks for."""
    return plan_joins(
        company.workspace, read_table(text.encode(), "people.csv"), company.olga, "new hires", how or How()
    )


def problems(company: Company, text: str) -> list[str]:
    """Why a list is not taken, and that nothing was made of it."""
    before = count(company)
    with pytest.raises(ConfigurationError) as refused:
        join(company, text)
    assert count(company) == before
    return [str(problem) for problem in refused.value.problems]


def count(company: Company) -> int:
    """How many plans there are."""
    with company.workspace.store.read() as unit:
        return len(unit.plans.all())


def test_a_list_becomes_one_plan_a_person_and_a_second_time_nothing(company: Company) -> None:
    company.hr(more=NEW)
    text = "Employee Number,Name,Reason\nE4,Nils,starts in Oslo\nE5,Olive,\n"
    found = join(company, text)
    assert [one["person_name"] for one in found.made] == ["Nils North", "Olive Oak"]
    assert found.unused_columns == ["Name"]
    with company.workspace.store.read() as unit:
        assert [row["kind"] for row in unit.plans.all()] == ["join", "join"]
    again = join(company, text)
    assert (again.made, [one["plan"] for one in again.existing]) == ([], [1, 2])
    assert count(company) == 2


def test_after_the_plan_ran_the_same_list_makes_no_other_one(company: Company) -> None:
    company.hr(more=NEW)
    text = "email\nnils@acme.test\n"
    number = str(join(company, text).made[0]["plan"])
    with company.workspace.store.read() as unit:
        row = unit.plans.find(number)
        assert row is not None
    approve(company.workspace, number, row["digest"], company.omar)
    fence = begin(company.workspace)
    start(company.workspace, number)
    company.carry_out(fence)
    assert join(company, text).made == []
    assert count(company) == 1


def test_a_person_whom_no_source_knows_is_told_of_and_the_others_are_planned(company: Company) -> None:
    company.hr(more=NEW)
    found = join(company, "employee_number;email\nE4;nils@acme.test\nE99;\n")
    assert len(found.made) == 1
    assert found.unknown == [
        {"line": 3, "column": "employee_number", "value": "E99", "fix": "add the person in hr, then: usher observe hr"}
    ]


def test_each_mistake_is_named_by_file_line_and_field_and_nothing_is_made(company: Company) -> None:
    company.hr(more=NEW)
    text = "employee_number,email,at\nE4,nils@acme.test,\n,,2099-01-01\nE5,ben@acme.test,\nE4,,\n"
    assert problems(company, text) == [
        "people.csv:3: employee_number: expected an id, an employee number or an address, got an empty cell",
        "people.csv:4: employee_number: expected columns that name one person, got E5, ben@acme.test",
        "people.csv:5: employee_number: expected each person once, got Nils North again, as in line 2",
    ]
    bad_time = "employee_number,at\nE5,\nE4,soon\n"
    assert problems(company, bad_time)[0].startswith("people.csv:3: at: expected 2026-03-09")


def test_a_list_without_a_column_that_names_a_person_is_refused(company: Company) -> None:
    assert problems(company, "name\nNils\n") == [
        "people.csv:1: -: expected a column that names the person: id, employee number or email, got name"
    ]
    assert problems(company, "email,mail\na,b\n") == [
        "people.csv:1: mail: expected one column for address, got a second one"
    ]


def test_a_row_names_a_person_by_our_id_and_its_own_time(company: Company) -> None:
    company.hr(more=NEW)
    number = str(join(company, "id\n" + person_id(company, "E4") + "\n").made[0]["plan"])
    assert number == "1"
    text = "employee_number,at\nE5,2099-01-01 08:00\n"
    assert join(company, text).made[0]["person_name"] == "Olive Oak"
    with company.workspace.store.read() as unit:
        row = unit.plans.find("2")
        assert row is not None
        assert row["act_at"] == "2099-01-01T08:00:00.000Z"


def person_id(company: Company, number: str) -> str:
    """Our id of a person."""
    with company.workspace.store.read() as unit:
        return str(unit.people.search(number)[0]["id"])


def test_more_people_than_free_seats_are_refused_together(company: Company) -> None:
    from tests.journeys.conftest import policies

    company.hr(more=NEW)
    text = """
roles:
  - name: everyone
    when: {any: true}
    give:
      - {app: wiki, account: {}, modules: [Sites]}
"""
    contract = Contract.model_validate(
        {"connection": "wiki", "currency": "EUR", "basis": "contract", "modules": {"Sites": {"seats": 1}}}
    )
    object.__setattr__(company.workspace, "policies", policies(text))
    object.__setattr__(company.workspace, "contracts", {"wiki": contract})
    found = problems(company, "employee_number\nE4\nE5\n")
    assert found == ["people.csv:3: -: expected at most 1 people who get Sites in wiki (1 paid seats), got 2"]
