"""The worker: holds the lease, claims what is due, hands it to the runtime, signs the ledger's head each second."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from usher.domain.step import DueKind
from usher.engine.carry import Carrier
from usher.engine.fence import Outlived, fenced
from usher.engine.lease import Lease
from usher.engine.runtime import Runtime
from usher.engine.watchdog import watch_over
from usher.services.clockcheck import ClockWatch
from usher.services.record import sequence
from usher.services.recover import recover
from usher.services.schedule import schedule_observations
from usher.services.workspace import Workspace
from usher.store.repository import Row
from usher.store.unit import Unit

TICK_SECONDS = 0.1
HEAD_SECONDS = 1.0
BEAT_SECONDS = 5.0
GIVE_BACK_SECONDS = 5.0
WATCHDOG_SECONDS = 30.0
AHEAD = 8
"""Rows claimed ahead for one connection, which carries one at a time: a long queue would hold up what becomes due
sooner, and a worker that is killed again and again would spend its lives on claiming."""
AHEAD_URGENT = 2
"""Urgent rows claimed at a time beyond that."""
logger = logging.getLogger("usher.worker")


def _room(due: list[str], urgent: list[str], busy: Counter[str]) -> dict[str, int]:
    """How many rows may be claimed for each connection; urgent ones are claimed however many others are ahead."""
    room = {name: AHEAD - busy[name] for name in due if busy[name] < AHEAD}
    return room | {name: max(room.get(name, 0), AHEAD_URGENT) for name in urgent}


def _partition(due: Row) -> str:
    """Each app has one writer; its readings stand in a line of their own, so that a long one holds no step up."""
    return f"{due['connection']}/reading" if due["kind"] == DueKind.OBSERVE.value else str(due["connection"])


class Worker:
    """Runs until `stop` is set or `until` says so; the lease is held for the whole time."""

    def __init__(self, workspace: Workspace, *, engine_url: str | None = None, scheduled: bool = True) -> None:
        self._workspace = workspace
        self._engine_url = engine_url
        self._scheduled = scheduled
        self._kinds = tuple(kind for kind in DueKind if scheduled or kind is not DueKind.OBSERVE)
        self.stop = threading.Event()
        self.last_tick: float | None = None
        self._under_way: dict[str, str] = {}
        """Claimed rows that are not carried out yet, with their connections."""

    def work(self, until: Callable[[], bool] = lambda: False) -> None:
        """Take the lease (LeaseTaken where another has it), recover, and carry out what is due."""
        with Lease(self._workspace) as lease:
            workspace = fenced(self._workspace, lease.fence)
            recover(workspace)
            if self._scheduled:
                schedule_observations(workspace)
            clock = ClockWatch(workspace)
            clock.look()
            carrier = Carrier(self._workspace, lease.fence, clock)
            runtime = Runtime(
                self._workspace.folder / "data", lease.fence, self._careful(carrier), url=self._engine_url
            )
            runtime.start()
            try:
                try:
                    self._loop(workspace, lease, runtime, clock, until)
                finally:
                    runtime.stop()
                sequence(workspace)
            except Outlived:
                logger.error("another worker has taken the lease: this one stops")

    def _loop(
        self, workspace: Workspace, lease: Lease, runtime: Runtime, clock: ClockWatch, until: Callable[[], bool]
    ) -> None:
        beaten = headed = watched = time.monotonic()
        while not self.stop.is_set() and not until():
            now = time.monotonic()
            if now - beaten >= BEAT_SECONDS:
                beaten = now
                if not lease.beat():
                    raise Outlived(f"fence {lease.fence} is outlived")
            stopped = clock.look() is not None
            if now - headed >= HEAD_SECONDS:
                headed = now
                sequence(workspace)
            if now - watched >= WATCHDOG_SECONDS:
                watched = now
                self._watch_over(workspace, lease.fence)
            with workspace.store.read() as unit:
                kinds = self._kinds_now(unit, stopped=stopped)
                due = unit.dues.connections(workspace.now(), kinds)
                urgent = unit.dues.connections(workspace.now(), kinds, urgent=True)
            busy = Counter(list(self._under_way.values()))
            if room := _room(due, urgent, busy):
                self._claim(workspace, lease.fence, kinds, room, runtime)
            self.last_tick = now
            self.stop.wait(TICK_SECONDS)

    def _watch_over(self, workspace: Workspace, fence: int) -> None:
        # Read before the database is: a row that ends meanwhile is then still taken for one that is under way.
        under_way = frozenset(list(self._under_way))
        if put_right := watch_over(workspace, fence, under_way):
            logger.warning("%d rows or steps had fallen out of hand; they are due again", put_right)

    def _kinds_now(self, unit: Unit, *, stopped: bool) -> tuple[DueKind, ...]:
        """While sealed, or `stopped` by a clock in doubt, nothing begins: such rows stay due, and go on afterwards."""
        stopped = stopped or unit.leases.sealed() is not None
        return tuple(kind for kind in self._kinds if not (stopped and kind in (DueKind.ACT, DueKind.START)))

    def _claim(
        self, workspace: Workspace, fence: int, kinds: tuple[DueKind, ...], room: dict[str, int], runtime: Runtime
    ) -> None:
        now = workspace.now()
        with workspace.store.begin() as unit:
            claimed = [due for name, most in room.items() for due in unit.dues.claim(now, fence, kinds, most, name)]
        workspace.reach("after claim")
        for due in claimed:
            self._under_way[due["id"]] = due["connection"]
            runtime.submit(_partition(due), due["id"], now, due["lane"] + 1)

    def _careful(self, carrier: Carrier) -> Callable[[str], None]:
        """A failure of ours must not lose a row: it is logged, given back, and due again soon."""

        def carry(due_id: str) -> None:
            try:
                try:
                    carrier(due_id)
                except Outlived:
                    raise
                except Exception:
                    logger.exception("carrying out %s failed; it is tried again", due_id)
                    carrier.give_back(due_id, GIVE_BACK_SECONDS)
            except Outlived:
                logger.error("the lease was taken while %s was carried out; its new holder takes it up", due_id)
            finally:
                self._under_way.pop(due_id, None)

        return carry
