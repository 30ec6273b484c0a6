"""Seats: counted from what accounts hold; savings are claimed only with a price and a date."""

from datetime import date

import pytest
from pydantic import ValidationError

from usher.domain.account import Account, AccountState
from usher.domain.seats import Contract, Saving, Use, count, released, saving

TERMS = {
    "connection": "clari",
    "currency": "USD",
    "basis": "contract",
    "term_ends": "2027-01-31",
    "reduction": "at renewal",
    "modules": {"Core": {"seats": 40, "price": 120_000, "per": "year"}},
}


def contract(**changes):
    return Contract.model_validate(TERMS | changes)


def account(state, *modules):
    held = frozenset(f"module:{name}" for name in modules) | {"role:Rep"}
    return Account(id=f"{state}", user_name="x", state=state, entitlements=held)


def test_a_seat_is_held_until_the_account_is_deactivated_and_an_unknown_state_is_said():
    accounts = [
        account(AccountState.ACTIVE, "Core", "Copilot"),
        account(AccountState.INVITED, "Core"),
        account(AccountState.FROZEN, "Core"),
        account(AccountState.SUSPENDED, "Core"),
        account(AccountState.UNKNOWN, "Core"),
    ]
    assert count(accounts) == {"Core": Use(3, 1), "Copilot": Use(1, 0)}


def test_a_released_seat_is_billable_until_the_day_the_contract_names():
    assert released(contract()) == "freed in the app; billable until 2027-01-31 (contract)"
    assert saving(contract(), "Core", 3) == Saving(360_000, "USD", "year", date(2027, 1, 31), "contract")


def test_a_reduction_at_true_up_is_dated_by_the_true_up():
    terms = contract(reduction="at true-up", true_up="2026-09-30", basis="estimate")
    assert released(terms) == "freed in the app; billable until 2026-09-30 (estimate)"


def test_an_immediate_reduction_saves_at_once():
    assert "from the next invoice on" in released(contract(reduction="immediate"))
    assert saving(contract(reduction="immediate"), "Core", 1).since is None


@pytest.mark.parametrize(
    "terms",
    [None, contract(reduction="unknown"), contract(term_ends=None), contract(reduction="at true-up"),
     contract(modules={"Core": {"seats": 40}}), contract(modules={})],
)  # fmt: skip
def test_nothing_is_claimed_where_price_or_date_is_unknown(terms):
    assert saving(terms, "Core", 1) is None


def test_a_contract_without_a_date_says_that_it_is_unknown():
    assert released(None) == "freed in the app; when it stops being billed is unknown"
    assert released(contract(term_ends=None)) == "freed in the app; billable until renewal, whose date is unknown"


@pytest.mark.parametrize(
    "changes", [{"currency": "usd"}, {"currency": None}, {"modules": {"Core": {"price": 12.5}}}, {"basis": "hope"}]
)
def test_a_contract_with_a_doubtful_number_is_refused(changes):
    with pytest.raises(ValidationError):
        contract(**changes)
