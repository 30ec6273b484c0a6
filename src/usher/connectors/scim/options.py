"""What `connections/NAME.yaml` may say under `options` for an app that speaks SCIM."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from usher.connectors.contract import Capability
from usher.domain.connection import Strict


class ScimOptions(Strict):
    """How this server deviates, and what it may be used for."""

    page: int | None = Field(default=None, ge=1)
    """Rows to ask for in a page; None leaves it to the server, because some fail on any `count`."""
    total: Literal["checked", "ignored"] = "checked"
    """`ignored`: for servers whose `totalResults` counts more than they ever list. Otherwise a listing that ends before
    its total is not whole, and nothing is missing from it."""
    writes: Literal["patch", "put"] = "patch"
    """`put`: write whole records, for servers without PATCH (a 405 or 501 to a PATCH is noticed without this)."""
    content_type: Literal["application/scim+json", "application/json"] = "application/scim+json"
    """Label of what is sent."""
    groups: Literal["auto", "members", "none"] = "auto"
    """Where memberships are read: from users and, where users show none, from groups; always from groups; nowhere."""
    member_removal: Literal["filter", "value", "replace"] = "filter"
    """How a member is taken out: by a filter in the path; by `value`, only for servers known to read it (others take
    it as the order to empty the group); or by sending all members that stay, for servers that know no filters."""
    member_value: Literal["id", "user_name"] = "id"
    """What `members[].value` holds; the standard says the id."""
    attributes: dict[str, str] = Field(default_factory=dict)
    """Our attribute name -> SCIM path, besides the usual ones: `start_date: urn:example:2.0:User:startDate`."""
    unique: bool = True
    """Whether the app refuses a second account with the same user name."""
    changes: bool = False
    """Whether `meta.lastModified` can be filtered by, for delta readings."""
    allow_delete: bool = False
    """Whether accounts may be deleted for good through this connection."""
    without: frozenset[Capability] = frozenset()
    """Capabilities that this tenant's plan or token does not have, such as `create accounts`."""
