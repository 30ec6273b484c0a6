"""Health: counts how an app answers; an ill app is left alone, and so is one account that it keeps failing on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from usher.domain.clock import from_text, to_text
from usher.domain.plan import PlannedStep
from usher.domain.step import DueKind
from usher.services import park
from usher.services.workspace import Workspace
from usher.store.dues import HELD
from usher.store.repository import Row, load
from usher.store.unit import Unit

WINDOW = 20
"""The newest calls that count."""
ILL_FAILURES = 8
"""Of those, so many failures (40 %) make an app ill."""
ILL_ACCOUNTS = 3
"""And they concern so many accounts, or nothing else was answered well: one poisoned account is not an ill app."""
OBJECT_FAILURES = 6
"""Failures in a row on one account, while others are answered well, after which it waits alone."""
OBJECT_PROBE_SECONDS = 3_600.0
PUT_OFF_SECONDS = 60.0
"""How soon a row asks again whether its connection is still stopped; when that is lifted, it is due at once."""
LISTING = "listing"
RULE = "account keeps failing"

Answer = tuple[bool, str]
"""Whether a call was answered well, and which account it concerned."""


def failed(entry: Mapping[str, Any]) -> bool | None:
    """Whether a call's record is a failure of the app: True, False, or None where it says nothing of its health.

    A lost connection says nothing here: an outcome that nobody knows has a rule of its own. 429 is an honest answer.
    """
    status = entry.get("status")
    if isinstance(status, int):
        return None if status == 429 else status >= 500
    return True if entry.get("error") in ("ConnectError", "ConnectTimeout", "PoolTimeout", "ReadTimeout") else None


def ill(recent: Sequence[Answer]) -> str | None:
    """Say why an app counts as ill by its newest calls, or None."""
    window = recent[-WINDOW:]
    bad = [who for well, who in window if not well]
    if len(bad) < ILL_FAILURES:
        return None
    others = any(well and who != bad[-1] for well, who in window)
    if others and len(set(bad)) < ILL_ACCOUNTS:
        return None
    return f"{len(bad)} of its last {len(window)} calls failed: the app is ill"


def poisoned(recent: Sequence[Answer], who: str) -> int | None:
    """How often in a row an account has failed while others were answered well, where that is too often; else None."""
    row = [well for well, whose in recent if whose == who]
    last = 0
    for well in reversed(row):
        if well:
            break
        last += 1
    others = any(well and whose != who for well, whose in recent)
    return last if last >= OBJECT_FAILURES and others and who != LISTING else None


def after_row(workspace: Workspace, connection: str, who: str, row: Row | None) -> None:
    """Count what a carried row's calls came to, and stop the app or the account where it is too much.

    `who` is the account that the row concerned (`listing` for a reading), `row` the step's row where there is one.
    """
    entries = workspace.connections.answers(connection)
    rest = workspace.connections.resting(connection)
    new = [(not bad, who) for entry in entries if (bad := failed(entry)) is not None]
    if not new and not rest:
        return
    with workspace.store.read() as unit:
        known = unit.health.of(connection)
    before: list[Answer] = [(bool(well), str(whose)) for well, whose in load(known["recent"])] if known else []
    recent = [*before, *new][-WINDOW:]
    well = all(good for good, _ in recent)
    if well and not rest and all(good for good, _ in before):
        return  # an app in good health costs no writing
    with workspace.store.begin() as unit:
        unit.health.note(
            connection,
            recent=[list(one) for one in recent],
            calls=(known["calls"] if known else 0) + len(new),
            failures=(known["failures"] if known else 0) + sum(not good for good, _ in new),
            not_before=to_text(workspace.clock.now() + timedelta(seconds=rest)) if rest else None,
        )
        if why := ill(recent):
            park.stop_connection(unit, connection, why, park.ILL)
        elif row is not None and (times := poisoned(recent, who)):
            _stop_account(unit, connection, who, row, times)
        elif new and new[-1][0]:
            lift_account(unit, connection, who, "the app answered for it again")


def _stop_account(unit: Unit, connection: str, who: str, row: Row, times: int) -> None:
    if any(one["account"] == who for one in unit.health.quarantined(connection)):
        return
    planned = PlannedStep.of(load(row["document"]))
    why = f"{connection} failed {times} times in a row on {planned.user_name}, and answers for others"
    finding, _ = unit.findings.open_finding(
        f"object:{connection}:{who}",
        RULE,
        "high",
        f"{planned.user_name} in {connection}",
        {"why": why, "step": row["id"]},
        f"look at the account in the app; usher tries once an hour, or at once after: usher resolve {row['id']} "
        "--answer retry",
        connection=connection,
        account_id=planned.account,
        person_id=planned.person,
    )
    unit.health.quarantine(connection, who, why, times, finding)
    unit.ledger.append("account:access:lose", (finding, row["id"]), {"connection": connection, "why": why})


def lift_account(unit: Unit, connection: str, who: str, why: str) -> None:
    """Let an account go on that had waited alone; its waiting rows are due now."""
    for one in unit.health.quarantined(connection):
        if one["account"] == who:
            unit.health.lift(one["id"])
            unit.findings.close_key(f"object:{connection}:{who}", why)
            unit.ledger.append("account:access:regain", (one["id"],), {"connection": connection, "why": why})


def rests_until(unit: Unit, connection: str) -> str | None:
    """The instant before which the app asked not to be called, where it is still to come."""
    known = unit.health.of(connection)
    if known is None or known["not_before"] is None or known["not_before"] <= unit.health.now():
        return None
    return str(known["not_before"])


def hindrance(unit: Unit, due: Row, step: Row | None) -> tuple[str, str, bool] | None:
    """Why a claimed row is not carried out now: (why, until when, whether it is lifted early), or None.

    A stopped connection is called by nothing but its scheduled reading; an app that asked for rest by nothing at all.
    """
    connection = str(due["connection"])
    if until := rests_until(unit, connection):
        return f"{connection} asked not to be called before {until}", until, False
    if due["kind"] == DueKind.OBSERVE.value:
        return None
    if stopped := unit.leases.quarantined().get(connection):
        return f"{connection} is stopped: {stopped['reason']}", unit.dues.later(PUT_OFF_SECONDS), True
    if step is not None and (held := _held_account(unit, due, step)):
        return held, unit.dues.later(OBJECT_PROBE_SECONDS), True
    return None


def _held_account(unit: Unit, due: Row, step: Row) -> str | None:
    """The account waits alone; once an hour one row of it is let through as a probe."""
    who = whose(step)
    for one in unit.health.quarantined(str(due["connection"])):
        hour_ago = from_text(unit.dues.now()) - timedelta(seconds=OBJECT_PROBE_SECONDS)
        waited = HELD in load(due["detail"]) and from_text(one["since"]) <= hour_ago
        if one["account"] == who and not waited:
            return str(one["reason"])
    return None


def whose(step: Row) -> str:
    """The account that a step concerns, as answers are counted: the app's id, or the name of one that is to be made."""
    return str(step["native_id"] or load(step["document"])["native_id"] or load(step["document"])["user_name"])
