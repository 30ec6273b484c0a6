"""Describe the SCIM attributes this app knows (RFC 7643), for discovery and for reading what clients send."""

from dataclasses import dataclass
from typing import Any

from twins.chaos.messages import Refusal

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute as RFC 7643 section 7 describes it."""

    name: str
    type: str = "string"
    multi: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: str = "readWrite"
    uniqueness: str = "none"
    subs: tuple["Attribute", ...] = ()
    references: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()

    @property
    def writable(self) -> bool:
        """Tell whether a client may set it."""
        return self.mutability != "readOnly"

    def described(self) -> dict[str, Any]:
        """Return the attribute as it stands in a /Schemas document."""
        described: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "multiValued": self.multi,
            "description": self.name,
            "required": self.required,
            "mutability": self.mutability,
            "returned": "default",
        }
        if self.type in ("string", "reference"):
            described |= {"caseExact": self.case_exact, "uniqueness": self.uniqueness}
        if self.references:
            described["referenceTypes"] = list(self.references)
        if self.canonical:
            described["canonicalValues"] = list(self.canonical)
        if self.subs:
            described["subAttributes"] = [sub.described() for sub in self.subs]
        return described


def _text(name: str, **more: Any) -> Attribute:
    return Attribute(name=name, **more)


def _values(name: str, kinds: tuple[str, ...] = ()) -> Attribute:
    """Return a multi-valued attribute with the usual sub-attributes (RFC 7643 section 2.4)."""
    subs = (
        _text("value"),
        _text("display"),
        _text("type", canonical=kinds),
        Attribute(name="primary", type="boolean"),
    )
    return Attribute(name=name, type="complex", multi=True, subs=subs)


def _reference(mutability: str, *references: str) -> Attribute:
    return Attribute(
        name="$ref", type="reference", case_exact=True, mutability=mutability, references=references or ("User",)
    )


_EXTERNAL_ID = _text("externalId", case_exact=True)
ATTRIBUTES: dict[str, tuple[Attribute, ...]] = {
    USER: (
        _text("userName", required=True, uniqueness="server"),
        Attribute(
            name="name",
            type="complex",
            subs=tuple(
                map(
                    _text,
                    ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"),
                )
            ),
        ),
        _text("displayName"),
        _text("title"),
        _text("userType"),
        Attribute(name="active", type="boolean"),
        _values("emails", ("work", "home", "other")),
        Attribute(
            name="groups",
            type="complex",
            multi=True,
            mutability="readOnly",
            subs=(
                _text("value", mutability="readOnly"),
                _reference("readOnly", "Group"),
                _text("display", mutability="readOnly"),
                _text("type", mutability="readOnly", canonical=("direct",)),
            ),
        ),
        _values("entitlements"),
        _values("roles"),
    ),
    ENTERPRISE: (
        _text("employeeNumber"),
        _text("department"),
        Attribute(
            name="manager",
            type="complex",
            subs=(_text("value"), _reference("readWrite"), _text("displayName", mutability="readOnly")),
        ),
    ),
    GROUP: (
        _text("displayName", required=True),
        Attribute(
            name="members",
            type="complex",
            multi=True,
            subs=(
                _text("value", mutability="immutable"),
                _reference("immutable"),
                _text("type", mutability="immutable", canonical=("User",)),
            ),
        ),
    ),
}
COMMON = (
    _text("id", case_exact=True, mutability="readOnly"),
    _EXTERNAL_ID,
    Attribute(name="meta", type="complex", mutability="readOnly"),
    Attribute(name="schemas", multi=True),
)


def find_attribute(schema: str, name: str) -> Attribute | None:
    """Return the attribute of a schema by its name without case; common attributes belong to User and Group."""
    candidates = ATTRIBUTES[schema] if schema == ENTERPRISE else (*ATTRIBUTES[schema], *COMMON)
    return next((one for one in candidates if one.name.casefold() == name.casefold()), None)


def clean_document(schema: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return what a client sent with names spelt as in the schema; unknown and read-only attributes are left out.

    Raises Refusal 400 `invalidValue` for a value of the wrong type or a missing required attribute.
    """
    document: dict[str, Any] = {}
    for name, value in body.items():
        if schema == USER and name.casefold() == ENTERPRISE.casefold():
            extension = clean_values(ENTERPRISE, _as_object(name, value))
            if extension:
                document[ENTERPRISE] = extension
    document |= clean_values(schema, body)
    for attribute in ATTRIBUTES[schema]:
        if attribute.required and attribute.name not in document:
            raise Refusal(400, f"{attribute.name} is required.", "invalidValue")
    return document


def clean_values(schema: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the writable attributes of one schema found in `values`, cleaned; empty values are left out."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        attribute = find_attribute(schema, name)
        if attribute is None or not attribute.writable or attribute.name == "schemas":
            continue
        cleaned = clean_value(attribute, value)
        if cleaned not in (None, [], {}):
            kept[attribute.name] = cleaned
    return kept


def clean_value(attribute: Attribute, value: Any) -> Any:
    """Return the value in the attribute's form; None stays None (unassigned). Raises Refusal 400 `invalidValue`."""
    if value is None:
        return None
    if attribute.multi:
        items = value if isinstance(value, list) else [value]
        return [_clean_single(attribute, item) for item in items]
    return _clean_single(attribute, value)


def _clean_single(attribute: Attribute, value: Any) -> Any:
    if attribute.type == "complex":
        given = _as_object(attribute.name, value)
        known = {sub.name.casefold(): sub for sub in attribute.subs}
        cleaned = {
            known[name.casefold()].name: _clean_single(known[name.casefold()], inner)
            for name, inner in given.items()
            if name.casefold() in known and inner is not None
        }
        return {name: inner for name, inner in cleaned.items() if inner != ""}
    if attribute.type == "boolean":
        return _as_boolean(attribute.name, value)
    if not isinstance(value, str) or (attribute.required and not value.strip()):
        raise Refusal(400, f"{attribute.name} must be a text.", "invalidValue")
    return value


def _as_object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(400, f"{name} must be an object.", "invalidValue")
    return value


def _as_boolean(name: str, value: Any) -> bool:
    # Identity providers send "True" and "False" as texts; most apps take them.
    text = str(value).lower()
    if text not in ("true", "false"):
        raise Refusal(400, f"{name} must be a boolean.", "invalidValue")
    return text == "true"
