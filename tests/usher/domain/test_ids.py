"""Ids: opaque, sortable by time, never twice the same from one factory."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest

from usher.domain.clock import SystemClock, VirtualClock
from usher.domain.ids import ALPHABET, BadId, IdFactory, is_id, made_at

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def seeded(clock, seed=7):
    return IdFactory(clock, random.Random(seed).randbytes)


def test_an_id_is_the_prefix_and_26_characters_of_crockford_base_32():
    made = IdFactory(SystemClock()).new("pln")
    prefix, body = made.split("_")
    assert prefix == "pln"
    assert len(body) == 26
    assert set(body) <= set(ALPHABET)
    assert is_id(made)
    assert is_id(made, "pln")
    assert not is_id(made, "run")


def test_the_layout_is_the_one_published_for_ulids():
    # The specification's example: 1469918176385 milliseconds are written 01ARYZ6S41.
    at = datetime.fromtimestamp(1469918176, UTC) + timedelta(milliseconds=385)
    assert IdFactory(VirtualClock(at), bytes).new("x" * 2) == "xx_01ARYZ6S41" + "0" * 16
    assert IdFactory(VirtualClock(at), lambda n: b"\xff" * n).new("xx") == "xx_01ARYZ6S41" + "Z" * 16


def test_ids_sort_in_the_order_they_were_made_also_within_one_millisecond():
    clock = VirtualClock(NOON)
    factory = seeded(clock)
    made = []
    for _ in range(50):
        made += [factory.new("evt") for _ in range(20)]
        clock.advance(timedelta(milliseconds=3))
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_that_jumps_back_does_not_make_ids_go_back():
    clock = VirtualClock(NOON)
    factory = seeded(clock)
    first = factory.new("evt")
    clock.set(NOON - timedelta(hours=1))
    assert factory.new("evt") > first


def test_when_the_random_part_is_used_up_the_next_id_moves_to_the_next_millisecond():
    clock = VirtualClock(NOON)
    factory = IdFactory(clock, lambda n: b"\xff" * n)
    last_of_this_millisecond = factory.new("evt")
    following = factory.new("evt")
    assert following > last_of_this_millisecond
    assert made_at(following) == NOON + timedelta(milliseconds=1)


def test_an_id_tells_when_it_was_made():
    assert made_at(seeded(VirtualClock(NOON)).new("run")) == NOON


def test_the_same_seed_and_clock_give_the_same_ids():
    assert seeded(VirtualClock(NOON)).new("run") == seeded(VirtualClock(NOON)).new("run")
    assert seeded(VirtualClock(NOON), 1).new("run") != seeded(VirtualClock(NOON), 2).new("run")


def test_many_threads_never_get_the_same_id():
    factory = IdFactory(VirtualClock(NOON))
    made: list[list[str]] = [[] for _ in range(8)]
    threads = [
        threading.Thread(target=lambda out=out: out.extend(factory.new("evt") for _ in range(500))) for out in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in made)
    assert len(set().union(*made)) == 4000


@pytest.mark.parametrize("prefix", ["", "p", "Plan", "pl_n", "plan1", "a" * 13, "pln\n"])
def test_a_bad_prefix_is_refused(prefix):
    with pytest.raises(BadId, match="expected 2 to 12 small letters"):
        seeded(VirtualClock(NOON)).new(prefix)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pln",
        "pln_",
        "pln_01ARYZ6S41",
        "pln_81ARYZ6S410000000000000000",
        "pln_01ARYZ6S41000000000000000U",
        "01ARYZ6S410000000000000000",
    ],
)
def test_a_text_that_is_no_id_is_refused(text):
    assert not is_id(text)
    with pytest.raises(BadId):
        made_at(text)
