"""The users of the console, the rules for changing them and the journal of every change that took effect."""

import re
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from twins.console.settings import MODULES, ROLE_LEFT_ALONE, ROLES, TEAMS
from twins.serving import Journal

_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+\.[^@\s<>\"]+")
LONGEST_TEXT = 120


class Status(StrEnum):
    """Where a user stands; nobody is ever deleted."""

    INVITED = "Invited"
    ACTIVE = "Active"
    DEACTIVATED = "Deactivated"


class RefusedError(Exception):
    """The console does not do this; show `message` beside `field` and let the person change the form."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class NoSuchUserError(Exception):
    """No user has this internal id; show a not-found page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user as the console knows it; `id` never appears on a page as text."""

    id: str
    first_name: str
    last_name: str
    email: str
    role: str
    team: str | None
    modules: tuple[str, ...]
    status: Status
    last_active: datetime | None = None
    accepted: bool = False
    """Whether the user ever signed in, which decides what a reactivation restores."""

    @property
    def name(self) -> str:
        """Return the first and the last name as the list shows them."""
        return f"{self.first_name} {self.last_name}"

    def facts(self) -> dict[str, Any]:
        """Return what the journal keeps of a user before and after a change."""
        return {
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "role": self.role,
            "team": self.team,
            "modules": list(self.modules),
            "status": str(self.status),
        }


@dataclass(frozen=True, slots=True)
class Version:
    """A user from the instant at which the list may show it."""

    listed_from: datetime
    user: User


@dataclass(frozen=True, slots=True)
class SeatCount:
    """Contracted and used seats of one module."""

    module: str
    contracted: int
    used: int

    @property
    def free(self) -> int:
        """Return the seats left; never below zero even when more were given than contracted."""
        return max(0, self.contracted - self.used)


Effect = dict[str, Any]
Saver = Callable[[Sequence[Sequence[Version]], Sequence[Effect]], None]


def new_id() -> str:
    """Return an opaque internal id."""
    return secrets.token_urlsafe(12)


def ordered_modules(modules: Iterable[str]) -> tuple[str, ...]:
    """Return the known modules among `modules` in the order of the contract."""
    wanted = set(modules)
    return tuple(module for module in MODULES if module in wanted)


class Directory:
    """All users with their rules; one lock, every change saved and then journalled before a call returns."""

    def __init__(
        self,
        histories: Sequence[Sequence[Version]],
        *,
        seats: dict[str, int],
        lag_seconds: float,
        journal: Journal,
        save: Saver,
    ) -> None:
        self._lock = threading.RLock()
        self._histories = {history[-1].user.id: list(history) for history in histories}
        self._contracted = seats
        self._lag = timedelta(seconds=lag_seconds)
        self._journal = journal
        self._save = save
        self._number = max((entry["n"] for entry in journal.entries() if entry.get("effect")), default=0)

    def users(self) -> tuple[User, ...]:
        """Return every user as it truly is now."""
        with self._lock:
            return tuple(history[-1].user for history in self._histories.values())

    def listed(self) -> tuple[User, ...]:
        """Return every user as the list shows it: changes younger than the lag are not there yet."""
        now = datetime.now(UTC)
        with self._lock:
            shown = (
                [version.user for version in history if version.listed_from <= now]
                for history in self._histories.values()
            )
            return tuple(versions[-1] for versions in shown if versions)

    def get(self, user_id: str) -> User:
        """Return one user as it truly is; raises NoSuchUserError."""
        with self._lock:
            if user_id not in self._histories:
                raise NoSuchUserError(user_id)
            return self._histories[user_id][-1].user

    def by_email(self, email: str) -> User | None:
        """Return the user who holds this address, in any case of letters."""
        wanted = email.strip().casefold()
        return next((user for user in self.users() if user.email.casefold() == wanted), None)

    def teams(self) -> tuple[str, ...]:
        """Return the teams that can be chosen: the usual ones and those that users already have."""
        return tuple(sorted({*TEAMS, *(user.team for user in self.users() if user.team)}))

    def seats(self) -> tuple[SeatCount, ...]:
        """Return contracted and used seats of each module; invited users hold seats, deactivated ones do not."""
        holders = [user for user in self.users() if user.status is not Status.DEACTIVATED]
        return tuple(
            SeatCount(module, self._contracted.get(module, 0), sum(module in user.modules for user in holders))
            for module in MODULES
        )

    def create(
        self,
        actor: str,
        *,
        first_name: str,
        last_name: str,
        email: str,
        role: str,
        team: str | None,
        modules: Iterable[str],
    ) -> User:
        """Invite a user; an empty role becomes Rep. Raises RefusedError naming the field."""
        with self._lock:
            user = User(
                id=new_id(),
                first_name=_required("first_name", "First name", first_name),
                last_name=_required("last_name", "Last name", last_name),
                email=_address(email),
                role=_role(role or ROLE_LEFT_ALONE),
                team=self._team(team),
                modules=ordered_modules(modules),
                status=Status.INVITED,
            )
            if self.by_email(user.email) is not None:
                raise RefusedError("email", f"A user with the e-mail {user.email} already exists.")
            self._need_seats(user.modules)
            self._apply([("create", None, user)], actor)
            return user

    def update(self, actor: str, user_id: str, *, role: str, team: str | None, modules: Iterable[str]) -> User:
        """Change role, team and modules: one `update` for the first two, one `grant` or `revoke` for each module."""
        with self._lock:
            before = self.get(user_id)
            base = replace(before, role=_role(role), team=self._team(team))
            wanted = ordered_modules(modules)
            added = [module for module in wanted if module not in before.modules]
            if base.role != "Admin":
                self._keep_an_admin(before, "role")
            if added and before.status is Status.DEACTIVATED:
                raise RefusedError("modules", f"Reactivate {before.name} before giving modules.")
            self._need_seats(added)
            changes: list[tuple[str, User | None, User]] = [("update", before, base)] if base != before else []
            for module in (*[m for m in before.modules if m not in wanted], *added):
                verb = "grant" if module in added else "revoke"
                after = replace(base, modules=ordered_modules({*base.modules} ^ {module}))
                changes.append((verb, base, after))
                base = after
            self._apply(changes, actor)
            return base

    def deactivate(self, actor: str, user_id: str, reason: str = "") -> User:
        """Take access and module seats away and keep the user; deactivating twice changes nothing."""
        with self._lock:
            before = self.get(user_id)
            if before.status is Status.DEACTIVATED:
                return before
            self._keep_an_admin(before, "deactivate")
            after = replace(before, status=Status.DEACTIVATED, modules=())
            self._apply([("deactivate", before, after)], actor, {"reason": reason} if reason else {})
            return after

    def reactivate(self, actor: str, user_id: str) -> User:
        """Let a deactivated user in again, without the module seats; reactivating twice changes nothing."""
        with self._lock:
            before = self.get(user_id)
            if before.status is not Status.DEACTIVATED:
                return before
            after = replace(before, status=Status.ACTIVE if before.accepted else Status.INVITED)
            self._apply([("reactivate", before, after)], actor)
            return after

    def signed_in(self, user_id: str) -> User:
        """Note a sign-in: an invited user becomes active. The journal line carries `effect: false`."""
        with self._lock:
            before = self.get(user_id)
            now = datetime.now(UTC)
            status = Status.ACTIVE if before.status is Status.INVITED else before.status
            after = replace(before, status=status, accepted=True, last_active=now)
            self._remember(after, now)
            self._save(list(self._histories.values()), [])
            self._journal.append(
                {"effect": False, "actor": after.email, "verb": "sign_in", "user": after.id, "email": after.email}
            )
            return after

    def _apply(
        self, changes: Sequence[tuple[str, User | None, User]], actor: str, more: dict[str, Any] | None = None
    ) -> None:
        if not changes:
            return
        now = datetime.now(UTC)
        at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        effects: list[Effect] = []
        for verb, before, after in changes:
            self._number += 1
            effects.append(
                {
                    "at": at,
                    "effect": True,
                    "n": self._number,
                    "actor": actor,
                    "verb": verb,
                    "user": after.id,
                    "email": after.email,
                    "before": before.facts() if before else None,
                    "after": after.facts(),
                    **(more or {}),
                }
            )
        self._remember(changes[-1][2], now)
        # The state carries these effects too: a twin killed between the two writes completes its journal on restart.
        self._save(list(self._histories.values()), effects)
        for effect in effects:
            self._journal.append(effect)

    def _remember(self, user: User, now: datetime) -> None:
        history = self._histories.setdefault(user.id, [])
        shown = [version for version in history if version.listed_from <= now]
        waiting = [version for version in history if version.listed_from > now]
        self._histories[user.id] = [*shown[-1:], *waiting, Version(now + self._lag, user)]

    def _need_seats(self, modules: Iterable[str]) -> None:
        free = {count.module: count.free for count in self.seats()}
        for module in modules:
            if free[module] < 1:
                raise RefusedError(
                    "modules", f"No {module} seats left. Free a seat or contact your customer success manager."
                )

    def _keep_an_admin(self, user: User, field: str) -> None:
        admins = [other for other in self.users() if other.role == "Admin" and other.status is Status.ACTIVE]
        if [other.id for other in admins] == [user.id]:
            raise RefusedError(field, f"{user.name} is the last active Admin. Make somebody else Admin first.")

    def _team(self, team: str | None) -> str | None:
        if team and team not in self.teams():
            raise RefusedError("team", "Choose one of the listed teams.")
        return team or None


def _required(field: str, label: str, text: str) -> str:
    clean = " ".join(text.split())
    if not clean:
        raise RefusedError(field, f"{label} is required.")
    if len(clean) > LONGEST_TEXT:
        raise RefusedError(field, f"{label} is longer than {LONGEST_TEXT} characters.")
    return clean


def _address(text: str) -> str:
    address = text.strip().lower()
    if not _EMAIL.fullmatch(address) or len(address) > LONGEST_TEXT:
        raise RefusedError("email", "Enter an e-mail address such as name@company.com.")
    return address


def _role(text: str) -> str:
    if text not in ROLES:
        raise RefusedError("role", "Choose one of the listed roles.")
    return text
