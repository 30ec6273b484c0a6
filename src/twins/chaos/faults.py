"""Say which faults exist and read them from the command line or from the faults file, refusing what is not one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Name -> (what the caller of the app sees, default amount). Amounts are seconds.
FAULTS: dict[str, tuple[str, float]] = {
    "lost_before": ("the connection is dropped and nothing is applied", 0),
    "lost_reply": ("a write is applied, then the connection is dropped without a reply", 0),
    "server_error": ("500, nothing applied", 0),
    "server_error_after": ("a write is applied, then 500", 0),
    "unavailable": ("503, nothing applied", 0),
    "rate_limited": ("429 with Retry-After in seconds", 1),
    "rate_limited_date": ("429 with Retry-After as an HTTP date", 1),
    "auth_storm": ("401 although the token is right", 0),
    "html_login_200": ("a sign-in page with status 200, nothing applied", 0),
    "html_404": ("an HTML 404 for a user or group that exists, nothing applied", 0),
    "slow": ("the reply comes late by the amount", 1),
    "lag": ("reads see each record as it was the amount ago", 0),
    "repeated_cursor": ("paging ignores the start: the same page comes again", 0),
    "shuffled_pages": ("each listing has another order, so pages overlap and hide rows", 0),
    "short_pages": ("pages hold fewer rows than asked", 0),
    "wrong_total": ("the total is wrong: the size of the page", 0),
    "filter_ignored": ("a filter is answered 200 with other users too", 0),
    "filter_refused": ("a filter is answered 400", 0),
    "odd_error_body": ("the body of an error is some JSON, a bare array, HTML or nothing", 0),
    "conflict_plain": ("409 with plain text", 0),
    "location_mismatch": ("meta.location and Location name another id", 0),
    "schemas_bare_array": ("/Schemas and /ResourceTypes answer a bare array", 0),
    "plain_json": ("SCIM replies have the content type application/json", 0),
    "active_required": ("a create without the active flag is refused with 400", 0),
    "uppercase_booleans": ('booleans come as the texts "True" and "False"', 0),
    "truncated_body": ("the body stops half-way and the connection closes", 0),
}


class FaultSpecError(ValueError):
    """A fault is written wrongly; the message is one line that names it and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When one fault strikes: by `rate` (0 to 1), or the `nth` times (from 1) that a method and path are asked.

    `on` narrows it: "POST", "POST /scim/v2/Users" or "/rest" (a path matches by its beginning).
    """

    fault: str
    rate: float = 0.0
    nth: frozenset[int] = frozenset()
    on: str = ""
    amount: float = 0.0

    def covers(self, method: str, path: str) -> bool:
        """Tell whether the rule is meant for this request at all."""
        wanted_method, wanted_path = _split_target(self.on)
        return wanted_method in ("", method) and path.startswith(wanted_path)


def _split_target(on: str) -> tuple[str, str]:
    method, _, path = on.partition("/")
    return method.strip().upper(), f"/{path}" if path else ""


def rules_from_text(text: str, where: str = "--faults") -> list[Rule]:
    """Read `NAME[@TARGET][=WHEN[:AMOUNT]]` items parted by commas; WHEN is a rate or `#1+3` (the nth times).

    `lag=SECONDS` takes seconds. A bare name means always. Raises FaultSpecError.
    """
    return [_rule_from_item(item.strip(), where) for item in text.split(",") if item.strip()]


def _rule_from_item(item: str, where: str) -> Rule:
    head, _, value = item.partition("=")
    name, _, on = head.partition("@")
    return _rule(name.strip(), value.strip() or "1", on.strip(), f"{where}: {item!r}")


def rules_from_file(path: Path) -> list[Rule]:
    """Read a JSON object of faults: name -> number, text as on the command line, object, or list of objects.

    Objects may hold `rate`, `nth` (list), `on` and `amount`. A missing file is fair weather. Raises FaultSpecError.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise FaultSpecError(f"{path}: not JSON ({error}); expected an object of fault names") from error
    if not isinstance(content, dict):
        raise FaultSpecError(f"{path}: expected a JSON object of fault names")
    return [rule for name, value in content.items() for rule in _rules_from_value(name, value, f"{path}: {name}")]


def _rules_from_value(name: str, value: object, where: str) -> list[Rule]:
    if isinstance(value, list):
        return [rule for one in value for rule in _rules_from_value(name, one, where)]
    if isinstance(value, dict):
        return [_rule_from_object(name, value, where)]
    if value is None or isinstance(value, bool):
        value = "1" if value else "0"
    return [_rule(name, str(value), "", where)]


def _rule_from_object(name: str, value: Mapping[str, Any], where: str) -> Rule:
    if unknown := set(value) - {"rate", "nth", "on", "amount"}:
        raise FaultSpecError(f"{where}: unknown field {sorted(unknown)[0]!r}; expected rate, nth, on or amount")
    nth = value.get("nth", [])
    when = "#" + "+".join(map(str, nth)) if nth else str(value.get("rate", 1))
    amount = f":{value['amount']}" if "amount" in value else ""
    if name == "lag":
        return _rule(name, str(value.get("amount", 0)), str(value.get("on", "")), where)
    return _rule(name, when + amount, str(value.get("on", "")), where)


def _rule(name: str, value: str, on: str, where: str) -> Rule:
    if name not in FAULTS:
        raise FaultSpecError(f"{where}: unknown fault {name!r}; expected one of {', '.join(FAULTS)}")
    if name == "lag":
        return Rule(fault=name, rate=1.0, on=on, amount=_number(value, where, "seconds, 0 or more"))
    when, _, amount_text = value.partition(":")
    amount = _number(amount_text, where, "an amount in seconds") if amount_text else FAULTS[name][1]
    if when.startswith("#"):
        numbers = when[1:].split("+")
        if not all(number.isdigit() and int(number) > 0 for number in numbers):
            raise FaultSpecError(f"{where}: expected #1 or #1+3, counted from 1")
        return Rule(fault=name, nth=frozenset(map(int, numbers)), on=on, amount=amount)
    rate = _number(when, where, "a rate from 0 to 1, or #N")
    if rate > 1:
        raise FaultSpecError(f"{where}: expected a rate from 0 to 1, or #N")
    return Rule(fault=name, rate=rate, on=on, amount=amount)


def _number(text: str, where: str, expected: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise FaultSpecError(f"{where}: expected {expected}")
    return number
