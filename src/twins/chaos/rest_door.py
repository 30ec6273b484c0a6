"""Serve the same user store as a plain REST app under /rest, the kind with its own field names and no filter."""

from typing import Any

from twins.chaos.messages import Refusal, Reply, Request
from twins.chaos.paging import cut
from twins.chaos.records import Document, NameTakenError, Records
from twins.chaos.scim_schema import ENTERPRISE
from twins.chaos.weather import Strikes

_STATES = {"enabled": True, "disabled": False}
_CORE = {"login": "userName", "name": "displayName", "title": "title", "external_id": "externalId"}
_ENTERPRISE = {"department": "department", "employee_number": "employeeNumber"}
_OTHERS = ("email", "state", "roles", "manager_id")
FIELDS = (*_CORE, *_ENTERPRISE, *_OTHERS)


class RestDoor:
    """`GET /me`, `GET|POST /users`, `GET|PATCH /users/{id}`; a list is a bare array, its total in `X-Total-Count`."""

    root = "/rest"

    def __init__(self, records: Records, page_size: int) -> None:
        self._records = records
        self._page_size = page_size

    def refuse(self, refusal: Refusal) -> Reply:
        """Return the app's own error form."""
        return Reply(refusal.status, {"error": refusal.detail})

    def exists(self, request: Request) -> bool:
        """Tell whether the path names one user that exists now."""
        match self._parts(request):
            case ["users", user_id]:
                return self._records.get("User", user_id) is not None
            case _:
                return False

    def answer(self, request: Request, strikes: Strikes) -> Reply:
        """Carry out one request; raises Refusal."""
        match request.method, self._parts(request):
            case "GET", ["me"]:
                return Reply(200, {"login": "service", "role": "admin"})
            case "GET", ["users"]:
                return self._list(request, strikes)
            case "POST", ["users"]:
                return self._create(request, strikes)
            case "GET" | "PATCH", ["users", user_id]:
                return self._one(request, user_id, strikes)
            case _, ["me"] | ["users"] | ["users", _]:
                raise Refusal(405, "method not allowed")
        raise Refusal(404, "no such page")

    def _parts(self, request: Request) -> list[str]:
        return [part for part in request.path.removeprefix(self.root).split("/") if part]

    def _list(self, request: Request, strikes: Strikes) -> Reply:
        rows = [_row(user) for user in self._records.all("User", strikes.amount("lag"))]
        offset = _whole_number(request, "offset", 0)
        limit = min(_whole_number(request, "limit", self._page_size), self._page_size)
        page = cut(rows, offset, limit, strikes)
        return Reply(200, page.rows, headers={"X-Total-Count": str(page.total)})

    def _create(self, request: Request, strikes: Strikes) -> Reply:
        body = request.document()
        if not body.get("login"):
            raise Refusal(400, "login is required")
        if "active_required" in strikes and "state" not in body:
            raise Refusal(400, "state is required")
        wanted = _changed({}, {"state": "enabled", **body})
        try:
            user = self._records.create("User", wanted, "rest")
        except NameTakenError as error:
            raise Refusal(409, "login is taken") from error
        return Reply(201, _row(user))

    def _one(self, request: Request, user_id: str, strikes: Strikes) -> Reply:
        reading = request.method == "GET"
        user = self._records.get("User", user_id, strikes.amount("lag") if reading else 0.0)
        if user is None:
            raise Refusal(404, "no such user")
        if not reading:
            try:
                user = self._records.update("User", _changed(user, request.document()), "rest")
            except NameTakenError as error:
                raise Refusal(409, "login is taken") from error
        return Reply(200, _row(user))


def _whole_number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if text and not text.isdigit():
        raise Refusal(400, f"{name} must be a whole number")
    return int(text) if text else default


def _row(user: Document) -> dict[str, Any]:
    extension = user.get(ENTERPRISE, {})
    emails = sorted(user.get("emails", []), key=lambda email: not email.get("primary"))
    return {
        "id": user["id"],
        **{field: user.get(name) for field, name in _CORE.items()},
        **{field: extension.get(name) for field, name in _ENTERPRISE.items()},
        "email": emails[0].get("value") if emails else None,
        "state": "enabled" if user.get("active", True) else "disabled",
        "roles": [role["value"] for role in user.get("roles", []) if "value" in role],
        "manager_id": extension.get("manager", {}).get("value"),
        "created": user["meta"]["created"],
        "updated": user["meta"]["lastModified"],
    }


def _changed(user: Document, body: dict[str, Any]) -> Document:
    """Return the user with the fields of the body set, null unassigning; raises Refusal 400 for what is not a field."""
    for field, value in body.items():
        _refuse_wrong(field, value)
    changed = {**user, ENTERPRISE: dict(user.get(ENTERPRISE, {}))}
    for fields, holder in ((_CORE, changed), (_ENTERPRISE, changed[ENTERPRISE])):
        for field in fields.keys() & body.keys():
            _set(holder, fields[field], body[field])
    if "manager_id" in body:
        _set(changed[ENTERPRISE], "manager", {"value": body["manager_id"]} if body["manager_id"] else None)
    if "email" in body:
        _set(changed, "emails", [{"value": body["email"], "primary": True}] if body["email"] else None)
    if "state" in body:
        changed["active"] = _STATES[body["state"]]
    if "roles" in body:
        _set(changed, "roles", [{"value": role} for role in body["roles"] or []])
    _set(changed, ENTERPRISE, changed[ENTERPRISE])
    return changed


def _refuse_wrong(field: str, value: Any) -> None:
    if field not in FIELDS:
        raise Refusal(400, f"unknown field {field}; expected one of {', '.join(FIELDS)}")
    if field == "state" and value not in _STATES:
        raise Refusal(400, "state must be enabled or disabled")
    if field == "login" and not (isinstance(value, str) and value):
        raise Refusal(400, "login must be a text")
    if field == "roles":
        if value is not None and not (isinstance(value, list) and all(isinstance(role, str) for role in value)):
            raise Refusal(400, "roles must be a list of texts")
    elif value is not None and not isinstance(value, str):
        raise Refusal(400, f"{field} must be a text or null")


def _set(holder: Document, name: str, value: Any) -> None:
    if value:
        holder[name] = value
    else:
        holder.pop(name, None)
