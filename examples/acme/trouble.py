"""The trouble planted in Acme's systems, each kind once or twice, with what usher must and must not make of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from apps import DirectoryUser, ExpensesUser, ForecastlyUser, WikiUser, World, made, seen
from roster import DOMAIN, Employment, address

LEAVER = "Daniel Osei"
JOINER = "Jonas Reed"


@dataclass(frozen=True)
class Trouble:
    """One planted thing: `finding` is what usher must make of this account, None where it must stay quiet.

    It is the rule of a finding, or `disputed` where correlation must leave the owner to a person.
    `account` is the address or login that the app shows; `person` an employee number, None where nobody owns it.
    """

    kind: str
    person: str | None
    app: str
    account: str
    finding: str | None
    what: str


def plant(world: World) -> list[Trouble]:
    """Change a healthy world and return everything that is now wrong, or looks wrong and is not."""
    return [
        *_ghosts(world),
        *_half_off_boarded(world),
        *_orphans(world),
        *_shared_and_service(world),
        *_several_employments(world),
        *_name_twins(world),
        *_recycled_address(world),
        *_renamed(world),
        *_drift(world),
        *_quiet(world),
        *_joiner(world),
    ]


def _leave(world: World, name: str, days_ago: int) -> Employment:
    """End an employment and every account, as a complete off-boarding would have done."""
    before = world.person(name)
    end = world.today - timedelta(days=days_ago)
    start = min(before.start_date, (end - timedelta(days=400)).isoformat())
    row = replace(before, status="terminated", start_date=start, end_date=end.isoformat())
    world.people[world.people.index(before)] = row
    for user in world.directory:
        if user.address == row.email:
            user.active, user.groups = False, []
    for page in world.wiki:
        if page.address == row.email:
            page.active, page.created = False, made(start)
    for seat in world.forecastly:
        if seat.email == row.email:
            seat.status, seat.modules = "Deactivated", []
            seat.last_active = seen(world.today, "forecastly", row.employee_number, days_ago + 3)
    for claim in world.expenses:
        if claim.email == row.email:
            claim.status, claim.created = "inactive", made(start)
            claim.last_login = seen(world.today, "expenses", row.employee_number, days_ago + 3)
    return row


def _forget(world: World, row: Employment) -> None:
    """Take the directory account away, as a directory that deletes leavers does."""
    world.directory = [user for user in world.directory if user.address != row.email]


def _directory(world: World, row: Employment) -> DirectoryUser:
    return next(user for user in world.directory if user.number == row.employee_number)


def _forecastly(world: World, row: Employment) -> ForecastlyUser:
    return next(user for user in world.forecastly if user.email == row.email)


def _ghosts(world: World) -> list[Trouble]:
    grace = _leave(world, "Grace Okafor", 40)
    account, seat = _directory(world, grace), _forecastly(world, grace)
    account.active, account.groups = True, ["all-staff", "sales", "forecastly-users"]
    seat.status, seat.modules = "Active", ["Core", "Copilot"]
    viktor = _leave(world, "Viktor Petrov", 95)
    _forget(world, viktor)
    next(user for user in world.wiki if user.address == viktor.email).active = True
    kira = _leave(world, "Kira Novak", 61)
    _forget(world, kira)
    claim = next(user for user in world.expenses if user.email == kira.email)
    claim.status = "active"
    told = "left {} days ago; the account is still on"
    return [
        Trouble("ghost", grace.employee_number, "directory", grace.email, "ghost", told.format(40)),
        Trouble("ghost", grace.employee_number, "forecastly", grace.email, "ghost", told.format(40)),
        Trouble("ghost", viktor.employee_number, "wiki", viktor.email, "ghost", told.format(95)),
        Trouble("ghost", kira.employee_number, "expenses", claim.login, "ghost", told.format(61)),
    ]


def _half_off_boarded(world: World) -> list[Trouble]:
    found = []
    for name, days in (("Tom Becker", 12), ("Ravi Kapoor", 26)):
        row = _leave(world, name, days)
        seat = _forecastly(world, row)
        seat.status, seat.modules = "Active", ["Core"]
        what = f"left {days} days ago; off in the directory, still on in the revenue platform"
        found += [
            Trouble(kind, row.employee_number, "forecastly", row.email, kind, what)
            for kind in ("half off-boarded", "ghost")
        ]
    return found


def _orphans(world: World) -> list[Trouble]:
    stray, guest, temp = f"nina.petrova@{DOMAIN}", "joe.stone@guest.test", "temp-assistant"
    last = seen(world.today, "forecastly", "nina", 9)
    world.forecastly.append(ForecastlyUser("Nina", "Petrova", stray, "Rep", "Mid-Market", ["Core"], "Active", last))
    world.wiki.append(WikiUser(guest, "Joe Stone", made("2025-01-06")))
    world.expenses.append(ExpensesUser("X9001", temp, f"temp@{DOMAIN}", "Temp Assistant", "active", "member", "", ""))
    nobody = "nobody in any source has this address"
    return [
        Trouble("account of a person in no other system", None, "forecastly", stray, "orphan", nobody),
        Trouble("orphan", None, "wiki", guest, "orphan", nobody),
        Trouble("orphan", None, "expenses", temp, "orphan", nobody),
    ]


def _shared_and_service(world: World) -> list[Trouble]:
    ops, usher, backup = f"sales-ops@{DOMAIN}", f"svc-usher@{DOMAIN}", f"svc-backup@{DOMAIN}"
    last = seen(world.today, "forecastly", "sales-ops", 2)
    world.forecastly.append(ForecastlyUser("Sales", "Ops", ops, "Rep", "Revenue Operations", ["Core"], "Active", last))
    world.directory.append(DirectoryUser(usher, "Usher", "Service"))
    world.wiki.append(WikiUser(backup, "Wiki Backup", made("2021-05-03")))
    paula = world.person("Paula Stein")
    return [
        Trouble("shared account", None, "forecastly", ops, None, "declared in connections/forecastly.yaml"),
        Trouble("service account", None, "directory", usher, None, "usher's own; declared and protected"),
        Trouble("service account", None, "wiki", backup, None, "declared in connections/wiki.yaml"),
        Trouble("protected admin", paula.employee_number, "forecastly", paula.email, None, "never a step of a plan"),
    ]


def _several_employments(world: World) -> list[Trouble]:
    rafael, tara, dana = (world.person(name) for name in ("Rafael Moreno", "Tara Quinn", "Dana Lopez"))
    former = f"dana.lopez.ext@{DOMAIN}"

    def add_earlier(row: Employment, ended: int, **changes: str) -> None:
        end = world.today - timedelta(days=ended)
        start = (end - timedelta(days=500)).isoformat()
        earlier = replace(row, employment_id=f"C{row.employee_number[1:]}-0", status="terminated", start_date=start,
                          end_date=end.isoformat(), **changes)  # fmt: skip
        world.people.insert(world.people.index(row), earlier)

    def begin(row: Employment, days_ago: int) -> Employment:
        begun = replace(row, start_date=(world.today - timedelta(days=days_ago)).isoformat())
        world.people[world.people.index(row)] = begun
        for user in (*world.wiki, *world.expenses):
            if row.email in (getattr(user, "address", ""), getattr(user, "email", "")):
                user.created = made(begun.start_date)
        return begun

    add_earlier(begin(rafael, 130), 420)
    add_earlier(begin(tara, 300), 20, department="People", title="Recruiter", manager_employee_number="E1057")
    add_earlier(begin(dana, 90), 91, title="Software Engineer (contractor)", email=former)
    page = next(user for user in world.wiki if user.address == dana.email)
    earliest = min(row.start_date for row in world.people if row.employee_number == dana.employee_number)
    page.address, page.created = former, made(earliest)
    return [
        Trouble(
            "rehire", rafael.employee_number, "forecastly", rafael.email, None, "an employment ended, another runs"
        ),
        Trouble("two employments", tara.employee_number, "forecastly", tara.email, None, "one of two contracts ended"),
        Trouble(
            "contractor turned employee", dana.employee_number, "wiki", former, None, "address of the old contract"
        ),
    ]


def _name_twins(world: World) -> list[Trouble]:
    last = seen(world.today, "expenses", "mgarcia", 5)
    world.expenses.append(ExpensesUser("X9002", "mgarcia", "", "Maria Garcia", "active", "member", last, ""))
    what = "two people have this name and the account has no address: usher must not choose"
    return [Trouble("name twins", None, "expenses", "mgarcia", "orphan", what)]


def _recycled_address(world: World) -> list[Trouble]:
    shared = f"alex.kim@{DOMAIN}"
    for name in ("Alexander Kim", "Alexandra Kim"):
        row = world.person(name)
        for user in (*world.directory, *world.wiki):
            if user.address == row.email:
                user.address = shared
        world.people[world.people.index(row)] = replace(row, email=shared)
    old = world.person("Alexander Kim")
    world.wiki.remove(next(user for user in world.wiki if user.name == old.name))
    world.directory.remove(_directory(world, old))
    end = world.today - timedelta(days=600)
    left = replace(
        old, status="terminated", start_date=(end - timedelta(days=900)).isoformat(), end_date=end.isoformat()
    )
    world.people[world.people.index(old)] = left
    new = world.person("Alexandra Kim")
    begun = replace(new, start_date=(world.today - timedelta(days=240)).isoformat())
    world.people[world.people.index(new)] = begun
    next(user for user in world.wiki if user.address == shared).created = made(begun.start_date)
    created = made((end - timedelta(days=800)).isoformat())
    last = seen(world.today, "expenses", "alex", 610)
    world.expenses.append(ExpensesUser("X9003", "akim", shared, "Alexander Kim", "active", "member", last, created))
    what = f"made for {left.name}, who left; the address now belongs to {new.name}: never hers"
    shown = "the address alone cannot say whether this is hers or his"
    return [
        Trouble("recycled address", left.employee_number, "expenses", "akim", "disputed", what),
        Trouble("recycled address", new.employee_number, "wiki", shared, "disputed", shown),
    ]


def _renamed(world: World) -> list[Trouble]:
    sofia, former = world.person("Sofia Bianchi"), address("Sofia", "Rossi")
    _directory(world, sofia).former_address = former
    seat = _forecastly(world, sofia)
    seat.email = former
    what = "the address from before the marriage; the directory keeps it as a second one"
    return [Trouble("renamed", sofia.employee_number, "forecastly", former, None, what)]


def _drift(world: World) -> list[Trouble]:
    zoe, emma, noah = (world.person(name) for name in ("Zoe Whitfield", "Emma Fischer", "Noah Sullivan"))
    _forecastly(world, zoe).modules.append("Copilot")
    _forecastly(world, emma).role = "Manager"
    world.forecastly.remove(_forecastly(world, noah))
    return [
        Trouble("drift", zoe.employee_number, "forecastly", zoe.email, "drift", "holds Copilot, which no role gives"),
        Trouble("drift", emma.employee_number, "forecastly", emma.email, "drift", "is a Manager; policy says Rep"),
        Trouble(
            "missing account", noah.employee_number, "forecastly", noah.email, "missing", "policy gives an account"
        ),
    ]


def _quiet(world: World) -> list[Trouble]:
    hugo, yuki, aisha = (world.person(name) for name in ("Hugo Lambert", "Yuki Tanaka", "Aisha Rahman"))
    _forecastly(world, hugo).last_active = seen(world.today, "forecastly", hugo.employee_number, 200)
    world.people[world.people.index(yuki)] = replace(yuki, status="on leave")
    ends = (world.today + timedelta(days=21)).isoformat()
    world.people[world.people.index(aisha)] = replace(aisha, end_date=ends)
    return [
        Trouble("dormant", hugo.employee_number, "forecastly", hugo.email, None, "no sign-in for 200 days"),
        Trouble("on leave", yuki.employee_number, "forecastly", yuki.email, None, "on leave is not leaving"),
        Trouble("last day ahead", aisha.employee_number, "forecastly", aisha.email, None, "leaves in 21 days, not yet"),
    ]


def _joiner(world: World) -> list[Trouble]:
    jonas = world.person(JOINER)
    world.people[world.people.index(jonas)] = replace(jonas, status="starts later", start_date=world.today.isoformat())
    world.directory.remove(_directory(world, jonas))
    world.wiki = [user for user in world.wiki if user.address != jonas.email]
    world.forecastly.remove(_forecastly(world, jonas))
    world.expenses = [user for user in world.expenses if user.email != jonas.email]
    return [Trouble("starts later", jonas.employee_number, "directory", jonas.email, None, "no account before the day")]


def as_rows(troubles: list[Trouble]) -> list[dict[str, str | None]]:
    """Return the troubles as JSON objects."""
    return [asdict(trouble) for trouble in troubles]
