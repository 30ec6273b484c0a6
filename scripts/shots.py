"""Takes the pictures of docs/pictures from the running programs: `python scripts/shots.py [terminal] [console]`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that the script also runs by its path

from scripts.docs_model import ROOT

PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 100
KEYS = '--key "file:$HOME/olga.key" --as olga'
COMPANY = f"""
python "$USHER_SOURCE/examples/small/make.py" && cd acme
. "$USHER_SOURCE/examples/small/directory.sh"
usher observe
sed -i.before 's/ann@acme.test,active,2020-01-01,,/ann@acme.test,terminated,2020-01-01,2026-01-31,/' exports/hr.csv
usher observe hr
usher plan leave ann@acme.test {KEYS}
"""
TERMINALS = {"findings": "usher findings", "plan": "usher plan show 1"}


def terminal() -> None:
    """Make the small company, type each command of TERMINALS in it, and draw what it prints."""
    with tempfile.TemporaryDirectory(prefix="shots-") as name:
        (Path(name) / "home").mkdir()
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": f"{name}/home",
            "USHER_SOURCE": str(ROOT),
            "COLUMNS": str(COLUMNS),
        }
        shown = "".join(f"FORCE_COLOR=1 {command} > {name}/{file}\n" for file, command in TERMINALS.items())
        shell = subprocess.Popen(
            ["bash", "-euc", f"{COMPANY}{shown}"], cwd=name, env=environment, start_new_session=True
        )
        try:
            if shell.wait(timeout=300):
                raise SystemExit("shots: a command failed; see the lines above")
        finally:
            os.killpg(shell.pid, signal.SIGKILL)  # the directory that the script left running
        for file, command in TERMINALS.items():
            (PICTURES / f"{file}.svg").write_text(_drawn(command, (Path(name) / file).read_text()), encoding="utf-8")
            print(f"docs/pictures/{file}.svg: {command}")


def _drawn(command: str, printed: str) -> str:
    """A terminal window as SVG, without the fonts of another host."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text(f"$ {command}", style="bold"))
        console.print(Text.from_ansi(printed))
        form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        drawn = console.export_svg(title="usher", code_format=form, unique_id=command.split()[1])
    return "\n".join(line.rstrip() for line in drawn.splitlines() if line.strip()) + "\n"


def console() -> None:
    """Start the stand-in console, sign in and take its list of users."""
    from playwright.sync_api import sync_playwright

    from usher.connectors.browser.session import chromium_path

    with tempfile.TemporaryDirectory(prefix="shots-") as name:
        ready_file = Path(name) / "ready.json"
        subprocess.run([sys.executable, ROOT / "examples" / "acme" / "generate.py", name], check=True)
        command = [sys.executable, "-m", "twins.console", "--seed", f"{name}/forecastly.csv"]
        command += ["--port", "0", "--ready-file", str(ready_file), "--admin-email", "it-admin@acme.test"]
        with subprocess.Popen(command) as server:
            try:
                while not ready_file.exists() and server.poll() is None:
                    time.sleep(0.05)
                ready = json.loads(ready_file.read_text(encoding="utf-8"))
                with sync_playwright() as playwright:
                    path = chromium_path(None, dict(os.environ), shutil.which)
                    browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
                    page = browser.new_page(viewport={"width": 1280, "height": 720})
                    page.goto(f"{ready['url']}/settings/users")
                    page.get_by_label("Email").fill(ready["admin_email"])
                    page.get_by_label("Password").fill(ready["admin_password"])
                    page.get_by_role("button", name="Sign in").click()
                    page.goto(f"{ready['url']}/settings/users")
                    page.get_by_role("table").wait_for()
                    page.screenshot(path=PICTURES / "console.png")
                    browser.close()
            finally:
                server.terminate()
    print("docs/pictures/console.png: python -m twins.console")


def main(wanted: list[str]) -> int:
    """Take the pictures that are named, or all."""
    known = {"terminal": terminal, "console": console}
    if unknown := set(wanted) - known.keys():
        print(f"shots: expected terminal or console, got {sorted(unknown)[0]!r}", file=sys.stderr)
        return 2
    PICTURES.mkdir(exist_ok=True)
    for name, take in known.items():
        if not wanted or name in wanted:
            take()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
