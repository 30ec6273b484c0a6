"""Decide for each request which faults strike it, from the seed alone, so that threads cannot change the outcome."""

import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twins.chaos.faults import FaultSpecError, Rule, rules_from_file


@dataclass(frozen=True, slots=True)
class Strikes:
    """The faults that strike one request, with their amounts, and a token for choices that a fault has to make."""

    amounts: Mapping[str, float] = field(default_factory=dict)
    token: str = ""

    def __contains__(self, fault: str) -> bool:
        return fault in self.amounts

    def amount(self, fault: str) -> float:
        """Return the amount of a fault in seconds, 0 when it does not strike."""
        return self.amounts.get(fault, 0.0)

    def choose(self, what: str, choices: int) -> int:
        """Return a number below `choices` that is the same for the same seed and request."""
        return int(chance(self.token, what) * choices)


def chance(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts alone."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    # 52 bits fit a float exactly; 64 could round up to 1.0.
    return (int.from_bytes(digest[:8]) >> 12) / 2**52


class Weather:
    """The rules in force: those of the command line, each fault replaced by the faults file when it names it.

    The file is read again when it changes. A broken file keeps the weather that was, and says so on stderr once.
    """

    def __init__(self, seed: int, rules: Sequence[Rule] = (), faults_file: Path | None = None) -> None:
        self.seed = seed
        self._given = list(rules)
        self._file = faults_file
        self._stamp: tuple[int, int, int] | None = None
        self._from_file: list[Rule] = []
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()
        if faults_file is not None:
            self._stamp = _stamp(faults_file)
            self._from_file = rules_from_file(faults_file)

    def strike(self, method: str, path: str, query: str = "", subject: str = "") -> Strikes:
        """Count the request and return what strikes it.

        A rate draws from (seed, fault, method, path, query, subject, how many times exactly this was asked); `nth`
        rules count (method, path). `subject` is the name in a create: creates of several threads keep their luck.
        """
        with self._lock:
            rules = self._rules()
            exact = f"{method} {path}?{query} {subject}"
            self._times[exact] += 1
            self._times[f"{method} {path}"] += 1
            exact_time, plain_time = self._times[exact], self._times[f"{method} {path}"]
        struck: dict[str, float] = {}
        for rule in rules:
            if not rule.covers(method, path):
                continue
            if plain_time in rule.nth or chance(self.seed, rule.fault, exact, exact_time) < rule.rate:
                struck[rule.fault] = rule.amount
        return Strikes(struck, f"{self.seed} {exact} {exact_time}")

    def _rules(self) -> list[Rule]:
        if self._file is not None and (stamp := _stamp(self._file)) != self._stamp:
            self._stamp = stamp
            try:
                self._from_file = rules_from_file(self._file)
            except FaultSpecError as error:
                sys.stderr.write(f"faults file kept as it was: {error}\n")
        replaced = {rule.fault for rule in self._from_file}
        return [rule for rule in self._given if rule.fault not in replaced] + self._from_file


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
