"""Fill an empty SCIM server: `load_scim.py URL FILE TOKEN_FILE`; FILE holds users, and groups that name members."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def main(url: str, file: str, token_file: str) -> int:
    """Post every user, then every group with the ids that the server gave; return 0, or 1 at the first refusal."""
    content = json.loads(Path(file).read_text(encoding="utf-8"))
    token = Path(token_file).read_text(encoding="utf-8").strip()
    try:
        ids = {user["userName"]: post(f"{url}/Users", user, token)["id"] for user in content["users"]}
        for group in content["groups"]:
            members = [{"value": ids[name], "display": name} for name in group["members"]]
            post(f"{url}/Groups", {**group, "members": members}, token)
    except urllib.error.HTTPError as error:
        print(f"{file}: {error.url} answered {error.code}: {error.read().decode(errors='replace')}", file=sys.stderr)
        return 1
    print(f"{file}: {len(ids)} users, {len(content['groups'])} groups")
    return 0


def post(url: str, document: dict[str, Any], token: str) -> dict[str, Any]:
    """Create one resource and return it as the server shows it."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers, method="POST")
    # Loopback only: a company proxy from the environment has no business here.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
