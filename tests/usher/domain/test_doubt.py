"""A reading that changes something of many people at once is doubted; what happens on any day is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usher.domain.doubt import doubts, let_in_again


def account(number, **changes):
    document = {
        "id": f"a{number}",
        "user_name": f"p{number}",
        "emails": [f"p{number}@acme.test"],
        "display_name": f"Person {number}",
        "given_name": "Person",
        "family_name": str(number),
        "employee_number": f"E{number}",
        "state": "active",
        "entitlements": ["group:readers"],
        "attributes": {"department": "Sales"},
    }
    return {**document, **changes}


def changed(count, of, **changes):
    return [account(number, **(changes if number < count else {})) for number in range(of)]


def ask(before, now, percent=20, own=frozenset()):
    return doubts(before, now, percent=percent, own=own)


USUAL = changed(0, 30)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "suspended"}, "accounts can no longer sign in"),
        ({"state": "unknown"}, "accounts no longer say whether they can sign in"),
        ({"emails": []}, "accounts no longer have a value for emails"),
        ({"attributes": {}}, "accounts no longer have a value for department"),
        ({"family_name": "Smith"}, "accounts have another family_name"),
        ({"entitlements": []}, "accounts no longer have group:readers"),
    ],
)
def test_what_changes_for_all_at_one_stroke_is_said_with_its_numbers(changes, said):
    assert any(one.endswith(said) and one.startswith("30 of 30 ") for one in ask(USUAL, changed(30, 30, **changes)))


@pytest.mark.parametrize("people", [1, 2, 5, 30, 5000])
@pytest.mark.parametrize(
    "changes",
    [
        {"state": "suspended"},
        {"state": "unknown", "emails": [], "attributes": {}},
        {"family_name": "Married", "emails": ["new@acme.test"]},
        {"attributes": {"department": "IT"}},
    ],
)
def test_what_changes_for_a_few_of_however_many_is_an_ordinary_day(people, changes):
    assert ask(changed(0, people), changed(min(people, 3), people, **changes)) == []


def test_another_department_for_everybody_is_a_reorganisation_and_no_slip():
    assert ask(USUAL, changed(30, 30, attributes={"department": "Revenue"})) == []


def test_many_that_were_off_and_are_on_again_are_doubted_beside_those_that_were_off():
    before = changed(4, 300, state="suspended")
    assert ask(before, changed(0, 300)) == ["4 of 4 accounts that were off can sign in again"]
    assert let_in_again(before, changed(0, 300)) == ["a0", "a1", "a2", "a3"]
    assert ask(before, changed(3, 300, state="suspended")) == []


def test_what_our_own_steps_changed_is_no_reason_to_doubt():
    now = changed(10, 30, state="suspended")
    assert ask(USUAL, now) == ["10 of 30 accounts can no longer sign in"]
    assert ask(USUAL, now, own=frozenset(f"a{number}" for number in range(10))) == []


def test_who_leaves_a_group_leaves_it_alone():
    assert ask(USUAL, changed(15, 30, entitlements=[])) == []
    assert ask(USUAL, changed(16, 30, entitlements=[])) == ["16 of 30 accounts no longer have group:readers"]
    assert ask(changed(0, 3), changed(3, 3, entitlements=[])) == ["3 of 3 accounts no longer have group:readers"]
    assert ask(changed(0, 4), changed(3, 4, entitlements=[])) == []
    assert ask(changed(0, 2), changed(2, 2, entitlements=[])) == []


STATES = st.sampled_from(["active", "invited", "suspended", "archived", "unknown", "locked"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(STATES, STATES), min_size=1, max_size=40), st.integers(0, 100), st.data())
def test_more_of_the_same_never_takes_a_doubt_away(pairs, percent, data):
    before = [account(n, state=old) for n, (old, _) in enumerate(pairs)]
    now = [account(n, state=new) for n, (_, new) in enumerate(pairs)]
    lost = [n for n, (old, new) in enumerate(pairs) if old == "active" and new == "active"]
    if "sign in" not in " ".join(one for one in ask(before, now, percent) if "no longer sign in" in one) or not lost:
        return
    one_more = data.draw(st.sampled_from(lost))
    now[one_more] = account(one_more, state="suspended")
    assert any("no longer sign in" in one for one in ask(before, now, percent))


@settings(max_examples=100, deadline=None)
@given(st.lists(STATES, min_size=1, max_size=30), st.integers(0, 100))
def test_the_same_reading_once_more_is_never_doubted(states, percent):
    reading = [account(n, state=state) for n, state in enumerate(states)]
    assert ask(reading, reading, percent) == []
