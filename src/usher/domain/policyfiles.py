"""What a policy file may say: roles, what they give to whom, and what nobody may hold together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from usher.domain.connection import Strict
from usher.domain.located import Expected, line_of

_PATTERN = re.compile(r"([^$]*)(?:\$([a-z_][a-z0-9_]*))?")
_HELD = re.compile(r"[a-z][a-z0-9-]*/(role|module|group|node|team):.+")


def _substitution(text: str) -> str:
    if not _PATTERN.fullmatch(text) or not text.strip():
        raise Expected("text, or text that ends in one $attribute")
    return text


def _held(text: str) -> str:
    if not _HELD.fullmatch(text):
        raise Expected("CONNECTION/KIND:NAME such as clari/role:Admin")
    return text


Wanted = Annotated[str, AfterValidator(_substitution)]
"""Plain text, `$attribute`, or a prefix and `$attribute`; there are no other expressions."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class When(Strict):
    """Whom a role is for: `any: true` is every active person, otherwise all attributes must agree."""

    any: bool = False
    attributes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Attribute -> the values that count, compared without case; written beside `any` in the file."""

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, written: object) -> object:
        if not isinstance(written, dict):
            raise Expected("a mapping of attribute to value, or any: true")
        asked: dict[str, tuple[str, ...]] = {}
        for key, value in written.items():
            if key != "any":
                asked[str(key)] = _values(str(key), value)
        return {"any": written.get("any", False), "attributes": asked}

    @model_validator(mode="after")
    def _one_of_two(self) -> When:
        if self.any == bool(self.attributes):
            raise Expected("either any: true or at least one attribute, not both")
        return self


def _values(attribute: str, value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(item, str) and item.strip() for item in values):
        raise Expected(f"text or a list of texts for {attribute!r} (put numbers, dates, true and false in quotes)")
    return tuple(str(item) for item in values)


class Give(Strict):
    """What a role gives in one app."""

    app: str
    """Name of the connection."""
    account: dict[str, Wanted] | None = None
    """Attributes of the account that shall exist; None: the other lines need an account, none is described."""
    role: Wanted | None = None
    modules: tuple[Wanted, ...] = ()
    groups: tuple[Wanted, ...] = ()
    node: Wanted | None = None
    team: Wanted | None = None

    def entitlements(self) -> tuple[tuple[str, str], ...]:
        """Return (kind, text) of each entitlement, in the order in which files name them."""
        single = [(kind, value) for kind in ("role", "node", "team") if (value := getattr(self, kind)) is not None]
        return (*single, *(("module", name) for name in self.modules), *(("group", name) for name in self.groups))


class Role(Strict):
    """A business bundle of assignments."""

    name: Name
    when: When
    give: tuple[Give, ...] = Field(min_length=1)


class Separation(Strict):
    """Entitlements that one person may not hold together (static separation of duties, ANSI INCITS 359)."""

    name: Name
    never_together: tuple[Annotated[str, AfterValidator(_held)], ...] = Field(min_length=2, max_length=2)
    """Two entitlements, each as CONNECTION/KIND:NAME."""


class PolicyFile(Strict):
    """One file under `policies/`."""

    roles: tuple[Role, ...] = ()
    separation: tuple[Separation, ...] = ()

    @field_validator("roles")
    @classmethod
    def _distinct(cls, roles: tuple[Role, ...]) -> tuple[Role, ...]:
        names = [role.name.casefold() for role in roles]
        twice = next((role.name for role in roles if names.count(role.name.casefold()) > 1), None)
        if twice is not None:
            raise Expected(f"one role of each name; {twice!r} is there twice")
        return roles


class QuorumRisk(Strict):
    """How many people a risky plan needs, the requester included; the largest number that applies is asked for."""

    privileged: int = Field(default=2, ge=1, le=9)
    """A step touches an administrator's account, or gives an administrator's role."""
    steps_over: int = Field(default=50, ge=1, le=10_000)
    """A plan with more steps than this counts as large."""
    many_steps: int = Field(default=2, ge=1, le=9)
    """A large plan."""
    irreversible: int = Field(default=2, ge=1, le=9)
    """A step does what no other step takes back, such as a deletion."""
    confidential: int = Field(default=2, ge=1, le=9)
    """A plan that is shown only to those who must sign."""
    emergency: int = Field(default=2, ge=2, le=9)
    """A cut-off that one operator begins before the others have agreed."""
    held: int = Field(default=2, ge=1, le=9)
    """A plan of which the guard held rows back when it was made."""


class Emergency(Strict):
    """Who may cut a person off alone; written under `rules.emergency:` in usher.yaml."""

    allowed: bool = False
    """One operator may switch a person's accounts off at once. Never the default."""
    second_within_minutes: int = Field(default=60, ge=1, le=1440)
    """Minutes within which the others must agree; later every operator is told."""
    who: tuple[Name, ...] = ()
    """Operators who may; none named: every operator."""


class Rules(Strict):
    """How much agreement and time a plan needs; written under `rules:` in usher.yaml."""

    single_operator: bool = False
    """One person may request and approve; every report then says so. Never the default."""
    quorum_signal: int = Field(default=1, ge=1, le=9)
    """Approvals for a plan that a source's positive signal asked for."""
    quorum_request: int = Field(default=2, ge=1, le=9)
    """People in a plan that a person asked for, the requester included."""
    plan_valid_hours: int = Field(default=24, ge=1, le=720)
    """Hours after which an unapproved or unstarted plan is void."""
    emergency: Emergency = Field(default_factory=Emergency)
    """Who may cut a person off before others have agreed."""
    quorum_risk: QuorumRisk = Field(default_factory=QuorumRisk)
    """What makes a plan risky, and how many people it then needs."""
    deputies: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Operator -> the operators who stand in for him, the first one first."""
    escalate_after_hours: int = Field(default=8, ge=1, le=720)
    """Hours after which an unsigned plan is told to deputies, and to all operators where there is none."""
    remind_hours: int = Field(default=4, ge=1, le=720)
    """Hours before a plan is void at which those who have not signed are told again."""
    delegation_max_days: int = Field(default=90, ge=1, le=366)
    """The longest time for which an operator may let another one sign for him."""

    @field_validator("quorum_request")
    @classmethod
    def _two_people(cls, people: int, info: ValidationInfo) -> int:
        if people < 2 and not info.data.get("single_operator"):
            raise Expected("2 or more (1 needs single_operator: true)")
        return people

    @field_validator("deputies")
    @classmethod
    def _somebody_else(cls, deputies: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, others in deputies.items():
            if not others or name in others or len(set(others)) < len(others):
                raise Expected(f"for {name!r} at least one other operator, each once")
        return deputies


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a policy file, as it is cited."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.text}"


@dataclass(frozen=True, slots=True)
class PlacedRole:
    """A role with the lines it stands on: its own, and one for each app it gives something in."""

    role: Role
    cite: Line
    gives: tuple[tuple[Give, Line], ...]


@dataclass(frozen=True, slots=True)
class Policies:
    """All policy files of a workspace together, in the order of file names and lines."""

    roles: tuple[PlacedRole, ...] = ()
    separation: tuple[tuple[Separation, Line], ...] = ()


def gather(files: Iterable[tuple[str, PolicyFile, object]]) -> Policies:
    """Put checked files together; each comes with its name in the workspace and its round-trip tree."""
    roles: list[PlacedRole] = []
    separation: list[tuple[Separation, Line]] = []
    for file, content, tree in files:
        for index, role in enumerate(content.roles):
            words = f"role {role.name!r}"
            gives = tuple(
                (give, Line(file, line_of(tree, ("roles", index, "give", place)), words))
                for place, give in enumerate(role.give)
            )
            roles.append(PlacedRole(role, Line(file, line_of(tree, ("roles", index)), words), gives))
        for index, pair in enumerate(content.separation):
            words = f"separation {pair.name!r}"
            separation.append((pair, Line(file, line_of(tree, ("separation", index)), words)))
    return Policies(tuple(roles), tuple(separation))


def fill(text: str, attributes: Mapping[str, str]) -> str | None:
    """Put the person's attribute into a wanted value; None when the person has no such attribute."""
    match = _PATTERN.fullmatch(text)
    assert match is not None, "checked when the file was read"
    prefix, attribute = match[1], match[2]
    if attribute is None:
        return text
    value = attributes.get(attribute, "").strip()
    return prefix + value if value else None


def needed_attribute(text: str) -> str | None:
    """Return the attribute that a wanted value needs, or None."""
    match = _PATTERN.fullmatch(text)
    return match[2] if match else None
