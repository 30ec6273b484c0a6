"""Finds whose account each account is, and abstains wherever the evidence could mean somebody else.

The ladder: a previous link of the immutable id, an external id, an employee number, an address. The first
rung that speaks decides, unless another rung speaks against it. Names never make a link.

One limit: where an app does not tell when an account was created, an address links only if the name agrees too.
That cannot tell a person from an earlier holder of the same address and the same name whom no source knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from usher.domain.account import Account, AccountKind, AccountState
from usher.domain.folding import fold, fold_address, name_words, same_letters, without_plus
from usher.domain.links import Decision, Decisions, Evidence, KeyKind, KeyRow, Link, Seen, Situation
from usher.domain.person import Person

_SOUGHT = (AccountKind.PERSON, AccountKind.EXTERNAL)
FEDERATION_ID = "federation_id"
"""Account attribute that some apps keep beside the external id."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one value of an account says: everybody it ever belonged to."""

    kind: KeyKind
    value: str
    rows: tuple[KeyRow, ...]
    text: str = ""
    """The value as the account has it."""
    note: str = ""

    @property
    def owners(self) -> frozenset[str]:
        return frozenset(row.person_id for row in self.rows)

    def evidence(self) -> Iterable[Evidence]:
        for row in self.rows:
            yield Evidence(kind=self.kind + self.note, value=self.value, person_id=row.person_id,
                           valid_from=row.valid_from, valid_to=row.valid_to)  # fmt: skip


@dataclass(slots=True)
class _World:
    """Everything known, indexed once, so that each account costs a few look-ups."""

    people: dict[str, Person]
    rows: dict[tuple[KeyKind, str], list[KeyRow]]
    numbers: dict[str, set[str]]
    links: dict[tuple[str, str], list[Link]]
    aliases: dict[str, str]
    refused: frozenset[tuple[str, str, str]]
    holders: dict[tuple[str, KeyKind, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    named: dict[frozenset[str], list[str]] = field(default_factory=lambda: defaultdict(list))


def correlate(
    people: Iterable[Person],
    keys: Iterable[KeyRow],
    accounts: Iterable[Seen],
    links: Iterable[Link] = (),
    *,
    aliases: Mapping[str, str] | None = None,
    refused: frozenset[tuple[str, str, str]] = frozenset(),
    complete: frozenset[str] = frozenset(),
) -> Decisions:
    """Decide for every account.

    `keys` holds every key that ever belonged to anybody. `aliases` maps an address to the one it stands for, as
    the company declared it. `refused` holds (connection, account id, person id) that a person has ruled out.
    A linked account that is absent counts as deleted only in the connections named in `complete`.
    """
    seen = tuple(accounts)
    world = _index(people, keys, links, aliases or {}, refused, seen)
    rows = [_decide(world, one) for one in seen]
    present = {(one.connection, one.account.id) for one in seen}
    for (connection, account_id), known in world.links.items():
        if connection in complete and (connection, account_id) not in present:
            rows += [_gone(link) for link in known[-1:]]
    return Decisions(tuple(sorted(rows, key=lambda row: (row.connection, row.account_id))))


def _decide(world: _World, seen: Seen) -> Decision:
    account = seen.account
    open_links = world.links.get((seen.connection, account.id), [])
    owners = tuple(sorted({link.person_id for link in open_links}))
    if account.state is AccountState.DELETED:
        return _answer(seen, Situation.DELETED, owners, person=owners[0] if len(owners) == 1 else None)
    if len(owners) > 1:
        return _answer(seen, Situation.DISPUTED, owners, reasons=["two people are linked to it"])
    claims = _claims(world, account)
    if open_links and (not seen.key_mutable or _same_holder(open_links[-1], account, claims)):
        return _keep(seen, open_links[-1], claims)
    if account.kind not in _SOUGHT:
        return _answer(seen, Situation.UNMATCHED, reasons=[f"it is declared {account.kind}: no person is sought"])
    if open_links:
        reason = "its login may have been given to somebody else since it was linked"
        return _answer(seen, Situation.UNLINKED, owners, claims, [reason])
    return _climb(world, seen, claims)


def _keep(seen: Seen, link: Link, claims: list[_Claim]) -> Decision:
    """Keep a previous link, unless a key of the account belongs to other people only."""
    others = _contradictions(link.person_id, claims)
    if others:
        candidates = tuple(sorted({link.person_id, *others}))
        return _answer(seen, Situation.DISPUTED, candidates, claims, ["it is linked to one person and names another"])
    before = Evidence(kind="previous link", value=link.account_id, person_id=link.person_id,
                      valid_from=link.valid_from)  # fmt: skip
    return _answer(seen, Situation.LINKED, (link.person_id,), claims, person=link.person_id, first=(before,))


def _climb(world: _World, seen: Seen, claims: list[_Claim]) -> Decision:
    """Go down the ladder: the first rung with an owner decides what the account can be at most."""
    for kind in KeyKind:
        speaking = [claim for claim in claims if claim.kind is kind and claim.owners]
        owners = frozenset[str]().union(*(claim.owners for claim in speaking))
        if not owners:
            continue
        if len(owners) > 1:
            reason = f"its {kind} has belonged to {len(owners)} people"
            return _answer(seen, Situation.DISPUTED, tuple(sorted(owners)), claims, [reason])
        (owner,) = owners
        others = _contradictions(owner, claims)
        if others:
            candidates = tuple(sorted({owner, *others}))
            return _answer(seen, Situation.DISPUTED, candidates, claims, ["its keys name different people"])
        doubts = _doubts(world, seen, owner, speaking)
        if doubts:
            return _answer(seen, Situation.UNLINKED, (owner,), claims, doubts)
        return _answer(seen, Situation.LINKED, (owner,), claims, person=owner)
    return _hints(world, seen)


def _doubts(world: _World, seen: Seen, owner: str, speaking: list[_Claim]) -> list[str]:
    """Return why one owner is only a proposal; nothing means that the link may be made."""
    account, person = seen.account, world.people[owner]
    doubts = []
    if (seen.connection, account.id, owner) in world.refused:
        doubts.append("a person has ruled this owner out")
    shared = [c for c in speaking if len(world.holders[(seen.connection, c.kind, c.value)]) > 1]
    doubts += [f"another account of {seen.connection} has the same {claim.kind}" for claim in shared]
    known = world.numbers.get(owner, set())
    if account.employee_number and known and fold(account.employee_number) not in known:
        doubts.append("its employee number is not this person's")
    said = name_words(account.display_name, account.given_name, account.family_name)
    named = name_words(person.display_name, person.given_name, person.family_name)
    if said and named and not said & named:
        doubts.append("its name is not this person's")
    if speaking[0].kind is KeyKind.ADDRESS:
        doubts += _address_doubts(account, speaking, len(said & named) >= 2)
    return list(dict.fromkeys(doubts))


def _address_doubts(account: Account, speaking: list[_Claim], name_agrees: bool) -> list[str]:
    """An address can be given again, so it counts only with an active account and at the right time."""
    doubts = []
    if not account.state.can_sign_in:
        doubts.append(f"the account is {account.state}, and an address alone does not name the owner of such a one")
    timely = [_time_doubt(account, claim, name_agrees) for claim in speaking]
    if None not in timely:
        doubts += [doubt for doubt in timely if doubt]
    return doubts


def _time_doubt(account: Account, claim: _Claim, name_agrees: bool) -> str | None:
    rows = [row for row in claim.rows if same_letters(row.value, claim.text)]
    if not rows:
        return "its address is spelt differently from this person's"
    if account.created is None or all(row.valid_from is None for row in rows):
        return None if name_agrees else "it is not known whether the address was this person's when it was created"
    created = account.created
    if any(row.valid_from is not None and row.covers(created) for row in rows):
        return None
    return "it was created at a time when the address was not this person's"


def _hints(world: _World, seen: Seen) -> Decision:
    """Offer what a person may look at when no key names an owner."""
    for address, text in _addresses(seen.account):
        rows = world.rows.get((KeyKind.ADDRESS, without_plus(address)), []) if "+" in address else []
        claim = _Claim(KeyKind.ADDRESS, address, tuple(rows), text, " without its +tag")
        if claim.rows:
            situation = Situation.UNLINKED if len(claim.owners) == 1 else Situation.DISPUTED
            reason = "its address has a +tag that this person's has not"
            return _answer(seen, situation, tuple(sorted(claim.owners)), [claim], [reason])
    words = name_words(seen.account.display_name, seen.account.given_name, seen.account.family_name)
    namesakes = tuple(sorted(world.named.get(words, ()))) if len(words) > 1 else ()
    reason = "only the name is like somebody's" if namesakes else "no key names anybody"
    return _answer(seen, Situation.UNMATCHED, namesakes, reasons=[reason])


def _contradictions(owner: str, claims: Iterable[_Claim]) -> frozenset[str]:
    """Return the people that a whole kind of keys names while it never named the owner."""
    by_kind: dict[KeyKind, frozenset[str]] = {}
    for claim in claims:
        by_kind[claim.kind] = by_kind.get(claim.kind, frozenset()) | claim.owners
    return frozenset[str]().union(*(owners for owners in by_kind.values() if owners and owner not in owners))


def _claims(world: _World, account: Account) -> list[_Claim]:
    claims = []
    for kind, value, text in _keys(account):
        claims.append(_Claim(kind, value, tuple(world.rows.get((kind, value), ())), text))
        target = world.aliases.get(value) if kind is KeyKind.ADDRESS else None
        if target is not None:
            rows = tuple(world.rows.get((kind, target), ()))
            claims.append(_Claim(kind, target, rows, target, " through an alias"))
    return claims


def _keys(account: Account) -> Iterable[tuple[KeyKind, str, str]]:
    """Yield kind, compared value and text of each key of the account; external ids are compared letter by letter."""
    for text in dict.fromkeys((account.external_id, account.attributes.get(FEDERATION_ID))):
        if text and text.strip():
            yield KeyKind.EXTERNAL_ID, text.strip(), text
    if account.employee_number and account.employee_number.strip():
        yield KeyKind.EMPLOYEE_NUMBER, fold(account.employee_number), account.employee_number
    for address, text in _addresses(account):
        yield KeyKind.ADDRESS, address, text


def _addresses(account: Account) -> tuple[tuple[str, str], ...]:
    found = {address: text for text in (account.user_name, *account.emails) if (address := fold_address(text))}
    return tuple(found.items())


def _same_holder(link: Link, account: Account, claims: Iterable[_Claim]) -> bool:
    """Say whether a second attribute shows that a reusable login is still with the person it was linked to.

    An address that has ever been another person's needs more than that: it is asked anew. Where a person has
    answered, only what came after his answer asks anew.
    """
    if any(_asks_anew(link, row) for claim in claims if len(claim.owners) > 1 for row in claim.rows):
        return False
    numbers = (fold(link.employee_number or ""), fold(account.employee_number or ""))
    pairs = ((link.created, account.created), numbers, (fold(link.name or ""), fold(account.display_name or "")))
    known = [(then, now) for then, now in pairs if then and now]
    return (bool(known) or link.by_person) and all(then == now for then, now in known)


def _asks_anew(link: Link, row: KeyRow) -> bool:
    if not link.by_person:
        return True
    return row.person_id != link.person_id and row.valid_from is not None and row.valid_from > link.valid_from


def _index(
    people: Iterable[Person],
    keys: Iterable[KeyRow],
    links: Iterable[Link],
    aliases: Mapping[str, str],
    refused: frozenset[tuple[str, str, str]],
    accounts: Iterable[Seen],
) -> _World:
    rows: dict[tuple[KeyKind, str], list[KeyRow]] = defaultdict(list)
    numbers: dict[str, set[str]] = defaultdict(set)
    known = {person.id: person for person in people}
    for row in keys:
        value = row.value.strip() if row.kind is KeyKind.EXTERNAL_ID else fold(row.value)
        rows[(row.kind, value)].append(row)
        known.setdefault(row.person_id, Person(id=row.person_id))
        if row.kind is KeyKind.EMPLOYEE_NUMBER:
            numbers[row.person_id].add(value)
    by_account: dict[tuple[str, str], list[Link]] = defaultdict(list)
    for link in sorted(links, key=lambda link: link.valid_from):
        if link.valid_to is None:
            by_account[(link.connection, link.account_id)].append(link)
    folded = {fold(address): fold(target) for address, target in aliases.items()}
    world = _World(known, rows, numbers, by_account, folded, refused)
    for person in known.values():
        world.named[name_words(person.display_name or "", person.given_name, person.family_name)].append(person.id)
    for one in accounts:
        for kind, value, _ in _keys(one.account):
            for each in {value, folded.get(value, value)}:
                world.holders[(one.connection, kind, each)].add(one.account.id)
    return world


def _gone(link: Link) -> Decision:
    return Decision(connection=link.connection, account_id=link.account_id, situation=Situation.DELETED,
                    kind=AccountKind.PERSON, person_id=link.person_id, candidates=(link.person_id,),
                    reasons=("it is no longer in the app",))  # fmt: skip


def _answer(
    seen: Seen,
    situation: Situation,
    candidates: tuple[str, ...] = (),
    claims: Iterable[_Claim] = (),
    reasons: Iterable[str] = (),
    *,
    person: str | None = None,
    first: tuple[Evidence, ...] = (),
) -> Decision:
    evidence = (*first, *(one for claim in claims for one in claim.evidence()))
    return Decision(connection=seen.connection, account_id=seen.account.id, situation=situation,
                    kind=seen.account.kind, person_id=person, candidates=candidates, evidence=evidence,
                    reasons=tuple(reasons))  # fmt: skip
