"""A wrong configuration is answered with the file, the line, the field, what was expected and what was there."""

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from usher.domain.connection import ConnectionConfig
from usher.domain.located import ConfigurationError, Problem, line_of, problems_of

GOOD = """\
# our identity provider
name: okta
app: scim

speaks: scim
part: idp
owner: dana
url: https://okta.example/scim/v2
observe:
  every_minutes: 30
  sentinels:
    - svc-usher
"""


def problems(text):
    tree = YAML().load(text)
    with pytest.raises(ValidationError) as caught:
        ConnectionConfig.model_validate(tree)
    return [str(problem) for problem in problems_of("connections/okta.yaml", caught.value, tree, ConnectionConfig)]


def test_a_wrong_choice_is_answered_with_the_choices_and_its_line():
    assert problems(GOOD.replace("part: idp", "part: ipd")) == [
        "connections/okta.yaml:6: part: expected 'hr', 'idp', 'crm' or 'app', got 'ipd'"
    ]


def test_a_nested_number_is_answered_with_its_own_line():
    assert problems(GOOD.replace("every_minutes: 30", "every_minutes: soon")) == [
        "connections/okta.yaml:10: observe.every_minutes: expected a whole number, got 'soon'"
    ]


def test_a_number_out_of_range_is_answered_with_the_range():
    assert problems(GOOD.replace("every_minutes: 30", "every_minutes: 0")) == [
        "connections/okta.yaml:10: observe.every_minutes: expected 1 or more, got 0"
    ]


def test_a_misspelt_field_is_answered_with_the_near_one():
    found = problems(GOOD.replace("owner: dana", "onwer: dana"))
    assert found == [
        "connections/okta.yaml:2: owner: expected a value, got nothing",
        "connections/okta.yaml:7: onwer: expected 'owner', got the unknown field 'onwer'",
    ]


def test_a_misspelt_field_inside_a_block_is_answered_with_the_fields_of_that_block():
    assert problems(GOOD.replace("every_minutes: 30", "zzz: 1")) == [
        "connections/okta.yaml:10: observe.zzz: expected one of every_minutes, min_accounts, sentinels, "
        "shrink_percent, got the unknown field 'zzz'"
    ]


def test_an_item_of_a_list_is_named_by_its_place():
    assert problems(GOOD.replace("- svc-usher", "- svc-usher\n    - [a]")) == [
        "connections/okta.yaml:13: observe.sentinels[1]: expected text, got a list"
    ]


def test_a_secret_pasted_into_the_file_is_refused_and_not_repeated():
    (found,) = problems(GOOD + "secrets:\n  token: hunter2hunter2\n")
    assert found.startswith("connections/okta.yaml:14: secrets.token: expected env:NAME, file:PATH or kept")
    assert "hunter2" not in found


def test_a_line_that_is_not_known_falls_back_to_the_block_it_belongs_to():
    tree = YAML().load(GOOD)
    assert line_of(tree, ("observe", "min_accounts")) == 9
    assert line_of(tree, ("nowhere", "at", "all")) == 2


def test_an_error_is_one_line_for_each_problem_in_the_order_of_files_and_lines():
    late = Problem("b.yaml", 2, "x", "text", "a list")
    early = Problem("a.yaml", 10, "y", "text with\nno break", "nothing")
    assert str(ConfigurationError([late, early])).splitlines() == [
        "a.yaml:10: y: expected text with no break, got nothing",
        "b.yaml:2: x: expected text, got a list",
    ]


def test_a_connection_without_the_address_it_needs_is_refused():
    assert problems(GOOD.replace("url: https://okta.example/scim/v2\n", "")) == [
        "connections/okta.yaml:2: url: expected a value, because the connection speaks scim, got nothing"
    ]


@pytest.mark.parametrize(
    "url", ["http://okta.example/scim", "https://me:pw@okta.example", "ftp://okta.example", "okta"]
)
def test_an_address_that_would_send_secrets_in_the_clear_is_refused(url):
    (found,) = problems(GOOD.replace("https://okta.example/scim/v2", url))
    assert found.startswith("connections/okta.yaml:8: url: expected an ")
