"""Seats: what a contract pays for, who holds them, and from when one less is really paid less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from usher.domain.account import Account, AccountState
from usher.domain.connection import Strict
from usher.domain.located import Expected

MODULE = "module:"
_HOLDS = (AccountState.INVITED, AccountState.ACTIVE, AccountState.FROZEN, AccountState.LOCKED)


def _currency(code: str) -> str:
    if len(code) != 3 or not code.isascii() or not code.isupper():
        raise Expected("an ISO 4217 code of three capital letters such as USD")
    return code


class ModuleTerms(Strict):
    """What the contract says of one module."""

    seats: int | None = Field(default=None, ge=0)
    """Seats paid for; None: unknown."""
    price: int | None = Field(default=None, ge=0)
    """Price of one seat in minor units (cents) for one `per`; None: unknown."""
    per: Literal["month", "year"] = "year"


class Contract(Strict):
    """One file under `contracts/`: what is paid for an app."""

    connection: str
    currency: Annotated[str, AfterValidator(_currency)] | None = None
    basis: Literal["contract", "estimate"] = "estimate"
    """Whether the numbers were copied from the contract or guessed; shown beside each of them."""
    term_ends: date | None = None
    """Last day of the paid term; None: unknown."""
    reduction: Literal["immediate", "at true-up", "at renewal", "unknown"] = "unknown"
    """When fewer seats begin to cost less."""
    true_up: date | None = None
    """Next true-up date, where the contract has one."""
    modules: dict[str, ModuleTerms] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _priced_in_a_currency(self) -> Contract:
        if self.currency is None and any(terms.price is not None for terms in self.modules.values()):
            raise Expected("a currency, because a module has a price")
        return self

    @property
    def billable_until(self) -> date | None:
        """The day until which a released seat is still paid; None where that is unknown or it ends at once."""
        return {"at renewal": self.term_ends, "at true-up": self.true_up}.get(self.reduction)


@dataclass(frozen=True, slots=True)
class Use:
    """How many accounts hold a module's seat: surely, and perhaps (the app does not tell their state)."""

    used: int = 0
    unsure: int = 0


@dataclass(frozen=True, slots=True)
class Saving:
    """What no longer has to be paid, in minor units for each `per`, from the day `since` (None: at once)."""

    minor_units: int
    currency: str
    per: str
    since: date | None
    basis: str


def count(accounts: Iterable[Account]) -> Mapping[str, Use]:
    """Return the seats in use for each module; frozen and locked accounts hold theirs, deactivated ones do not."""
    used: dict[str, list[int]] = {}
    for account in accounts:
        for text in account.entitlements:
            if not text.startswith(MODULE):
                continue
            numbers = used.setdefault(text.removeprefix(MODULE), [0, 0])
            numbers[0] += account.state in _HOLDS
            numbers[1] += account.state is AccountState.UNKNOWN
    return {module: Use(*numbers) for module, numbers in sorted(used.items())}


def released(contract: Contract | None) -> str:
    """Say what releasing a seat brings, and never more than the contract says."""
    if contract is None or contract.reduction == "unknown":
        return "freed in the app; when it stops being billed is unknown"
    if contract.reduction == "immediate":
        return f"freed in the app; not billed from the next invoice on ({contract.basis})"
    until = contract.billable_until
    if until is None:
        return f"freed in the app; billable {contract.reduction.replace('at', 'until')}, whose date is unknown"
    return f"freed in the app; billable until {until.isoformat()} ({contract.basis})"


def saving(contract: Contract | None, module: str, seats: int) -> Saving | None:
    """Return what releasing `seats` saves, or None where price, currency or date is unknown: then claim nothing."""
    terms = contract.modules.get(module) if contract is not None else None
    if contract is None or terms is None or terms.price is None or contract.currency is None:
        return None
    since = contract.billable_until
    if contract.reduction == "unknown" or (contract.reduction != "immediate" and since is None):
        return None
    return Saving(terms.price * seats, contract.currency, terms.per, since, contract.basis)
