"""LDAP directories (RFC 4510 to 4519) with locks by password policy; an extra: `pip install 'usher[ldap]'`."""

from usher.connectors.ldap.connector import LdapConnector

__all__ = ["LdapConnector"]
