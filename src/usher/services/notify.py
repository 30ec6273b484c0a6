"""Notify: writes mails for operators into the outbox, with what they tell of, and sends them once that is possible.

A mail never approves anything and leads nowhere: it names the command to type and the digest's first digits.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from usher.domain.clock import from_text
from usher.domain.plan import Plan, PlannedStep
from usher.domain.step import DueKind
from usher.services.post import Mail, NotSent, Undeliverable
from usher.services.workspace import Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

OUTBOX = ":mail"
"""Due rows of mails are of no connection; no connection can have this name."""
BACK_OFF = (60.0, 300.0, 900.0, 3_600.0)
"""Seconds before the next try, by how often it has been tried; the last goes on."""
GIVE_UP_HOURS = 72
"""A mail that could not be sent for so long tells nothing new any more."""
LONGEST = 200
NOT_SET = "no mail server is set (USHER_SMTP_HOST)"


class NoticeKind(StrEnum):
    """What a mail tells of."""

    SIGN = "wants your signature"
    ESCALATED = "is unsigned for too long"
    EXPIRES = "expires soon"
    VOIDED = "is void"
    HELD = "is held by the guard"
    EMERGENCY = "wants a second person now"
    TASK = "task for you"
    PARKED = "step parked"
    STOPPED = "connection stopped"


@dataclass(frozen=True, slots=True)
class Told:
    """What a mail says: a subject of one line, what happened, and the command to look at it with."""

    subject: str
    lines: tuple[str, ...]
    command: str


def tell(unit: Unit, kind: NoticeKind, ref: str, operators: Iterable[Row], told: Told) -> int:
    """Write a mail for each of these operators who has an address into the outbox, in this transaction.

    `ref` names the occasion: about one occasion nobody is told the same thing twice. Returns how many are new.
    """
    new = 0
    for operator in operators:
        if not operator["email"] or operator["revoked_at"]:
            continue
        key = f"{kind.name}:{ref}:{operator['id']}"
        subject = one_line(f"[usher {unit.workspace}] {told.subject}")
        row = unit.notices.add_notice(
            key, kind.name.lower(), operator["email"], subject, _body(unit, told), operator["id"]
        )
        if row is not None:
            unit.dues.put(DueKind.NOTICE, row["id"], OUTBOX, unit.dues.now(), {"tries": 0})
            new += 1
    return new


def tell_of_plan(unit: Unit, kind: NoticeKind, plan: Plan, operators: Iterable[Row], why: str = "") -> int:
    """Tell operators of a plan; of a confidential one a mail says nothing but its number."""
    lines: list[str] = []
    if not plan.confidential:
        lines.append(f"Kind: {plan.kind} for {plan.person_name}, {len(plan.steps)} step(s)")
        lines += [f"Because: {why}"] if why else []
    lines += [
        f"Digest: {plan.digest[7:19]} (compare it with what the command shows)",
        f"Valid until: {plan.expires_at}",
    ]
    told = Told(f"plan {plan.number} {kind.value}", tuple(lines), f"usher plan show {plan.number}")
    return tell(unit, kind, f"{plan.id}:{plan.digest[7:19]}", operators, told)


def tell_of_step(unit: Unit, kind: NoticeKind, row: Row, ref: str, operators: Iterable[Row], command: str) -> int:
    """Tell operators of a step; of a confidential plan's a mail says nothing but the plan's number."""
    found = unit.plans.find(row["plan_id"])
    assert found is not None, row["plan_id"]
    lines = [f"Plan: {found['number']}"]
    if not found["confidential"]:
        step = PlannedStep.of(load(row["document"]))
        lines += [f"Step: {step.ordinal}, {step.verb} {step.user_name} in {step.connection}"]
    return tell(unit, kind, ref, operators, Told(f"plan {found['number']}: {kind.value}", tuple(lines), command))


def tell_of_parked(unit: Unit, row: Row, rule: str) -> int:
    """Tell the owner of its app, and who asked for the plan, that a step is parked; once for each cause and attempt."""
    found = unit.plans.find(row["plan_id"])
    assert found is not None, row["plan_id"]
    owner = load(found["document"])["needs"]["owners"].get(row["connection"])
    operators = [one for one in unit.operators.active() if one["id"] in (owner, found["requested_by"])]
    ref = f"{row['id']}:{rule}:{row['attempt']}"
    return tell_of_step(
        unit, NoticeKind.PARKED, row, ref, operators, f"usher resolve {row['id']} --help, usher findings"
    )


def tell_of_stopped(unit: Unit, connection: str, finding: str, why: str) -> int:
    """Tell every operator that a connection is stopped: whatever is due for it waits."""
    lines = (f"Connection: {connection}", f"Because: {why}")
    told = Told(f"{NoticeKind.STOPPED.value}: {connection}", lines, f"usher connect check {connection}")
    return tell(unit, NoticeKind.STOPPED, finding, unit.operators.active(), told)


def one_line(text: str) -> str:
    """The text without anything that could begin another line or hide what follows, and not too long."""
    plain = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    short = " ".join(plain.split())
    return short if len(short) <= LONGEST else short[: LONGEST - 3] + "..."


def _body(unit: Unit, told: Told) -> str:
    lines = [
        f"Workspace: {unit.workspace}",
        *told.lines,
        "",
        f"Look at it with: {told.command}",
        "This mail approves nothing and holds no link: only your key does.",
    ]
    return "\n".join(one_line(line) for line in lines) + "\n"


def send_notice(workspace: Workspace, id: str, tries: int) -> None:
    """Send one mail of the outbox; where that fails, it is due again later, with the error kept.

    A process that ends between sending and writing that down sends it once more, under the same Message-ID.
    """
    with workspace.store.read() as unit:
        row = unit.notices.find(id)
    if row is None or row["sent_at"] is not None:
        return
    workspace.reach("before mail")
    again = True
    try:
        if workspace.post is None:
            raise NotSent(NOT_SET)
        workspace.post.send(Mail(row["id"], row["address"], row["subject"], row["body"], from_text(row["created_at"])))
    except NotSent as error:
        why, again = one_line(str(error)), not isinstance(error, Undeliverable)
    else:
        workspace.reach("after mail")
        with workspace.store.begin() as unit:
            unit.notices.sent(id)
        return
    with workspace.store.begin() as unit:
        too_old = workspace.clock.now() - from_text(row["created_at"]) >= timedelta(hours=GIVE_UP_HOURS)
        unit.notices.failed(id, tries + 1, f"{why}; given up" if too_old or not again else why)
        if again and not too_old:
            wait = unit.dues.later(BACK_OFF[min(tries, len(BACK_OFF) - 1)])
            unit.dues.put(DueKind.NOTICE, id, OUTBOX, wait, {"tries": tries + 1})


def notices(workspace: Workspace, *, unsent_only: bool = False) -> list[dict[str, Any]]:
    """Every mail, newest first, without its text."""
    with workspace.store.read() as unit:
        names = {row["id"]: row["name"] for row in unit.operators.all()}
        rows = unit.notices.all()
    return [
        {
            "id": row["id"],
            "kind": row["kind"],
            "operator": names.get(row["operator_id"]),
            "address": row["address"],
            "subject": row["subject"],
            "created_at": row["created_at"],
            "sent_at": row["sent_at"],
            "tries": row["tries"],
            "error": row["error"],
        }
        for row in rows
        if row["sent_at"] is None or not unsent_only
    ]
