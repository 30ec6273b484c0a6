"""Leaves and heads: what may be kept for ever, and in exactly one form."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from usher.domain.canonical import NotCanonical, digest
from usher.domain.ledger.head import BadHead, Head, SignedHead, sign_head, verify_head
from usher.domain.ledger.leaf import BadLeaf, Leaf, new_salt, salted_digest
from usher.domain.signing import BadKey, key_id, new_private_key, public_of, sign

AT = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
ACCOUNT = "acc_01ARYZ6S410000000000000000"
SALT = bytes(range(32))
LEAF = Leaf("account:entitlement:grant", AT, "acme", (ACCOUNT,), salted_digest(SALT, {"login": "ada@example.test"}))


@pytest.fixture
def private():
    return new_private_key()


@pytest.fixture
def head(private):
    return Head("acme", 3, "ab" * 32, AT, key_id(public_of(private)))


def test_a_leaf_has_one_byte_form():
    assert LEAF.leaf_bytes() == (
        b'{"at":"2026-03-01T12:00:00.123Z","detail_digest":"' + LEAF.detail_digest.encode() + b'",'
        b'"event":"account:entitlement:grant","ids":["acc_01ARYZ6S410000000000000000"],'
        b'"schema":"usher.leaf/1","workspace":"acme"}'
    )


def test_a_leaf_carries_nothing_of_its_detail():
    assert b"ada" not in LEAF.leaf_bytes()


def test_the_same_detail_under_another_salt_cannot_be_recognised():
    assert salted_digest(new_salt(), {"login": "ada"}) != salted_digest(new_salt(), {"login": "ada"})
    assert salted_digest(SALT, {"login": "ada"}) == digest(
        "usher.detail/1", {"detail": {"login": "ada"}, "salt": SALT.hex()}
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("event", "Granted", "expected noun:noun:verb"),
        ("event", "grant", "expected noun:noun:verb"),
        ("event", "a:b:c:d", "expected noun:noun:verb"),
        ("at", datetime(2026, 3, 1), "no time zone"),  # noqa: DTZ001 - the point of this case
        ("workspace", "", "workspace"),
        ("workspace", "a/b", "workspace"),
        ("ids", ("ada@example.test",), "is not an opaque id"),
        ("ids", (ACCOUNT, "Ada Lovelace"), "is not an opaque id"),
        ("detail_digest", "ada", "expected 'sha256:'"),
    ],
)
def test_a_leaf_that_breaks_its_form_is_refused_before_it_is_written_for_ever(field, value, expected):
    with pytest.raises(BadLeaf, match=expected):
        replace(LEAF, **{field: value})


def test_a_plan_event_of_two_words_is_an_event():
    assert replace(LEAF, event="plan:approve").event == "plan:approve"


def test_a_short_salt_is_refused():
    with pytest.raises(BadLeaf, match="expected 32 bytes, found 4"):
        salted_digest(b"salt", {})


def test_a_detail_with_a_float_is_refused():
    with pytest.raises(NotCanonical, match="float"):
        salted_digest(SALT, {"amount": 1.5})


def test_leaf_json_is_read_back_and_anything_else_is_refused():
    data = LEAF.as_json()
    assert Leaf.from_json(data) == LEAF
    for bad in (
        None,
        {**data, "more": 1},
        {**data, "schema": "usher.leaf/2"},
        {**data, "event": 1},
        {**data, "ids": ACCOUNT},
        {**data, "ids": [1]},
        {**data, "at": "yesterday"},
        {name: value for name, value in data.items() if name != "at"},
    ):
        with pytest.raises(BadLeaf):
            Leaf.from_json(bad)


def test_a_signed_head_is_verified_by_its_key_and_by_no_other(private, head):
    signed = sign_head(private, head)
    assert verify_head(public_of(private), signed)
    assert not verify_head(public_of(new_private_key()), signed)
    assert SignedHead.from_json(signed.as_json()) == signed


@pytest.mark.parametrize(
    ("field", "value"),
    [("workspace", "globex"), ("size", 4), ("root", "cd" * 32), ("at", datetime(2027, 1, 1, tzinfo=UTC))],
)
def test_no_field_of_a_signed_head_can_be_changed(private, head, field, value):
    changed = replace(head, **{field: value})
    assert not verify_head(public_of(private), SignedHead(changed, sign_head(private, head).signature))


def test_an_approval_never_serves_as_a_head(private, head):
    assert not verify_head(public_of(private), SignedHead(head, sign(private, head.digest(), "usher.approval/1")))


def test_a_head_is_signed_only_by_the_key_it_names(head):
    with pytest.raises(BadHead, match="not the id of the key that signs"):
        sign_head(new_private_key(), head)


def test_a_public_key_cannot_sign(private, head):
    with pytest.raises(BadKey, match="expected a private key"):
        sign_head(public_of(private), head)


def test_head_data_in_another_form_is_refused(private, head):
    data = sign_head(private, head).as_json()
    for bad in (
        [],
        {**data, "size": True},
        {**data, "size": -1},
        {**data, "size": "3"},
        {**data, "root": "AB" * 32},
        {**data, "at": "2026-03-01"},
        {**data, "signature": None},
        {**data, "schema": "usher.head/2"},
        {**data, "extra": ""},
    ):
        with pytest.raises(BadHead):
            SignedHead.from_json(bad)
