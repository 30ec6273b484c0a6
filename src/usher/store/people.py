"""People, their keys with intervals, and their employments: an id of ours for ever, everything else dated."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import or_, select, update

from usher.domain.folding import fold
from usher.store.pasts import EMPLOYMENT, Pasts
from usher.store.repository import Repository, Row, dump
from usher.store.tables import employment, person, person_key


class People(Repository):
    """The people of a workspace."""

    def add_person(self, name: str, status: str, attributes: Mapping[str, str]) -> Row:
        """Add a person with an id of ours."""
        return self.add(
            person,
            id=self.ids.new("per"),
            name=name,
            status=status,
            attributes=dump(attributes),
            redirect_to=None,
            first_seen=self.now(),
            updated_at=self.now(),
        )

    def change(self, id: str, name: str, status: str, attributes: Mapping[str, str]) -> None:
        """Set what the sources say now."""
        self.set(person, id, name=name, status=status, attributes=dump(attributes), updated_at=self.now())

    def by_id(self, id: str) -> Row | None:
        """A person, following a merge's redirect."""
        found = self.get(person, id)
        while found is not None and found["redirect_to"]:
            found = self.get(person, found["redirect_to"])
        return found

    def all(self) -> list[Row]:
        """Everybody who was not merged into somebody else, by name."""
        return self.rows(select(person).where(person.c.redirect_to.is_(None)).order_by(person.c.name, person.c.id))

    def search(self, text: str) -> list[Row]:
        """People by id, employee number, address, user name or part of a name: for people to type."""
        exact = self.get(person, text)
        if exact is not None:
            return [exact]
        owners = select(person_key.c.person_id).where(person_key.c.folded == fold(text))
        found = self.rows(select(person).where(person.c.id.in_(owners), person.c.redirect_to.is_(None)))
        if found:
            return found
        like = person.c.name.icontains(text.strip(), autoescape=True)
        return self.rows(
            select(person).where(like, person.c.redirect_to.is_(None)).order_by(person.c.name, person.c.id)
        )

    def add_key(
        self, person_id: str, source: str, kind: str, value: str, valid_from: str | None, valid_to: str | None = None
    ) -> None:
        """Give a person a key from an instant on (None: not known since when)."""
        self.add(
            person_key,
            person_id=person_id,
            source=source,
            kind=kind,
            value=value,
            folded=fold(value),
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def end_key(self, key_id: int, at: str | None) -> None:
        """End a key's interval; the row stays, since an address may be given to somebody else."""
        self.connection.execute(update(person_key).where(person_key.c.id == key_id).values(valid_to=at))

    def all_keys(self) -> list[Row]:
        """Every key row, ended ones too."""
        return self.rows(select(person_key).order_by(person_key.c.id))

    def keys(self, person_id: str) -> list[Row]:
        """A person's key rows, ended ones too."""
        return self.rows(select(person_key).where(person_key.c.person_id == person_id).order_by(person_key.c.id))

    def holder(self, kind: str, value: str) -> str | None:
        """The person who holds a key now."""
        return next(iter(self.holders(kind, value)), None)

    def holders(self, kind: str, value: str) -> list[str]:
        """Everybody who holds a key now: sources number their people without asking each other."""
        wanted = select(person_key).where(
            person_key.c.kind == kind, person_key.c.folded == fold(value), person_key.c.valid_to.is_(None)
        )
        return list(dict.fromkeys(str(row["person_id"]) for row in self.rows(wanted.order_by(person_key.c.id))))

    def employments(self, source: str | None = None, person_id: str | None = None) -> list[Row]:
        """Employments of a source, of a person, or all."""
        wanted = select(employment).order_by(employment.c.id)
        if source is not None:
            wanted = wanted.where(employment.c.source == source)
        if person_id is not None:
            wanted = wanted.where(employment.c.person_id == person_id)
        return self.rows(wanted)

    def add_employment(self, person_id: str, source: str, source_key: str, status: str, row: Mapping[str, str]) -> Row:
        """Keep an employment as its source says it."""
        id = self.ids.new("emp")
        self._pasts().keep(EMPLOYMENT, id, None)
        return self.add(
            employment,
            id=id,
            person_id=person_id,
            source=source,
            source_key=source_key,
            status=status,
            status_since=self.now(),
            row=dump(row),
            seen_at=self.now(),
            absent_since=None,
        )

    def set_employment(self, known: Row, status: str, row: Mapping[str, str]) -> None:
        """Set what the source says now; `status_since` stays the time at which this status was first seen."""
        since = known["status_since"] if known["status"] == status else self.now()
        before = {name: known[name] for name in ("status", "row", "absent_since", "source_key")}
        if (status, dump(row), None) != (known["status"], known["row"], known["absent_since"]):
            self._pasts().keep(EMPLOYMENT, known["id"], before)
        values = {"status": status, "status_since": since, "row": dump(row)}
        self.set(employment, known["id"], **values, seen_at=self.now(), absent_since=None)

    def _pasts(self) -> Pasts:
        return Pasts(self.connection, self.workspace, self.clock, self.ids)

    def set_aside(self, known: Row) -> None:
        """The source's row speaks of somebody else now: what it said before is kept under a name of its own."""
        self.mark_absent(known["id"])
        self.set(employment, known["id"], source_key=f"{known['source_key']} (until {self.now()})")

    def mark_absent(self, id: str) -> None:
        """The source no longer lists it: kept, with the instant; never read as an ending."""
        still = employment.c.id == id, employment.c.absent_since.is_(None)
        self.connection.execute(update(employment).where(*still).values(absent_since=self.now()))

    def names(self) -> dict[str, str]:
        """Person id -> name."""
        return dict(self.connection.execute(select(person.c.id, person.c.name)).all())

    def redirected(self, into: str) -> list[Row]:
        """People merged into this one."""
        return self.rows(select(person).where(or_(person.c.redirect_to == into)))
