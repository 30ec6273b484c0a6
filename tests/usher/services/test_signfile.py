"""A signature made on another machine counts for exactly the plan that was shown there, once, in one sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.usher.services.conftest import Firm, MakeFirm

from usher.domain.guard import Limit, Limits
from usher.domain.signing import new_private_key
from usher.services.operators import Acting, revoke_operator
from usher.services.signfile import (
    PLAN_FILE,
    SIGNATURE_FILE,
    BadFile,
    bring_signature,
    export_plan,
    read_plan,
    sign_plan,
)
from usher.services.workspace import Refusal

Document = dict[str, Any]
LENIENT = Limits(windows=(Limit(hours=24, count=10, percent=100),))


def carried(firm: Firm, number: int = 1) -> str:
    """The file of a plan."""
    return json.dumps({"schema": PLAN_FILE, **export_plan(firm.workspace, str(number))})


def signed(firm: Firm, by: Acting, decision: str = "approve", number: int = 1, reason: str = "") -> Document:
    """What the other machine writes: it has the file and the key, and nothing else."""
    plan = read_plan(carried(firm, number)).plan
    made = sign_plan(plan, by.row["name"], by.private_key, decision, reason, plan.created_at)
    return {"schema": SIGNATURE_FILE, **made}


def bring(firm: Firm, document: Document, number: int = 1) -> tuple[str, ...]:
    """Bring it back; what is still missing."""
    _, found = bring_signature(firm.workspace, str(number), json.dumps(document))
    return found.missing if found else ()


def test_a_plan_is_shown_and_signed_elsewhere_and_counts_here(firm: Firm) -> None:
    plan = firm.plan("ann")
    away = read_plan(carried(firm))
    assert away.plan == plan and away.names[firm.olga.id] == "olga"
    assert bring(firm, signed(firm, firm.omar)) == ()
    assert firm.row(plan)["state"] == "approved"


def test_a_rejection_made_elsewhere_ends_the_plan_and_needs_a_reason(firm: Firm) -> None:
    plan = firm.plan("ann")
    with pytest.raises(BadFile, match="why"):
        bring(firm, signed(firm, firm.omar, "reject"))
    bring(firm, signed(firm, firm.omar, "reject", reason="she stays"))
    assert (firm.row(plan)["state"], firm.row(plan)["note"]) == ("rejected", "omar: she stays")


def test_the_same_signature_counts_once(make_firm: MakeFirm) -> None:
    firm = make_firm(owner="olga", limits=LENIENT)
    firm.plan("ann")
    document = signed(firm, firm.omar)
    bring(firm, document)
    with pytest.raises(Refusal, match="approved: it takes no signatures"):
        bring(firm, document)


def test_a_signature_for_another_plan_is_refused_even_when_it_is_relabelled(make_firm: MakeFirm) -> None:
    firm = make_firm(limits=LENIENT)
    first, second = firm.plan("ann"), firm.plan("ben")
    document = signed(firm, firm.omar)
    with pytest.raises(Refusal, match="another plan"):
        bring(firm, document, second.number)
    with pytest.raises(Refusal, match="has the digest"):
        bring(firm, {**document, "plan": second.id}, second.number)
    with pytest.raises(Refusal, match="no signature of omar"):
        bring(firm, {**document, "plan": second.id, "digest": second.digest}, second.number)
    assert firm.row(first)["state"] == firm.row(second)["state"] == "proposed"


def test_a_rejection_never_serves_as_an_approval_nor_an_approval_as_a_rejection(firm: Firm) -> None:
    plan = firm.plan("ann")
    for decision, other in (("reject", "approve"), ("approve", "reject")):
        with pytest.raises(Refusal, match="no signature of omar"):
            bring(firm, {**signed(firm, firm.omar, decision, reason="r"), "decision": other})
    assert firm.row(plan)["state"] == "proposed"


def test_a_request_never_serves_as_an_approval_brought_from_elsewhere(firm: Firm) -> None:
    plan = firm.plan("ann", by=firm.omar)
    made = {**signed(firm, firm.olga), "operator": "omar", "public_key": firm.omar.row["public_key"]}
    with pytest.raises(Refusal, match="no signature of omar"):
        bring(firm, {**made, "signature": firm.row(plan)["signature"]})


def test_only_the_operators_of_the_workspace_with_their_own_keys_count(firm: Firm) -> None:
    firm.plan("ann")
    stranger = Acting({"id": "opr_x", "name": "omar"}, new_private_key())
    with pytest.raises(Refusal, match="has the key that signed this"):
        bring(firm, signed(firm, stranger))
    forged = {**signed(firm, stranger), "public_key": firm.omar.row["public_key"]}
    with pytest.raises(Refusal, match="no signature of omar"):
        bring(firm, forged)
    with pytest.raises(Refusal, match="requester cannot approve"):
        bring(firm, signed(firm, firm.olga))


def test_who_was_revoked_meanwhile_counts_no_more(firm: Firm) -> None:
    firm.plan("ann")
    document = signed(firm, firm.omar)
    revoke_operator(firm.workspace, "omar", firm.olga)
    with pytest.raises(Refusal, match="no longer an operator"):
        bring(firm, document)


def test_a_plan_that_expired_is_signed_nowhere(firm: Firm) -> None:
    plan = firm.plan("ann")
    document = signed(firm, firm.omar)
    away = read_plan(carried(firm)).plan
    with pytest.raises(Refusal, match="expired"):
        sign_plan(away, "omar", firm.omar.private_key, "approve", "", plan.expires_at)
    firm.clock.advance(timedelta(hours=24))
    with pytest.raises(Refusal, match="expired"):
        bring(firm, document)
    assert firm.row(plan)["state"] == "void"


CHANGES: dict[str, Callable[[Document], Any]] = {
    "another step": lambda file: file["plan"]["steps"][0].update(verb="delete"),
    "another person": lambda file: file["plan"].update(person_name="Ben Person"),
    "fewer signatures": lambda file: file["plan"]["needs"].update(quorum=0),
    "another digest": lambda file: file.update(digest="sha256:" + "0" * 64),
    "no digest": lambda file: file.pop("digest"),
    "a field that is not shown": lambda file: file["plan"].update(also="grant admin"),
    "a field of a step that is not shown": lambda file: file["plan"]["steps"][0].update(also="x"),
    "no steps": lambda file: file["plan"].pop("steps"),
    "steps that are none": lambda file: file["plan"].update(steps="none"),
    "a hidden line": lambda file: file["plan"].update(reason="left\u202edetnarg"),
    "an escape": lambda file: file["plan"].update(notes=["\x1b[2J nothing happens"]),
    "names that are none": lambda file: file.update(names={"opr": 1}),
    "another schema": lambda file: file.update(schema="usher.plan-file/9"),
    "a version to come": lambda file: file["plan"].update(schema="usher.plan/9"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_that_was_changed_on_the_way_is_not_shown_and_not_signed(firm: Firm, change: str) -> None:
    firm.plan("ann")
    file = json.loads(carried(firm))
    CHANGES[change](file)
    with pytest.raises(BadFile):
        read_plan(json.dumps(file))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{" * 100_000, '{"schema": "usher.plan-file/1"}'])
def test_what_is_no_plan_and_no_signature_is_said_in_one_line(firm: Firm, text: str) -> None:
    firm.plan("ann")
    for read in (read_plan, lambda one: bring_signature(firm.workspace, "1", one)):
        with pytest.raises(BadFile) as error:
            read(text)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["plan", "digest", "decision", "operator", "public_key", "reason", "signature"])
def test_a_signature_file_without_a_field_keeps_nothing(firm: Firm, name: str) -> None:
    plan = firm.plan("ann")
    document = signed(firm, firm.omar)
    for value in (None, 7, ["x"]):
        with pytest.raises(BadFile, match=name):
            bring(firm, {**document, name: value})
    with firm.workspace.store.read() as unit:
        assert unit.plans.signatures(plan.id) == []


def test_a_plan_that_takes_no_signatures_is_not_taken_away(firm: Firm) -> None:
    with pytest.raises(Refusal, match="no plan 1"):
        carried(firm)
    firm.plan("ann")
    bring(firm, signed(firm, firm.omar))
    with pytest.raises(Refusal, match="approved: it takes no signatures"):
        carried(firm)
