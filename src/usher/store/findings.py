"""Findings and signals: each opened once under its key, closed with a reason, never deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, update

from usher.store.repository import Repository, Row, dump
from usher.store.tables import finding, signal


class Findings(Repository):
    """Differences that somebody must know of, and the status changes of sources."""

    def open_finding(
        self,
        key: str,
        rule: str,
        severity: str,
        subject: str,
        evidence: Mapping[str, Any],
        fix: str,
        *,
        connection: str | None = None,
        account_id: str | None = None,
        person_id: str | None = None,
    ) -> tuple[str, bool]:
        """Open a finding, or keep the open one of the same key; returns its id and whether it is new."""
        known = self.row(select(finding).where(finding.c.key == key, finding.c.closed_at.is_(None)))
        if known is not None:
            if known["evidence"] != dump(evidence):
                self.set(finding, known["id"], evidence=dump(evidence), subject=subject, fix=fix, severity=severity)
            return str(known["id"]), False
        id = self.ids.new("fnd")
        self.add(
            finding,
            id=id,
            key=key,
            rule=rule,
            severity=severity,
            connection=connection,
            account_id=account_id,
            person_id=person_id,
            subject=subject,
            evidence=dump(evidence),
            fix=fix,
            opened_at=self.now(),
            closed_at=None,
            closed_why=None,
        )
        return id, True

    def close(self, id: str, why: str) -> None:
        """Close a finding, saying what closed it."""
        self.set(finding, id, closed_at=self.now(), closed_why=why)

    def close_key(self, key: str, why: str) -> bool:
        """Close the open finding of a key; False where there is none."""
        known = self.row(select(finding).where(finding.c.key == key, finding.c.closed_at.is_(None)))
        if known is None:
            return False
        self.close(known["id"], why)
        return True

    def open(self, *, rule: str | None = None, person_id: str | None = None) -> list[Row]:
        """Open findings, gravest first."""
        wanted = select(finding).where(finding.c.closed_at.is_(None))
        if rule is not None:
            wanted = wanted.where(finding.c.rule == rule)
        if person_id is not None:
            wanted = wanted.where(finding.c.person_id == person_id)
        order = {"high": 0, "medium": 1, "low": 2}
        return sorted(self.rows(wanted.order_by(finding.c.id)), key=lambda row: order.get(row["severity"], 3))

    def about(self, person_id: str) -> list[Row]:
        """Every finding about a person, closed ones too, oldest first."""
        return self.rows(select(finding).where(finding.c.person_id == person_id).order_by(finding.c.id))

    def find(self, id: str) -> Row | None:
        """One finding."""
        return self.get(finding, id)

    def counts(self) -> dict[str, int]:
        """Open findings by rule."""
        wanted = select(finding.c.rule, func.count()).where(finding.c.closed_at.is_(None)).group_by(finding.c.rule)
        return dict(self.connection.execute(wanted).all())

    def put_signal(self, key: str, **values: Any) -> tuple[str, bool]:
        """Keep a signal once under its key; returns its id and whether it is new."""
        known = self.row(select(signal).where(signal.c.key == key))
        if known is not None:
            return str(known["id"]), False
        id = self.ids.new("sig")
        details = dump(values.pop("details", {}))
        self.add(signal, id=id, key=key, seen_at=self.now(), plan_id=None, details=details, **values)
        return id, True

    def signal(self, id: str) -> Row | None:
        """One signal."""
        return self.get(signal, id)

    def signals(self, *, unplanned_only: bool = False, person_id: str | None = None) -> list[Row]:
        """Signals, newest first."""
        wanted = select(signal).order_by(signal.c.id.desc())
        if unplanned_only:
            wanted = wanted.where(signal.c.plan_id.is_(None))
        if person_id is not None:
            wanted = wanted.where(signal.c.person_id == person_id)
        return self.rows(wanted)

    def unanswer_signals(self, plan_id: str) -> None:
        """The plan that answered a signal will not be carried out: the signal waits for another one."""
        self.connection.execute(update(signal).where(signal.c.plan_id == plan_id).values(plan_id=None))

    def answer_signal(self, id: str, plan_id: str) -> None:
        """A plan answers the signal."""
        self.set(signal, id, plan_id=plan_id)
