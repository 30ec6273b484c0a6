"""The requests of the SCIM connector: what is asked, how answers are read, how writes fall back from PATCH to PUT."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from usher.connectors.contract import Call
from usher.connectors.errors import AccessLost, Rejected, Transient, Unsupported
from usher.connectors.scim.answers import Stale, read_object, refusal, written_object
from usher.connectors.scim.paging import EndedEarly, Listing, ListPage, list_page
from usher.connectors.scim.paths import as_text, get_at, get_key, set_at

SCIM_JSON = "application/scim+json"
PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute's new absolute value, None to remove it; `operation` is a better PATCH for it, where one exists."""

    path: str
    value: Any
    operation: Mapping[str, Any] | None = None

    def as_operation(self) -> Mapping[str, Any]:
        """Return the PATCH operation (RFC 7644 section 3.5.2)."""
        if self.operation is not None:
            return self.operation
        if self.value is None:
            return {"op": "remove", "path": self.path}
        return {"op": "replace", "path": self.path, "value": self.value}


@dataclass(frozen=True, slots=True)
class Written:
    """What a write sent and got."""

    method: str
    body: Mapping[str, Any]
    status: int
    record: Record | None


@dataclass(slots=True)
class ScimApi:
    """Requests to one SCIM server. `page`: the count to ask for, None for the server's own; `put`: no PATCH."""

    page: int | None = None
    put: bool = False
    content_type: str = SCIM_JSON
    trust_total: bool = True
    """Whether a listing that ends before its claimed total counts as broken off."""

    def get_list(self, call: Call, endpoint: str, start: int, *, query: Mapping[str, str] | None = None) -> ListPage:
        """Return one page of an endpoint."""
        params: dict[str, str] = {"startIndex": str(start), **(query or {})}
        if self.page is not None:
            params.setdefault("count", str(self.page))
        what = f"GET {endpoint}"
        response = call.door.http.get(endpoint, params=params, headers=self._accept())
        if not response.is_success:
            raise refusal(response, what, of_account=False)
        return list_page(read_object(response, what), what)

    def list_from(
        self, call: Call, endpoint: str, listing: Listing, start: int, *, query: Mapping[str, str] | None = None
    ) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        """Return the next rows of a listing and where it goes on, None at its end."""
        try:
            page = self.get_list(call, endpoint, start, query=query)
        except Rejected:
            if listing.beyond(start):
                listing.end()
                return (), None  # some servers refuse a start index beyond their last row
            raise
        return listing.take(page, start)

    def list_all(
        self, call: Call, endpoint: str, *, query: Mapping[str, str] | None = None
    ) -> Iterable[Mapping[str, Any]]:
        """Yield every row of an endpoint; Transient where it ends before the server's own count."""
        listing, start = Listing(trust_total=self.trust_total), 1
        try:
            while start is not None:
                rows, start = self.list_from(call, endpoint, listing, start, query=query)  # type: ignore[assignment]
                yield from rows
        except EndedEarly as error:
            raise Transient(f"GET {endpoint}: {error}") from error

    def search(
        self, call: Call, endpoint: str, attribute: str, value: str, extra: Mapping[str, str]
    ) -> list[Mapping[str, Any]] | None:
        """Return the rows whose attribute equals the value, by a filter; None where the filter cannot be trusted."""
        query = {"filter": f"{attribute} eq {orjson.dumps(value).decode()}", **extra}
        try:
            page = self.get_list(call, endpoint, 1, query=query)
        except (Rejected, Unsupported):
            return None
        all_fit = all(as_text(get_at(row, attribute)).casefold() == value.casefold() for row in page.rows)
        whole = page.total is None or page.total <= len(page.rows)
        return list(page.rows) if all_fit and whole else None

    def get(self, call: Call, endpoint: str, record_id: str, *, query: Mapping[str, str] | None = None) -> Record:
        """Return one record by its id; AccessLost where another one is answered."""
        path = record_path(endpoint, record_id)
        response = call.door.http.get(path, params=dict(query or {}), headers=self._accept())
        if not response.is_success:
            raise refusal(response, f"GET {path}", of_account=True)
        record = read_object(response, f"GET {path}")
        if as_text(get_key(record, "id")) != record_id:
            raise AccessLost(f"GET {path} answered the record {get_key(record, 'id')!r}")
        return record

    def post(self, call: Call, endpoint: str, body: Mapping[str, Any]) -> Written:
        """Create a record."""
        what = f"POST {endpoint}"
        response = call.door.http.post(endpoint, content=orjson.dumps(body), headers=self._headers())
        if not response.is_success:
            raise refusal(response, what, of_account=False, create=True)
        return Written("POST", body, response.status_code, written_object(response, what))

    def delete(self, call: Call, endpoint: str, record: Record) -> Written:
        """Delete a record."""
        # No Accept header: one large server refuses a DELETE that asks for SCIM.
        path = record_path(endpoint, as_text(get_key(record, "id")))
        response = call.door.http.delete(path, headers=_if_match(record))
        if not response.is_success:
            raise refusal(response, f"DELETE {path}", of_account=True)
        return Written("DELETE", {}, response.status_code, None)

    def change(
        self,
        call: Call,
        endpoint: str,
        record_id: str,
        wanted: Callable[[Record], Sequence[Change]],
        *,
        query: Mapping[str, str] | None = None,
    ) -> Written | None:
        """Bring a record to what `wanted` asks of its fresh state; None where it asks for nothing.

        The record is read first and its version sent along, where it has one. Where the server does not know PATCH, it
        is read again and put as a whole. A record that changes under two attempts is left alone (Transient).
        """
        for attempt in (1, 2):
            try:
                return self._change_once(call, endpoint, record_id, wanted, query)
            except Stale:
                if attempt == 2:
                    raise
        raise AssertionError("both attempts returned or raised")

    def _change_once(
        self,
        call: Call,
        endpoint: str,
        record_id: str,
        wanted: Callable[[Record], Sequence[Change]],
        query: Mapping[str, str] | None,
    ) -> Written | None:
        if not self.put:
            record = self.get(call, endpoint, record_id, query=query)
            changes = wanted(record)
            if not changes:
                return None
            body = {"schemas": [PATCH_SCHEMA], "Operations": [change.as_operation() for change in changes]}
            try:
                return self._send(call, "PATCH", endpoint, record, body)
            except Unsupported:
                self.put = True
        record = self.get(call, endpoint, record_id)
        changes = wanted(record)
        return self._send(call, "PUT", endpoint, record, replaced(record, changes)) if changes else None

    def _send(self, call: Call, method: str, endpoint: str, record: Record, body: Mapping[str, Any]) -> Written:
        path = record_path(endpoint, as_text(get_key(record, "id")))
        headers = {**self._headers(), **_if_match(record)}
        response = call.door.http.send(method, path, write=True, content=orjson.dumps(body), headers=headers)
        if not response.is_success:
            raise refusal(response, f"{method} {path}", of_account=True)
        return Written(method, body, response.status_code, written_object(response, f"{method} {path}"))

    def _accept(self) -> dict[str, str]:
        return {"Accept": f"{SCIM_JSON}, application/json"}

    def _headers(self) -> dict[str, str]:
        return {**self._accept(), "Content-Type": self.content_type}


def record_path(endpoint: str, record_id: str) -> str:
    """Return the address of a record, its id escaped; Rejected for an id that would climb out of the endpoint."""
    if record_id in ("", ".", ".."):
        raise Rejected(f"{record_id!r} is no id that can be addressed")
    return f"{endpoint}/{quote(record_id, safe='')}"


def replaced(record: Record, changes: Sequence[Change]) -> Record:
    """Return the whole record to PUT: what was read, without what only the server may say, with the changes."""
    body: Record = orjson.loads(orjson.dumps(record))
    for name in [key for key in body if key.casefold() in ("meta", "groups")]:
        del body[name]
    for change in changes:
        set_at(body, change.path, change.value)
    listed = {str(schema).casefold() for schema in body.setdefault("schemas", [])}
    body["schemas"] += [key for key in body if key.startswith("urn:") and key.casefold() not in listed]
    return body


def _if_match(record: Record) -> dict[str, str]:
    version = as_text(get_at(record, "meta.version"))
    # A version that is not an entity tag (RFC 9110 section 8.8.3) would make the header invalid.
    return {"If-Match": version} if re.fullmatch(r'(W/)?"[^"]*"', version) else {}
