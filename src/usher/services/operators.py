"""Operators: adds, finds and revokes the people who act, and checks their signatures; nobody acts by naming a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from usher.domain.links import KeyKind
from usher.domain.signing import BadKey, new_private_key, public_of, sign, sign_action
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import Row, load
from usher.store.unit import Unit

REQUEST = "usher.request/1"
APPROVAL = "usher.approval/1"
REJECTION = "usher.rejection/1"
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,186}[A-Za-z0-9])?")


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

    def signed(self, unit: Unit, action: str, subjects: Sequence[str], reason: str) -> dict[str, Any]:
        """Sign an action that is no plan; what comes back goes into the detail of its leaf, and proves who did it."""
        document = {
            "workspace": unit.workspace,
            "operator": self.id,
            "action": action,
            "subjects": list(subjects),
            "reason": reason,
            "at": unit.operators.now(),
        }
        return {"signed": document, "signature": sign_action(self.private_key, document)}


def person_of(operator: Row) -> str:
    """Who somebody is: two operators of one person count once. An operator tied to nobody counts as himself."""
    return str(operator["person_id"] or operator["id"])


def still_active(unit: Unit, by: Acting) -> Row:
    """The operator as he stands now: he may have been revoked, or tied to his person, since he showed his key."""
    row = unit.operators.by_id(by.id)
    if row is None or row["revoked_at"]:
        raise Refusal(f"{by.row['name']} is no longer an operator")
    return row


def checked_address(text: str) -> str:
    """A mail address as usher sends to: one plain address, nothing that a header could be made of; else Refusal."""
    if not _ADDRESS.fullmatch(text) or ".." in text:
        raise Refusal(f"{text!r} is not a mail address such as olga@acme.test")
    return text


def add_operator(
    workspace: Workspace,
    name: str,
    user_names: tuple[str, ...] = (),
    *,
    by: Acting | None = None,
    private_key: str | None = None,
    email: str | None = None,
) -> tuple[Row, str]:
    """Add an operator and return his row and his private key, which is kept nowhere; notices go to `email`.

    The first operator of a workspace needs nobody; every other one is added `by` an operator with his key.
    `user_names` are his own accounts' names: they can never be steps of a plan, and tie him to his person.
    """
    private = private_key or new_private_key()
    with workspace.store.begin() as unit:
        if unit.operators.named(name) is not None:
            raise Refusal(f"there is an operator {name!r} already; choose another name")
        if by is None and unit.operators.all():
            raise Refusal("only the first operator is added without a key; give yours with --as NAME --key FILE")
        address = None if email is None else checked_address(email)
        row = unit.operators.add_operator(name, public_of(private), user_names, _person(unit, user_names), address)
        ids = (row["id"], by.id) if by else (row["id"],)
        detail: dict[str, Any] = {"name": name, "public_key": row["public_key"]}
        if by is not None:
            detail |= by.signed(unit, "add operator", (row["id"], row["public_key"]), "")
        unit.ledger.append("operator:operator:add", ids, detail)
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
        detail = {"name": name} | by.signed(unit, "revoke operator", (row["id"],), "")
        unit.ledger.append("operator:operator:revoke", (row["id"], by.id), detail)
        return row


def set_email(workspace: Workspace, name: str, email: str | None, by: Acting) -> Row:
    """Say where an operator's notices go (None: nowhere); any operator may, and it is in the ledger."""
    with workspace.store.begin() as unit:
        still_active(unit, by)
        row = unit.operators.named(name)
        if row is None or row["revoked_at"]:
            raise Refusal(f"there is no active operator {name!r}; see: usher operator list")
        address = None if email is None else checked_address(email)
        unit.operators.set_email(row["id"], address)
        detail = {"name": name, "email": address} | by.signed(unit, "set email", (row["id"], address or ""), "")
        unit.ledger.append("operator:email:set", (row["id"], by.id), detail)
        return {**row, "email": address}


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
