"""Who works at Acme, a company of 60 people that sells software: one line a person, by employee number."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta

SEED = 20260309
DOMAIN = "acme.test"
SALES = ("Enterprise East", "Enterprise West", "Mid-Market", "Small Business")

# first name | last name | department | title | location; a department's first line is its head.
LINES = """
Helen|Marsh|Executive|Chief Executive Officer|Boston
Victor|Adeyemi|Executive|Chief Financial Officer|Boston
Claire|Fontaine|Sales Leadership|Chief Revenue Officer|New York
Marcus|Webb|Sales Leadership|VP Sales|San Francisco
Ines|Carvalho|Enterprise East|Sales Manager|New York
Daniel|Osei|Enterprise East|Account Executive|New York
Grace|Okafor|Enterprise East|Account Executive|Boston
Liam|O'Brien|Enterprise East|Account Executive|New York
Priya|Raman|Enterprise East|Account Executive|Boston
Owen|Hartley|Enterprise East|Sales Development Representative|New York
Hannah|Lindqvist|Enterprise West|Sales Manager|San Francisco
Tom|Becker|Enterprise West|Account Executive|San Francisco
Yuki|Tanaka|Enterprise West|Account Executive|Seattle
Rafael|Moreno|Enterprise West|Account Executive|San Francisco
Zoe|Whitfield|Enterprise West|Sales Development Representative|Seattle
Anton|Kowalski|Mid-Market|Sales Manager|Chicago
Sofia|Bianchi|Mid-Market|Account Executive|Chicago
José|Núñez|Mid-Market|Account Executive|Austin
Emma|Fischer|Mid-Market|Account Executive|Chicago
Kwame|Mensah|Mid-Market|Sales Development Representative|Austin
Lucy|Chambers|Mid-Market|Sales Development Representative|Chicago
Peter|Van Dijk|Small Business|Sales Manager|Austin
Aisha|Rahman|Small Business|Account Executive|Austin
Noah|Sullivan|Small Business|Account Executive|Denver
Mei|Chen|Small Business|Sales Development Representative|Austin
Ravi|Kapoor|Small Business|Sales Development Representative|Denver
Paula|Stein|Revenue Operations|Head of Revenue Operations|New York
Ben|Archer|Revenue Operations|Revenue Operations Analyst|New York
Nadia|Haddad|Revenue Operations|Revenue Operations Analyst|Chicago
Olivia|Park|Customer Success|Head of Customer Success|Boston
Samuel|Ortiz|Customer Success|Customer Success Manager|Boston
Freya|Nielsen|Customer Success|Customer Success Manager|Chicago
Hugo|Lambert|Customer Success|Customer Success Manager|Austin
Tara|Quinn|Customer Success|Customer Success Manager|Denver
Eric|Sandoval|Marketing|Head of Marketing|San Francisco
Julia|Weiss|Marketing|Product Marketing Manager|San Francisco
Andre|Dubois|Marketing|Demand Generation Manager|New York
Kira|Novak|Marketing|Content Manager|Boston
Maya|Fernandes|Engineering|Head of Engineering|Boston
Stefan|Albrecht|Engineering|Software Engineer|Boston
Dana|Lopez|Engineering|Software Engineer|Austin
Maria|Garcia|Engineering|Software Engineer|Austin
Arjun|Mehta|Engineering|Software Engineer|Boston
Leah|Goldberg|Engineering|Software Engineer|Boston
Viktor|Petrov|Engineering|Software Engineer|Denver
Alexander|Kim|Engineering|Software Engineer|Seattle
Alexandra|Kim|Engineering|Software Engineer|Seattle
Chloe|Martin|Engineering|Site Reliability Engineer|Seattle
Femi|Balogun|Engineering|Site Reliability Engineer|Boston
Ingrid|Solberg|Product|Head of Product|San Francisco
Nathan|Brooks|Product|Product Manager|San Francisco
Salma|Farouk|Product|Product Designer|New York
Irene|Castellano|IT|Head of IT|Boston
Oscar|Blom|IT|IT Administrator|Boston
Wendy|Cho|Finance|Controller|Boston
Karl|Jensen|Finance|Financial Analyst|Boston
Ruth|Abrams|People|Head of People|Boston
Maria|Garcia|People|People Partner|New York
Lena|Vogel|Customer Success|Customer Success Manager|New York
Jonas|Reed|Enterprise East|Account Executive|New York
""".strip().splitlines()

ABROAD = {"Hannah Lindqvist": ("Stockholm", "SE"), "Andre Dubois": ("Paris", "FR"), "Karl Jensen": ("Copenhagen", "DK")}


@dataclass(frozen=True)
class Employment:
    """One row of the HR export: one contract of one person."""

    employment_id: str
    employee_number: str
    first_name: str
    last_name: str
    email: str
    status: str
    start_date: str
    end_date: str
    department: str
    title: str
    manager_employee_number: str
    location: str
    country: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def employed(self) -> bool:
        """True while the person works here or is on leave."""
        return self.status in ("active", "on leave")


def chance_of(*parts: str) -> random.Random:
    """Return a source of chance that depends on the seed and the parts alone, never on the order of calls."""
    return random.Random(":".join((str(SEED), *parts)))


def address(first: str, last: str) -> str:
    """Return Acme's address for a name: first.last in plain letters."""
    plain = unicodedata.normalize("NFD", f"{first}.{last}".lower())
    return (
        "".join(letter for letter in plain if letter.isascii() and (letter.isalnum() or letter == ".")) + f"@{DOMAIN}"
    )


def employments(today: date) -> list[Employment]:
    """Return one active employment for each line, before any trouble is planted."""
    heads: dict[str, str] = {}
    rows: list[Employment] = []
    for place, line in enumerate(LINES, start=1001):
        first, last, department, title, location = line.split("|")
        number = f"E{place}"
        heads.setdefault(department, number)
        city, country = ABROAD.get(f"{first} {last}", (location, "US"))
        started = today - timedelta(days=chance_of("start", number).randrange(120, 2200))
        row = Employment(f"C{place}-1", number, first, last, address(first, last), "active", started.isoformat(), "",
                         department, title, _manager(number, department, heads), city, country)  # fmt: skip
        rows.append(row)
    second = next(row for row in reversed(rows) if row.name == "Maria Garcia")
    rows[rows.index(second)] = replace(second, email=second.email.replace("@", "2@"))
    return rows


def _manager(number: str, department: str, heads: dict[str, str]) -> str:
    chief, revenue = heads["Executive"], heads.get("Sales Leadership", "")
    if number == chief:
        return ""
    if heads[department] != number:
        return heads[department]
    return revenue if department in (*SALES, "Revenue Operations", "Customer Success") else chief
