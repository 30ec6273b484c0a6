"""What may outlive a closed account: closed, open until a time or a person, or unknown; never assumed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from usher.domain.residual import KINDS, ResidualFact, ResidualState, now_closed, residues

AT = datetime(2026, 3, 9, 17, tzinfo=UTC)


def test_each_kind_is_judged_by_what_is_known_of_it_and_unknown_otherwise():
    facts = {
        "sessions": ResidualFact(ends="later", minutes=480, source="Settings > Security: sessions last eight hours"),
        "tokens": ResidualFact(ends="never", source="the vendor's page on API tokens"),
        "local password": ResidualFact(ends="at once", source="tried"),
    }
    found = {one.kind: one for one in residues(facts, AT)}
    assert tuple(found) == KINDS
    assert (found["sessions"].state, found["sessions"].until) == (ResidualState.UNTIL, AT + timedelta(hours=8))
    assert (found["tokens"].state, found["tokens"].until) == (ResidualState.UNTIL, None)
    assert found["local password"].state is ResidualState.CLOSED
    assert {found[kind].state for kind in ("oauth grants", "shared secrets")} == {ResidualState.UNKNOWN}


def test_what_nobody_knows_of_and_what_nobody_ended_is_never_over():
    later = AT + timedelta(days=3650)
    assert now_closed(ResidualState.CLOSED, None, AT)
    assert not now_closed(ResidualState.UNKNOWN, None, later)
    assert not now_closed(ResidualState.UNTIL, None, later)
    assert not now_closed(ResidualState.UNTIL, AT, AT - timedelta(milliseconds=1))
    assert now_closed(ResidualState.UNTIL, AT, AT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ends": "later", "source": "x"},
        {"ends": "never", "minutes": 5, "source": "x"},
        {"ends": "at once"},
        {"ends": "at once", "source": ""},
        {"ends": "soon", "source": "x"},
    ],
)
def test_a_fact_says_when_and_who_says_so(wrong):
    with pytest.raises(ValidationError):
        ResidualFact.model_validate(wrong)
