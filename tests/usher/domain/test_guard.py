"""The guard: a real leaver passes, a mistake that removes many people does not, and some accounts never go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usher.domain.canonical import canonical
from usher.domain.guard import Done, Effect, Limit, Limits, Protected, SourceHealth, judge
from usher.domain.plan import Verb

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITS = Limits()


def off(number, connection="okta", verb=Verb.DEACTIVATE, **values):
    return Effect(connection=connection, account_id=f"a{number}", person_id=f"p{number}", verb=verb, **values)


def done(number, hours_ago, connection="okta", **values):
    values = {"loss": True} | values
    return Done(
        connection=connection, account_id=f"a{number}", person_id=f"p{number}", at=NOW - hours_ago * HOUR, **values
    )


def healthy(count, /, *connections, **values):
    values = {"complete": True, "age": HOUR, "count": count, "previous_count": count} | values
    return {name: SourceHealth(connection=name, **values) for name in connections or ("okta",)}


def ask(effects, people=100, history=(), health=None, **options):
    return judge(effects, history, health or healthy(people), LIMITS, now=NOW, people=people, **options)


def reasons(rows):
    return [reason for row in rows for reason in row.reasons]


@pytest.mark.parametrize("people", [1, 2, 5, 40, 5000])
def test_one_leaver_with_many_apps_and_groups_passes_in_a_company_of_any_size(people):
    apps = ("okta", "crm", "app")
    effects = [off(1, app) for app in apps] + [off(1, "app", Verb.REVOKE, detail=f"group:{n}") for n in range(30)]
    assert ask(effects, people, health=healthy(people, *apps)).allowed


def test_a_second_leaver_on_one_day_in_a_company_of_five_is_held_until_a_person_looks():
    verdict = ask([off(2)], 5, [done(1, 3)])
    assert not verdict.allowed
    assert not verdict.refused
    assert reasons(verdict.held)[0] == "okta: 1 losses within 24 hours and 1 more planned, 1 of 5 allowed"
    assert ask([off(2)], 5, [done(1, 3)], released=frozenset({"okta/a2/deactivate"})).allowed


def test_a_company_of_thirty_that_loses_ten_is_held_before_the_first_one():
    verdict = ask([off(n) for n in range(10)], 30)
    assert len(verdict.held) == 10


def test_rows_are_released_one_by_one():
    effects = [off(n) for n in range(10)]
    verdict = ask(effects, 30, released=frozenset({effects[3].row}))
    assert {row.row for row in verdict.held} == {effect.row for effect in effects} - {effects[3].row}


def test_a_slow_bleed_of_three_in_each_cycle_is_stopped_by_the_rolling_windows():
    history, removed = [], 0
    for cycle in range(50):
        now = NOW + cycle * 8 * HOUR
        effects = [off(cycle * 3 + n) for n in range(3)]
        if judge(effects, history, healthy(200), LIMITS, now=now, people=200).allowed:
            history += [Done(connection="okta", account_id=e.account_id, at=now, loss=True) for e in effects]
        for day in (24, 168):
            removed = sum(one.at > now - day * HOUR for one in history)
            assert removed <= (10 if day == 24 else 25)
    assert removed > 0


def test_three_in_each_of_many_apps_are_seen_over_the_whole_stack():
    apps = tuple(f"app{n}" for n in range(5))
    effects = [off(index * 3 + n, app) for index, app in enumerate(apps) for n in range(3)]
    verdict = ask(effects, 100, health=healthy(100, *apps))
    assert len(verdict.held) == 15
    assert all(reason.startswith("whole stack") for reason in reasons(verdict.held))


@pytest.mark.parametrize("verb", [Verb.DEACTIVATE, Verb.DELETE, Verb.REVOKE, Verb.UPDATE])
def test_demotions_removals_and_deletions_count_like_deactivations(verb):
    effects = [off(n, verb=verb, kind_of_loss=verb is Verb.UPDATE, deactivated=True) for n in range(11)]
    assert len(ask(effects, 1000).held) == 11


def test_many_creations_pass_and_many_reactivations_are_held():
    assert ask([off(n, verb=Verb.CREATE) for n in range(50)]).allowed
    assert len(ask([off(n, verb=Verb.REACTIVATE) for n in range(50)]).held) == 50


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"complete": False}, "the last reading of okta is partial"),
        ({"age": 25 * HOUR}, "the last reading of okta is 25 hours old, more than 24"),
        ({"count": 79, "previous_count": 100}, "okta shrank from 100 to 79 accounts"),
        ({"count": 0, "previous_count": None}, "the last reading of okta is empty"),
    ],
)
def test_a_reading_that_cannot_be_believed_allows_no_loss(values, why):
    verdict = ask([off(1)], health=healthy(100, **values))
    assert reasons(verdict.refused) == [why]
    assert ask([off(1, verb=Verb.CREATE)], health=healthy(100, **values)).allowed


def test_a_person_can_confirm_that_a_reading_is_really_small_but_not_that_it_is_complete():
    small = healthy(100, count=10, previous_count=100, confirmed_empty=True)
    assert ask([off(1)], health=small).allowed
    assert ask([off(1)], health=healthy(100, complete=False, confirmed_empty=True)).refused


def test_a_plan_that_rests_on_a_partial_source_is_refused_also_where_the_app_is_well():
    health = healthy(100, "okta") | healthy(100, "hr", complete=False)
    assert reasons(ask([off(1, basis=("hr",))], health=health).refused) == ["the last reading of hr is partial"]


def test_an_app_that_was_never_read_allows_no_loss():
    assert reasons(ask([off(1, "new")]).refused) == ["new has never been read"]


def test_a_tiny_app_that_loses_one_account_has_not_shrunk():
    assert ask([off(1)], 3, health=healthy(3, count=2, previous_count=3)).allowed


def test_an_account_is_deactivated_before_it_is_deleted():
    assert reasons(ask([off(1, verb=Verb.DELETE)]).refused) == [
        "an account is deactivated, and seen so, before it is deleted"
    ]
    assert ask([off(1, verb=Verb.DELETE, deactivated=True)]).allowed


def test_break_glass_accounts_and_operators_are_refused_and_cannot_be_released():
    rules = [
        Protected(connection="okta", account_id="a1", reason="break-glass account"),
        Protected(person_id="p2", reason="the only approver"),
    ]
    effects = [off(1), off(2), off(2, "crm", Verb.UPDATE)]
    verdict = ask(effects, health=healthy(100, "okta", "crm"), protected=rules,
                  released=frozenset(effect.row for effect in effects))  # fmt: skip
    assert [row.row for row in verdict.refused] == [effect.row for effect in effects]
    assert reasons(verdict.refused)[:2] == ["protected: break-glass account", "protected: the only approver"]


def test_the_last_administrator_of_an_app_is_refused_and_one_of_two_is_not():
    admins = {"okta": frozenset({"a1", "a2"})}
    assert ask([off(1, privileged=True)], admins=admins).allowed
    both = ask([off(1, privileged=True), off(2, privileged=True)], admins=admins)
    assert len(both.refused) == 2
    alone = ask([off(1, verb=Verb.REVOKE, privileged=True)], admins={"okta": frozenset({"a1"})})
    assert reasons(alone.refused) == ["okta would be left without an administrator"]


def test_an_administrator_of_an_app_whose_administrators_are_not_known_is_held():
    assert reasons(ask([off(1, privileged=True)]).held) == ["the administrators of okta are not known"]


def test_the_verdict_has_a_canonical_form():
    verdict = ask([off(n) for n in range(20)], 30, protected=[Protected(person_id="p3", reason="operator")])
    assert b'"allowed":false' in canonical(verdict.document())
    assert verdict.document()["numbers"][0] == {
        "scope": "okta", "what": "losses", "hours": 24, "size": 30, "done": 0, "planned": 20, "allowed": 3,
    }  # fmt: skip


APPS = ("okta", "crm")
some_effects = st.lists(
    st.builds(
        Effect,
        connection=st.sampled_from(APPS),
        account_id=st.sampled_from([f"a{n}" for n in range(8)]),
        person_id=st.sampled_from([None, *(f"p{n}" for n in range(8))]),
        verb=st.sampled_from(list(Verb)),
        kind_of_loss=st.booleans(),
        deactivated=st.booleans(),
    ),
    max_size=12,
)
some_limits = st.builds(
    Limit, hours=st.sampled_from([24, 168]), count=st.integers(1, 9), percent=st.integers(1, 100)
).map(lambda one: Limits(windows=(one,)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 100), some_effects), max_size=12), some_limits, st.integers(1, 60))
def test_allowed_plans_never_lose_more_in_any_window_than_the_limit(plans, limits, size):
    """Carry out each plan that is allowed, at random distances of time; then look at every window there was."""
    (limit,) = limits.windows
    history, now = [], NOW
    for hours, effects in plans:
        now += hours * HOUR
        verdict = judge(effects, history, healthy(size, *APPS), limits, now=now, people=size)
        if verdict.allowed:
            history += [
                Done(connection=e.connection, account_id=e.account_id, person_id=e.person_id, at=now,
                     loss=e.is_loss, verb=e.verb)
                for e in effects
            ]  # fmt: skip
        for app in APPS:
            since = now - limit.hours * HOUR
            lost = {one.account_id for one in history if one.loss and one.connection == app and one.at > since}
            assert len(lost) <= limit.allowed(size)


@settings(max_examples=200, deadline=None)
@given(some_effects, st.lists(st.integers(0, 11)))
def test_no_release_and_no_company_lets_a_protected_account_be_a_step(effects, picked):
    rules = [Protected(connection=effects[n].connection, account_id=effects[n].account_id, reason="break-glass")
             for n in picked if n < len(effects)]  # fmt: skip
    verdict = ask(effects, 10_000, health=healthy(10_000, *APPS), protected=rules,
                  released=frozenset(effect.row for effect in effects))  # fmt: skip
    covered = {effect.row for effect in effects if any(rule.covers(effect) for rule in rules)}
    assert covered <= {row.row for row in verdict.refused}


@settings(max_examples=200, deadline=None)
@given(some_effects, st.booleans())
def test_a_partial_reading_never_yields_a_loss(effects, confirmed):
    health = healthy(10_000, *APPS, complete=False, confirmed_empty=confirmed)
    verdict = ask(effects, 10_000, health=health, released=frozenset(effect.row for effect in effects))
    assert {effect.row for effect in effects if effect.is_loss} <= {row.row for row in verdict.refused}


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5000), st.sets(st.sampled_from(["okta", "crm", "app", "erp"]), min_size=1), some_limits)
def test_a_single_leaver_on_a_quiet_day_always_passes(people, apps, limits):
    effects = [off(1, app, verb) for app in sorted(apps) for verb in (Verb.REVOKE, Verb.DEACTIVATE)]
    effects = [replace(effect, detail=effect.verb.value) for effect in effects]
    verdict = judge(effects, [], healthy(people, *apps), limits, now=NOW, people=people)
    assert verdict.allowed, verdict.document()


@settings(max_examples=200, deadline=None)
@given(some_effects, some_effects, some_limits, st.integers(1, 60))
def test_more_effects_more_history_or_tighter_limits_never_turn_a_no_into_a_yes(effects, more, limits, size):
    """Whatever is stopped stays stopped when there is more of it, more before it, or less allowed."""
    health = healthy(size, *APPS)
    before = judge(effects, [], health, limits, now=NOW, people=size)
    stopped = {row.row for row in (*before.held, *before.refused)}
    (limit,) = limits.windows
    less = Limit(hours=limit.hours, count=max(1, limit.count - 1), percent=max(1, limit.percent // 2))
    tighter = Limits(windows=(less,))
    done = [Done(connection=e.connection, account_id=f"other {e.account_id}", person_id="other", at=NOW, loss=e.is_loss,
                 verb=e.verb) for e in more]  # fmt: skip
    for verdict in (
        judge([*effects, *more], [], health, limits, now=NOW, people=size),
        judge(effects, done, health, limits, now=NOW, people=size),
        judge(effects, [], health, tighter, now=NOW, people=size),
    ):
        assert stopped <= {row.row for row in (*verdict.held, *verdict.refused)}
