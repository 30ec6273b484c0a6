"""The fence: a holder of an outlived lease can write nothing into our rows, whatever it learns too late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from usher.services.workspace import Workspace
from usher.store.database import Store
from usher.store.unit import Unit


class Outlived(Exception):
    """Another holder has taken the lease since: stop; the new holder takes every unfinished row up."""


class FencedStore(Store):
    """A store whose writing transactions begin only while a fence is the newest.

    The lease is taken in a writing transaction too, so the check and the writes that follow it cannot be parted.
    """

    def __init__(self, store: Store, fence: int) -> None:
        self._store = store
        self._fence = fence
        self.url, self.workspace, self.clock, self.ids = store.url, store.workspace, store.clock, store.ids

    def migrate(self) -> None:
        """Bring the tables up to this version."""
        self._store.migrate()

    @contextmanager
    def begin(self) -> Iterator[Unit]:
        """A writing transaction; Outlived, with nothing written, where another holder has the lease."""
        with self._store.begin() as unit:
            lease = unit.leases.current()
            if lease is None or lease["fence"] != self._fence:
                raise Outlived(f"fence {self._fence} is outlived: the lease is at {lease and lease['fence']}")
            yield unit

    @contextmanager
    def read(self) -> Iterator[Unit]:
        """A reading transaction: reading is free."""
        with self._store.read() as unit:
            yield unit

    def close(self) -> None:
        """The workspace closes its own store."""


def fenced(workspace: Workspace, fence: int) -> Workspace:
    """The same workspace, writable only under this fence."""
    return replace(workspace, store=FencedStore(workspace.store, fence))
