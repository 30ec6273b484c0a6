"""What `connections/NAME.yaml` may say under `options` for a directory that speaks LDAP."""

from __future__ import annotations

from pydantic import Field, field_validator

from usher.connectors.contract import Capability
from usher.domain.connection import Strict
from usher.domain.located import Expected

ATTRIBUTES = {
    "title": "title",
    "department": "departmentNumber",
    "phone": "telephoneNumber",
    "office": "physicalDeliveryOfficeName",
    "manager": "manager",
    "employee_type": "employeeType",
}
"""Our names of attributes -> those of inetOrgPerson (RFC 2798) and its parents (RFC 4519)."""


class LdapOptions(Strict):
    """Where people and groups are, how this server is reached, and how a lock is proven."""

    bind_dn: str
    """The connector's own account; its password is the secret `password`."""
    people: str
    """The entry below which people are, such as `ou=people,dc=example,dc=com`."""
    people_filter: str = "(objectClass=inetOrgPerson)"
    """Which entries are people."""
    groups: str | None = None
    """The entry below which groups are; None: this connection shows and changes no memberships."""
    groups_filter: str = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))"
    """Which entries are groups; a group is known by its `cn`."""
    id: str = "entryUUID"
    """The attribute that never changes and is never given again (RFC 4530)."""
    user_name: str = "uid"
    """The attribute that people sign in with; it names a new entry too."""
    object_classes: tuple[str, ...] = ("inetOrgPerson",)
    """Classes of a new entry."""
    attributes: dict[str, str] = Field(default_factory=dict)
    """Our attribute name -> the directory's, besides the usual ones: `start_date: acmeStartDate`."""
    policy: str | None = None
    """The password policy that locks people, where the server does not say it at each entry or in its answers. Without
    any, a lock that the server does not confirm by its effect counts as unknown, and is not believed."""
    ca_file: str | None = None
    """Certificates to believe, in PEM; None: those of this machine."""
    start_tls: bool | None = None
    """Whether an ldap:// connection is encrypted before anything else is sent; None: yes, except on this machine."""
    page: int = Field(default=500, ge=1, le=10_000)
    """Entries to ask for at a time (RFC 2696)."""
    without: frozenset[Capability] = frozenset()
    """Capabilities that the connector's account has no right to, such as `create accounts`."""

    @field_validator("people_filter", "groups_filter")
    @classmethod
    def _in_brackets(cls, value: str) -> str:
        if not (value.startswith("(") and value.endswith(")")):
            raise Expected("a filter in brackets, such as (objectClass=person)")
        return value
