"""Changing a connection: its kept secrets are entered again; an app is no longer watched without being forgotten."""

from __future__ import annotations

import json

from .conftest import Shell

OKTA = """name: okta
app: scim
speaks: scim
part: idp
owner: olga
url: {url}
secrets: {{token: kept}}
"""


def kept(shell: Shell) -> dict[str, dict[str, dict[str, str]]]:
    """The sealed secrets of the workspace."""
    found: dict[str, dict[str, dict[str, str]]] = json.loads((shell.folder / "data" / "secrets.json").read_text())
    return found["secrets"]


def test_a_kept_secret_is_entered_again_after_its_address_changed(shell: Shell) -> None:
    shell.write("connections/okta.yaml", OKTA.format(url="https://one.example/scim"))
    assert shell.usher("connect", "secret", "okta", "token", typed="first\n").code == 0
    shell.write("connections/okta.yaml", OKTA.format(url="https://two.example/scim"))
    stale = shell.usher("connect", "check", "okta")
    assert stale.code != 0
    assert "the address of okta changed: enter its secret again (token)" in stale.err
    again = shell.usher("connect", "secret", "okta", "token", "--json", typed="second\n")
    assert again.json()["connection"] == "okta"
    assert kept(shell)["okta"]["token"]["origin"] == "https://two.example:443"
    assert "second" not in again.out + again.err + json.dumps(kept(shell))


def test_a_secret_that_is_not_kept_here_is_refused_with_its_file_and_field(shell: Shell) -> None:
    answer = shell.usher("connect", "secret", "hr", "token", typed="x\n")
    assert answer.code == 2
    assert "connections/hr.yaml: secrets.token is not there" in answer.err
    shell.write("connections/okta.yaml", OKTA.format(url="https://one.example/scim").replace("kept", "env:TOKEN"))
    answer = shell.usher("connect", "secret", "okta", "token", typed="x\n")
    assert answer.code == 2
    assert "connections/okta.yaml: secrets.token is 'env:TOKEN'" in answer.err


def test_an_app_is_no_longer_watched_and_what_is_left_on_stays_said(shell: Shell) -> None:
    removed = shell.usher("connect", "remove", "expenses", "--reason", "contract ended", *shell.as_("olga"), "--json")
    assert removed.code == 0, removed.err
    assert removed.json()["accounts_on"] == 3
    assert not (shell.folder / "connections" / "expenses.yaml").exists()
    assert [one["name"] for one in shell.usher("connect", "list", "--json").json()["connections"]] == ["hr"]
    found = shell.usher("findings", "--json").json()["findings"]
    assert [one["rule"] for one in found if one["subject"] == "expenses"] == ["no longer watched"]
    shell.ann_leaves()
    assert shell.usher("observe").code == 0
    answer = shell.usher("plan", "leave", "ann@acme.test", *shell.as_("olga"))
    assert "expenses is not connected any more: ann@acme.test was on there when last seen" in answer.err


def test_a_connection_that_a_plan_needs_is_not_removed(shell: Shell) -> None:
    shell.ann_leaves()
    assert shell.usher("observe").code == 0
    assert shell.usher("plan", "leave", "ann@acme.test", *shell.as_("olga")).code == 0
    answer = shell.usher("connect", "remove", "expenses", "--reason", "x", *shell.as_("olga"))
    assert answer.code != 0
    assert "plan 1 has steps in expenses: usher plan withdraw 1" in answer.err
    assert (shell.folder / "connections" / "expenses.yaml").exists()
