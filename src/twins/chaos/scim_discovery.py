"""Answer the SCIM discovery endpoints: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644 section 4)."""

from typing import Any

from twins.chaos.messages import Refusal
from twins.chaos.scim_schema import ATTRIBUTES, ENTERPRISE, GROUP, LIST_RESPONSE, USER
from twins.chaos.weather import Strikes

_META = "urn:ietf:params:scim:schemas:core:2.0:"
_NAMES = {USER: "User", GROUP: "Group", ENTERPRISE: "EnterpriseUser"}


def discovery_document(base: str, parts: list[str], page_size: int, strikes: Strikes) -> Any:
    """Return the JSON of a discovery path, given as its parts below the base; raises Refusal 404."""
    match parts:
        case ["ServiceProviderConfig"]:
            return _service_provider_config(base, page_size)
        case ["ResourceTypes" | "Schemas" as endpoint]:
            documents = _resource_types(base) if endpoint == "ResourceTypes" else _schemas(base)
            return documents if "schemas_bare_array" in strikes else _listed(documents)
        case ["ResourceTypes", name]:
            return _one(_resource_types(base), name)
        case ["Schemas", name]:
            return _one(_schemas(base), name)
        case _:
            raise Refusal(404, "No such endpoint.")


def _one(documents: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    for document in documents:
        if document["id"] == wanted:
            return document
    raise Refusal(404, f"No such resource: {wanted}")


def _listed(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schemas": [LIST_RESPONSE],
        "totalResults": len(documents),
        "itemsPerPage": len(documents),
        "startIndex": 1,
        "Resources": documents,
    }


def _service_provider_config(base: str, page_size: int) -> dict[str, Any]:
    return {
        "schemas": [f"{_META}ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": page_size},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": False},
        "authenticationSchemes": [
            {"type": "oauthbearertoken", "name": "Bearer token", "description": "Authorization: Bearer TOKEN"}
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }


def _resource_types(base: str) -> list[dict[str, Any]]:
    types: list[dict[str, Any]] = [
        {
            "schemas": [f"{_META}ResourceType"],
            "id": name,
            "name": name,
            "description": name,
            "endpoint": f"/{name}s",
            "schema": schema,
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{name}"},
        }
        for schema, name in ((USER, "User"), (GROUP, "Group"))
    ]
    types[0]["schemaExtensions"] = [{"schema": ENTERPRISE, "required": False}]
    return types


def _schemas(base: str) -> list[dict[str, Any]]:
    return [
        {
            "schemas": [f"{_META}Schema"],
            "id": schema,
            "name": _NAMES[schema],
            "description": _NAMES[schema],
            "attributes": [attribute.described() for attribute in attributes],
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema}"},
        }
        for schema, attributes in ATTRIBUTES.items()
    ]
