"""Learn from a server's own schemas which parts of an e-mail it takes, because some refuse the usual ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from usher.connectors.contract import Call
from usher.connectors.errors import AccessLost, Rejected, Unsupported
from usher.connectors.scim.answers import refusal
from usher.connectors.scim.paths import USER, as_text, get_key
from usher.connectors.scim.records import EMAIL_PARTS, items_of

SCHEMAS = "/Schemas"


def email_parts(call: Call) -> frozenset[str]:
    """Return the usual parts of an e-mail that the server announces; all of them where it announces nothing."""
    try:
        user = _user_schema(call)
    except (Rejected, AccessLost, Unsupported):
        return EMAIL_PARTS  # discovery is optional: what the server refuses is said by the write itself
    emails = _attribute(user, "emails")
    announced = {as_text(get_key(part, "name")).casefold() for part in items_of(get_key(emails, "subAttributes"))}
    return EMAIL_PARTS & announced if announced else EMAIL_PARTS


def _user_schema(call: Call) -> Mapping[str, Any]:
    response = call.door.http.get(SCHEMAS)
    if not response.is_success:
        raise refusal(response, f"GET {SCHEMAS}", of_account=False)
    try:
        content = orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        raise AccessLost(f"GET {SCHEMAS} answered no JSON") from error
    # A list response by RFC 7644 section 4; some servers answer the bare array.
    schemas = items_of(get_key(content, "Resources") if isinstance(content, Mapping) else content)
    return next((one for one in schemas if as_text(get_key(one, "id")).casefold() == USER.casefold()), {})


def _attribute(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    attributes = items_of(get_key(schema, "attributes"))
    return next((one for one in attributes if as_text(get_key(one, "name")).casefold() == name), {})
