"""An LDAP directory as a connection: people, groups, and locks that count only where the server shows their effect."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import ClassVar

from usher.connectors.contract import Call, Capability, Connector, Page, Receipt, VerbFacts
from usher.connectors.errors import AccessLost, ConnectorError, NotFound, Rejected, Unsupported
from usher.connectors.ldap import entries
from usher.connectors.ldap.options import LdapOptions
from usher.connectors.ldap.wire import NO_SUCH_ATTRIBUTE, TYPE_OR_VALUE_EXISTS, Entry, LdapDoor
from usher.domain.account import Account, Entitlement
from usher.domain.connection import LOOPBACK, ConnectionConfig
from usher.domain.profile import AppProfile
from usher.domain.residual import Kind

OURS = {
    "display_name": "displayName",
    "given_name": "givenName",
    "family_name": "sn",
    "email": "mail",
    "employee_number": "employeeNumber",
}
GROUP = "group:"
OF_GROUPS = frozenset({Capability.READ_ENTITLEMENTS, Capability.GRANT, Capability.REVOKE})


class LdapConnector(Connector):
    """People of one part of a directory. See LdapOptions for `options`."""

    app: ClassVar[str] = "ldap"
    proves_closed: Mapping[Kind, str] = {"local password": "the directory refuses the sign-in: read back"}
    facts: Mapping[Capability, VerbFacts] = {
        Capability.CREATE: VerbFacts(idempotent=False, natural_key="user_name", unique=True),
        **{
            verb: VerbFacts(idempotent=True)
            for verb in (
                Capability.UPDATE,
                Capability.DEACTIVATE,
                Capability.REACTIVATE,
                Capability.GRANT,
                Capability.REVOKE,
            )
        },
    }

    def __init__(self, config: ConnectionConfig, profile: AppProfile | None = None) -> None:
        self.config = config
        self.options = LdapOptions.model_validate(config.options)

    def capabilities(self) -> frozenset[Capability]:
        """Everything that is overridden, without groups where none are named."""
        without = self.options.without | (frozenset() if self.options.groups else OF_GROUPS)
        return super().capabilities() - without

    def check(self, call: Call) -> None:
        """Sign in, and read the entry below which people are; AccessLost says what does not work."""
        door = self._door(call)
        door.check()
        for place in (self.options.people, self.options.groups):
            if place is not None and door.read(place, ("objectClass",)) is None:
                raise AccessLost(f"there is no entry {place}, or {self.options.bind_dn} may not see it")

    def accounts(self, cursor: str | None, call: Call) -> Page[Account]:
        """Return everybody in one page; what the server gives by pages was read to its end."""
        door = self._door(call)
        found = self._search(door, self.options.people_filter)
        held = entries.memberships(self._groups(door)) if self.options.groups else {}
        listed = [self._account(door, entry, held.get(entries.folded(entry.dn), set())) for entry in found]
        if None in listed:
            hidden = next(entry.dn for entry, account in zip(found, listed, strict=True) if account is None)
            raise AccessLost(f"{hidden} shows no {self.options.id} or no {self.options.user_name}: not a whole listing")
        return Page(tuple(account for account in listed if account is not None))

    def find(self, account_id: str, call: Call) -> Account | None:
        """Return the account with this id by a fresh reading of its entry and of its groups."""
        door = self._door(call)
        entry = self._entry(door, self.options.id, account_id)
        return self._account(door, entry, self._held(door, entry)) if entry else None

    def find_named(self, user_name: str, call: Call) -> tuple[Account, ...]:
        """Return every account of this name."""
        door = self._door(call)
        found = self._search(door, self._and(self.options.user_name, user_name))
        accounts = (self._account(door, entry, self._held(door, entry)) for entry in found)
        wanted = user_name.casefold()
        return tuple(one for one in accounts if one is not None and one.user_name.casefold() == wanted)

    def entitlements(self, cursor: str | None, call: Call) -> Page[Entitlement]:
        """Return the groups."""
        self._may(Capability.READ_ENTITLEMENTS)
        groups = [(name, group.dn) for group in self._groups(self._door(call)) if (name := group.one("cn"))]
        return Page(tuple(Entitlement(id=dn, kind="group", name=name) for name, dn in sorted(groups)))

    def create(self, wanted: Account, call: Call) -> Receipt:
        """Make an entry without a password: who it is for sets one by the directory's own way."""
        self._may(Capability.CREATE)
        from ldap3.utils.dn import escape_rdn

        door = self._door(call)
        dn = f"{self.options.user_name}={escape_rdn(wanted.user_name)},{self.options.people}"
        values = entries.new_values(wanted, self.options)
        got = door.add(dn, self.options.object_classes, values)
        try:
            made = door.read(dn, entries.asked_for(self.options))
        except ConnectorError:  # it was made; what it looks like, the reading back will tell
            made = None
        account = self._account(door, made, set()) if made else None
        return Receipt(account=account, sent={"dn": dn, "attributes": sorted(values)}, got=got)

    def update(self, account_id: str, changes: Mapping[str, str], call: Call) -> Receipt:
        """Replace attributes; an empty text removes one. Rejected where the directory has no place for it."""
        self._may(Capability.UPDATE)
        places = entries.named(self.options) | OURS
        unknown = sorted(changes.keys() - places.keys())
        if unknown:
            raise Rejected(f"{', '.join(unknown)}: no attribute of the directory is named for it (options.attributes)")
        wanted = {places[name]: ("replace", [text] if text else []) for name, text in changes.items()}
        return self._modify(account_id, call, wanted)

    def deactivate(self, account_id: str, call: Call) -> Receipt:
        """Lock the entry for good by the password policy; whether that holds, `find` proves."""
        self._may(Capability.DEACTIVATE)
        return self._modify(account_id, call, {entries.LOCKED_AT: ("replace", [entries.FOR_GOOD])})

    def reactivate(self, account_id: str, call: Call) -> Receipt:
        """Take the lock away."""
        self._may(Capability.REACTIVATE)
        return self._modify(account_id, call, {entries.LOCKED_AT: ("replace", [])})

    def grant(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Make an account a member of a group."""
        self._may(Capability.GRANT)
        return self._member(account_id, entitlement, "add", frozenset({TYPE_OR_VALUE_EXISTS}), call)

    def revoke(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Take an account out of a group; some classes of groups keep their last member."""
        self._may(Capability.REVOKE)
        return self._member(account_id, entitlement, "delete", frozenset({NO_SUCH_ATTRIBUTE}), call)

    def _may(self, capability: Capability) -> None:
        if capability not in self.capabilities():
            raise Unsupported(f"{self.config.name} does not {capability.value}")

    def _door(self, call: Call) -> LdapDoor:
        if self.options.start_tls is False and (self.config.url or "").startswith("ldap://"):
            host = (self.config.url or "").removeprefix("ldap://").partition(":")[0].partition("/")[0]
            if host not in LOOPBACK:
                raise AccessLost(f"{self.config.name}: a password goes to another machine only encrypted (start_tls)")
        return LdapDoor(call.door, self.options)

    def _search(self, door: LdapDoor, filter: str) -> list[Entry]:
        return door.search(self.options.people, filter, entries.asked_for(self.options))

    def _groups(self, door: LdapDoor, filter: str | None = None) -> list[Entry]:
        assert self.options.groups is not None
        return door.search(self.options.groups, filter or self.options.groups_filter, ("cn", *entries.MEMBERS))

    def _and(self, attribute: str, value: str) -> str:
        return f"(&{self.options.people_filter}({attribute}={_escaped(value)}))"

    def _entry(self, door: LdapDoor, attribute: str, value: str) -> Entry | None:
        try:
            found = self._search(door, self._and(attribute, value))
        except NotFound:
            raise AccessLost(f"there is no entry {self.options.people}") from None
        if len(found) > 1:
            raise AccessLost(f"{len(found)} entries have the {attribute} {value!r}: this is no directory's own id")
        return found[0] if found else None

    def _held(self, door: LdapDoor, entry: Entry) -> set[str]:
        if not self.options.groups:
            return set()
        dn = _escaped(entry.dn)
        either = "".join(f"({name}={dn})" for name in entries.MEMBERS)
        groups = self._groups(door, f"(&{self.options.groups_filter}(|{either}))")
        return {f"{GROUP}{name}" for group in groups if (name := group.one("cn"))}

    def _account(self, door: LdapDoor, entry: Entry, held: set[str]) -> Account | None:
        return entries.account(entry, self.options, held, lambda one: self._lock_holds(door, one))

    def _lock_holds(self, door: LdapDoor, entry: Entry) -> bool | None:
        """Whether a locked entry is kept out: by the server's answer to an attempt, else by the policy that locks it.

        A server takes the lock's attribute also where no policy gives it an effect; then it lets the person in still.
        """
        if door.refuses_to_let_in(entry.dn, secrets.token_urlsafe(32)):
            return True
        name = entry.one(entries.POLICY) or self.options.policy
        policy = door.read(name, ("pwdLockout",)) if name else None
        said = policy.one("pwdLockout") if policy else None
        return None if said is None else said.upper() == "TRUE"

    def _modify(self, account_id: str, call: Call, changes: Mapping[str, tuple[str, list[str]]]) -> Receipt:
        door = self._door(call)
        call.door.admit_write("modify")  # before it is even looked up
        entry = self._entry(door, self.options.id, account_id)
        if entry is None:
            raise NotFound(f"no entry has the {self.options.id} {account_id}")
        got = door.modify(entry.dn, changes)
        return Receipt(sent={"dn": entry.dn, "changes": {name: how for name, (how, _) in changes.items()}}, got=got)

    def _member(self, account_id: str, entitlement: str, how: str, done: frozenset[int], call: Call) -> Receipt:
        door = self._door(call)
        call.door.admit_write("modify")
        name = entitlement.removeprefix(GROUP)
        groups = self._groups(door, f"(&{self.options.groups_filter}(cn={_escaped(name)}))")
        if len(groups) != 1 or not entitlement.startswith(GROUP):
            raise Rejected(f"{len(groups)} groups are called {name!r} below {self.options.groups}; expected one")
        entry = self._entry(door, self.options.id, account_id)
        if entry is None:
            raise NotFound(f"no entry has the {self.options.id} {account_id}")
        attribute = "uniqueMember" if groups[0].all("uniqueMember") else "member"
        got = door.modify(groups[0].dn, {attribute: (how, [entry.dn])}, done)
        return Receipt(sent={"dn": groups[0].dn, how: entry.dn}, got=got)


def _escaped(value: str) -> str:
    """A value as a filter takes it (RFC 4515 section 3): no character of it can end the filter."""
    from ldap3.utils.conv import escape_filter_chars

    return str(escape_filter_chars(value))
