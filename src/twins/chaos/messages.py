"""Give both doors the same plain request and reply, so that faults can be laid over either."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Refusal(Exception):
    """A door refuses a request: HTTP status, SCIM error type (RFC 7644 section 3.12, may be empty) and a sentence."""

    def __init__(self, status: int, detail: str, scim_type: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.scim_type = scim_type


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body read whole."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    query_text: str = ""
    authorization: str = ""
    base_url: str = ""
    body: bytes = b""

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object; raises Refusal 400."""
        try:
            content = json.loads(self.body)
        except ValueError as error:
            raise Refusal(400, "The body is not JSON.", "invalidSyntax") from error
        if not isinstance(content, dict):
            raise Refusal(400, "The body is not a JSON object.", "invalidSyntax")
        return content


@dataclass(slots=True)
class Reply:
    """One HTTP reply; `content` is JSON, text goes into `text` with its own content type."""

    status: int
    content: Any = None
    text: str = ""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        """Return the bytes to send; empty for 204 and for a reply without content."""
        if self.text:
            return self.text.encode()
        return b"" if self.content is None else json.dumps(self.content, ensure_ascii=False).encode()
