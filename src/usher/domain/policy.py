"""Works out what policy assigns to one person, and explains every rule that did or did not apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from usher.domain.folding import fold
from usher.domain.policyfiles import Give, Line, PlacedRole, Policies, When, fill, needed_attribute

_ONE_EACH = ("role", "node", "team")


@dataclass(frozen=True, slots=True)
class Assignment:
    """Policy says this person shall hold `entitlement` in a connection, or shall have an account there.

    Exactly one of `entitlement` (`kind:name`) and `account` (attributes, possibly none) is set.
    """

    connection: str
    entitlement: str | None
    account: Mapping[str, str] | None
    cite: str
    birthright: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Assignments that contradict each other: none of them is made, a person must change the policy."""

    connection: str
    entitlements: tuple[str, ...]
    reason: str
    cite: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A value that policy wants and that the person's sources do not give."""

    connection: str
    wanted: str
    attribute: str
    cite: str

    def __str__(self) -> str:
        return f"{self.cite} needs the attribute {self.attribute!r} for {self.wanted}"


@dataclass(frozen=True, slots=True)
class Assignments:
    """All that policy says of one person."""

    made: tuple[Assignment, ...] = ()
    refused: tuple[Refused, ...] = ()
    gaps: tuple[Gap, ...] = ()

    def connections(self) -> frozenset[str]:
        """Return the connections in which the person shall have an account."""
        return frozenset(assignment.connection for assignment in self.made if assignment.account is not None)

    def entitlements(self, connection: str) -> frozenset[str]:
        """Return what the person shall hold in a connection, as `kind:name`."""
        return frozenset(a.entitlement for a in self.made if a.connection == connection and a.entitlement)

    def account(self, connection: str) -> Mapping[str, str] | None:
        """Return the attributes the account shall have, or None when there shall be none."""
        return next((a.account for a in self.made if a.connection == connection and a.account is not None), None)

    def undecided(self, connection: str) -> frozenset[str]:
        """Return entitlements that are neither assigned nor unassigned, because policy contradicts itself."""
        return frozenset(
            text for refused in self.refused if refused.connection == connection for text in refused.entitlements
        )

    def cites(self, connection: str) -> tuple[str, ...]:
        """Return the policy lines that speak of a connection, each once, in order."""
        return tuple(dict.fromkeys(a.cite for a in self.made if a.connection == connection))


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one role is or is not the person's."""

    role: str
    cite: str
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """One value that one role wants: `slot` is where it goes, so that two wishes for one slot compete."""

    connection: str
    slot: tuple[str, str]
    value: str
    cite: str
    birthright: bool


def evaluate(policies: Policies, attributes: Mapping[str, str], *, active: bool = True) -> Assignments:
    """Return what policy assigns to a person with these attributes; a person who is not active gets nothing.

    A role's value wins over a birthright's where an app takes only one (role, node, team, an account's
    attribute); two different values of equal rank, and pairs under separation of duties, are refused.
    """
    if not active:
        return Assignments()
    given = [
        (placed, give, line)
        for placed in policies.roles
        if _matches(placed.role.when, attributes)[0]
        for give, line in placed.gives
    ]
    wishes: list[_Wish] = []
    gaps: list[Gap] = []
    for placed, give, line in given:
        for slot, text in _slots(give):
            value = fill(text, attributes)
            if value is None:
                gaps.append(
                    Gap(
                        give.app,
                        ":".join(slot) if slot[0] == "account" else slot[0],
                        needed_attribute(text) or "",
                        str(line),
                    )
                )
            else:
                wishes.append(_Wish(give.app, slot, value, str(line), placed.role.when.any))
    kept, refused = _settle(wishes)
    kept, separated = _separate(policies, kept)
    made = (*_accounts(given, kept), *(_assignment(wish) for wish in kept if wish.slot[0] != "account"))
    return Assignments(_once(made), (*refused, *separated), tuple(dict.fromkeys(gaps)))


def explain(policies: Policies, attributes: Mapping[str, str], *, active: bool = True) -> tuple[Explanation, ...]:
    """Say for each role, in the order of the files, whether it is the person's and why."""
    answers = []
    for placed in policies.roles:
        matched, why = _matches(placed.role.when, attributes) if active else (False, "the person is not active")
        answers.append(Explanation(placed.role.name, str(placed.cite), matched, why))
    return tuple(answers)


def _matches(when: When, attributes: Mapping[str, str]) -> tuple[bool, str]:
    if when.any:
        return True, "it is for every active person"
    agreed = []
    for attribute, values in when.attributes.items():
        has = attributes.get(attribute, "").strip()
        wanted = " or ".join(repr(value) for value in values)
        if not has:
            return False, f"the person has no {attribute}, expected {wanted}"
        if fold(has) not in {fold(value) for value in values}:
            return False, f"{attribute} is {has!r}, expected {wanted}"
        agreed.append(f"{attribute} is {has!r}")
    return True, " and ".join(agreed)


def _slots(give: Give) -> Iterable[tuple[tuple[str, str], str]]:
    for attribute, text in (give.account or {}).items():
        yield ("account", attribute), text
    for kind, text in give.entitlements():
        yield (kind, "" if kind in _ONE_EACH else text), text


def _settle(wishes: list[_Wish]) -> tuple[list[_Wish], list[Refused]]:
    """Let one wish stand for each slot, or none where equals contradict each other."""
    by_slot: dict[tuple[str, tuple[str, str]], list[_Wish]] = {}
    for wish in wishes:
        by_slot.setdefault((wish.connection, wish.slot), []).append(wish)
    kept: list[_Wish] = []
    refused: list[Refused] = []
    for (connection, slot), rivals in by_slot.items():
        ranked = [wish for wish in rivals if not wish.birthright] or rivals
        values = tuple(dict.fromkeys(wish.value for wish in ranked))
        if len(values) == 1:
            kept.append(ranked[0])
            continue
        what = f"the account's {slot[1]}" if slot[0] == "account" else slot[0]
        texts = () if slot[0] == "account" else tuple(f"{slot[0]}:{value}" for value in values)
        reason = f"{connection} takes one {what}, policy gives {' and '.join(map(repr, values))}"
        refused.append(Refused(connection, texts, reason, "; ".join(dict.fromkeys(w.cite for w in ranked))))
    return kept, refused


def _separate(policies: Policies, kept: list[_Wish]) -> tuple[list[_Wish], list[Refused]]:
    refused: list[Refused] = []
    dropped: set[str] = set()
    for pair, line in policies.separation:
        asked = {fold(text) for text in pair.never_together}
        hit = [wish for wish in kept if wish.slot[0] != "account" and fold(_held(wish)) in asked]
        if len({fold(_held(wish)) for wish in hit}) < 2:
            continue
        dropped |= {_held(wish) for wish in hit}
        reason = f"{' and '.join(dict.fromkeys(map(_held, hit)))} may not be held together"
        cite = "; ".join(dict.fromkeys([str(line), *(wish.cite for wish in hit)]))
        refused += [Refused(wish.connection, (_text(wish),), reason, cite) for wish in hit]
    return [wish for wish in kept if _held(wish) not in dropped], refused


def _accounts(given: list[tuple[PlacedRole, Give, Line]], kept: list[_Wish]) -> Iterable[Assignment]:
    """Say for each connection that anything is given in that the person shall have an account there."""
    described: dict[str, tuple[str, bool]] = {}
    for placed, give, line in sorted(given, key=lambda item: item[1].account is None):
        described.setdefault(give.app, (str(line), placed.role.when.any))
    for connection, (cite, birthright) in described.items():
        attributes = {w.slot[1]: w.value for w in kept if w.connection == connection and w.slot[0] == "account"}
        yield Assignment(connection, None, attributes, cite, birthright)


def _assignment(wish: _Wish) -> Assignment:
    return Assignment(wish.connection, _text(wish), None, wish.cite, wish.birthright)


def _once(made: Iterable[Assignment]) -> tuple[Assignment, ...]:
    return tuple({(a.connection, a.entitlement): a for a in reversed(tuple(made))}.values())[::-1]


def _text(wish: _Wish) -> str:
    return f"{wish.slot[0]}:{wish.value}"


def _held(wish: _Wish) -> str:
    return f"{wish.connection}/{_text(wish)}" if wish.slot[0] != "account" else ""
