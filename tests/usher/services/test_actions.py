"""Whatever an operator does beside plans is signed by him, and the ledger alone proves it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text
from tests.usher.services.conftest import Firm

from usher.domain.signing import verify_action
from usher.services.correlate import link, unlink
from usher.services.operators import add_operator, revoke_operator, set_email
from usher.services.seal import seal, unseal


def details(firm: Firm) -> dict[str, dict[str, Any]]:
    """Event -> its newest detail."""
    with firm.workspace.store.read() as unit:
        rows = unit.connection.execute(
            text("select l.event, d.document from ledger_leaf l join ledger_detail d on d.leaf_id = l.id order by l.id")
        ).all()
    return {event: json.loads(document) for event, document in rows}


def test_every_action_is_signed_over_who_did_what_to_what_why_and_when(firm: Firm) -> None:
    workspace = firm.workspace
    seal(workspace, firm.omar, "a drill")
    unseal(workspace, firm.omar, "over")
    with workspace.store.read() as unit:
        account = next(row for row in unit.accounts.of("crm") if row["user_name"].startswith("ann"))
        person = unit.people.search("ann@acme.test")[0]
    unlink(workspace, account["id"], firm.omar, "another Ann")
    link(workspace, account["id"], person["id"], firm.omar, "asked her")
    set_email(workspace, "olga", "olga@acme.test", firm.omar)
    add_operator(workspace, "mia", by=firm.omar)
    revoke_operator(workspace, "mia", firm.omar)
    found = details(firm)
    for event in (
        "workspace:seal:set", "workspace:seal:lift", "account:link:end", "account:link:set", "operator:email:set",
        "operator:operator:add", "operator:operator:revoke",
    ):  # fmt: skip
        detail = found[event]
        signed = detail["signed"]
        assert signed["operator"] == firm.omar.id and signed["workspace"] == workspace.name, event
        assert signed["subjects"] and signed["at"] == workspace.now(), event
        assert verify_action(firm.omar.row["public_key"], signed, detail["signature"]), event
        assert not verify_action(firm.olga.row["public_key"], signed, detail["signature"]), event
        for name, other in (("reason", "forged"), ("subjects", ["x"]), ("action", "x"), ("at", "2026-01-01")):
            assert not verify_action(firm.omar.row["public_key"], {**signed, name: other}, detail["signature"]), name
    assert found["account:link:set"]["signed"]["subjects"] == [account["id"], person["id"]]
