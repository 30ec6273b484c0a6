"""The lease (the right to perform effects) with its fence number, the seal, and quarantined connections."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from usher.store.repository import Repository, Row
from usher.store.tables import lease, quarantine, seal

EFFECTS = "effects"


class Leases(Repository):
    """Each taking of the lease gets a higher fence; a permit of an older fence opens no door."""

    def take(self, holder: str) -> int:
        """Take the lease and return its fence."""
        found = self.row(select(lease).where(lease.c.name == EFFECTS))
        if found is None:
            self.add(lease, name=EFFECTS, fence=1, holder=holder, heartbeat_at=self.now(), released_at=None)
            return 1
        fence = int(found["fence"]) + 1
        self.connection.execute(
            update(lease)
            .where(lease.c.name == EFFECTS)
            .values(fence=fence, holder=holder, heartbeat_at=self.now(), released_at=None)
        )
        return fence

    def beat(self, fence: int) -> bool:
        """Show that the holder lives; False where another has taken the lease since."""
        wanted = update(lease).where(lease.c.name == EFFECTS, lease.c.fence == fence).values(heartbeat_at=self.now())
        return self.connection.execute(wanted).rowcount == 1

    def release(self, fence: int) -> None:
        """Give the lease up."""
        wanted = update(lease).where(lease.c.name == EFFECTS, lease.c.fence == fence).values(released_at=self.now())
        self.connection.execute(wanted)

    def current(self) -> Row | None:
        """Who holds it, since when it was last heard of, and under which fence."""
        return self.row(select(lease).where(lease.c.name == EFFECTS))

    def set_seal(self, *, sealed: bool, by: str, reason: str) -> None:
        """Seal or unseal: no effect begins while it is sealed."""
        self.connection.execute(delete(seal))
        self.connection.execute(insert(seal).values(id=1, sealed=sealed, by=by, reason=reason, at=self.now()))

    def sealed(self) -> Row | None:
        """The seal's row where the workspace is sealed, else None."""
        return self.row(select(seal).where(seal.c.sealed.is_(True)))

    def quarantine(self, connection_name: str, reason: str, kind: str, finding_id: str) -> None:
        """Stop using one connection: why, of which kind the cause is, and which finding tells its owner."""
        self.lift(connection_name)
        values = {"since": self.now(), "reason": reason, "kind": kind, "finding_id": finding_id, "probes": 0}
        self.add(quarantine, connection=connection_name, **values)

    def probed(self, connection_name: str) -> int:
        """Count one more probe of a stopped connection; returns how many came before it."""
        before = self.quarantined().get(connection_name)
        count = int(before["probes"]) if before else 0
        wanted = update(quarantine).where(quarantine.c.connection == connection_name).values(probes=count + 1)
        self.connection.execute(wanted)
        return count

    def lift(self, connection_name: str) -> None:
        """Use a connection again."""
        self.connection.execute(delete(quarantine).where(quarantine.c.connection == connection_name))

    def quarantined(self) -> dict[str, Row]:
        """Connections that are stopped, by name."""
        return {row["connection"]: row for row in self.rows(select(quarantine))}
