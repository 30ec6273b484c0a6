"""Keep users and groups with their recent past, on disk if asked, and journal each effect that is applied."""

import copy
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import orjson

from twins.chaos.weather import chance
from twins.serving import Journal, now_text

Kind = Literal["User", "Group"]
Document = dict[str, Any]
KEPT_PAST_SECONDS = 900.0  # the longest lag that can be shown


class NameTakenError(Exception):
    """The userName belongs to another account (compared without case)."""


class Records:
    """Users and groups by id, each as a list of versions (instant, document or None when deleted).

    Not safe for several threads: the app handles one request at a time. `unique` False lets two accounts share a
    userName. With `state` each effect is on disk before the call returns; journal lines are written before that.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        seed: int = 0,
        unique: bool = True,
        state: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal = journal
        self._seed = seed
        self._unique = unique
        self._state = state
        self._clock = clock
        self.effects = 0
        """How many effects were applied since the start."""
        self._versions: dict[Kind, dict[str, list[tuple[float, Document | None]]]] = {"User": {}, "Group": {}}
        self._ids_by_name: dict[str, set[str]] = {}
        if state is not None:
            state.parent.mkdir(parents=True, exist_ok=True)
        if state is not None and state.exists():
            self._restore(orjson.loads(state.read_bytes()))

    def get(self, kind: Kind, record_id: str, lag: float = 0.0) -> Document | None:
        """Return a copy of the record as it was `lag` seconds ago, or None when it did not exist then."""
        return copy.deepcopy(self._seen(self._versions[kind].get(record_id, []), self._clock() - lag))

    def all(self, kind: Kind, lag: float = 0.0) -> list[Document]:
        """Return all records as they were `lag` seconds ago, oldest first: the stored ones, not to be changed."""
        instant = self._clock() - lag
        seen = (self._seen(versions, instant) for versions in self._versions[kind].values())
        return [document for document in seen if document is not None]

    def load(self, kind: Kind, documents: Iterable[Document]) -> None:
        """Put records in place as the state at the beginning: not an effect, not journalled, seen without lag."""
        for document in documents:
            record = copy.deepcopy(document)
            record["id"] = str(record.get("id") or self._new_id(kind, record))
            record["meta"] = {"created": now_text(), "lastModified": now_text(), **record.get("meta", {})}
            self._put(kind, record["id"], record, at=0.0)
        self._save()

    def create(self, kind: Kind, document: Document, door: str) -> Document:
        """Add a record and return it with its id; raises NameTakenError."""
        record = copy.deepcopy(document)
        self._refuse_taken(kind, record, "")
        record["id"] = self._new_id(kind, record)
        record["meta"] = {"created": now_text(), "lastModified": now_text()}
        self._note("create", kind, record, None, _bare(record), door)
        self._note_members(record, [], record.get("members", []), door)
        self._put(kind, record["id"], record)
        self._save()
        return copy.deepcopy(record)

    def update(self, kind: Kind, document: Document, door: str) -> Document:
        """Replace a record by `document` (same id) and return it; raises NameTakenError.

        A document that changes nothing leaves no journal line and keeps `lastModified`.
        """
        before = self._versions[kind][document["id"]][-1][1] or {}
        record = {**copy.deepcopy(document), "meta": dict(before["meta"])}
        if _bare(record) == _bare(before):
            return copy.deepcopy(before)
        self._refuse_taken(kind, record, record["id"])
        record["meta"]["lastModified"] = now_text()
        self._note_changes(kind, before, record, door)
        self._put(kind, record["id"], record)
        self._save()
        return copy.deepcopy(record)

    def delete(self, kind: Kind, record_id: str, door: str) -> None:
        """Delete a record; a deleted user leaves all groups."""
        before = self._versions[kind][record_id][-1][1] or {}
        for group in self.all("Group") if kind == "User" else []:
            staying = [member for member in group.get("members", []) if member["value"] != record_id]
            if len(staying) < len(group.get("members", [])):
                self.update("Group", {**group, "members": staying}, door)
        self._note("delete", kind, before, _bare(before), None, door)
        self._put(kind, record_id, None)
        self._save()

    def _note_changes(self, kind: Kind, before: Document, after: Document, door: str) -> None:
        was_active, is_active = before.get("active", True), after.get("active", True)
        if kind == "User" and was_active != is_active:
            effect = "activate" if is_active else "deactivate"
            self._note(effect, kind, after, {"active": was_active}, {"active": is_active}, door)
        changed = {
            name
            for name in {*_bare(before), *_bare(after)} - {"active", "members"}
            if before.get(name) != after.get(name)
        }
        if changed:
            self._note("update", kind, after, _only(before, changed), _only(after, changed), door)
        self._note_members(after, before.get("members", []), after.get("members", []), door)

    def _note_members(self, group: Document, before: list[Document], after: list[Document], door: str) -> None:
        had, has = ([member["value"] for member in members] for members in (before, after))
        name = group.get("displayName")
        for effect, ids in (
            ("member_add", [one for one in has if one not in had]),
            ("member_remove", [one for one in had if one not in has]),
        ):
            for user_id in ids:
                was, now = (None, name) if effect == "member_add" else (name, None)
                member = self.get("User", user_id) or {"id": user_id}
                self._note(effect, "User", member, was, now, door, group=group["id"])

    def _note(
        self, effect: str, kind: Kind, record: Document, before: object, after: object, door: str, **more: object
    ) -> None:
        name = record.get("userName" if kind == "User" else "displayName")
        self.effects += 1
        self._journal.append(
            {
                "effect": effect,
                "kind": kind,
                "id": record["id"],
                "userName": name,
                "before": before,
                "after": after,
                "door": door,
                **more,
            }
        )

    def _refuse_taken(self, kind: Kind, record: Document, own_id: str) -> None:
        if kind != "User" or not self._unique:
            return
        if self._ids_by_name.get(str(record["userName"]).casefold(), set()) - {own_id}:
            raise NameTakenError(record["userName"])

    def _new_id(self, kind: Kind, record: Document) -> str:
        # Derived from the seed and the name, so that a replay asks for the same paths and draws the same faults.
        name = str(record.get("userName") or record.get("displayName")).casefold()
        for time_asked in range(1_000_000):
            draw = chance(self._seed, "id", kind, name, time_asked).hex()
            record_id = str(uuid.uuid5(uuid.NAMESPACE_URL, draw))
            if record_id not in self._versions[kind]:
                return record_id
        raise AssertionError(f"a million accounts named {name}")

    def _put(self, kind: Kind, record_id: str, record: Document | None, at: float | None = None) -> None:
        now = self._clock()
        versions = self._versions[kind].setdefault(record_id, [])
        if kind == "User":
            self._index(record_id, versions[-1][1] if versions else None, record)
        versions.append((now if at is None else at, record))
        while len(versions) > 1 and versions[1][0] < now - KEPT_PAST_SECONDS:
            versions.pop(0)

    def _index(self, record_id: str, before: Document | None, after: Document | None) -> None:
        if before is not None:
            self._ids_by_name.get(str(before["userName"]).casefold(), set()).discard(record_id)
        if after is not None:
            self._ids_by_name.setdefault(str(after["userName"]).casefold(), set()).add(record_id)

    @staticmethod
    def _seen(versions: list[tuple[float, Document | None]], instant: float) -> Document | None:
        return next((document for at, document in reversed(versions) if at <= instant), None)

    def _save(self) -> None:
        # Written whole at each effect, so it has to be quick: no indentation, and not forced to the disk.
        if self._state is not None:
            half = self._state.with_name(f".{self._state.name}.half")
            half.write_bytes(orjson.dumps(self._versions))
            half.replace(self._state)

    def _restore(self, saved: Mapping[Kind, Mapping[str, list[tuple[float, Document | None]]]]) -> None:
        for kind in self._versions:
            for record_id, versions in saved[kind].items():
                self._versions[kind][record_id] = [(at, document) for at, document in versions]
                if kind == "User":
                    self._index(record_id, None, versions[-1][1])


def _bare(record: Document) -> Document:
    return {name: value for name, value in record.items() if name not in ("id", "meta")}


def _only(record: Document, names: set[str]) -> Document:
    return {name: record.get(name) for name in sorted(names)}
