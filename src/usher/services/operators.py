"""Operators: adds, finds and revokes the people who act, and checks their signatures; nobody acts by naming a name."""

from __future__ import annotations

from dataclasses import dataclass

from usher.domain.links import KeyKind
from usher.domain.signing import BadKey, new_private_key, public_of, sign
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

REQUEST = "usher.request/1"
APPROVAL = "usher.approval/1"
REJECTION = "usher.rejection/1"
ACTION = "usher.action/1"


@dataclass(frozen=True, slots=True)
class Acting:
    """An operator with the private key that he gave for this one command."""

    row: Row
    private_key: str

    @property
    def id(self) -> str:
        """The operator's id."""
        return str(self.row["id"])

    def sign(self, digest: str, context: str) -> str:
        """Sign a digest in a context, so that a request can never serve as an approval."""
        return sign(self.private_key, digest, context)


def add_operator(
    workspace: Workspace,
    name: str,
    user_names: tuple[str, ...] = (),
    *,
    by: Acting | None = None,
    private_key: str | None = None,
) -> tuple[Row, str]:
    """Add an operator and return his row and his private key, which is kept nowhere.

    The first operator of a workspace needs nobody; every other one is added `by` an operator with his key.
    `user_names` are his own accounts' names: they can never be steps of a plan, and tie him to his person.
    """
    private = private_key or new_private_key()
    with workspace.store.begin() as unit:
        if unit.operators.named(name) is not None:
            raise Refusal(f"there is an operator {name!r} already; choose another name")
        if by is None and unit.operators.all():
            raise Refusal("only the first operator is added without a key; give yours with --as NAME --key FILE")
        row = unit.operators.add_operator(name, public_of(private), user_names, _person(unit, user_names))
        ids = (row["id"], by.id) if by else (row["id"],)
        unit.ledger.append("operator:operator:add", ids, {"name": name, "public_key": row["public_key"]})
        return row, private


def revoke_operator(workspace: Workspace, name: str, by: Acting) -> Row:
    """End an operator's right to sign; what he signed before stays, and no longer counts for plans not yet begun."""
    with workspace.store.begin() as unit:
        row = unit.operators.named(name)
        if row is None or row["revoked_at"]:
            raise Refusal(f"there is no active operator {name!r}; see: usher operator list")
        if len(unit.operators.active()) == 1:
            raise Refusal(f"{name} is the last operator: add another one first")
        unit.operators.revoke(row["id"])
        unit.ledger.append("operator:operator:revoke", (row["id"], by.id), {"name": name})
        return row


def acting(workspace: Workspace, name: str, private_key: str) -> Acting:
    """The operator who proves with his key that he is the one named; Refusal where he is not."""
    with workspace.store.read() as unit:
        row = unit.operators.named(name)
    if row is None:
        raise Refusal(f"there is no operator {name!r}; add one with: usher operator add {name}")
    if row["revoked_at"]:
        raise Refusal(f"operator {name!r} was revoked at {row['revoked_at']}")
    try:
        given = public_of(private_key.strip())
    except BadKey as error:
        raise Refusal(f"the key of {name!r} cannot be read: {error}") from error
    if given != row["public_key"]:
        raise Refusal(f"this is not the key of {name!r}")
    return Acting(row, private_key.strip())


def tie_operators(unit: Unit) -> None:
    """Tie each operator to his person by the account names he gave, once people are known."""
    for row in unit.operators.active():
        person = _person(unit, tuple(load(row["user_names"])))
        if person is not None and row["person_id"] != person:
            unit.operators.tie(row["id"], person)


def _person(unit: Unit, user_names: tuple[str, ...]) -> str | None:
    found = (unit.people.holder(KeyKind.ADDRESS, name) for name in user_names)
    return next((person for person in found if person is not None), None)
