"""A recipe that could do harm is refused before any browser starts, with the field and what was expected there."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from usher.catalog.registry import profiles
from usher.connectors.browser.recipe import RecipeError, read_recipe
from usher.domain.located import ConfigurationError

WRITE = {"click": {"button": "Go", "write": True}}
SEEK = {"seek": {"row": "$id"}}
SEEN = {"see": {"row": "$id", "column": "Status", "text": "Inactive"}}
SMALLEST: dict[str, Any] = {
    "start": "/users",
    "known_by": {"heading": "Users"},
    "accounts": {"rows": {"find_by": "Email"}, "fields": {"user_name": "Email"}},
}


def refusal(**parts: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        read_recipe({**copy.deepcopy(SMALLEST), **parts})
    return str(caught.value)


def test_every_recipe_of_the_catalogue_is_fine() -> None:
    recipes = [profiles().get(name).recipe for name in profiles().names()]
    assert [read_recipe(recipe) for recipe in recipes if recipe is not None]


def test_a_label_and_its_alternates_are_the_same_kind_of_value() -> None:
    assert read_recipe(SMALLEST).known_by.heading == ("Users",)
    assert read_recipe({**SMALLEST, "known_by": {"heading": ["Users", "People"]}}).known_by.heading == (
        "Users",
        "People",
    )


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([SEEK, SEEN], "exactly one click with write: true in deactivate, not 0"),
        ([SEEK, WRITE, WRITE, SEEN], "exactly one click with write: true in deactivate, not 2"),
        ([SEEK, WRITE], "deactivate to end in a see after its writing click"),
        ([SEEK, WRITE, {"see": {"text": "Saved"}}], "deactivate to see $id after its writing click"),
        ([WRITE, SEEN], "deactivate to seek the row of $id before its writing click"),
    ],
)
def test_a_verb_writes_once_after_seeking_and_ends_in_a_see(steps: list[Any], expected: str) -> None:
    assert expected in refusal(deactivate=steps)


def test_a_create_sets_the_role_and_reads_it_back() -> None:
    create = [{"fill": {"label": "Email", "with": "$email"}}, WRITE, SEEN]
    assert "create to fill $role and to see $role" in refusal(create=create)
    assert read_recipe({**SMALLEST, "roles": "none", "create": create}).create


@pytest.mark.parametrize(
    ("step", "field", "expected"),
    [
        ({"press": {"button": "Go"}}, "deactivate[0].press", "one of click, fill, see, seek"),
        (
            {"click": {"button": "Go"}, "see": {"text": "x"}},
            "deactivate[0]",
            "exactly one of fill, click, seek and see",
        ),
        ({"click": {"button": "Go", "link": "Go"}}, "deactivate[0].click", "one thing, not button and link"),
        ({"click": {"row": "$id"}}, "deactivate[0].click", "a thing to click"),
        ({"fill": {"button": "Go", "with": "x"}}, "deactivate[0].fill", "a label"),
        ({"fill": {"label": "Go", "with": "$passwd"}}, "deactivate[0].fill.with", "only variables among"),
        ({"see": {"column": "Status", "text": "x"}}, "deactivate[0].see", "a row and either text or item"),
        ({"click": {"button": " "}}, "deactivate[0].click.button", "text that is not empty"),
        ({"fill": {"label": "Go"}}, "deactivate[0].fill.with", "a value"),
    ],
)
def test_a_wrong_step_is_named_by_its_place(step: dict[str, Any], field: str, expected: str) -> None:
    said = refusal(deactivate=[step])
    assert said.startswith(f"recipe.{field}: expected ")
    assert expected in said


def test_signing_in_never_holds_a_writing_click() -> None:
    said = refusal(sign_in=[{"fill": {"label": "Email", "with": "$login"}}, WRITE])
    assert "no writing click in sign_in or accounts.at" in said


WORKSPACE_APP = """\
app: acme-console
title: Acme
speaks: browser
recipe:
  start: /users
  known_by: {heading: Users}
  accounts:
    rows: {find_by: Email}
    fields: {user_name: Email}
  deactivate:
    - seek: {row: $id}
    - press: {button: Deactivate}
"""


def test_a_wrong_step_of_a_workspace_s_own_app_is_named_by_file_line_and_field(tmp_path: Path) -> None:
    (tmp_path / "acme-console.yaml").write_text(WORKSPACE_APP)
    with pytest.raises(ConfigurationError) as caught:
        profiles(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/acme-console.yaml:12: recipe.deactivate[1].press: expected ")


def test_a_workspace_s_own_app_wins_over_one_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "forecastly.yaml").write_text("app: forecastly\ntitle: Ours\nspeaks: person\n")
    found = profiles(tmp_path)
    assert (found.get("forecastly").title, found.get("wagtail").title) == ("Ours", "Wagtail")
    with pytest.raises(LookupError, match="expected one of forecastly, wagtail"):
        found.get("nothing")
