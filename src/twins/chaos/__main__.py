"""Start the hostile app from the command line."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twins.chaos.app import ChaosApp
from twins.chaos.faults import FAULTS, FaultSpecError, Rule, rules_from_text
from twins.chaos.messages import Refusal
from twins.chaos.records import Document, Kind, Records
from twins.chaos.rest_door import RestDoor
from twins.chaos.scim_door import ScimDoor
from twins.chaos.scim_schema import GROUP, USER, clean_document
from twins.chaos.spoil import Door
from twins.chaos.weather import Weather
from twins.serving import Journal, serve


class LoadError(ValueError):
    """The file of records cannot be used; the message is one line that names it, the row and the reason."""


def main(arguments: list[str] | None = None) -> int:
    """Run the app until SIGTERM; return 0, or 2 with one line on stderr when an argument is wrong."""
    options = _parser().parse_args(arguments)
    try:
        rules = rules_from_text(options.faults)
        if options.lag:
            rules.append(Rule(fault="lag", rate=1.0, amount=options.lag))
        weather = Weather(options.seed, rules, options.faults_file)
        loaded = _loaded(options.load) if options.load else {}
    except (FaultSpecError, LoadError) as error:
        sys.stderr.write(f"chaos: {error}\n")
        return 2
    journal, trace = Journal(options.journal), Journal(options.trace)
    fresh = options.state is None or not options.state.exists()
    records = Records(journal, seed=options.seed, unique=not options.no_unique, state=options.state)
    for kind, documents in loaded.items() if fresh else ():
        records.load(kind, documents)
    doors: list[Door] = [ScimDoor(records, options.page_size), RestDoor(records, options.page_size)]
    app = ChaosApp(doors, records, weather, trace, token=options.token)
    try:
        serve(app, options.port, options.ready_file, {"token": options.token, "seed": options.seed})
    finally:
        journal.close()
        trace.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    faults = "\n".join(f"  {name:20} {sentence}" for name, (sentence, _) in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m twins.chaos",
        description="A hostile app: SCIM 2.0 under /scim/v2 and REST under /rest, over one user store.",
        epilog=f"Faults, as NAME[@METHOD PATH]=RATE[:AMOUNT] or NAME=#1+3 (the nth times) or NAME (always):\n{faults}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 takes a free port")
    add("--ready-file", type=Path, help="JSON with url, pid and token, written once calls are accepted")
    add("--seed", type=int, default=0, help="same seed and same requests: same faults and same ids")
    add("--load", type=Path, help="JSON list of SCIM users, or {users: [...], groups: [...]}; not journalled")
    add("--state", type=Path, help="JSON file that keeps the records over restarts; wins over --load when it exists")
    add("--journal", type=Path, help="JSON lines: one per effect that was applied")
    add("--trace", type=Path, help="JSON lines: one per request, with the faults that struck it")
    add("--token", default="chaos", help="the bearer token that both doors want")
    add("--faults", default="", help='for example "lost_reply@POST=0.2,rate_limited=0.05:2,server_error=#3"')
    add("--faults-file", type=Path, help="JSON of faults, read again when it changes; replaces --faults by name")
    add("--lag", type=_seconds, default=0.0, help="reads show each record as it was SECONDS ago")
    add("--no-unique", action="store_true", help="a second create with the same userName makes a second account")
    add("--page-size", type=_positive, default=100, help="most rows in a page")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("expected seconds, 0 or more")
    return seconds


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number above 0")
    return number


def _loaded(path: Path) -> dict[Kind, list[Document]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{path}: cannot be read as JSON: {error}") from error
    lists = content if isinstance(content, dict) else {"users": content}
    if unknown := set(lists) - {"users", "groups"}:
        raise LoadError(f"{path}: unknown field {sorted(unknown)[0]!r}; expected users or groups")
    return {
        "User": _cleaned(path, "users", USER, lists.get("users", [])),
        "Group": _cleaned(path, "groups", GROUP, lists.get("groups", [])),
    }


def _cleaned(path: Path, field: str, schema: str, rows: Any) -> list[Document]:
    if not isinstance(rows, list):
        raise LoadError(f"{path}: {field}: expected a list of SCIM resources")
    return list(_cleaned_rows(path, field, schema, rows))


def _cleaned_rows(path: Path, field: str, schema: str, rows: list[Any]) -> Iterable[Document]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise LoadError(f"{path}: {field} row {number}: expected an object")
        try:
            document = clean_document(schema, row)
        except Refusal as refusal:
            raise LoadError(f"{path}: {field} row {number}: {refusal.detail}") from refusal
        if schema == USER:
            document.setdefault("active", True)
        kept = {name: row[name] for name in ("id", "meta") if row.get(name)}
        yield {**document, **kept}


if __name__ == "__main__":
    sys.exit(main())
