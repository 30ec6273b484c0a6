"""An invented company with every trap that correlation must survive; it knows whose account each account is."""

import random
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from usher.domain.account import Account, AccountKind, AccountState
from usher.domain.links import KeyKind, KeyRow, Seen
from usher.domain.person import Person

GIVEN = ["Ada", "José", "Zoë", "Jürgen", "Mei", "Olu", "Straße", "İpek", "John", "Maria"]
FAMILY = ["Smith", "Núñez", "O'Neil", "Groß", "Li", "Okafor", "Ångström", "Smith", "Smith", "van Dyk"]
FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)
TODAY = datetime(2026, 6, 1, tzinfo=UTC)
SAME_LETTERS = [
    str.upper,
    str.title,
    lambda text: f"  {text} ",
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: text.replace("a", "ａ"),
]


@dataclass
class Company:
    """What usher may know (`people`, `keys`, `accounts`), and what only the test knows (`truth`)."""

    random: random.Random
    people: list[Person] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    accounts: list[Seen] = field(default_factory=list)
    truth: dict[tuple[str, str], str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    serial: int = 0

    def day(self, first=0, last=4000):
        return FIRST_DAY + timedelta(days=self.random.randint(first, last))

    def invent(self, size):
        for _ in range(size):
            trap = self.random.choice(["plain", "plain", "twin", "recycled", "recycled before us", "rename", "rehire"])
            getattr(self, "add_" + trap.replace(" ", "_"))()
        return self

    def person(self, like=None):
        self.serial += 1
        given = like.given_name if like else self.random.choice(GIVEN)
        family = like.family_name if like else self.random.choice(FAMILY)
        person = Person(id=f"p{self.serial}", given_name=given, family_name=family, display_name=f"{given} {family}")
        self.people.append(person)
        self.know(person, KeyKind.EXTERNAL_ID, f"00u{self.serial:06}", None, None)
        self.know(person, KeyKind.EMPLOYEE_NUMBER, f"E{self.serial:05}", None, None)
        return person

    def know(self, person, kind, value, valid_from, valid_to):
        self.keys.append(KeyRow(kind=kind, value=value, person_id=person.id, valid_from=valid_from, valid_to=valid_to))

    def new_address(self, person):
        base = f"{person.given_name}.{person.family_name}".replace(" ", "").replace("'", "").lower()
        number = next(n for n in range(10_000) if self.address(base, n) not in self.addresses)
        address = self.address(base, number)
        self.addresses[address] = person.id
        return address

    @staticmethod
    def address(base, number):
        return f"{base}{number or ''}@acme.example"

    def employ(self, person, address, begin, end=None):
        self.know(person, KeyKind.ADDRESS, address, begin, end)
        last = (end or TODAY) - timedelta(days=1)
        for connection in self.random.sample(["okta", "crm", "app", "console"], 3):
            self.account(connection, person, address, begin + (last - begin) * self.random.random())

    def account(self, connection, owner, address, created, *, dated=None):
        number = len(self.accounts)
        style = self.random.random()
        shown = address
        if style < 0.3:
            shown = self.random.choice(SAME_LETTERS)(address)
        elif style < 0.36:
            shown = address.replace("@", "+crm@")
        elif style < 0.40:
            shown = f"private{number}@mail.example"
        name = self.random.choice([owner.display_name, owner.display_name.upper(), None])
        serial = owner.id.removeprefix("p")
        known = not owner.id.startswith("stranger")
        account = Account(
            id=shown if connection == "console" else f"{connection}-{number}",
            user_name=shown,
            emails=(shown,),
            display_name=owner.display_name if connection == "console" else name,
            external_id=f"00u{int(serial):06}" if connection == "okta" and known else None,
            employee_number=f"E{int(serial):05}" if connection == "crm" and known and style > 0.6 else None,
            state=self.random.choice([AccountState.ACTIVE] * 5 + [AccountState.SUSPENDED]),
            kind=AccountKind.PERSON,
            created=created if dated or (connection != "console" and style <= 0.97) else None,
        )
        key = (connection, account.id)
        if key not in self.truth:
            self.truth[key] = owner.id
            self.accounts.append(Seen(connection=connection, account=account, key_mutable=connection == "console"))

    def add_plain(self):
        person = self.person()
        begin = self.day(0, 3900)
        end = self.random.choice([None, begin + timedelta(days=100)])
        self.employ(person, self.new_address(person), begin, end)

    def add_twin(self):
        first = self.person()
        self.employ(first, self.new_address(first), self.day())
        second = self.person(like=first)
        self.employ(second, self.new_address(second), self.day())

    def add_recycled(self):
        """A leaver's address goes to somebody else, who may have the same name; old accounts stay behind."""
        first = self.person()
        address = self.new_address(first)
        begin = self.day(0, 2000)
        self.employ(first, address, begin, begin + timedelta(days=400))
        second = self.person(like=first if self.random.random() < 0.5 else None)
        self.employ(second, address, begin + timedelta(days=500))

    def add_recycled_before_us(self):
        """As above, and nobody ever told usher of the first owner.

        Where that owner had the same name too, the app tells when the account was created: without that,
        no evidence in the world would tell the two apart.
        """
        second = self.person()
        address = self.new_address(second)
        begin = self.day(1500, 3500)
        twin = self.random.random() < 0.5
        given, family = (second.given_name, second.family_name) if twin else ("Quentin", "Xylander")
        stranger = Person(id=f"stranger{second.id}", given_name=given, family_name=family,
                          display_name=f"{given} {family}")  # fmt: skip
        old = begin - timedelta(days=self.random.randint(1, 900))
        self.account("app", stranger, address, old, dated=twin)
        if not twin:
            self.account("console", stranger, address, old)
        self.employ(second, address, begin)

    def add_rename(self):
        person = self.person()
        begin = self.day(0, 2000)
        change = begin + timedelta(days=700)
        self.employ(person, self.new_address(person), begin, change)
        renamed = replace(person, family_name="Newname", display_name=f"{person.given_name} Newname")
        self.people[self.people.index(person)] = renamed
        self.employ(renamed, self.new_address(renamed), change)

    def add_rehire(self):
        """Back under the same id: the old address again, or a new one while the old went to somebody else."""
        person = self.person()
        address = self.new_address(person)
        begin = self.day(0, 1500)
        self.employ(person, address, begin, begin + timedelta(days=300))
        back = begin + timedelta(days=1200)
        if self.random.random() < 0.5:
            self.employ(person, address, back)
        else:
            self.employ(person, self.new_address(person), back)
            other = self.person(like=person if self.random.random() < 0.5 else None)
            self.employ(other, address, begin + timedelta(days=600))


def company(seed, size=1000):
    """Return a company of at least `size` identities, always the same for one seed."""
    return Company(random.Random(seed)).invent(size)
