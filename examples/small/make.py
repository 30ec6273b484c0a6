"""Make the small company of the documents in ./acme: `python make.py`, the commands of README.md in one process."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from usher.bootstrap import WorkspaceOpener
from usher.entry.cli.app import app
from usher.entry.cli.context import Context

HERE = Path(__file__).resolve().parent
COMMANDS = """
usher init .
usher operator add olga --account olga@acme.test --key-out ~/olga.key
usher operator add omar --account omar@acme.test --key-out ~/omar.key --as olga --key file:~/olga.key
usher connect hr --speaks csv --part hr --path exports/hr.csv --owner olga --option columns.id=employment_id
usher app add expenses --by person --csv exports/expenses.csv --owner omar
"""


def main() -> None:
    """Make the workspace from nothing: its keys are in ~/.config/usher/keys, the operators' in ~/."""
    Path("acme").mkdir()
    os.chdir("acme")
    for line in COMMANDS.strip().splitlines():
        print(f"$ {line}")
        app(shlex.split(line)[1:], obj=Context(WorkspaceOpener()), standalone_mode=False)
        if line.startswith("usher init"):
            shutil.copytree(HERE / "exports", "exports")


if __name__ == "__main__":
    main()
