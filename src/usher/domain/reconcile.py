"""Compares what is with what shall be and lists the findings; it never decides that anybody has left.

A leaver is a person whose last employment has ended by a positive signal. A row that vanished from a source is a
finding of its own, and only a complete reading of an app can show that an account is missing there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from usher.domain.account import Account, AccountKind, AccountState
from usher.domain.clock import to_text
from usher.domain.drift import differences, kind_of
from usher.domain.findings import Finding, Rule, Severity
from usher.domain.folding import fold
from usher.domain.links import Decisions, Seen, Situation
from usher.domain.person import Person, Standing, left_at
from usher.domain.policy import Assignments
from usher.domain.seats import MODULE, Contract, released

_PENDING = (Situation.UNLINKED, Situation.DISPUTED)
_SEVERITIES = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """What was read and recorded, beside people, accounts, links and policy.

    `complete`: connections whose last reading was complete. `sources`: connections that are only read, such as the
    HR export. `closed_by_us`: when our own step was last seen to have closed an account that nothing of ours has
    opened since. `ignored`: (connection, user name) of built-in accounts. `contracts`: by connection.
    """

    complete: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    closed_by_us: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    ignored: frozenset[tuple[str, str]] = frozenset()
    contracts: Mapping[str, Contract] = field(default_factory=dict)


@dataclass(slots=True)
class _Facts:
    """Everything indexed once: accounts by owner, proposals by candidate, kinds by connection."""

    people: dict[str, Person]
    assignments: Mapping[str, Assignments]
    estate: Estate
    now: datetime
    of_person: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    unmatched: list[Seen] = field(default_factory=list)
    pending: set[tuple[str, str]] = field(default_factory=set)
    managed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shown: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    all_seen: list[Seen] = field(default_factory=list)


def reconcile(
    people: Iterable[Person],
    accounts: Iterable[Seen],
    links: Decisions,
    assignments: Mapping[str, Assignments],
    estate: Estate,
    now: datetime,
) -> list[Finding]:
    """Return all findings, the most severe first and in a stable order.

    `links` is what correlation decided of the same accounts; `assignments` holds what policy says of each person.
    """
    facts = _index(people, accounts, links, assignments, estate, now)
    found = [*_returned(facts), *_orphans(facts)]
    for person in facts.people.values():
        standing = person.standing(now)
        if standing is Standing.LEFT:
            found += _leaver(facts, person)
        elif standing in (Standing.WORKING, Standing.ON_LEAVE):
            found += _stayer(facts, person, standing)
        found += _absent(person, now)
    return sorted(found, key=lambda finding: (_SEVERITIES.index(finding.severity), finding.key))


def _leaver(facts: _Facts, person: Person) -> Iterator[Finding]:
    """Yield one ghost for each open account, and one finding for a person who is only half off-boarded."""
    when = left_at(person.employments, facts.now)
    left = to_text(when) if when else "unknown"
    mine = facts.of_person[person.id]
    still_open = [seen for seen in mine if seen.account.state.can_sign_in]
    for seen in mine:
        state = seen.account.state
        if state.is_off or _key(seen) in facts.estate.closed_by_us:
            continue
        sure = state.can_sign_in
        yield _of_account(
            facts, seen, Rule.GHOST, Severity.HIGH if sure else Severity.MEDIUM, person,
            fix="Deactivate the account." if sure else "Find out whether the account can still sign in.",
            left_at=left, state=state.value,
        )  # fmt: skip
    closed = [seen for seen in mine if seen.account.state.is_off]
    if still_open and closed:
        yield Finding(
            rule=Rule.HALF, severity=Severity.HIGH, person_id=person.id,
            fix="Deactivate the accounts that are still open: " + ", ".join(sorted(s.connection for s in still_open)),
            evidence={"person": person.label, "left_at": left, "open": _places(still_open), "closed": _places(closed)},
        )  # fmt: skip


def _stayer(facts: _Facts, person: Person, standing: Standing) -> Iterator[Finding]:
    """Yield what a person who works here lacks, or holds beyond policy."""
    assigned = facts.assignments.get(person.id, Assignments())
    mine: dict[str, list[Seen]] = defaultdict(list)
    for seen in facts.of_person[person.id]:
        mine[seen.connection].append(seen)
    for connection in sorted(assigned.connections() - mine.keys()):
        sure = connection in facts.estate.complete and (connection, person.id) not in facts.pending
        if sure and standing is Standing.WORKING:
            yield Finding(
                rule=Rule.MISSING, severity=Severity.MEDIUM, connection=connection, person_id=person.id,
                fix="Create the account.",
                evidence={"person": person.label, "policy": list(assigned.cites(connection))},
            )  # fmt: skip
    for connection, owned in sorted(mine.items()):
        yield from _drift(facts, person, standing, assigned, connection, owned)


def _drift(
    facts: _Facts, person: Person, standing: Standing, assigned: Assignments, connection: str, owned: list[Seen]
) -> Iterator[Finding]:
    active = [seen for seen in owned if seen.account.state.can_sign_in]
    if connection not in facts.managed:
        return
    policy = list(assigned.cites(connection))
    if connection not in assigned.connections():
        if not assigned.undecided(connection):
            for seen in active:
                yield _of_account(facts, seen, Rule.DRIFT, Severity.MEDIUM, person, policy=policy,
                                  fix="Deactivate the account, or give it in a policy.", extra=["account"])  # fmt: skip
        return
    if not active and standing is Standing.WORKING:
        seen = owned[0]
        yield _of_account(facts, seen, Rule.DRIFT, Severity.LOW, person, policy=policy,
                          fix="Reactivate the account.", state=seen.account.state.value)  # fmt: skip
    for seen in active:
        kinds = frozenset(facts.managed[connection]), frozenset(facts.shown[connection])
        found = differences(seen.account, assigned, connection, *kinds)
        if found:
            wrong = {name: {"shown": shown, "policy": want} for name, (shown, want) in (found.attributes or {}).items()}
            yield _of_account(
                facts, seen, Rule.DRIFT, Severity.MEDIUM if found.extra else Severity.LOW, person,
                fix="; ".join(_mends(found.lacks, found.extra, wrong)), policy=policy,
                lacks=list(found.lacks), extra=list(found.extra), attributes=wrong,
            )  # fmt: skip


def _mends(lacks: tuple[str, ...], extra: tuple[str, ...], wrong: Mapping[str, object]) -> Iterator[str]:
    if lacks:
        yield "Grant " + ", ".join(lacks)
    if extra:
        yield "Revoke " + ", ".join(extra)
    if wrong:
        yield "Correct " + ", ".join(wrong)


def _returned(facts: _Facts) -> Iterator[Finding]:
    """Yield each account that we closed and that somebody, or a sync, has opened again."""
    owners = {_key(seen): person for person, mine in facts.of_person.items() for seen in mine}
    for seen in facts.all_seen:
        closed = facts.estate.closed_by_us.get(_key(seen))
        if closed is not None and seen.account.state.can_sign_in:
            person = facts.people.get(owners.get(_key(seen), ""))
            yield _of_account(facts, seen, Rule.RETURNED, Severity.HIGH, person, closed_at=to_text(closed),
                              fix="Find out what opened it again, end that, and deactivate the account.")  # fmt: skip


def _orphans(facts: _Facts) -> Iterator[Finding]:
    for seen in facts.unmatched:
        account = seen.account
        if account.kind is AccountKind.PERSON and account.state.can_sign_in:
            last = to_text(account.last_login) if account.last_login else "unknown"
            yield _of_account(facts, seen, Rule.ORPHAN, Severity.MEDIUM, None, last_login=last,
                              fix="Name its owner, declare its kind, or deactivate it.")  # fmt: skip


def _absent(person: Person, now: datetime) -> Iterator[Finding]:
    """Yield each row that vanished without a word; the person is not a leaver for that."""
    for employment in person.employments:
        if not employment.present and not employment.ended(now):
            yield Finding(
                rule=Rule.ABSENT, severity=Severity.LOW, connection=employment.source,
                account_id=employment.row_id, person_id=person.id,
                fix="Ask the source's owner whether the person has left. Nothing is deactivated for this.",
                evidence={"person": person.label, "source": employment.source},
            )  # fmt: skip


def _index(
    people: Iterable[Person],
    accounts: Iterable[Seen],
    links: Decisions,
    assignments: Mapping[str, Assignments],
    estate: Estate,
    now: datetime,
) -> _Facts:
    facts = _Facts({person.id: person for person in people}, assignments, estate, now)
    decisions = {(row.connection, row.account_id): row for row in links}
    ignored = {(connection, fold(name)) for connection, name in estate.ignored}
    for row in links:
        if row.situation in _PENDING:
            facts.pending |= {(row.connection, candidate) for candidate in row.candidates}
    for seen in accounts:
        name = (seen.connection, fold(seen.account.user_name))
        if seen.connection in estate.sources or name in ignored or seen.account.state is AccountState.DELETED:
            continue
        facts.all_seen.append(seen)
        facts.shown[seen.connection] |= {kind_of(text) for text in seen.account.entitlements}
        decision = decisions.get(_key(seen))
        if decision is None or decision.situation is Situation.UNMATCHED:
            facts.unmatched.append(seen)
        elif decision.situation is Situation.LINKED and decision.person_id is not None:
            facts.of_person[decision.person_id].append(seen)
    for assigned in assignments.values():
        for one in assigned.made:
            facts.managed[one.connection] |= {kind_of(one.entitlement)} if one.entitlement else set()
        for refused in assigned.refused:
            facts.managed[refused.connection] |= {kind_of(text) for text in refused.entitlements}
    return facts


def _of_account(
    facts: _Facts, seen: Seen, rule: Rule, severity: Severity, person: Person | None, *, fix: str, **evidence: object
) -> Finding:
    held = {"user_name": seen.account.user_name} | ({"person": person.label} if person else {}) | evidence
    cost = _cost(facts.estate.contracts.get(seen.connection), seen.account) if rule is not Rule.DRIFT else None
    money, terms = cost or (None, {})
    return Finding(rule=rule, severity=severity, fix=fix, connection=seen.connection, account_id=seen.account.id,
                   person_id=person.id if person else None, evidence=held | terms, money=money)  # fmt: skip


def _cost(contract: Contract | None, account: Account) -> tuple[int, dict[str, object]] | None:
    """Return what the account's seats cost and on which terms, or None where any part of that is unknown."""
    modules = sorted(text.removeprefix(MODULE) for text in account.entitlements if text.startswith(MODULE))
    if contract is None or contract.currency is None or not modules:
        return None
    terms = [contract.modules.get(module) for module in modules]
    prices = [each.price for each in terms if each is not None and each.price is not None]
    periods = {each.per for each in terms if each is not None}
    if len(prices) < len(modules) or len(periods) != 1:
        return None
    told: dict[str, object] = {"currency": contract.currency, "per": periods.pop(), "basis": contract.basis}
    return sum(prices), told | {"modules": modules, "billing": released(contract)}


def _places(accounts: Iterable[Seen]) -> list[str]:
    return sorted(f"{seen.connection}: {seen.account.user_name}" for seen in accounts)


def _key(seen: Seen) -> tuple[str, str]:
    return (seen.connection, seen.account.id)
