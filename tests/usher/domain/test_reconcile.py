"""What is wrong in the company's apps; nobody is a leaver because a row is gone."""

from datetime import UTC, datetime, timedelta

import pytest

from usher.domain.account import Account, AccountKind, AccountState
from usher.domain.canonical import canonical
from usher.domain.findings import Rule, Severity
from usher.domain.links import Decision, Decisions, Seen, Situation
from usher.domain.person import Employment, EmploymentStatus, Person
from usher.domain.policy import Assignment, Assignments, Refused
from usher.domain.reconcile import Estate, reconcile
from usher.domain.seats import Contract

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = frozenset({"okta", "clari", "wiki"})
CITE = "policies/roles.yaml:3 role 'seller'"
SELLER = Assignments(
    made=(
        Assignment("clari", None, {"title": "AE", "email": "ada@acme.example"}, CITE, False),
        Assignment("clari", "role:Rep", None, CITE, False),
        Assignment("clari", "module:Core", None, CITE, False),
    )
)


def person(status=EmploymentStatus.ACTIVE, **values):
    job = Employment(source="hr", row_id="17", status=status, **values)
    return Person(id="p1", display_name="Ada Smith", employments=(job,))


def seen(connection="clari", state=AccountState.ACTIVE, id="a1", held=("role:Rep", "module:Core"), **values):
    values = {"emails": ("ada@acme.example",)} | values
    account = Account(id=id, user_name="ada", state=state, entitlements=frozenset(held), **values)
    return Seen(connection=connection, account=account)


def look(accounts, who=None, assigned=SELLER, situation=Situation.LINKED, candidates=(), **estate):
    owner = "p1" if situation is Situation.LINKED else None
    decisions = Decisions(tuple(
        Decision(connection=one.connection, account_id=one.account.id, situation=situation, kind=one.account.kind,
                 person_id=owner, candidates=candidates)
        for one in accounts
    ))  # fmt: skip
    estate = Estate(**{"complete": ALL} | estate)
    return reconcile([who or person()], accounts, decisions, {"p1": assigned}, estate, NOW)


def rules(findings):
    return [finding.rule for finding in findings]


LEFT = person(EmploymentStatus.TERMINATED, ends=NOW - 3 * DAY)


def test_an_account_as_policy_says_is_no_finding():
    assert look([seen(attributes={"title": "ae"})]) == []


def test_an_open_account_of_a_leaver_is_a_ghost_with_the_day_of_leaving():
    (ghost,) = look([seen()], LEFT)
    assert (ghost.rule, ghost.severity, ghost.person_id, ghost.account_id) == (Rule.GHOST, Severity.HIGH, "p1", "a1")
    assert ghost.evidence["left_at"] == "2026-05-29T12:00:00.000Z"
    assert ghost.key == "ghost|clari|a1|p1"


def test_an_account_whose_state_is_not_told_is_a_question_and_not_a_certainty():
    (ghost,) = look([seen(state=AccountState.UNKNOWN)], LEFT)
    assert (ghost.severity, ghost.fix) == (Severity.MEDIUM, "Find out whether the account can still sign in.")


def test_a_closed_account_of_a_leaver_is_no_finding():
    assert look([seen(state=AccountState.SUSPENDED)], LEFT) == []


def test_a_leaver_with_one_account_closed_and_one_open_is_half_off_boarded():
    found = look([seen("okta", AccountState.SUSPENDED), seen("clari")], LEFT)
    assert rules(found) == [Rule.GHOST, Rule.HALF]
    assert found[1].evidence["open"] == ["clari: ada"]
    assert found[1].evidence["closed"] == ["okta: ada"]


@pytest.mark.parametrize(
    "who",
    [person(EmploymentStatus.ON_LEAVE), person(ends=NOW + DAY), person(present=False), Person(id="p1")],
    ids=["on leave", "leaves tomorrow", "row vanished", "no employment known"],
)
def test_nobody_is_a_ghost_without_a_positive_signal(who):
    assert not {Rule.GHOST, Rule.HALF} & set(rules(look([seen(), seen("okta", AccountState.SUSPENDED)], who)))


def test_a_second_employment_that_goes_on_keeps_the_person():
    other = Employment(source="hr", row_id="18", status=EmploymentStatus.ACTIVE)
    both = Person(id="p1", employments=(*LEFT.employments, other))
    assert look([seen()], both) == []


def test_a_vanished_row_is_a_finding_that_deactivates_nothing():
    (absent,) = look([seen()], person(present=False))
    assert (absent.rule, absent.severity, absent.connection) == (Rule.ABSENT, Severity.LOW, "hr")
    assert "Nothing is deactivated" in absent.fix


def test_an_active_account_that_is_nobodys_is_an_orphan():
    (orphan,) = look([seen("okta")], assigned=Assignments(), situation=Situation.UNMATCHED)
    assert (orphan.rule, orphan.person_id, orphan.evidence["last_login"]) == (Rule.ORPHAN, None, "unknown")


@pytest.mark.parametrize(
    ("account", "estate"),
    [
        (seen(state=AccountState.SUSPENDED), {}),
        (seen(kind=AccountKind.SERVICE), {}),
        (seen(), {"ignored": frozenset({("clari", "ADA")})}),
        (seen("hr"), {"sources": frozenset({"hr"})}),
    ],
    ids=["inactive", "service", "built-in", "row of a source"],
)
def test_what_is_declared_or_inactive_is_no_orphan(account, estate):
    assert Rule.ORPHAN not in rules(look([account], situation=Situation.UNMATCHED, **estate))


def test_entitlements_and_attributes_that_differ_from_policy_are_drift_with_the_line():
    drifted = seen(held=("role:Admin", "module:core"), attributes={"title": "CEO"})
    (drift,) = look([drifted])
    assert (drift.rule, drift.severity) == (Rule.DRIFT, Severity.MEDIUM)
    assert drift.evidence["lacks"] == ["role:Rep"]
    assert drift.evidence["extra"] == ["role:Admin"]
    assert drift.evidence["attributes"] == {"title": {"shown": "CEO", "policy": "AE"}}
    assert drift.evidence["policy"] == [CITE]
    assert drift.fix == "Grant role:Rep; Revoke role:Admin; Correct title"


def test_what_policy_does_not_manage_or_the_app_does_not_show_is_no_drift():
    assert look([seen(held=("role:Rep", "module:Core", "group:book-club"))]) == []
    assert look([seen(held=())]) == []


def test_what_policy_contradicts_itself_about_is_left_alone():
    torn = Assignments(
        made=(Assignment("clari", None, {}, CITE, False),),
        refused=(Refused("clari", ("role:Rep", "role:Admin"), "one role", CITE),),
    )
    assert look([seen(held=("role:Admin",))], assigned=torn) == []


def test_an_account_that_no_policy_gives_is_drift_only_where_policy_speaks_of_the_app():
    wiki = Assignments(made=(Assignment("wiki", None, {}, CITE, True),))
    found = reconcile(
        [person(), Person(id="p2")],
        [seen("clari"), seen("okta"), seen("wiki")],
        Decisions(tuple(
            Decision(connection=name, account_id="a1", situation=Situation.LINKED, kind=AccountKind.PERSON,
                     person_id="p1")
            for name in ("clari", "okta", "wiki")
        )),
        {"p1": wiki, "p2": SELLER},
        Estate(complete=ALL),
        NOW,
    )  # fmt: skip
    assert [(one.rule, one.connection, one.evidence["extra"]) for one in found] == [(Rule.DRIFT, "clari", ["account"])]


def test_a_deactivated_account_of_someone_at_work_is_drift_and_of_someone_on_leave_is_not():
    (drift,) = look([seen(state=AccountState.SUSPENDED)])
    assert drift.fix == "Reactivate the account."
    assert look([seen(state=AccountState.SUSPENDED)], person(EmploymentStatus.ON_LEAVE)) == []


def test_policy_says_so_and_there_is_no_account():
    (missing,) = look([])
    assert (missing.rule, missing.connection, missing.evidence["policy"]) == (Rule.MISSING, "clari", [CITE])


def test_nothing_is_missing_in_a_partial_reading_nor_while_a_person_has_to_decide():
    assert look([], complete=frozenset()) == []
    assert Rule.MISSING not in rules(look([seen()], situation=Situation.UNLINKED, candidates=("p1",)))


def test_nothing_is_missing_before_the_first_day():
    assert look([], person(starts=NOW + DAY)) == []


def test_an_account_that_we_closed_and_that_is_open_again_has_returned():
    found = look([seen()], LEFT, closed_by_us={("clari", "a1"): NOW - DAY})
    assert rules(found) == [Rule.RETURNED]
    assert (found[0].evidence["closed_at"], found[0].person_id) == ("2026-05-31T12:00:00.000Z", "p1")
    assert look([seen(state=AccountState.SUSPENDED)], LEFT, closed_by_us={("clari", "a1"): NOW - DAY}) == []


def test_a_ghost_tells_what_its_seats_cost_only_where_every_price_is_known():
    terms = {"connection": "clari", "currency": "EUR", "modules": {"Core": {"price": 9900, "per": "month"}}}
    (ghost,) = look([seen()], LEFT, contracts={"clari": Contract.model_validate(terms)})
    assert (ghost.money, ghost.evidence["currency"], ghost.evidence["basis"]) == (9900, "EUR", "estimate")
    assert ghost.evidence["billing"] == "freed in the app; when it stops being billed is unknown"
    more = seen(held=("module:Core", "module:Copilot"))
    assert look([more], LEFT, contracts={"clari": Contract.model_validate(terms)})[0].money is None


def test_findings_come_most_severe_first_and_their_evidence_has_a_canonical_form():
    found = look([seen("okta", held=("role:Rep",)), seen("clari", AccountState.UNKNOWN)], LEFT)
    assert [one.severity for one in found] == [Severity.HIGH, Severity.MEDIUM]
    assert all(canonical(one.evidence) for one in found)
