"""Apply a SCIM PATCH (RFC 7644 section 3.5.2) to a document, whole or not at all."""

import copy
import re
from collections.abc import Callable
from typing import Any

from twins.chaos.messages import Refusal
from twins.chaos.scim_filter import Test, compile_filter, split_name
from twins.chaos.scim_schema import ENTERPRISE, Attribute, clean_value, find_attribute

Document = dict[str, Any]
_PATH = re.compile(r"^(?P<name>[^\[\]]+?)(?:\[(?P<filter>.*)\](?:\.(?P<sub>[^\[\]]+))?)?$")
_EQUALS = re.compile(r'^\s*([\w$]+)\s+eq\s+"([^"]*)"\s*$', re.IGNORECASE)


def apply_patch(schema: str, document: Document, body: Document) -> Document:
    """Return the document after all operations; raises Refusal 400 and leaves `document` as it was."""
    operations = next((value for key, value in body.items() if key.casefold() == "operations"), None)
    if not isinstance(operations, list) or not operations:
        raise Refusal(400, "Operations must be a list that is not empty.", "invalidSyntax")
    patched = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, dict):
            raise Refusal(400, "An operation must be an object.", "invalidSyntax")
        _apply(schema, patched, operation)
    return patched


def _apply(schema: str, document: Document, operation: Document) -> None:
    verb = str(operation.get("op", "")).lower()
    path, value = operation.get("path"), operation.get("value")
    if verb not in ("add", "remove", "replace"):
        raise Refusal(400, f"Unknown op: {operation.get('op')}", "invalidSyntax")
    if path:
        _Target(schema, str(path)).change(document, verb, value)
        return
    if verb == "remove" or not isinstance(value, dict):
        raise Refusal(400, "Without a path there must be an object to add or replace.", "noTarget")
    for name, inner in value.items():
        # Okta repeats the id beside what it changes, and others send schemas: no target is no error here.
        if _Target.is_known_and_writable(schema, name):
            _Target(schema, name).change(document, verb, inner)


class _Target:
    """What a path names: an attribute of the core or the extension, perhaps some items, perhaps a sub-attribute."""

    def __init__(self, schema: str, path: str) -> None:
        match = _PATH.match(path.strip())
        if match is None:
            raise Refusal(400, f"The path cannot be read: {path}", "invalidPath")
        self._path = path
        self._extension, parts = split_name(match["name"])
        self._filter_text = match["filter"] or ""
        self._filter: Test | None = compile_filter(self._filter_text) if match["filter"] is not None else None
        self._attribute = _attribute(self._extension or schema, parts, path)
        self._sub = self._sub_attribute(match["sub"] or (parts[1] if len(parts) > 1 else ""))

    @staticmethod
    def is_known_and_writable(schema: str, path: str) -> bool:
        """Tell whether a key of a PATCH without a path is one to apply."""
        extension, parts = split_name(path.partition("[")[0])
        if not parts:
            return extension is not None
        attribute = find_attribute(extension or schema, parts[0])
        return attribute is not None and attribute.writable and attribute.name != "schemas"

    def _sub_attribute(self, name: str) -> Attribute | None:
        if not name or self._attribute is None:
            return None
        for sub in self._attribute.subs:
            if sub.name.casefold() == name.casefold():
                return sub
        raise Refusal(400, f"No such attribute: {self._path}", "invalidPath")

    def change(self, document: Document, verb: str, value: Any) -> None:
        """Carry out one operation on the document in place; raises Refusal 400."""
        if self._attribute is None:
            self._change_extension(document, verb, value)
            return
        if not self._attribute.writable:
            raise Refusal(400, f"{self._attribute.name} is read-only.", "mutability")
        holder = document.setdefault(self._extension, {}) if self._extension else document
        self._change_attribute(holder, self._attribute, verb, value)
        if holder.get(self._attribute.name) in (None, [], {}, ""):
            self._unassign(holder, self._attribute)
        if self._extension and not holder:
            del document[self._extension]

    @staticmethod
    def _unassign(holder: Document, attribute: Attribute) -> None:
        if attribute.required:
            raise Refusal(400, f"{attribute.name} is required.", "invalidValue")
        holder.pop(attribute.name, None)

    def _change_extension(self, document: Document, verb: str, value: Any) -> None:
        if verb == "remove":
            document.pop(ENTERPRISE, None)
            return
        if not isinstance(value, dict):
            raise Refusal(400, "An extension must be an object.", "invalidValue")
        if verb == "replace":
            document.pop(ENTERPRISE, None)
        for name, inner in value.items():
            if self.is_known_and_writable(ENTERPRISE, name):
                _Target(ENTERPRISE, f"{ENTERPRISE}:{name}").change(document, verb, inner)

    def _change_attribute(self, holder: Document, attribute: Attribute, verb: str, value: Any) -> None:
        name = attribute.name
        if self._filter is not None:
            holder[name] = self._changed_items(holder.get(name, []), attribute, verb, value, self._filter)
        elif self._sub is not None:
            holder[name] = self._changed_sub(holder.get(name), attribute, self._sub, verb, value)
        elif verb == "remove":
            holder[name] = _without(holder.get(name), attribute, value)
        elif verb == "add" and attribute.multi:
            holder[name] = _joined(holder.get(name, []), clean_value(attribute, value) or [])
        elif verb == "add" and attribute.type == "complex":
            holder[name] = {**holder.get(name, {}), **(clean_value(attribute, value) or {})}
        else:
            holder[name] = clean_value(attribute, value)

    def _changed_sub(self, current: Any, attribute: Attribute, sub: Attribute, verb: str, value: Any) -> Any:
        inner = None if verb == "remove" else clean_value(sub, value)
        if attribute.multi:
            return [_with_sub(item, sub.name, inner) for item in current or [{}]]
        return _with_sub(current or {}, sub.name, inner)

    def _changed_items(self, items: list[Document], attribute: Attribute, verb: str, value: Any, test: Test) -> Any:
        if not any(map(test, items)) and verb != "remove":
            return self._with_new_item(items, attribute, verb, value)
        if verb == "remove" and self._sub is None:
            return [item for item in items if not test(item)]
        change = self._item_change(attribute, verb, value)
        return [change(item) if test(item) else item for item in items]

    def _item_change(self, attribute: Attribute, verb: str, value: Any) -> Callable[[Document], Document]:
        if self._sub is not None:
            name = self._sub.name
            inner = None if verb == "remove" else clean_value(self._sub, value)
            return lambda item: _with_sub(item, name, inner)
        (cleaned,) = clean_value(attribute, [value])
        return lambda item: {**item, **cleaned} if verb == "add" else cleaned

    def _with_new_item(self, items: list[Document], attribute: Attribute, verb: str, value: Any) -> list[Document]:
        described = _EQUALS.match(self._filter_text)
        if verb == "replace" or described is None or self._sub is None:
            raise Refusal(400, f"Nothing matches {self._path}", "noTarget")
        item = {described[1]: described[2], self._sub.name: value}
        return _joined(items, clean_value(attribute, [item]))


def _attribute(schema: str, parts: list[str], path: str) -> Attribute | None:
    if not parts:
        return None
    attribute = find_attribute(schema, parts[0])
    if attribute is None:
        raise Refusal(400, f"No such attribute: {path}", "invalidPath")
    return attribute


def _with_sub(item: Document, name: str, inner: Any) -> Document:
    rest = {key: value for key, value in item.items() if key != name}
    return rest if inner in (None, "") else {**rest, name: inner}


def _without(current: Any, attribute: Attribute, value: Any) -> Any:
    """Remove all, or only the listed values when the request names them as Entra does."""
    if not attribute.multi or not value:
        return None
    gone = [_key(item) for item in clean_value(attribute, value)]
    return [item for item in current or [] if _key(item) not in gone]


def _joined(items: list[Any], more: list[Any]) -> list[Any]:
    """Add what is not there yet; a new primary item takes the mark from the others (RFC 7644 section 3.5.2)."""
    if any(item.get("primary") for item in more):
        items = [{**item, "primary": False} if item.get("primary") else item for item in items]
    joined = list(items)
    for item in more:
        same = [old for old in joined if _key(old) == _key(item)]
        if not same:
            joined.append(item)
        elif same[0] != item:
            joined[joined.index(same[0])] = {**same[0], **item}
    return joined


def _key(item: Document) -> Any:
    return item.get("value", item)
