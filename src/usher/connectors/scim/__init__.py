"""The SCIM 2.0 connector (RFC 7643, RFC 7644), written against servers as they really behave."""

from usher.connectors.scim.connector import ScimConnector

__all__ = ["ScimConnector"]
