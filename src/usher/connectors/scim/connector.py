"""Connect to any app that speaks SCIM 2.0, trusting no answer that was not compared with what was asked."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from usher.connectors.contract import Call, Capability, Connector, Page, Receipt, VerbFacts
from usher.connectors.errors import (
    AccessLost,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Transient,
    Unsupported,
)
from usher.connectors.scim.answers import UnprovenAbsence
from usher.connectors.scim.api import Change, Record, ScimApi, Written
from usher.connectors.scim.groups import (
    GROUPS,
    WITHOUT_MEMBERS,
    Memberships,
    change_members,
    group_name,
    group_named,
    read_memberships,
)
from usher.connectors.scim.options import ScimOptions
from usher.connectors.scim.paging import Listing, row_id
from usher.connectors.scim.paths import PATHS, as_text, get_at, get_key
from usher.connectors.scim.records import (
    account_of,
    emails_of,
    emails_to,
    held_on_user,
    instant,
    item_to,
    items_of,
    kind_of,
    user_of,
)
from usher.connectors.scim.schemas import email_parts
from usher.domain.account import Account, Entitlement
from usher.domain.connection import ConnectionConfig
from usher.domain.profile import AppProfile

USERS = "/Users"
LISTINGS_KEPT = 16
ON_USER = {"role": "roles", "entitlement": "entitlements", "module": "entitlements"}


@dataclass(slots=True)
class _Reading:
    """One listing of accounts under way: what it has seen, and the memberships read for it."""

    listing: Listing = field(default_factory=Listing)
    memberships: Memberships | None = None


class ScimConnector(Connector):
    """A SCIM 2.0 app (RFC 7643, RFC 7644). What `options` may hold is told by ScimOptions."""

    app: ClassVar[str] = "scim"
    creates_with = frozenset(ON_USER)

    def __init__(self, config: ConnectionConfig, profile: AppProfile | None = None) -> None:
        self.options = options = ScimOptions.model_validate(config.options)
        self._can_delete = options.allow_delete and not (profile and profile.facts.can_delete is False)
        self._paths = {**PATHS, **options.attributes}
        self._api = ScimApi(page=options.page, put=options.writes == "put", content_type=options.content_type)
        self._api.trust_total = options.total == "checked"
        self._readings: OrderedDict[str, _Reading] = OrderedDict()
        self._users_show_groups = False
        self._filter_proven: bool | None = None
        self._email_parts: frozenset[str] | None = None
        again = VerbFacts(idempotent=True, lag=config.lag_seconds)
        self.facts = {
            **dict.fromkeys(Capability, again),
            Capability.CREATE: VerbFacts(
                idempotent=False, natural_key="user_name", unique=options.unique, lag=config.lag_seconds
            ),
        }

    def capabilities(self) -> frozenset[Capability]:
        """What this connection can do, less what its options take away."""
        missing = set(self.options.without)
        missing |= set() if self.options.changes else {Capability.READ_CHANGES}
        missing |= set() if self._can_delete else {Capability.DELETE}
        missing |= {Capability.READ_ENTITLEMENTS} if self.options.groups == "none" else set()
        return super().capabilities() - missing

    def check(self, call: Call) -> None:
        """Read one user with the credentials; AccessLost where they fail or something else answers."""
        try:
            self._api.get_list(call, USERS, 1, query={"count": "1"})
        except (Transient, Rejected):
            self._api.get_list(call, USERS, 1)  # some servers fail on any `count`

    def accounts(self, cursor: str | None, call: Call) -> Page[Account]:
        """Return one page of all users, inactive ones included, with their groups, in the server's order."""
        token, start, reading = self._resume(cursor)
        rows, following = self._api.list_from(call, USERS, reading.listing, start)
        items = tuple(self._account(row, call, reading) for row in rows)
        if following is None:
            self._readings.pop(token, None)
            return Page(items)
        again = ".again" if reading.listing.asked_again else ""
        return Page(items, f"{token}.{following}{again}")

    def find(self, account_id: str, call: Call) -> Account | None:
        """Return one account by its id; None only where SCIM says so or a whole listing does not hold it."""
        try:
            row = self._api.get(call, USERS, account_id)
        except NotFound:
            return None
        except UnprovenAbsence:
            return super().find(account_id, call)
        return self._account(row, call, _Reading())

    def find_named(self, user_name: str, call: Call) -> tuple[Account, ...]:
        """Return the accounts with this user name, ignoring case, by a checked filter or by all pages."""
        rows = None if self._filter_proven is False else self._api.search(call, USERS, "userName", user_name, {})
        if rows is None or (not rows and not self._prove_filter(call)):
            return super().find_named(user_name, call)
        reading = _Reading()
        return tuple(self._account(row, call, reading) for row in rows)

    def entitlements(self, cursor: str | None, call: Call) -> Page[Entitlement]:
        """Return all groups in one page."""
        self._need(Capability.READ_ENTITLEMENTS)
        rows = self._api.list_all(call, GROUPS, query=WITHOUT_MEMBERS)
        return Page(tuple(Entitlement(id=row_id(row), kind="group", name=group_name(row)) for row in rows))

    def changes(self, since: datetime, cursor: str | None, call: Call) -> Page[Account]:
        """Return the users changed since an instant, in one page; rows that do not fit the question are dropped."""
        self._need(Capability.READ_CHANGES)
        at = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        reading = _Reading()
        rows = self._api.list_all(call, USERS, query={"filter": f'meta.lastModified ge "{at}"'})
        fitting = [
            row for row in rows if (changed := instant(get_at(row, "meta.lastModified"))) is None or changed >= since
        ]
        return Page(tuple(self._account(row, call, reading) for row in fitting))

    def create(self, wanted: Account, call: Call) -> Receipt:
        """Create a user with its roles, entitlements and modules; groups are granted one by one afterwards."""
        self._need(Capability.CREATE)
        written = self._api.post(call, USERS, user_of(wanted, self._paths, self._emails(call)))
        if written.record is None or not as_text(get_key(written.record, "id")):
            raise OutcomeUnknown(f"POST {USERS} was answered {written.status} without the new user's id")
        return self._receipt(written)

    def update(self, account_id: str, changes: Mapping[str, str], call: Call) -> Receipt:
        """Set attributes by our names (and `email`) to absolute values; an empty text removes one."""
        self._need(Capability.UPDATE)
        if unknown := set(changes) - set(self._paths) - {"email"}:
            raise Rejected(f"{sorted(unknown)[0]!r} has no SCIM path; name one under options.attributes")
        parts = self._emails(call) if "email" in changes else frozenset()
        return self._change(
            account_id, call, lambda user: [self._attribute(user, *one, parts) for one in changes.items()]
        )

    def deactivate(self, account_id: str, call: Call) -> Receipt:
        """Set `active` to false."""
        self._need(Capability.DEACTIVATE)
        return self._change(account_id, call, lambda user: [Change("active", False)])

    def reactivate(self, account_id: str, call: Call) -> Receipt:
        """Set `active` to true."""
        self._need(Capability.REACTIVATE)
        return self._change(account_id, call, lambda user: [Change("active", True)])

    def delete(self, account_id: str, call: Call) -> Receipt:
        """Delete a user; only with `options: {allow_delete: true}`."""
        self._need(Capability.DELETE)
        record = self._api.get(call, USERS, account_id)
        self._must_agree(record, call)
        return self._receipt(self._api.delete(call, USERS, record))

    def grant(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Give `group:NAME`, `role:NAME`, `entitlement:NAME` or `module:NAME`."""
        self._need(Capability.GRANT)
        return self._hold(account_id, entitlement, call, holding=True)

    def revoke(self, account_id: str, entitlement: str, call: Call) -> Receipt:
        """Take `group:NAME`, `role:NAME`, `entitlement:NAME` or `module:NAME` away."""
        self._need(Capability.REVOKE)
        return self._hold(account_id, entitlement, call, holding=False)

    def _hold(self, account_id: str, entitlement: str, call: Call, *, holding: bool) -> Receipt:
        kind, _, name = entitlement.partition(":")
        if kind in ON_USER and name:
            return self._change(account_id, call, lambda user: _held_change(user, kind, name, holding))
        if kind != "group" or not name or self.options.groups == "none":
            raise Rejected(f"{entitlement!r} cannot be held here: expected group:, role:, entitlement: or module:NAME")
        member = self._member(account_id, call)
        group_id = group_named(self._api, call, name)
        try:
            written = change_members(
                self._api,
                call,
                group_id,
                add=[member] if holding else (),
                remove=() if holding else [member],
                removal=self.options.member_removal,
            )
        except Rejected:
            # Some servers refuse to add who is in already or to remove who is out: that is no refusal of the wish.
            account = self.find(account_id, call)
            if account is None or (entitlement in account.entitlements) is not holding:
                raise
            written = []
        return self._receipt(written[-1]) if written else self._nothing_sent(entitlement, call)

    def _member(self, account_id: str, call: Call) -> str:
        by_name = self.options.member_value == "user_name"
        if not (call.agree or by_name):
            return account_id
        user = self._api.get(call, USERS, account_id)
        self._must_agree(user, call)
        return as_text(get_key(user, "userName")) if by_name else account_id

    def _nothing_sent(self, what: str, call: Call) -> Receipt:
        call.door.admit_write(what)  # nothing to send, and still no right without a permit
        return Receipt(got={"already": what})

    def _change(self, account_id: str, call: Call, wanted: Any) -> Receipt:
        def agreed(user: Record) -> list[Change]:
            self._must_agree(user, call)
            changes: list[Change] = wanted(user)
            return changes

        written = self._api.change(call, USERS, account_id, agreed)
        return self._nothing_sent(f"change of {account_id}", call) if written is None else self._receipt(written)

    def _attribute(self, user: Record, name: str, text: str, email_parts: frozenset[str]) -> Change:
        if name == "email":
            others = [address for address in emails_of(user) if address.casefold() != text.casefold()][1:]
            return Change("emails", emails_to([text, *others], email_parts) if text else None)
        path = self._paths[name]
        if path.endswith(".value"):  # a complex attribute: servers want it whole
            whole = path.removesuffix(".value")
            return Change(whole, {"value": text} if text else None)
        return Change(path, text or None)

    def _must_agree(self, user: Record, call: Call) -> None:
        if not call.agree:
            return
        account = account_of(user, self._paths, ())
        known = {**account.attributes, "user_name": account.user_name, "email": next(iter(account.emails), "")}
        for name, text in call.agree.items():
            seen = known.get(name, getattr(account, name, None)) or ""
            if str(seen).casefold() != text.casefold():
                raise Rejected(f"account {account.id} has {name} {seen!r}, not {text!r}: nothing was written")

    def _emails(self, call: Call) -> frozenset[str]:
        if self._email_parts is None:
            self._email_parts = email_parts(call)
        return self._email_parts

    def _need(self, capability: Capability) -> None:
        if capability not in self.capabilities():
            raise Unsupported(f"this connection cannot {capability.value}")

    def _resume(self, cursor: str | None) -> tuple[str, int, _Reading]:
        token, _, place = (cursor or f"{secrets.token_hex(6)}.1").partition(".")
        start = int(place.removesuffix(".again"))
        reading = self._readings.setdefault(token, _Reading(Listing(trust_total=self._api.trust_total)))
        while len(self._readings) > LISTINGS_KEPT:
            self._readings.popitem(last=False)
        return token, start, reading

    def _account(self, row: Mapping[str, Any], call: Call, reading: _Reading) -> Account:
        return account_of(row, self._paths, self._groups_of(row, call, reading))

    def _groups_of(self, row: Mapping[str, Any], call: Call, reading: _Reading) -> frozenset[str]:
        if self.options.groups == "none":
            return frozenset()
        shown = items_of(get_key(row, "groups"))
        if self.options.groups == "auto":
            self._users_show_groups = self._users_show_groups or bool(shown)
            names = [as_text(get_key(group, "display")) for group in shown]
            # Unassigned attributes are left out (RFC 7643 section 2.5), so silence counts once others have spoken.
            if all(names) and (shown or self._users_show_groups):
                return frozenset(names)
        if reading.memberships is None:
            reading.memberships = self._read_memberships(call)
        known = reading.memberships
        member = row_id(row) if self.options.member_value == "id" else as_text(get_key(row, "userName"))
        held = known.of_account.get(member, frozenset())
        return held | {
            known.names.get(group_id, group_id) for group in shown if (group_id := as_text(get_key(group, "value")))
        }

    def _read_memberships(self, call: Call) -> Memberships:
        try:
            return read_memberships(self._api, call)
        except (AccessLost, Unsupported) as error:
            raise AccessLost(
                f"groups cannot be read ({error}); an app without groups needs options: {{groups: none}}"
            ) from error

    def _prove_filter(self, call: Call) -> bool:
        """Tell whether an empty answer counts: the filter must find a known user by its name in another case."""
        if self._filter_proven is None:
            row = next(iter(self._api.get_list(call, USERS, 1).rows), None)
            if row is None:
                return True
            name = as_text(get_key(row, "userName")).swapcase()
            found = self._api.search(call, USERS, "userName", name, {})
            self._filter_proven = bool(found) and row_id(row) in {row_id(one) for one in found or ()}
        return self._filter_proven

    def _receipt(self, written: Written) -> Receipt:
        record, account = written.record, None
        if record is not None and get_key(record, "userName") and get_key(record, "id"):
            account = account_of(record, self._paths, ())
        return Receipt(account=account, sent={"method": written.method, **written.body}, got={"status": written.status})


def _held_change(user: Record, kind: str, name: str, holding: bool) -> list[Change]:
    if (f"{kind}:{name}" in held_on_user(user)) is holding:
        return []
    attribute = ON_USER[kind]
    items = [dict(item) for item in items_of(get_key(user, attribute))]
    if holding:
        item = item_to(kind, name)
        return [Change(attribute, [*items, item], {"op": "add", "path": attribute, "value": [item]})]
    left = [item for item in items if not (name in (item.get("value"), item.get("display")) and _is_kind(item, kind))]
    return [Change(attribute, left or None)]


def _is_kind(item: Mapping[str, Any], kind: str) -> bool:
    return kind == "role" or kind_of(item) == kind
