"""The folder of a workspace: all of it is right, or every mistake is named; nothing is half-written."""

import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from usher.domain.connection import ConnectionConfig
from usher.domain.located import ConfigurationError
from usher.store.configuration import read_configuration, write_connection
from usher.store.configurationinit import NotAWorkspace, init_workspace

FILES = {
    "usher.yaml": "name: acme\nzone: Europe/Berlin\nrules: {plan_valid_hours: 8}\n",
    "connections/hr.yaml": "name: hr\napp: csv\nspeaks: csv\npart: hr\nowner: irene\npath: data/hr\n",
    "connections/okta.yaml": """\
# the directory
name: okta
app: scim
speaks: scim
part: idp
owner: irene        # signs for it
url: https://okta.example/scim/v2
lag_seconds: 2.0    # the default, said aloud
observe:
  every_minutes: 15 # twice as often at quarter end
secrets:
  token: env:OKTA_TOKEN
""",
    "policies/roles.yaml": """\
roles:
  - name: everyone
    when: {any: true}
    give:
      - {app: okta, account: {}, groups: [all-staff]}
separation:
  - name: two hats
    never_together: [okta/group:pay, okta/group:approve]
""",
    "contracts/okta.yaml": """\
connection: okta
currency: USD
term_ends: 2027-01-31
reduction: at renewal
modules: {Core: {seats: 40, price: 12_00}}
""",
    "apps/expenses.yaml": "app: expenses\ntitle: Expenses\nspeaks: person\n",
}


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "acme", FILES)


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def problems(folder):
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(folder)
    return str(caught.value).splitlines()


def test_everything_in_the_folder_is_read(folder):
    found = read_configuration(folder)
    assert (found.main.name, found.id, found.main.zone, found.people_from) == ("acme", "acme", "Europe/Berlin", ("hr",))
    assert found.main.rules.plan_valid_hours == 8
    assert sorted(found.connections) == ["hr", "okta"]
    assert str(found.policies.roles[0].cite) == "policies/roles.yaml:2 role 'everyone'"
    assert found.contracts["okta"].term_ends == date(2027, 1, 31)
    assert found.contracts["okta"].modules["Core"].price == 1200
    assert found.apps["expenses"].title == "Expenses"
    assert found.texts == FILES


def test_the_digest_names_exactly_these_files(folder):
    before = read_configuration(folder).digest
    assert read_configuration(folder).digest == before
    with (folder / "policies/roles.yaml").open("a") as file:
        file.write("# changed\n")
    assert read_configuration(folder).digest != before


def test_all_mistakes_of_all_files_are_told_at_once(folder):
    write(folder, {
        "usher.yaml": "name: acme\nzone: Mars/Olympus\nrule: {}\n",
        "connections/hr.yaml": FILES["connections/hr.yaml"].replace("path: data/hr\n", ""),
        "policies/roles.yaml": FILES["policies/roles.yaml"].replace("{app: okta,", "{app: okat,"),
        "contracts/okta.yaml": "connection: okta\nmodules: {Core: {price: 12.5}}\n",
    })  # fmt: skip
    assert problems(folder) == [
        "connections/hr.yaml:1: path: expected a value, because the connection speaks csv, got nothing",
        "contracts/okta.yaml:2: modules.Core.price: expected a whole number, got 12.5",
        "policies/roles.yaml:5: roles[0].give[0].app: expected one of the connections hr, okta, got 'okat'",
        "usher.yaml:2: zone: expected a time zone such as Europe/Berlin, got 'Mars/Olympus'",
        "usher.yaml:3: rule: expected 'rules', got the unknown field 'rule'",
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("usher.yaml", "name: acme\nzone: [\n", "usher.yaml:3: -: expected valid YAML, got "),
        ("usher.yaml", "name: acme\nname: acme\n", "usher.yaml:2: -: expected valid YAML, got found duplicate key"),
        ("usher.yaml", "- acme\n", "usher.yaml:1: -: expected a mapping of fields, got a list"),
        ("usher.yaml", "# nothing\n", "usher.yaml:1: name: expected a value, got nothing"),
        ("connections/x.yml", "name: x\n", "connections/x.yml:1: -: expected a file name that ends in .yaml, got .yml"),
        ("connections/hr2.yaml", FILES["connections/hr.yaml"],
         "connections/hr2.yaml:1: name: expected 'hr2', the name of the file, got 'hr'"),
        ("contracts/more.yaml", "connection: okta\n",
         "contracts/okta.yaml:1: connection: expected one contract for each connection, got a second one"),
        ("policies/more.yaml", "roles: [{name: Everyone, when: {any: true}, give: [{app: hr}]}]\n",
         "policies/roles.yaml:2: roles[0].name: expected one role of each name, got 'everyone', also in "),
    ],
)  # fmt: skip
def test_a_file_that_cannot_count_is_one_line(folder, name, text, expected):
    write(folder, {name: text})
    (line,) = problems(folder)
    assert line.startswith(expected)


def test_a_file_in_another_encoding_is_told_with_its_line(folder):
    (folder / "usher.yaml").write_bytes(b"name: acme\nzone: UTC\n# caf\xe9\n")
    assert problems(folder) == ["usher.yaml:3: -: expected text in UTF-8, got the byte 0xe9"]


def test_a_file_that_unfolds_without_end_is_refused(folder):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdef", "bcdefg", strict=True)]
    write(folder, {"usher.yaml": "\n".join(lines)})
    assert problems(folder) == ["usher.yaml:1: -: expected a file of reasonable size, got more than 100000 values"]


def test_a_folder_that_is_no_workspace_says_how_to_make_one(tmp_path):
    (line,) = problems(tmp_path)
    assert line.startswith("usher.yaml:1: -: expected a workspace in ")
    assert "usher init" in line


def test_the_configuration_of_the_demo_company_is_right_once_its_places_are_filled_in(tmp_path):
    source = Path(__file__).parents[3] / "examples/acme/workspace"
    shutil.copytree(source, tmp_path / "acme")
    for path in (tmp_path / "acme").rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        for place in ("directory", "wiki", "forecastly"):
            text = text.replace(f'"${{{place}}}', '"http://127.0.0.1:1')
        path.write_text(text, encoding="utf-8")
    found = read_configuration(tmp_path / "acme")
    assert found.people_from == ("hr",)
    assert {"directory", "forecastly"} <= found.connections.keys()


def okta(folder, **changes):
    return read_configuration(folder).connections["okta"].model_copy(update=changes)


def test_editing_a_connection_changes_one_line_and_keeps_every_comment(folder):
    write_connection(folder, okta(folder, owner="dana"))
    assert (folder / "connections/okta.yaml").read_text() == FILES["connections/okta.yaml"].replace("irene ", "dana  ")
    assert read_configuration(folder).connections["okta"].owner == "dana"


def test_writing_what_is_already_there_changes_nothing(folder):
    write_connection(folder, okta(folder))
    assert (folder / "connections/okta.yaml").read_text() == FILES["connections/okta.yaml"]


def test_a_value_that_goes_back_to_its_default_leaves_the_file(folder):
    write_connection(folder, okta(folder, part="app", secrets={}))
    assert read_configuration(folder).connections["okta"] == okta(folder, part="app", secrets={})
    assert "idp" not in (folder / "connections/okta.yaml").read_text()


def test_a_new_connection_is_a_file_that_reads_back_as_the_same(folder):
    new = ConnectionConfig(name="clari", app="clari", speaks="browser", owner="paula", url="https://clari.example",
                           protect=("a@b", "c@d"), options={"columns": {"id": "Email"}})  # fmt: skip
    write_connection(folder, new)
    assert read_configuration(folder).connections["clari"] == new


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(folder, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    changed = okta(folder, owner="dana")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_connection(folder, changed)
    assert (folder / "connections/okta.yaml").read_text() == FILES["connections/okta.yaml"]
    assert sorted(path.name for path in (folder / "connections").iterdir()) == ["hr.yaml", "okta.yaml"]


def test_a_new_workspace_can_be_read_at_once_and_its_examples_do_nothing(tmp_path):
    written = init_workspace(tmp_path / "new", "acme", "Europe/Paris", id="wsp_1")
    assert set(written) == {"usher.yaml", "connections/example.yaml", "policies/roles.yaml", "contracts/example.yaml",
                            "apps/example.yaml", ".gitignore"}  # fmt: skip
    found = read_configuration(tmp_path / "new")
    assert (found.main.name, found.id, found.main.zone, found.connections) == ("acme", "wsp_1", "Europe/Paris", {})
    assert (tmp_path / "new/data").stat().st_mode & 0o777 == 0o700


def test_the_examples_of_a_new_workspace_are_right_when_they_are_uncommented(tmp_path):
    folder = tmp_path / "new"
    init_workspace(folder, "acme", "UTC")
    names = {"connections/example.yaml": "connections/okta.yaml", "apps/example.yaml": "apps/expenses.yaml",
             "contracts/example.yaml": "contracts/clari.yaml", "policies/roles.yaml": "policies/roles.yaml",
             "usher.yaml": "usher.yaml"}  # fmt: skip
    for old, new in names.items():
        text = (folder / old).read_text()
        (folder / old).unlink()
        kept = [line for line in text.splitlines() if not (line.startswith("# ") and line.endswith((".", ")", ").")))]
        (folder / new).write_text("\n".join(line.removeprefix("# ").removeprefix("#") for line in kept))
    base = "app: csv\nspeaks: csv\nowner: dana\npath: x\n"
    write(folder, {f"connections/{name}.yaml": f"name: {name}\n{base}" for name in ("hr", "clari", "erp")})
    found = read_configuration(folder)
    assert [placed.role.name for placed in found.policies.roles] == ["everyone", "account executive"]
    assert found.contracts["clari"].modules["Core"].price == 120000
    assert found.connections["okta"].secrets == {"token": "env:OKTA_TOKEN"}
    assert found.main.limits.windows[1].hours == 168
    assert found.people_from == ("hr",)


def test_making_a_workspace_twice_changes_nothing(tmp_path):
    init_workspace(tmp_path, "acme", "UTC")
    (tmp_path / "policies/roles.yaml").write_text("roles: []\n")
    assert init_workspace(tmp_path, "other", "UTC") == ()
    assert (tmp_path / "policies/roles.yaml").read_text() == "roles: []\n"
    assert read_configuration(tmp_path).main.name == "acme"


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(NotAWorkspace, match=r"thesis\.txt"):
        init_workspace(tmp_path, "acme", "UTC")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_beginning_that_was_interrupted_can_be_finished(tmp_path):
    init_workspace(tmp_path, "acme", "UTC")
    (tmp_path / "usher.yaml").unlink()
    assert "usher.yaml" in init_workspace(tmp_path, "acme", "UTC")


@pytest.mark.parametrize(("name", "zone", "field"), [("Acme Inc", "UTC", "name"), ("acme", "CET/Nowhere", "zone")])
def test_a_bad_name_or_zone_makes_no_folder(tmp_path, name, zone, field):
    with pytest.raises(ConfigurationError, match=rf"usher\.yaml:[12]: {field}: expected "):
        init_workspace(tmp_path / "new", name, zone)
    assert not (tmp_path / "new").exists()
