"""Makes the folder of a new workspace, with examples that explain themselves and do nothing until edited."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml.comments import CommentedMap

from usher.domain.located import ConfigurationError, problems_of
from usher.store.configuration import FOLDERS, MAIN_FILE, MainFile, is_workspace
from usher.store.yamlfiles import to_text, write_text

DATA = "data"


class NotAWorkspace(Exception):
    """The folder holds other things: choose an empty folder, or a new name."""


_MAIN = """\
# The workspace of one company. Every command names each mistake here with its file and line.
{fields}
# Connections that say who works here (none named: every connection with `part: hr`).
# people_from: [hr]

# How much agreement and time a plan needs.
# rules:
#   single_operator: false    # true: one person may request and approve, and every report says so
#   quorum_signal: 1          # approvals for a plan that a source's positive signal asked for
#   quorum_request: 2         # people in a plan that a person asked for, the requester included
#   plan_valid_hours: 24

# How many accounts may lose access before a person must look; one leaver always passes.
# limits:
#   windows:
#     - {{hours: 24, count: 10, percent: 10}}
#     - {{hours: 168, count: 25, percent: 20}}
"""

_EXAMPLES = {
    "connections/example.yaml": """\
# One file for each app, named after it. Take the # away and adapt.
#
# name: okta
# app: scim
# speaks: scim            # scim, csv, browser or person
# part: idp               # hr, idp, crm or app
# owner: dana             # the operator who signs for this app
# url: https://example.okta.com/scim/v2
# secrets:
#   token: env:OKTA_TOKEN # or file:PATH, or kept (encrypted in this workspace); never the secret itself
# protect: [svc-usher@example.com]
""",
    "policies/roles.yaml": """\
# Who gets what. Each step of a plan cites the line here that asked for it.
#
# roles:
#   - name: everyone
#     when: {any: true}
#     give:
#       - app: okta
#         account: {user_name: $email, given_name: $given_name, family_name: $family_name}
#         groups: [all-staff]
#   - name: account executive
#     when: {title: [Account Executive, AE], department: Sales}
#     give:
#       - {app: clari, account: {}, role: Rep, modules: [Core], node: $region}
#
# separation:
#   - name: pay and approve
#     never_together: [erp/group:pay, erp/group:approve]
""",
    "contracts/example.yaml": """\
# What is paid for an app. Prices are whole numbers of the smallest unit: 120000 is 1,200.00.
#
# connection: clari
# currency: USD
# basis: estimate         # contract, once the numbers were copied from it
# term_ends: 2027-01-31
# reduction: at renewal   # immediate, at true-up, at renewal or unknown
# modules:
#   Core: {seats: 40, price: 120000, per: year}
""",
    "apps/example.yaml": """\
# An app that usher does not know yet: how a person does each verb in it.
#
# app: expenses
# title: Expenses
# speaks: person
# guide:
#   deactivate:
#     steps: [Open People and find the address., Choose Set inactive and confirm., Export the list of users.]
#     minutes: 3
""",
    ".gitignore": f"/{DATA}/\n",
}


def init_workspace(folder: Path, name: str, zone: str, *, id: str | None = None) -> tuple[str, ...]:
    """Make a workspace and return the names of the files that were written; none where it is one already.

    Raises NotAWorkspace for a folder that holds other things, and ConfigurationError for a bad name or zone.
    `usher.yaml` is written last: a folder with it is complete.
    """
    if is_workspace(folder):
        return ()
    main = _main_text(name, zone, id)
    if folder.exists() and not folder.is_dir():
        raise NotAWorkspace(f"{folder} is a file; expected a folder, or a name that is not taken")
    strangers = sorted(entry.name for entry in folder.iterdir() if not _ours(folder, entry)) if folder.exists() else []
    if strangers:
        raise NotAWorkspace(f"{folder} is not empty (it holds {strangers[0]}); expected an empty folder")
    for kind in (*FOLDERS, DATA):
        (folder / kind).mkdir(parents=True, exist_ok=True, mode=0o700 if kind == DATA else 0o755)
    for file, text in _EXAMPLES.items():
        write_text(folder / file, text)
    write_text(folder / MAIN_FILE, main)
    return (*_EXAMPLES, MAIN_FILE)


def _main_text(name: str, zone: str, id: str | None) -> str:
    fields = CommentedMap({"name": name} | ({"id": id} if id else {}) | {"zone": zone})
    try:
        MainFile.model_validate(dict(fields))
    except ValidationError as error:
        raise ConfigurationError(problems_of(MAIN_FILE, error, fields, MainFile)) from error
    return _MAIN.format(fields=to_text(fields))


def _ours(folder: Path, entry: Path) -> bool:
    """Say whether an entry can only be what an interrupted beginning of ours has left."""
    if entry.is_dir():
        inside = [path for path in entry.rglob("*") if path.is_file()]
        return entry.name in (*FOLDERS, DATA) and all(_ours(folder, path) for path in inside)
    name = entry.relative_to(folder).as_posix()
    return name in _EXAMPLES and entry.read_bytes() == _EXAMPLES[name].encode()
