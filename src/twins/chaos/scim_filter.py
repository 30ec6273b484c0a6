"""Read SCIM filters (RFC 7644 section 3.4.2.2) into tests that a resource passes or fails."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from twins.chaos.messages import Refusal
from twins.chaos.scim_schema import ENTERPRISE, GROUP, USER

Test = Callable[[Mapping[str, Any]], bool]
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()\[\]]|[^\s()\[\]"]+)')
_CASE_EXACT = {"id", "externalid", "$ref"}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: left == right,
    "co": lambda left, right: str(right) in str(left),
    "sw": lambda left, right: str(left).startswith(str(right)),
    "ew": lambda left, right: str(left).endswith(str(right)),
    "gt": lambda left, right: _ordered(left) > _ordered(right),
    "ge": lambda left, right: _ordered(left) >= _ordered(right),
    "lt": lambda left, right: _ordered(left) < _ordered(right),
    "le": lambda left, right: _ordered(left) <= _ordered(right),
}


def compile_filter(text: str) -> Test:
    """Return the test that a filter stands for; raises Refusal 400 `invalidFilter`."""
    reader = _Reader(text)
    test = reader.either()
    if reader.peek() is not None:
        raise reader.refused()
    return test


def split_name(name: str) -> tuple[str | None, list[str]]:
    """Split `urn:...:User:name.sub` into the extension's URN (None for the core) and the dotted parts."""
    for urn in (ENTERPRISE, USER, GROUP):
        if name.casefold() == urn.casefold():
            return (urn if urn == ENTERPRISE else None), []
        if name.casefold().startswith(urn.casefold() + ":"):
            return (urn if urn == ENTERPRISE else None), name[len(urn) + 1 :].split(".")
    return None, name.split(".")


def values_at(resource: Mapping[str, Any], name: str) -> list[Any]:
    """Return all values at an attribute name, any case; a complex value stands for its `value`."""
    extension, parts = split_name(name)
    found: list[Any] = [resource.get(extension, {}) if extension else resource]
    for part in parts:
        found = [inner for value in found for inner in _flat(_get(value, part))]
    return [value.get("value", value) if isinstance(value, dict) else value for value in found]


def _get(value: Any, part: str) -> Any:
    if not isinstance(value, Mapping):
        return None
    return next((inner for key, inner in value.items() if key.casefold() == part.casefold()), None)


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _ordered(value: Any) -> str:
    # Instants come with 3 or 7 digits of fraction; without the Z they compare as text.
    return str(value).rstrip("zZ")


class _Reader:
    """Recursive descent over the tokens: or, and, not, then one comparison."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._at = 0
        if _TOKEN.sub("", text).strip():
            raise self.refused()

    def refused(self) -> Refusal:
        return Refusal(400, f"The filter cannot be read: {self._text}", "invalidFilter")

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        token = self.peek()
        if token is None:
            raise self.refused()
        self._at += 1
        return token

    def _take(self, word: str) -> bool:
        token = self.peek()
        if token is None or token.lower() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self.refused()

    def either(self) -> Test:
        tests = [self._both()]
        while self._take("or"):
            tests.append(self._both())
        return lambda resource: any(test(resource) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        return lambda resource: all(test(resource) for test in tests)

    def _one(self) -> Test:
        if self._take("not"):
            self._expect("(")
            inner = self.either()
            self._expect(")")
            return lambda resource: not inner(resource)
        if self._take("("):
            inner = self.either()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        name = self._next()
        if self._take("["):
            return self._value_path(name)
        return self._compare(name, lambda resource: values_at(resource, name))

    def _value_path(self, name: str) -> Test:
        inner = self.either()
        self._expect("]")

        def matching(resource: Mapping[str, Any]) -> list[Any]:
            return [item for item in _items(resource, name) if inner(item)]

        token = self.peek()
        if token is None or not token.startswith("."):
            return lambda resource: bool(matching(resource))
        sub = self._next()[1:]
        return self._compare(sub, lambda resource: [v for item in matching(resource) for v in values_at(item, sub)])

    def _compare(self, name: str, values: Callable[[Mapping[str, Any]], list[Any]]) -> Test:
        operator = self._next().lower()
        if operator == "pr":
            return lambda resource: any(value not in ("", None) for value in values(resource))
        wanted = self._literal()
        fold = name.rpartition(":")[2].casefold() not in _CASE_EXACT
        if operator == "ne":
            return lambda resource: all(_folded(value, fold) != _folded(wanted, fold) for value in values(resource))
        if operator not in _COMPARE:
            raise self.refused()
        compare = _COMPARE[operator]
        return lambda resource: any(compare(_folded(v, fold), _folded(wanted, fold)) for v in values(resource))

    def _literal(self) -> Any:
        token = self._next()
        try:
            return json.loads(token if token.startswith('"') else token.lower())
        except ValueError as error:
            raise self.refused() from error


def _items(resource: Mapping[str, Any], name: str) -> list[Any]:
    extension, parts = split_name(name)
    container = resource.get(extension, {}) if extension else resource
    return [item for item in _flat(_get(container, parts[0])) if isinstance(item, Mapping)]


def _folded(value: Any, fold: bool) -> Any:
    # True and "True" are the same here: identity providers filter active by text.
    if isinstance(value, bool):
        return str(value).casefold()
    return value.casefold() if fold and isinstance(value, str) else value
