"""Serve the user store as SCIM 2.0 under /scim/v2 (RFC 7643 and 7644), spoilt where a fault strikes."""

import copy

from twins.chaos.messages import Refusal, Reply, Request
from twins.chaos.paging import cut
from twins.chaos.records import Document, Kind, NameTakenError, Records
from twins.chaos.scim_discovery import discovery_document
from twins.chaos.scim_filter import Test, compile_filter
from twins.chaos.scim_patch import apply_patch
from twins.chaos.scim_schema import ENTERPRISE, ERROR, GROUP, LIST_RESPONSE, USER, clean_document
from twins.chaos.weather import Strikes

SCIM_JSON = "application/scim+json"
_KINDS: dict[str, tuple[Kind, str]] = {"Users": ("User", USER), "Groups": ("Group", GROUP)}
_KEPT_ALWAYS = {"id", "schemas"}


class ScimDoor:
    """Users, Groups and the discovery endpoints over one set of records."""

    root = "/scim/v2"

    def __init__(self, records: Records, page_size: int) -> None:
        self._records = records
        self._page_size = page_size

    def refuse(self, refusal: Refusal) -> Reply:
        """Return the SCIM error reply (RFC 7644 section 3.12)."""
        body = {"schemas": [ERROR], "status": str(refusal.status), "detail": refusal.detail}
        if refusal.scim_type:
            body["scimType"] = refusal.scim_type
        return Reply(refusal.status, body, content_type=SCIM_JSON)

    def exists(self, request: Request) -> bool:
        """Tell whether the path names one record that exists now."""
        match self._parts(request):
            case ["Users" | "Groups" as endpoint, record_id]:
                return self._records.get(_KINDS[endpoint][0], record_id) is not None
            case _:
                return False

    def answer(self, request: Request, strikes: Strikes) -> Reply:
        """Carry out one request; raises Refusal."""
        parts = self._parts(request)
        match parts:
            case ["Users" | "Groups" as endpoint]:
                return self._collection(request, *_KINDS[endpoint], strikes)
            case ["Users" | "Groups" as endpoint, record_id] if record_id != ".search":
                return self._record(request, *_KINDS[endpoint], record_id, strikes)
            case [*_, ".search"]:
                raise Refusal(501, "Search by POST is not supported.")
        document = discovery_document(self._base(request), parts, self._page_size, strikes)
        if request.method != "GET":
            raise Refusal(405, "Only GET is allowed here.")
        return Reply(200, document, content_type=SCIM_JSON)

    def _parts(self, request: Request) -> list[str]:
        return [part for part in request.path.removeprefix(self.root).split("/") if part]

    def _base(self, request: Request) -> str:
        return request.base_url + self.root

    def _collection(self, request: Request, kind: Kind, schema: str, strikes: Strikes) -> Reply:
        if request.method == "GET":
            return self._list(request, kind, strikes)
        if request.method != "POST":
            raise Refusal(405, "Only GET and POST are allowed here.")
        document = clean_document(schema, request.document())
        if kind == "User":
            if "active_required" in strikes and "active" not in document:
                raise Refusal(400, "active is required.", "invalidValue")
            document.setdefault("active", True)
        self._settle_members(document)
        try:
            created = self._records.create(kind, document, "scim")
        except NameTakenError as error:
            raise _taken(error) from error
        shown = self._shown(request, kind, created, strikes)
        return Reply(201, shown, content_type=SCIM_JSON, headers={"Location": shown["meta"]["location"]})

    def _list(self, request: Request, kind: Kind, strikes: Strikes) -> Reply:
        test = self._asked_filter(request, strikes)
        rows = [record for record in self._all(kind, strikes) if test is None or test(record)]
        start = max(1, _whole_number(request, "startIndex", 1))
        count = min(max(0, _whole_number(request, "count", self._page_size)), self._page_size)
        page = cut(rows, start - 1, count, strikes)
        body = {
            "schemas": [LIST_RESPONSE],
            "totalResults": page.total,
            "startIndex": page.offset + 1,
            "itemsPerPage": len(page.rows),
            "Resources": [self._shown(request, kind, record, strikes) for record in page.rows],
        }
        return Reply(200, body, content_type=SCIM_JSON)

    def _all(self, kind: Kind, strikes: Strikes) -> list[Document]:
        records = self._records.all(kind, strikes.amount("lag"))
        return self._with_groups(records, strikes.amount("lag")) if kind == "User" else records

    @staticmethod
    def _asked_filter(request: Request, strikes: Strikes) -> Test | None:
        text = request.query.get("filter", "")
        if not text:
            return None
        if "filter_refused" in strikes:
            raise Refusal(400, "Filtering by this attribute is not supported.", "invalidFilter")
        test = compile_filter(text)
        return None if "filter_ignored" in strikes else test

    def _record(self, request: Request, kind: Kind, schema: str, record_id: str, strikes: Strikes) -> Reply:
        lag = strikes.amount("lag") if request.method == "GET" else 0.0
        record = self._records.get(kind, record_id, lag)
        if record is None:
            raise Refusal(404, f"Resource {record_id} not found.")
        match request.method:
            case "GET":
                (record,) = self._with_groups([record], lag) if kind == "User" else [record]
                return Reply(200, self._shown(request, kind, record, strikes), content_type=SCIM_JSON)
            case "PATCH":
                changed = apply_patch(schema, record, request.document())
            case "PUT":
                changed = {**clean_document(schema, request.document()), "id": record_id}
                if kind == "User":
                    changed.setdefault("active", record.get("active", True))
            case "DELETE":
                self._records.delete(kind, record_id, "scim")
                return Reply(204)
            case _:
                raise Refusal(405, "This method is not allowed here.")
        return Reply(200, self._updated(request, kind, changed, strikes), content_type=SCIM_JSON)

    def _updated(self, request: Request, kind: Kind, changed: Document, strikes: Strikes) -> Document:
        self._settle_members(changed)
        try:
            updated = self._records.update(kind, changed, "scim")
        except NameTakenError as error:
            raise _taken(error) from error
        (updated,) = self._with_groups([updated], 0.0) if kind == "User" else [updated]
        return self._shown(request, kind, updated, strikes)

    def _settle_members(self, document: Document) -> None:
        """Reduce members to the ids that matter, each once; raises Refusal 400 for one that is not a user."""
        if "members" not in document:
            return
        ids = dict.fromkeys(member.get("value") for member in document["members"])
        for user_id in ids:
            if self._records.get("User", str(user_id)) is None:
                raise Refusal(400, f"There is no user {user_id}.", "invalidValue")
        document["members"] = [{"value": user_id} for user_id in ids]

    def _with_groups(self, users: list[Document], lag: float) -> list[Document]:
        groups_of: dict[str, list[Document]] = {}
        for group in self._records.all("Group", lag):
            for member in group.get("members", []):
                groups_of.setdefault(member["value"], []).append(
                    {"value": group["id"], "display": group["displayName"], "type": "direct"}
                )
        return [{**user, "groups": groups_of[user["id"]]} if user["id"] in groups_of else user for user in users]

    def _shown(self, request: Request, kind: Kind, record: Document, strikes: Strikes) -> Document:
        return _projected(request, self._rendered(request, kind, record, strikes))

    def _rendered(self, request: Request, kind: Kind, record: Document, strikes: Strikes) -> Document:
        base = self._base(request)
        schema = USER if kind == "User" else GROUP
        shown: Document = {
            "schemas": [schema, *([ENTERPRISE] if ENTERPRISE in record else [])],
            **copy.deepcopy(record),
        }
        located = f"internal-{record['id'][:8]}" if "location_mismatch" in strikes else record["id"]
        shown["meta"] = {"resourceType": kind, **record["meta"], "location": f"{base}/{kind}s/{located}"}
        for group in shown.get("groups", []):
            group["$ref"] = f"{base}/Groups/{group['value']}"
        for member in shown.get("members", []):
            member |= {"$ref": f"{base}/Users/{member['value']}", "type": "User"}
        manager = shown.get(ENTERPRISE, {}).get("manager")
        if manager and manager.get("value"):
            manager["$ref"] = f"{base}/Users/{manager['value']}"
        return shown


def _taken(error: NameTakenError) -> Refusal:
    return Refusal(409, f"userName {error} is taken.", "uniqueness")


def _whole_number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    try:
        return int(text) if text else default
    except ValueError as error:
        raise Refusal(400, f"{name} must be a whole number.", "invalidValue") from error


def _projected(request: Request, row: Document) -> Document:
    """Keep or drop whole attributes as `attributes` and `excludedAttributes` ask (RFC 7644 section 3.9)."""
    wanted, unwanted = (_names(request.query.get(name, "")) for name in ("attributes", "excludedAttributes"))
    if wanted:
        return {name: value for name, value in row.items() if name in _KEPT_ALWAYS or name.casefold() in wanted}
    return {name: value for name, value in row.items() if name in _KEPT_ALWAYS or name.casefold() not in unwanted}


def _names(text: str) -> set[str]:
    names = {name.strip().casefold() for name in text.split(",") if name.strip()}
    for urn in (ENTERPRISE, USER, GROUP):
        names = {_attribute_of(name, urn.casefold()) for name in names}
    return {name if name == ENTERPRISE.casefold() else name.split(".")[0] for name in names}


def _attribute_of(name: str, urn: str) -> str:
    if not name.startswith(f"{urn}:"):
        return name
    return urn if urn == ENTERPRISE.casefold() else name.removeprefix(f"{urn}:")
