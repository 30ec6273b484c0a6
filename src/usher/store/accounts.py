"""Accounts as last observed, their grants, links to people, and the snapshots they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, or_, select, update

from usher.domain.account import Account, AccountKind, AccountState
from usher.domain.canonical import digest
from usher.domain.clock import from_text, to_text
from usher.store.pasts import ACCOUNT, Pasts
from usher.store.repository import Repository, Row, dump, load
from usher.store.tables import account, account_grant, link, snapshot

KEPT = ("user_name", "state", "kind", "document")
"""What is kept of an account when it changes."""
AS_LINKED = "as linked"
"""Kind of the evidence that holds an account's second attributes as they were when its link was made."""


class Accounts(Repository):
    """Current state, written by difference only; each account and grant has one observed interval."""

    def of(self, connection_name: str, *, ended: bool = False) -> list[Row]:
        """A connection's accounts, in a stable order."""
        wanted = select(account).where(account.c.connection == connection_name).order_by(account.c.id)
        return self.rows(wanted if ended else wanted.where(account.c.ended_at.is_(None)))

    def all(self) -> list[Row]:
        """Every account that has not ended."""
        return self.rows(select(account).where(account.c.ended_at.is_(None)).order_by(account.c.id))

    def by_id(self, id: str) -> Row | None:
        """One account."""
        return self.get(account, id)

    def current(self, connection_name: str, native_id: str) -> Row | None:
        """The account that has this id in the app now."""
        return self.row(
            select(account).where(
                account.c.connection == connection_name,
                account.c.native_id == native_id,
                account.c.ended_at.is_(None),
            )
        )

    def put(self, connection_name: str, seen: Account, known: Row | None = None) -> tuple[str, bool]:
        """Write an account by difference; returns our id and whether anything changed."""
        document = document_of(seen)
        made = digest("usher.account/1", document)
        known = known or self.current(connection_name, seen.id)
        if known is None:
            return self._add(connection_name, seen, document, made), True
        if known["digest"] == made:
            return str(known["id"]), False
        before = {name: known[name] for name in KEPT}
        Pasts(self.connection, self.workspace, self.clock, self.ids).keep(ACCOUNT, known["id"], before)
        self.set(account, known["id"], **_columns(seen, document, made), last_seen=self.now())
        self._grants(known["id"], seen.entitlements)
        return str(known["id"]), True

    def touch(self, connection_name: str, at: str) -> None:
        """A complete reading saw every account that has not ended."""
        self.connection.execute(
            update(account)
            .where(account.c.connection == connection_name, account.c.ended_at.is_(None))
            .values(last_seen=at)
        )

    def end(self, id: str) -> None:
        """The app no longer lists it: the interval ends, the row stays."""
        self.set(account, id, ended_at=self.now())
        self.connection.execute(
            update(account_grant)
            .where(account_grant.c.account_id == id, account_grant.c.ended_at.is_(None))
            .values(ended_at=self.now())
        )

    def _add(self, connection_name: str, seen: Account, document: dict[str, Any], made: str) -> str:
        id = self.ids.new("acc")
        self.add(
            account,
            id=id,
            connection=connection_name,
            native_id=seen.id,
            **_columns(seen, document, made),
            first_seen=self.now(),
            last_seen=self.now(),
            ended_at=None,
        )
        self._grants(id, seen.entitlements)
        return id

    def grants_ended_since(self, account_id: str, at: str) -> list[str]:
        """Entitlements that an account held at an instant and has lost since."""
        wanted = select(account_grant.c.entitlement).where(
            account_grant.c.account_id == account_id, account_grant.c.first_seen <= at, account_grant.c.ended_at > at
        )
        return list(self.connection.execute(wanted).scalars())

    def grants_at(self, account_id: str, at: str) -> list[str]:
        """Entitlements that an account was seen to hold at an instant."""
        wanted = select(account_grant.c.entitlement).where(
            account_grant.c.account_id == account_id,
            account_grant.c.first_seen <= at,
            or_(account_grant.c.ended_at.is_(None), account_grant.c.ended_at > at),
        )
        return list(self.connection.execute(wanted).scalars())

    def _grants(self, account_id: str, entitlements: frozenset[str]) -> None:
        wanted = select(account_grant).where(
            account_grant.c.account_id == account_id, account_grant.c.ended_at.is_(None)
        )
        held = {row["entitlement"]: row["id"] for row in self.rows(wanted)}
        for gone in held.keys() - entitlements:
            self.connection.execute(
                update(account_grant).where(account_grant.c.id == held[gone]).values(ended_at=self.now())
            )
        for new in sorted(entitlements - held.keys()):
            self.add(account_grant, account_id=account_id, entitlement=new, first_seen=self.now(), ended_at=None)

    def linked(self, person_id: str) -> list[Row]:
        """A person's accounts, ended ones too, with the link's situation."""
        wanted = (
            select(account, link.c.situation, link.c.evidence, link.c.id.label("link_id"))
            .join_from(link, account, link.c.account_id == account.c.id)
            .where(link.c.person_id == person_id, link.c.valid_to.is_(None))
            .order_by(account.c.connection, account.c.id)
        )
        return self.rows(wanted)

    def links(self, *, valid_only: bool = True) -> list[Row]:
        """Links, oldest first."""
        wanted = select(link).order_by(link.c.id)
        return self.rows(wanted.where(link.c.valid_to.is_(None)) if valid_only else wanted)

    def link_of(self, account_id: str) -> Row | None:
        """The valid link of an account."""
        return self.row(select(link).where(link.c.account_id == account_id, link.c.valid_to.is_(None)))

    def relink(
        self, account_id: str, person_id: str | None, situation: str, evidence: Iterable[Any], decided_by: str
    ) -> str:
        """End the account's link and begin another; both are kept with their dates.

        The link keeps what the account said of itself when it was made: a login that is given to somebody else later
        is noticed by that.
        """
        said = self.by_id(account_id)
        assert said is not None, account_id
        document = load(said["document"])
        seconds = {name: document[name] for name in ("created", "display_name", "employee_number")}
        evidence = [*evidence, {"kind": AS_LINKED, **seconds}]
        self.connection.execute(
            update(link).where(link.c.account_id == account_id, link.c.valid_to.is_(None)).values(valid_to=self.now())
        )
        id = self.ids.new("lnk")
        self.add(
            link,
            id=id,
            account_id=account_id,
            person_id=person_id,
            situation=situation,
            evidence=dump(list(evidence)),
            decided_by=decided_by,
            valid_from=self.now(),
            valid_to=None,
        )
        return id

    def add_snapshot(self, **values: Any) -> Row:
        """Keep what one reading was."""
        return self.add(snapshot, id=self.ids.new("snp"), **values)

    def last_snapshot(self, connection_name: str, *, complete: bool) -> Row | None:
        """The newest reading, or the newest complete one."""
        wanted = select(snapshot).where(snapshot.c.connection == connection_name).order_by(snapshot.c.id.desc())
        return self.row(wanted.where(snapshot.c.kind == "complete") if complete else wanted)

    def snapshots(self, connection_name: str | None = None) -> list[Row]:
        """Readings, newest first."""
        wanted = select(snapshot).order_by(snapshot.c.id.desc())
        return self.rows(wanted if connection_name is None else wanted.where(snapshot.c.connection == connection_name))

    def confirm(self, snapshot_id: str, operator_id: str) -> None:
        """A person says that a shrunken reading is really so."""
        self.set(snapshot, snapshot_id, kind="complete", confirmed_by=operator_id)

    def count_of(self, connection_name: str) -> int:
        """How many accounts a connection has now."""
        wanted = select(func.count()).select_from(account)
        wanted = wanted.where(account.c.connection == connection_name, account.c.ended_at.is_(None))
        return int(self.connection.execute(wanted).scalar_one())


def _columns(seen: Account, document: Mapping[str, Any], made: str) -> dict[str, Any]:
    return {
        "user_name": seen.user_name,
        "state": seen.state.value,
        "kind": seen.kind.value,
        "document": dump(document),
        "digest": made,
    }


def document_of(seen: Account) -> dict[str, Any]:
    """An account as stored: everything of the contract except what the app sent raw."""
    return {
        "id": seen.id,
        "user_name": seen.user_name,
        "emails": list(seen.emails),
        "display_name": seen.display_name,
        "given_name": seen.given_name,
        "family_name": seen.family_name,
        "employee_number": seen.employee_number,
        "external_id": seen.external_id,
        "state": seen.state.value,
        "kind": seen.kind.value,
        "created": to_text(seen.created) if seen.created else None,
        "last_login": to_text(seen.last_login) if seen.last_login else None,
        "entitlements": sorted(seen.entitlements),
        "attributes": dict(seen.attributes),
    }


def as_linked(evidence: str) -> dict[str, Any]:
    """The account's second attributes as they were when the link of this evidence was made."""
    return next((one for one in load(evidence) if one.get("kind") == AS_LINKED), {})


def account_of(row: Row) -> Account:
    """The account of a stored row."""
    values = load(row["document"])
    return Account(
        id=values["id"],
        user_name=values["user_name"],
        emails=tuple(values["emails"]),
        display_name=values["display_name"],
        given_name=values["given_name"],
        family_name=values["family_name"],
        employee_number=values["employee_number"],
        external_id=values["external_id"],
        state=AccountState(values["state"]),
        kind=AccountKind(values["kind"]),
        created=from_text(values["created"]) if values["created"] else None,
        last_login=from_text(values["last_login"]) if values["last_login"] else None,
        entitlements=frozenset(values["entitlements"]),
        attributes=values["attributes"],
    )
