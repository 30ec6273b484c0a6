"""Say what reading 10,000 accounts over SCIM costs us, against the floor: bare httpx2 and orjson over the same pages.

    .venv/bin/python benchmarks/observe.py [ACCOUNTS]

Both read the same recorded pages of 100 from memory, so that only the clients are measured. CPU seconds, the best of
three; the ratio is what a reader of the code should care about.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

import httpx2
import orjson

from usher.connectors.contract import Call, read_all
from usher.connectors.door import Door
from usher.connectors.scim import ScimConnector
from usher.domain.connection import ConnectionConfig

URL = "http://127.0.0.1/scim"
PAGE = 100
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def user(number: int) -> dict[str, object]:
    """Return a user as scim2-server shows one."""
    name = f"user{number}@example.com"
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "id": f"{number:032x}",
        "meta": {
            "resourceType": "User",
            "created": "2026-01-02T03:04:05.678901Z",
            "lastModified": "2026-01-02T03:04:05.678901Z",
            "location": f"{URL}/Users/{number:032x}",
            "version": 'W/"1"',
        },
        "userName": name,
        "name": {"givenName": "Given", "familyName": "Family"},
        "displayName": "Given Family",
        "title": "Account Executive",
        "active": number % 7 != 0,
        "emails": [{"value": name, "type": "work", "primary": True}],
        "roles": [{"value": "Rep"}],
        "groups": [{"value": "g1", "display": "everybody"}, {"value": "g2", "display": "sellers"}],
        ENTERPRISE: {"employeeNumber": str(number), "department": "Sales", "manager": {"value": "m1"}},
    }


def recorded(accounts: int) -> dict[int, bytes]:
    """Return the body of every page by its start index."""
    pages = {}
    for start in range(1, accounts + PAGE + 1, PAGE):
        rows = [user(number) for number in range(start, min(start + PAGE, accounts + 1))]
        body = {"totalResults": accounts, "startIndex": start, "itemsPerPage": len(rows), "Resources": rows}
        pages[start] = orjson.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], **body})
    return pages


def best_of_three(read: Callable[[], int]) -> tuple[float, int]:
    """Return CPU seconds and how many accounts were read."""
    seconds = []
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        count = read()
        seconds.append(time.process_time() - began)
    return min(seconds), count


def main() -> None:
    """Measure and print three lines."""
    accounts = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    pages = recorded(accounts)
    answer = httpx2.MockTransport(
        lambda request: httpx2.Response(200, content=pages[int(request.url.params["startIndex"])])
    )
    with httpx2.Client(transport=answer) as client:

        def floor() -> int:
            start, seen = 1, 0
            while rows := orjson.loads(client.get(f"{URL}/Users", params={"startIndex": start}).content)["Resources"]:
                seen += len(rows)
                start += len(rows)
            return seen

        config = ConnectionConfig(name="crm", app="scim", speaks="scim", owner="bench", url=URL)
        call = Call(door=Door(connection="crm", base_url=URL, client=client))

        def ours() -> int:
            return sum(1 for _ in read_all(ScimConnector(config), call))

        floor_seconds, floor_count = best_of_three(floor)
        our_seconds, our_count = best_of_three(ours)
    if not floor_count == our_count == accounts:
        raise SystemExit(f"read {our_count} and {floor_count} accounts instead of {accounts}")
    print(f"floor  {floor_seconds:.3f} s CPU  {floor_seconds / accounts * 1e6:.1f} us an account")
    print(f"ours   {our_seconds:.3f} s CPU  {our_seconds / accounts * 1e6:.1f} us an account")
    print(f"ratio  {our_seconds / floor_seconds:.1f}")


if __name__ == "__main__":
    main()
