"""Clock check: while this machine's clock cannot be believed nothing begins, and a finding says what was seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from usher.domain.clock import from_text, to_text
from usher.services.workspace import Workspace
from usher.store.unit import Unit

KEY = "clock"
RULE = "clock in doubt"
LATEST = "clock: latest instant"
BELIEVED = "clock: believed"
"""When a person last said that the clock is right as it stands."""
BACK_SECONDS = 120.0
"""So far behind the latest instant this workspace has written, a clock was put back."""
APPS_SECONDS = 300.0
"""So far from what apps say, in the middle of their answers, a clock is wrong."""
JUMP_SECONDS = 120.0
"""So far from what has really passed, a clock has jumped."""
REMEMBER_SECONDS = 5.0


def doubt(workspace: Workspace, unit: Unit) -> str | None:
    """Say why the clock cannot be believed now, or None: against what was written last, and against what apps say."""
    off = workspace.connections.clock_offset()
    if off is not None and abs(off) > APPS_SECONDS:
        ahead = "behind" if off > 0 else "ahead of"
        return f"this machine's clock is {_length(abs(off))} {ahead} the clocks of the apps"
    known = unit.health.mark(LATEST)
    if known is None or (off is not None and abs(off) <= BACK_SECONDS):
        return None
    back = (from_text(known["value"]) - workspace.clock.now()).total_seconds()
    if back <= BACK_SECONDS:
        return None
    return f"this machine's clock is {_length(back)} behind the latest instant that was recorded, {known['value']}"


def believe(unit: Unit) -> None:
    """A person says that the clock is right as it stands: what a wrong clock has recorded counts no more."""
    unit.health.set_mark(LATEST, unit.health.now())
    unit.health.set_mark(BELIEVED, unit.health.now())


class ClockWatch:
    """Watches the clock for one worker: `look` now and then, `doubt` whenever something shall begin."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = None,
    ) -> None:
        self._workspace = workspace
        self._wall = wall
        self._steady = steady or _since_boot
        self._lock = threading.Lock()
        self._set_clock = self._wall() - self._steady()
        self._believed: str | None = None
        self._told: str | None = None
        self._looked_at = 0.0

    def doubt(self, unit: Unit) -> str | None:
        """Say why nothing may begin now, or None."""
        said = unit.health.mark(BELIEVED)
        if said is not None and said["value"] != self._believed:
            self._believed = said["value"]
            self._set_clock = self._wall() - self._steady()
        return self._jumped() or doubt(self._workspace, unit)

    def look(self) -> str | None:
        """Look, tell of what has changed, and remember the instant where the clock is believed; returns the doubt."""
        with self._lock:
            if self._steady() - self._looked_at < REMEMBER_SECONDS and self._looked_at:
                return self._told
            self._looked_at = self._steady()
            with self._workspace.store.begin() as unit:
                why = self.doubt(unit)
                _tell(unit, why)
                if why is None:
                    unit.health.set_mark(LATEST, to_text(self._workspace.clock.now()))
            self._told = why
            return why

    def _jumped(self) -> str | None:
        """Say how far the clock has jumped since this worker began; apps that agree with it end the doubt."""
        jump = self._wall() - self._steady() - self._set_clock
        if abs(jump) <= JUMP_SECONDS:
            # Small corrections are what keeps clocks right: they are followed, so that they never add up to a jump.
            self._set_clock += jump
            return None
        off = self._workspace.connections.clock_offset()
        if off is not None and abs(off) <= BACK_SECONDS:
            self._set_clock += jump
            return None
        way = "forward" if jump > 0 else "back"
        return f"this machine's clock jumped {_length(abs(jump))} {way} while the worker ran"


def _tell(unit: Unit, why: str | None) -> None:
    """Open the finding, or close it; nothing is written while nothing changes."""
    if why is None:
        if unit.findings.close_key(KEY, "the clocks agree"):
            unit.ledger.append("workspace:clock:agree", (), {})
        return
    fix = (
        "set this machine's clock (chronyc tracking, timedatectl); nothing begins until it agrees. Where it is right "
        "and the record is not: usher seal, then usher unseal"
    )
    _, is_new = unit.findings.open_finding(KEY, RULE, "high", why, {"owner": "whoever keeps usher"}, fix)
    if is_new:
        unit.ledger.append("workspace:clock:doubt", (), {"why": why})


def _since_boot() -> float:
    """Seconds that really passed, a machine's sleep included where the system tells."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boot) if boot is not None else time.monotonic()


def _length(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
