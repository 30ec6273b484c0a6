"""How a plan and a run look on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usher.entry.cli.out import counted, heading, instant, lines, table, worded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Document = dict[str, Any]


def paint_plan(screen: Console, plan: Document) -> None:
    """Everything that is signed, and whose signatures are missing."""
    lines(
        screen,
        [
            ("plan", f"{plan['number']}: {_titled(plan)}"),
            ("state", worded(plan["state"])),
            ("because", plan["note"]),
            ("begins", _begins(plan)),
            ("marked", marks(plan)),
            ("asked for by", plan["requested_by"]),
            ("reason", plan["reason"]),
            ("lane", "urgent: overtakes bulk work" if plan["lane"] == "urgent" else None),
            ("signal", _signal(plan["signal"])),
            ("valid until", instant(plan["expires_at"])),
            ("digest", plan["digest"]),
        ],
    )
    for step in plan["steps"]:
        _paint_step(screen, step, {one["id"]: one["ordinal"] for one in plan["steps"]})
    if plan["notes"]:
        heading(screen, "Notes")
        for note in plan["notes"]:
            screen.print(f"  {note}")
    _paint_guard(screen, plan)
    heading(screen, "Signatures")
    if plan["approvers"]:
        screen.print(f"  approved by {', '.join(plan['approvers'])}")
    for missing in plan["missing"]:
        screen.print(f"  missing: {missing}")
    if plan["configuration_changed_since"]:
        screen.print("  The configuration has changed since this plan was made.")
    if plan["state"] == "proposed":
        screen.print(
            f"\nNext: usher approve {plan['number']} --digest {plan['digest'][7:19]} --as NAME --key file:PATH"
        )
    elif plan["state"] == "approved" and plan["act_at"]:
        screen.print(f"\nIt begins at {plan['act_local']} while usher worker or usher serve runs.")
    elif plan["state"] == "approved":
        screen.print(f"\nNext: usher run {plan['number']}")


def _titled(document: Document) -> str:
    """Whom a plan or run is about, and what happens to him."""
    return f"{document['person_name']} {_VERBS.get(document['kind'], '')}".rstrip()


def _begins(plan: Document) -> str | None:
    return f"{plan['act_local']} ({plan['act_at']})" if plan["act_at"] else None


def marks(document: Document) -> str:
    """What is said of a plan or run wherever it is shown."""
    return ", ".join(name for name in ("emergency", "confidential") if document.get(name))


def marked(document: Document) -> str:
    """The kind of a plan or run with what is said of it."""
    said = [document["kind"], *(["emergency"] if document["emergency"] else [])]
    return ", ".join([*said, "confidential"] if document.get("confidential") and said[0] != "confidential" else said)


def late(seconds: float | None) -> str | None:
    """How long after its time the first effect was about to be sent."""
    return None if seconds is None else f"{seconds:g} s after its time"


_VERBS = {"leave": "leaves", "join": "joins", "move": "moves", "undo": "gets back what a run took"}


def _signal(signal: Document | None) -> str | None:
    return f"{signal['kind']}, said by {signal['source']}, true at {instant(signal['true_at'])}" if signal else None


def _paint_step(screen: Console, step: Document, ordinals: dict[str, int]) -> None:
    what = " ".join(part for part in (step["verb"], step["entitlement"], step["user_name"]) if part)
    heading(screen, f"Step {step['ordinal']}: {what} in {step['connection']} ({step['app']})")
    lines(
        screen,
        [
            ("  before", expected(step["before"])),
            ("  after", expected(step["after"])),
            ("  by", "a person" if step["path"] == "person" else step["path"]),
            ("  asked by", step["asked_by"]),
            ("  reversible", step["reversible"]),
            ("  costs", step["cost"]),
            ("  must agree", ", ".join(f"{name} {value!r}" for name, value in step["agree"].items())),
            ("  after step", ", ".join(str(ordinals[id]) for id in step["requires"])),
            *(("  watch out", line) for line in step["watch_outs"]),
        ],
    )


def expected(value: Document) -> str:
    """An expectation of an account in words."""
    said = []
    if "exists" in value:
        said.append("the account is there" if value["exists"] else "there is no such account")
    if "can_sign_in" in value:
        said.append("it can sign in" if value["can_sign_in"] else "it cannot sign in")
    if value.get("has"):
        said.append(f"it holds {', '.join(value['has'])}")
    if value.get("lacks"):
        said.append(f"it does not hold {', '.join(value['lacks'])}")
    said += [f"{name} is {text!r}" for name, text in value.get("attributes", {}).items()]
    return ", ".join(said) or "nothing is expected"


def _paint_guard(screen: Console, plan: Document) -> None:
    guard = plan["guard"]
    heading(screen, "Guard: allowed" if guard["allowed"] else "Guard: not allowed")
    for kind in ("refused", "held"):
        for row in guard[kind]:
            screen.print(f"  {kind} {row['row']}: {'; '.join(row['reasons'])}")
    for one in plan["releases"]:
        screen.print(f"  released by {one['operator']} ({one['reason']}): {one['row']}")
    if over := plan["override"]:
        used = ", used" if over["used_at"] else ""
        screen.print(f"  {over['operator']} lets it pass once until {instant(over['until'])}{used}: {over['reason']}")
    if plan["state"] == "held" and guard["held"]:
        screen.print(f"  Another operator answers: usher plan release {plan['number']} ROW --reason WHY")
    rows = [
        (one["scope"], one["what"], f"{one['hours']} h", one["done"], one["planned"], one["allowed"], one["size"])
        for one in guard["numbers"]
    ]
    if rows:
        headings = ("where", "what", "within", "done", "planned", "allowed", "of")
        screen.print(table(screen, headings, rows))


def run_table(screen: Console, run: Document) -> Table:
    """The steps of a run as they stand."""
    rows = [
        (one["ordinal"], f"{one['verb']} {one['entitlement'] or ''}".strip(), one["user_name"], one["connection"],
         worded(one["state"]), one["note"])
        for one in run["steps"]
    ]  # fmt: skip
    return table(screen, ("step", "what", "account", "in", "state", "note"), rows)


def paint_run(screen: Console, run: Document) -> None:
    """A run: its steps, what a person must do, and how to go on."""
    lines(
        screen,
        [
            (
                "run",
                f"{run['number']} of plan {run['plan']}: {_titled(run)}",
            ),
            ("state", worded(run["state"])),
            ("marked", marks(run)),
            ("lane", "urgent" if run["lane"] == "urgent" else None),
            ("planned for", run["planned_local"]),
            ("begun", instant(run["started_at"])),
            ("first effect", late(run["late_seconds"])),
            ("verified", instant(run["verified_at"])),
            ("closed", instant(run["closed_at"])),
        ],
    )
    screen.print()
    screen.print(run_table(screen, run))
    screen.print()
    paint_ending(screen, run)


def paint_ending(screen: Console, run: Document) -> None:
    """What a run at rest waits for, and what to do about it."""
    for found in run["findings"]:
        screen.print(f"{found['rule']}: {found['subject']}; do this: {found['fix']}")
    for task in run["tasks"]:
        screen.print(
            f"Task {task['number']} for {task['assignee']}: {task['title']} (usher task show {task['number']})"
        )
    waits = run["waits_for"]
    if "seal" in waits:
        screen.print(f"The workspace is sealed by {run['sealed']}: the steps go on after usher unseal.")
    if "app" in waits:
        screen.print(f"An app does not answer as it should: usher connect check NAME, then usher run {run['plan']}")
    if run["verified"] == run["total"]:
        screen.print(f"Verified by fresh readings: {counted(run['total'], 'step')}.", style="green")
        if run["closed_at"] is None:
            screen.print("Each is looked at again later, while usher worker or usher serve runs.")
    else:
        screen.print(f"{run['verified']} of {counted(run['total'], 'step')} verified.")


def paint_task(screen: Console, task: Document) -> None:
    """A task with the guide's own steps."""
    wanted = {name: value for name, value in task["wanted"].items() if value not in (None, "", [], {})}
    lines(
        screen,
        [
            ("task", f"{task['number']}: {task['title']}"),
            ("for", task["assignee"]),
            ("state", worded("closed" if task["closed_at"] else task["state"])),
            ("because", task["why"]),
            ("where", task["link"]),
            ("what", task["entitlement"]),
            ("plan, run", f"{task['plan']}, {task['run']}"),
            ("due", instant(task["due_at"]) + (" (overdue)" if task["overdue"] else "")),
            *((name.replace("_", " "), _value(value)) for name, value in sorted(wanted.items())),
        ],
    )
    heading(screen, "Steps")
    for number, line in enumerate(task["steps"], 1):
        screen.print(f"  {number}. {line}")
    for line in task["watch_outs"]:
        screen.print(f"  Watch out: {line}")
    screen.print(f"\nProof: {task['proof']}.")
    if task["closed_at"] is None:
        screen.print(f"Then: usher task done {task['number']}")


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return str(value)
