"""Entries of a directory as accounts: what an entry says of a person, and whether its lock holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from usher.connectors.ldap.options import ATTRIBUTES, LdapOptions
from usher.connectors.ldap.wire import Entry
from usher.domain.account import Account, AccountState

LOCKED_AT = "pwdAccountLockedTime"
POLICY = "pwdPolicySubentry"
FOR_GOOD = "000001010000Z"
"""Locked until an administrator unlocks it (draft-behera-ldap-password-policy-10 section 5.3.3)."""
CREATED = "createTimestamp"
LAST_LOGIN = ("pwdLastSuccess", "authTimestamp")
BASIC = ("cn", "displayName", "givenName", "sn", "mail", "employeeNumber", LOCKED_AT, POLICY, CREATED, *LAST_LOGIN)
MEMBERS = ("member", "uniqueMember")
Holds = Callable[[Entry], bool | None]


def asked_for(options: LdapOptions) -> tuple[str, ...]:
    """The attributes that a reading of people asks for, those of the server's own among them."""
    return tuple(dict.fromkeys((options.id, options.user_name, *BASIC, *named(options).values())))


def named(options: LdapOptions) -> dict[str, str]:
    """Our names of attributes -> the directory's."""
    return {**ATTRIBUTES, **options.attributes}


def account(entry: Entry, options: LdapOptions, held: Iterable[str], lock_holds: Holds) -> Account | None:
    """The account of an entry; None where the connector may not see its id, or it has no name to sign in with."""
    id, user_name = entry.one(options.id), entry.one(options.user_name)
    if not id or not user_name:
        return None
    attributes = {name: "; ".join(values) for name, place in named(options).items() if (values := entry.all(place))}
    return Account(
        id=id,
        user_name=user_name,
        emails=entry.all("mail"),
        display_name=entry.one("displayName") or entry.one("cn"),
        given_name=entry.one("givenName"),
        family_name=entry.one("sn"),
        employee_number=entry.one("employeeNumber"),
        state=_state(entry, lock_holds),
        created=instant(entry.one(CREATED)),
        last_login=next((at for name in LAST_LOGIN if (at := instant(entry.one(name)))), None),
        entitlements=frozenset(held),
        attributes=attributes,
        raw={name: list(values) for name, values in entry.values.items()},
    )  # fmt: skip


def _state(entry: Entry, lock_holds: Holds) -> AccountState:
    """Active, locked by too many attempts, or locked for good; a lock that nothing confirms is unknown."""
    said = entry.one(LOCKED_AT)
    if said is None:
        return AccountState.ACTIVE
    if said != FOR_GOOD:
        return AccountState.LOCKED
    return {True: AccountState.SUSPENDED, False: AccountState.ACTIVE, None: AccountState.UNKNOWN}[lock_holds(entry)]


def instant(text: str | None) -> datetime | None:
    """A GeneralizedTime in UTC (RFC 4517 section 3.3.13), or None where it is none."""
    if text is None:
        return None
    digits = text.removesuffix("Z").partition(".")[0]
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def memberships(groups: Iterable[Entry]) -> dict[str, set[str]]:
    """The folded name of each member's entry -> the entitlements that it holds."""
    found: dict[str, set[str]] = {}
    for group in groups:
        name = group.one("cn")
        for attribute in MEMBERS:
            for member in group.all(attribute):
                if name:
                    found.setdefault(folded(member), set()).add(f"group:{name}")
    return found


def folded(dn: str) -> str:
    """A name of an entry in the one spelling that we compare: without spaces around commas, small letters."""
    from usher.connectors.ldap.wire import load_ldap3

    load_ldap3()
    from ldap3.core.exceptions import LDAPInvalidDnError
    from ldap3.utils.dn import safe_dn

    try:
        return str(safe_dn(dn)).casefold()
    except LDAPInvalidDnError:
        return dn.casefold()


def new_values(wanted: Account, options: LdapOptions) -> Mapping[str, list[str]]:
    """What a new entry holds; `sn` and `cn` are demanded by every person's class (RFC 4519 section 3.12)."""
    whole = wanted.display_name or " ".join(filter(None, (wanted.given_name, wanted.family_name))) or wanted.user_name
    values = {
        options.user_name: [wanted.user_name],
        "cn": [whole],
        "sn": [wanted.family_name or whole],
        "displayName": [whole],
        "givenName": [wanted.given_name] if wanted.given_name else [],
        "mail": list(wanted.emails),
        "employeeNumber": [wanted.employee_number] if wanted.employee_number else [],
    }
    places = named(options)
    values |= {places[name]: [text] for name, text in wanted.attributes.items() if name in places and text}
    return {name: value for name, value in values.items() if value}
