"""Mails to be sent: an outbox, so that a notice is written down with what it tells of and sent once it can be."""

from __future__ import annotations

from sqlalchemy import select

from usher.store.repository import Repository, Row
from usher.store.spine_tables import notice


class Notices(Repository):
    """One row a mail; its `key` keeps the same thing from being told twice."""

    def add_notice(
        self, key: str, kind: str, address: str, subject: str, body: str, operator_id: str | None = None
    ) -> Row | None:
        """Put a mail into the outbox; None where this key has been told already."""
        if self.row(select(notice.c.id).where(notice.c.key == key)) is not None:
            return None
        return self.add(
            notice,
            id=self.ids.new("ntc"),
            key=key,
            kind=kind,
            operator_id=operator_id,
            address=address,
            subject=subject,
            body=body,
            created_at=self.now(),
            sent_at=None,
            tries=0,
            error=None,
        )

    def unsent(self) -> list[Row]:
        """What is still to be sent, oldest first."""
        return self.rows(select(notice).where(notice.c.sent_at.is_(None)).order_by(notice.c.created_at, notice.c.id))

    def find(self, id: str) -> Row | None:
        """One mail."""
        return self.get(notice, id)

    def all(self) -> list[Row]:
        """Every mail, newest first."""
        return self.rows(select(notice).order_by(notice.c.created_at.desc(), notice.c.id.desc()))

    def sent(self, id: str) -> None:
        """The mail server took it."""
        self.set(notice, id, sent_at=self.now(), error=None)

    def failed(self, id: str, tries: int, error: str) -> None:
        """It could not be sent; it stays in the outbox."""
        self.set(notice, id, tries=tries, error=error)
