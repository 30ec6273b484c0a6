"""One transaction's repositories, so that a leaf, an intent and a state change are durable together."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select

from usher.domain.clock import Clock
from usher.domain.ids import IdFactory
from usher.store.accounts import Accounts
from usher.store.answers import Answers
from usher.store.dues import Dues
from usher.store.findings import Findings
from usher.store.health import Health
from usher.store.leases import Leases
from usher.store.ledgers import Ledgers
from usher.store.notices import Notices
from usher.store.operators import Operators
from usher.store.pasts import Pasts
from usher.store.people import People
from usher.store.plans import Plans
from usher.store.repository import Repository
from usher.store.residuals import Residuals
from usher.store.runs import Runs
from usher.store.tables import configuration_version


@dataclass(slots=True)
class Unit:
    """Everything that can be read or written in one transaction."""

    connection: Connection
    workspace: str
    clock: Clock
    ids: IdFactory
    accounts: Accounts = field(init=False)
    dues: Dues = field(init=False)
    findings: Findings = field(init=False)
    leases: Leases = field(init=False)
    ledger: Ledgers = field(init=False)
    operators: Operators = field(init=False)
    pasts: Pasts = field(init=False)
    people: People = field(init=False)
    plans: Plans = field(init=False)
    runs: Runs = field(init=False)
    residuals: Residuals = field(init=False)
    notices: Notices = field(init=False)
    health: Health = field(init=False)
    answers: Answers = field(init=False)

    def __post_init__(self) -> None:
        shared = (self.connection, self.workspace, self.clock, self.ids)
        self.accounts = Accounts(*shared)
        self.dues = Dues(*shared)
        self.findings = Findings(*shared)
        self.leases = Leases(*shared)
        self.ledger = Ledgers(*shared)
        self.operators = Operators(*shared)
        self.pasts = Pasts(*shared)
        self.people = People(*shared)
        self.plans = Plans(*shared)
        self.runs = Runs(*shared)
        self.residuals = Residuals(*shared)
        self.notices = Notices(*shared)
        self.health = Health(*shared)
        self.answers = Answers(*shared)

    def keep_configuration(self, digest: str, document: str) -> None:
        """Keep an applied version of the configuration by its digest."""
        here = Repository(self.connection, self.workspace, self.clock, self.ids)
        if here.row(select(configuration_version).where(configuration_version.c.digest == digest)) is None:
            self.connection.execute(
                insert(configuration_version).values(digest=digest, document=document, applied_at=here.now())
            )
