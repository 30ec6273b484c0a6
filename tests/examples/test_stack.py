"""The demo's systems start as real processes, are filled, keep journals, and none of them is left behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.examples.conftest import ACME

from usher.domain.located import ConfigurationError
from usher.entry.cli.stack import Stack, StackError, fill_workspace


def get(url: str, token: Path) -> Any:
    headers = {"Authorization": f"Bearer {token.read_text(encoding='utf-8')}"}
    return httpx2.get(url, headers=headers, trust_env=False, timeout=10).raise_for_status().json()


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_systems_of_acme_start_filled_and_end(tmp_path: Path) -> None:
    with Stack.load(ACME / "stack.yaml") as stack:
        urls = stack.start(tmp_path)
        assert set(urls) == {"directory", "wiki", "forecastly"}
        assert all(url.startswith("http://127.0.0.1:") for url in urls.values())
        assert get(f"{urls['directory']}/Users?count=1", tmp_path / "secrets/directory")["totalResults"] == 57
        groups = get(f"{urls['directory']}/Groups", tmp_path / "secrets/directory")["Resources"]
        sizes = {group["displayName"]: len(group.get("members", [])) for group in groups}
        assert set(sizes) == {"all-staff", "sales", "engineering", "forecastly-users"}
        assert sizes["all-staff"] == 54
        assert get(f"{urls['wiki']}/Users?count=1", tmp_path / "secrets/wiki")["totalResults"] == 60
        assert httpx2.get(urls["forecastly"], trust_env=False, follow_redirects=True).status_code == 200
        assert stack.journal("wiki").exists()
        assert stack.workspace_values() == {**urls, "data": f"{tmp_path}/data", "secrets": f"{tmp_path}/secrets"}
        assert stat.S_IMODE((tmp_path / "secrets/forecastly").stat().st_mode) == 0o600
        pids = stack.pids()
        assert len(pids) == 3
        assert all(map(runs, pids.values()))
    assert not any(map(runs, pids.values()))


def test_a_system_that_keeps_no_journal_says_so() -> None:
    with pytest.raises(StackError, match="directory: no such system, or it keeps no journal"):
        Stack.load(ACME / "stack.yaml").journal("directory")


SLEEPER = """
import os, pathlib, socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
pathlib.Path(sys.argv[2]).write_text(str(os.getpid()))
time.sleep(60)
"""
BROKEN = """
import pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)
sys.exit("the disk is full")
"""


def test_a_system_that_fails_is_told_with_its_last_words_and_the_others_are_ended(tmp_path: Path) -> None:
    sleeper, broken = write(tmp_path / "sleeper.py", SLEEPER), write(tmp_path / "broken.py", BROKEN)
    text = f"""
processes:
  - {{name: sleeper, about: waits, command: ["{{python}}", "{sleeper}", "{{port}}", "{{data}}/pid"]}}
  - {{name: broken, about: fails, command: ["{{python}}", "{broken}", "{{data}}/pid"]}}
"""
    with pytest.raises(StackError, match=r"(?s)broken ended with exit code 1:.*the disk is full"):
        Stack.load(write(tmp_path / "stack.yaml", text)).start(tmp_path / "var")
    assert not runs(int((tmp_path / "var/data/pid").read_text()))


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = "processes: [{name: x, about: none, command: [/no/such/program]}]"
    with pytest.raises(StackError, match="/no/such/program: cannot be started: No such file"):
        Stack.load(write(tmp_path / "stack.yaml", text)).start(tmp_path / "var")


def test_a_wrong_stack_file_names_the_line_and_the_field(tmp_path: Path) -> None:
    file = write(tmp_path / "stack.yaml", "processes:\n  - name: wiki\n    about: x\n    comand: [true]\n")
    with pytest.raises(ConfigurationError) as caught:
        Stack.load(file)
    assert f"{file}:4: processes[0].comand: expected 'command'" in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"gone.yaml:1: -: expected a readable UTF-8 file"):
        Stack.load(tmp_path / "gone.yaml")


def test_a_workspace_file_with_an_unknown_value_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = tmp_path / "from"
    source.mkdir()
    write(source / "a.yaml", "url: ${wiki}\n")
    write(source / "b.yaml", "name: b\nurl: ${wicki}\n")
    with pytest.raises(StackError, match=r"b.yaml:2: \$\{wicki\}: expected one of \$\{wiki\}"):
        fill_workspace(source, tmp_path / "to", {"wiki": "http://w"})
    assert not (tmp_path / "to").exists()
    (source / "b.yaml").unlink()
    fill_workspace(source, tmp_path / "to", {"wiki": "http://w"})
    assert (tmp_path / "to/a.yaml").read_text(encoding="utf-8") == "url: http://w\n"
