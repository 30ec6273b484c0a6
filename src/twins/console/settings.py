"""What a console twin is told at its start, so that pages and rules read one frozen value."""

from dataclasses import dataclass, field
from enum import StrEnum

MODULES = ("Core", "Copilot", "Groove")
ROLES = ("Admin", "Manager", "Rep")
ROLE_LEFT_ALONE = "Rep"  # what real consoles do: a role that nobody chose is still a role
TEAMS = ("Enterprise East", "Enterprise West", "Mid-Market", "Revenue Operations", "Small Business")
DEFAULT_SEATS = {"Core": 50, "Copilot": 20, "Groove": 10}
PAGE_SIZE = 10


class Drift(StrEnum):
    """Ways in which the screen of a real app changes under a recipe; each is a setting of this double."""

    RENAMED_BUTTON = "renamed-button"
    SWAPPED_COLUMNS = "swapped-columns"
    RENAMED_COLUMN = "renamed-column"
    EXTRA_CONFIRM = "extra-confirm"
    TWO_SAME_NAMED_ROWS = "two-same-named-rows"
    TOAST_WITHOUT_EFFECT = "toast-without-effect"
    ERROR_AFTER_EFFECT = "error-after-effect"
    RESORT_BETWEEN = "resort-between"
    MOVED_USERS_PAGE = "moved-users-page"
    UNNAMED_MENU = "unnamed-menu"
    DETACHED_MENU = "detached-menu"
    DEACTIVATED_VANISH = "deactivated-vanish"
    SLOW_TABLE = "slow-table"
    OTHER_LANGUAGE = "other-language"


DRIFT_TEXT: dict[Drift, str] = {
    Drift.RENAMED_BUTTON: "Deactivate is called Disable user, in the menu and in the dialog",
    Drift.SWAPPED_COLUMNS: "Name and Email, Role and Status change places, headers with their cells",
    Drift.RENAMED_COLUMN: "the column Status is called State and Email is called Login",
    Drift.EXTRA_CONFIRM: "a second dialog asks again before a deactivation is sent",
    Drift.TWO_SAME_NAMED_ROWS: "a second person carries the name of the first listed one, with another e-mail",
    Drift.TOAST_WITHOUT_EFFECT: "every write says that it is done and does nothing",
    Drift.ERROR_AFTER_EFFECT: "every write is done and then answered with an error page",
    Drift.RESORT_BETWEEN: "each visit sorts the list the other way, and the rows turn round soon after they are shown",
    Drift.MOVED_USERS_PAGE: "the users page moves, its link lies under Organization; the old one answers 404",
    Drift.UNNAMED_MENU: "the row menu button is an icon without an accessible name",
    Drift.DETACHED_MENU: "an opened row menu hangs at the end of the page, outside its row",
    Drift.DEACTIVATED_VANISH: "deactivated users are listed only when the status filter asks for them",
    Drift.SLOW_TABLE: "the rows appear 1.5 seconds after the page",
    Drift.OTHER_LANGUAGE: "the users page speaks German",
}


class Skin(StrEnum):
    """The two sets of names and addresses under which such consoles are documented."""

    FORECASTLY = "forecastly"
    ALT = "alt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """The settings of one console twin."""

    admin_email: str = "admin@console.test"
    """The administrator who exists from the start."""
    admin_password: str
    people_password: str | None = None
    """One password for everybody else; None means that only the administrator can sign in."""
    totp_secret: str | None = None
    """Base32 secret of the administrator's second factor; None asks for the password alone."""
    totp_once: bool = False
    """Refuse a code that was used before, as RFC 6238 section 5.2 demands."""
    lag_seconds: float = 0.0
    """How long the list of users keeps showing the state before a change."""
    seats: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_SEATS))
    """Contracted seats of each module."""
    skin: Skin = Skin.FORECASTLY
    whats_new: bool = False
    """Show a dialog over the console until the signed-in user dismisses it once."""
    drifts: frozenset[Drift] = frozenset()
