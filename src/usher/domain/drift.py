"""Compares one linked account with what policy says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from usher.domain.account import Account
from usher.domain.folding import fold, fold_address
from usher.domain.policy import Assignments

_OWN_FIELDS = ("user_name", "display_name", "given_name", "family_name", "employee_number", "external_id")


@dataclass(frozen=True, slots=True)
class Difference:
    """What an account lacks, has beyond policy, and says otherwise (attribute -> (shown, wanted))."""

    lacks: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    attributes: Mapping[str, tuple[str, str]] | None = None

    def __bool__(self) -> bool:
        return bool(self.lacks or self.extra or self.attributes)


def differences(
    account: Account, assigned: Assignments, connection: str, managed: frozenset[str], shown: frozenset[str]
) -> Difference:
    """Return how an account differs from policy.

    `managed` holds the kinds of entitlement that policy gives in this connection to anybody: only these can be too
    many. `shown` holds the kinds that the app reports for anybody: only these can be lacking. What policy contradicts
    itself about is left alone, and so is an attribute that the app does not report.
    """
    held = {fold(text): text for text in account.entitlements}
    wanted = {fold(text): text for text in assigned.entitlements(connection)}
    open_question = {fold(text) for text in assigned.undecided(connection)}
    return Difference(
        lacks=_of_kinds((text for key, text in wanted.items() if key not in held), shown),
        extra=_of_kinds(
            (text for key, text in held.items() if key not in wanted and key not in open_question), managed
        ),
        attributes=_attributes(account, assigned.account(connection) or {}),
    )


def kind_of(entitlement: str) -> str:
    """Return the kind in `kind:name`."""
    return entitlement.partition(":")[0]


def _of_kinds(texts: Iterable[str], kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(text for text in texts if kind_of(text) in kinds))


def _attributes(account: Account, wanted: Mapping[str, str]) -> Mapping[str, tuple[str, str]]:
    differing = {}
    for name, value in sorted(wanted.items()):
        shown = _shown(account, name, value)
        if shown is not None and fold(shown) != fold(value):
            differing[name] = (shown, value)
    return differing


def _shown(account: Account, name: str, wanted: str) -> str | None:
    """Return what the account shows under a name, or None where the app does not tell."""
    if name in ("email", "emails"):
        if not account.emails or fold_address(wanted) in {fold_address(text) for text in account.emails}:
            return wanted if account.emails else None
        return account.emails[0]
    if name in _OWN_FIELDS:
        value = getattr(account, name)
        return value if isinstance(value, str) else None
    return account.attributes.get(name)
