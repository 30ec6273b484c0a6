"""Read a SCIM answer: whether it is one at all, and which error of the contract a refusal is.

Servers answer errors with any JSON, with HTML or with nothing, so only the status is trusted for what it says, and a
404 means "gone" only in the form of RFC 7644 section 3.12.
"""

from __future__ import annotations

from typing import Any

import httpx2
import orjson

from usher.connectors.errors import (
    AccessLost,
    AlreadyExists,
    ConnectorError,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Transient,
    Unsupported,
)

ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:error"
DETAIL_LENGTH = 300


class UnprovenAbsence(Transient):
    """A 404 that is not in SCIM's own form: it says nothing about the account."""


class Stale(Transient):
    """The record changed since it was read (412): nothing was written."""


def read_object(response: httpx2.Response, what: str) -> dict[str, Any]:
    """Return the JSON object of a successful read; AccessLost where another app answers, Transient where it is cut."""
    if is_html(response):
        raise AccessLost(f"{what} answered a web page instead of SCIM")
    content = _json(response)
    if content is None:
        raise Transient(f"{what} answered JSON that is cut off or broken")
    if not isinstance(content, dict):
        raise AccessLost(f"{what} answered {type(content).__name__} where SCIM answers an object")
    return content


def written_object(response: httpx2.Response, what: str) -> dict[str, Any] | None:
    """Return the record that a successful write answered, None for none; OutcomeUnknown where it cannot be trusted."""
    if not response.content.strip():
        return None
    content = None if is_html(response) else _json(response)
    if not isinstance(content, dict):
        raise OutcomeUnknown(f"{what} was answered {response.status_code}, but not by SCIM")
    return content


def refusal(response: httpx2.Response, what: str, *, of_account: bool, create: bool = False) -> ConnectorError:
    """Return the error that a 4xx answer is. `of_account`: the address names one record, so a 404 may mean it."""
    status, content = response.status_code, _json(response)
    said = f"{what} was refused ({status}): {_detail(response, content)}"
    taken = isinstance(content, dict) and str(content.get("scimType", "")).casefold() == "uniqueness"
    match status:
        case 404 if of_account and _is_scim_error(content):
            return NotFound(said)
        case 404 if of_account and not is_html(response):
            return UnprovenAbsence(f"{said}; not SCIM's own answer, so it proves nothing")
        case 404:
            return AccessLost(f"{said}; there is no SCIM here")
        case 405:
            return Unsupported(said)
        case 408 | 425:
            return Transient(said)
        case 412:
            return Stale(said)
        case 409 if create:
            return AlreadyExists(said)
        case 400 if create and taken:
            return AlreadyExists(said)
        case 403 if not of_account and not create:
            return AccessLost(said)
        case _:
            return Rejected(said)


def is_html(response: httpx2.Response) -> bool:
    """Tell whether a web page came, by its label or by its first character."""
    return "html" in response.headers.get("content-type", "").casefold() or response.content.lstrip()[:1] == b"<"


def _json(response: httpx2.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None


def _is_scim_error(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    schemas = content.get("schemas")
    named = isinstance(schemas, list) and ERROR_SCHEMA in {str(schema).casefold() for schema in schemas}
    return named and str(content.get("status", "404")) == "404"


def _detail(response: httpx2.Response, content: Any) -> str:
    if isinstance(content, dict) and isinstance(content.get("detail"), str):
        text = content["detail"]
    else:
        text = response.text
    return " ".join(text.split())[:DETAIL_LENGTH] or "no reason given"
