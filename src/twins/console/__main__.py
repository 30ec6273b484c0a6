"""Start a console twin from the command line."""

import argparse
import os
import secrets
import sys
from dataclasses import replace
from pathlib import Path

from twins.console.directory import Directory, Status, User, Version, new_id
from twins.console.keeping import EVER, BadInputError, StateFile, read_seed
from twins.console.listing import Question, answer
from twins.console.pages import console_app
from twins.console.sessions import totp_key
from twins.console.settings import DEFAULT_SEATS, DRIFT_TEXT, MODULES, ConsoleSettings, Drift, Skin
from twins.serving import Journal, serve

PASSWORD_VARIABLE = "CONSOLE_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable, not a password


def _parser() -> argparse.ArgumentParser:
    drifts = "\n".join(f"  {drift:<22}{DRIFT_TEXT[drift]}" for drift in Drift)
    parser = argparse.ArgumentParser(
        prog="python -m twins.console",
        description="An admin console of a forecasting app without an API, to rehearse browser work on.",
        epilog=f"drifts (a screen that changed under a recipe; may be given several times):\n{drifts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help="written as JSON with url and pid once calls are accepted")
    parser.add_argument("--state", type=Path, help="JSON file that keeps the users over a restart")
    parser.add_argument("--seed", type=Path, help="CSV of users, read when there is no state")
    parser.add_argument("--journal", type=Path, help="JSON lines, one per effect (effect: true) and per sign-in")
    parser.add_argument("--lag", type=float, default=0.0, metavar="SECONDS", help="delay of changes in the list")
    parser.add_argument("--skin", type=Skin, choices=list(Skin), default=Skin.FORECASTLY, help="names and addresses")
    parser.add_argument("--drift", type=Drift, choices=list(Drift), action="append", default=[], metavar="NAME")
    parser.add_argument("--whats-new", action="store_true", help="cover the first visit with a What's new dialog")
    parser.add_argument("--seats", type=_seats, default=dict(DEFAULT_SEATS), metavar="Core=50,Copilot=20,Groove=10")
    parser.add_argument("--admin-email", default="admin@console.test")
    parser.add_argument(
        "--admin-password",
        help=f"default: the variable {PASSWORD_VARIABLE}, else a new one that the ready file names as admin_password",
    )
    parser.add_argument("--people-password", help="lets everybody else sign in with this one password")
    parser.add_argument("--totp", type=_totp_secret, metavar="SECRET", help="base32 second factor of the administrator")
    parser.add_argument("--totp-once", action="store_true", help="refuse a code that was already used")
    return parser


def _seats(text: str) -> dict[str, int]:
    seats = dict(DEFAULT_SEATS)
    for part in text.split(","):
        module, _, count = part.partition("=")
        if module not in MODULES or not count.isdigit():
            raise argparse.ArgumentTypeError(f"{part!r}, expected MODULE=COUNT with one of {', '.join(MODULES)}")
        seats[module] = int(count)
    return seats


def _totp_secret(text: str) -> str:
    try:
        totp_key(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _first_users(seed: Path | None, settings: ConsoleSettings) -> list[User]:
    users = read_seed(seed) if seed else []
    email = settings.admin_email.lower()
    if email not in {user.email for user in users}:
        users.append(
            User(
                id=new_id(),
                first_name="Console",
                last_name="Admin",
                email=email,
                role="Admin",
                team=None,
                modules=(),
                status=Status.ACTIVE,
                accepted=True,
            )
        )
    if Drift.TWO_SAME_NAMED_ROWS in settings.drifts:
        others = [user for user in users if user.email != email and user.status is Status.ACTIVE]
        users += [_namesake(user) for user in answer(Question(), others).rows[:1]]
    return users


def _namesake(user: User) -> User:
    local, _, domain = user.email.partition("@")
    return replace(user, id=new_id(), email=f"{local}.2@{domain}", role="Rep", modules=())


def main() -> int:
    """Serve until SIGTERM; returns the exit code."""
    options = _parser().parse_args()
    given = options.admin_password or os.environ.get(PASSWORD_VARIABLE)
    settings = ConsoleSettings(
        admin_email=options.admin_email,
        admin_password=given or secrets.token_urlsafe(12),
        people_password=options.people_password,
        totp_secret=options.totp,
        totp_once=options.totp_once,
        lag_seconds=options.lag,
        seats=options.seats,
        skin=options.skin,
        whats_new=options.whats_new,
        drifts=frozenset(options.drift),
    )
    journal = Journal(options.journal)
    state = StateFile(options.state)
    try:
        histories = state.load(journal)
        if histories is None:
            histories = [[Version(EVER, user)] for user in _first_users(options.seed, settings)]
            state.save(histories, [])
    except BadInputError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the one line that a person needs
        return 2
    directory = Directory(
        histories, seats=settings.seats, lag_seconds=settings.lag_seconds, journal=journal, save=state.save
    )
    extra = {"admin_email": settings.admin_email, **({} if given else {"admin_password": settings.admin_password})}
    serve(console_app(settings, directory, state), options.port, options.ready_file, extra)
    journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
