"""One byte form for each value: the published RFC 8785 examples, and what we refuse on purpose."""

import enum
import hashlib
import json
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.canonical import NotCanonical, canonical, digest

SAFE_INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
UNICODE_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | SAFE_INTEGERS | UNICODE_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(UNICODE_TEXT, inner, max_size=4),
    max_leaves=20,
)


def test_the_example_of_rfc_8785_without_its_floats_gives_the_published_bytes():
    # RFC 8785 section 3.2.2 and 3.2.3, members "string" and "literals".
    value = {"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [None, True, False]}
    expected = (
        "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c22737472696e67223a22e282ac245c75303030665c6e4127425c22"
        "5c5c5c5c5c222f227d"
    )
    assert canonical(value).hex() == expected


@given(VALUES)
def test_a_library_written_for_rfc_8785_gives_the_same_bytes(value):
    assert canonical(value) == rfc8785.dumps(value)


def test_keys_sort_by_utf_16_code_units_as_in_rfc_8785():
    # RFC 8785 section 3.2.3: the sorting example; the emoji sorts before U+FB33 because of its surrogates.
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical(value)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


@pytest.mark.parametrize("integer", [0, -1, 2**53 - 1, -(2**53) + 1])
def test_integers_that_every_json_reader_keeps_are_written_as_they_are(integer):
    assert canonical(integer) == str(integer).encode()


@pytest.mark.parametrize(
    ("value", "where", "reason"),
    [
        ({"amount": 1.5}, "$.amount", "float 1.5 is refused"),
        ({"amount": float("nan")}, "$.amount", "float nan is refused"),
        ([1, 2.0], "$[1]", "float 2.0 is refused"),
        ({"a": [{"b": 2**53}]}, "$.a[0].b", "beyond 2^53 - 1"),
        (-(2**53), "$", "beyond 2^53 - 1"),
        ({"ids": {"x"}}, "$.ids", "a set has no order"),
        (frozenset(), "$", "a set has no order"),
        (Decimal("1.10"), "$", "Decimal has no canonical form"),
        (b"bytes", "$", "bytes has no canonical form"),
        (datetime(2026, 1, 1, tzinfo=UTC), "$", "datetime has no canonical form"),
        ({"outer": {1: "x"}}, "$.outer", "key 1 is not text"),
        ({"name": "\ud800"}, "$.name", "not valid Unicode"),
        ({"\ud800": 1}, "$", "not valid Unicode"),
    ],
)
def test_a_value_without_a_canonical_form_is_refused_by_name_and_place(value, where, reason):
    with pytest.raises(NotCanonical) as refusal:
        canonical(value)
    assert refusal.value.where == where
    assert reason in refusal.value.reason


def test_a_value_that_contains_itself_is_refused_instead_of_ending_the_process():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(NotCanonical, match="nested deeper than 64"):
        canonical(endless)


def test_tuples_mappings_and_text_enumerations_count_as_their_json_kind():
    class Kind(enum.StrEnum):
        LEAVER = "leaver"

    assert canonical(MappingProxyType({"kind": Kind.LEAVER, "of": ("a", 1)})) == b'{"kind":"leaver","of":["a",1]}'


@given(VALUES)
def test_reading_canonical_bytes_and_writing_them_again_changes_nothing(value):
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(st.dictionaries(UNICODE_TEXT, SAFE_INTEGERS, min_size=2, max_size=6))
def test_the_order_in_which_a_mapping_was_built_does_not_matter(value):
    assert canonical(OrderedDict(reversed(value.items()))) == canonical(value)


def test_a_digest_is_the_sha_256_of_the_value_together_with_its_schema():
    expected = hashlib.sha256(b'{"schema":"usher.plan/1","value":{"steps":[]}}').hexdigest()
    assert digest("usher.plan/1", {"steps": []}) == f"sha256:{expected}"


def test_one_value_under_two_schemas_has_two_digests():
    assert digest("usher.plan/1", {}) != digest("usher.plan/2", {})


@pytest.mark.parametrize("schema", ["", "usher.plan", "usher.plan/", "usher.plan/one", "Usher/1", "a/1\n"])
def test_a_schema_without_a_version_is_refused(schema):
    with pytest.raises(NotCanonical, match="a name with a version"):
        digest(schema, {})
