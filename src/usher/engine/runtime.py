"""The durable runtime (DBOS Transact): one short workflow a due row, on the queue partition of its connection.

Our rows are the only truth. A partition runs one workflow at a time, so each app has one writer. No workflow waits:
whatever shall happen later is a due row. On SQLite the engine's own database is made anew at each start; nothing is
lost, because unfinished rows are claimed again under the new fence.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID

from usher.store.privatefiles import make_private_file

QUEUE = "connections"
APPLICATION_VERSION = "usher-1"
POLL_SECONDS = 0.05

_carry: Callable[[str], None] | None = None


@DBOS.workflow(name="usher.carry")
def carry_due(due_id: str) -> None:
    """Carry one due row out. Our rows make a repetition harmless: a row that is done or of another fence is left."""
    if _carry is not None:
        _carry(due_id)


class Runtime:
    """Starts and stops DBOS in this process (it is one a process), and takes due rows."""

    def __init__(self, folder: Path, fence: int, carry: Callable[[str], None], url: str | None = None) -> None:
        self._url = url or f"sqlite:///{folder / 'engine.db'}"
        self._folder = folder
        self._fence = fence
        self._embedded = url is None
        self._receive = carry

    def start(self) -> None:
        """Launch the runtime and its one partitioned queue."""
        global _carry
        if self._embedded:
            for path in self._folder.glob("engine.db*"):
                path.unlink()
            make_private_file(self._folder / "engine.db")
        _carry = self._receive
        logging.getLogger("dbos").setLevel(logging.ERROR)
        config: DBOSConfig = {
            "name": "usher",
            "system_database_url": self._url,
            "executor_id": uuid.uuid4().hex,
            "application_version": APPLICATION_VERSION,
            "log_level": "ERROR",
        }
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(QUEUE, partition_concurrency=1, polling_interval_sec=POLL_SECONDS)

    def submit(self, partition: str, due_id: str, claimed_at: str, priority: int) -> None:
        """Give one claimed row to a partition; twice the same claim is once, a later claim is another.

        Of what waits in a partition the row of the smallest `priority` (from 1) is carried out next.

        A row that was given back after a failure is claimed again under the same fence and must run again.
        """
        claim = f"{due_id}:{self._fence}:{claimed_at}"
        with SetWorkflowID(claim), SetEnqueueOptions(queue_partition_key=partition, priority=priority):
            DBOS.enqueue_workflow(QUEUE, carry_due, due_id)

    def stop(self) -> None:
        """End the runtime; what is under way has ended or is taken up at the next start."""
        global _carry
        DBOS.destroy(workflow_completion_timeout_sec=5)
        _carry = None
