"""Signfile: takes a frozen plan to another machine, where it is shown and signed, and brings the signature back.

The other machine needs usher and the operator's key, no workspace. What it signs is the plan's digest, which it works
out itself from the document that it shows; names beside the document are for reading alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usher.domain.plan import Plan, PlanState
from usher.domain.signing import BadKey, public_of, sign
from usher.services.approve import Standing, Word, keep_approval, keep_rejection
from usher.services.operators import APPROVAL, REJECTION
from usher.services.secrecy import ASK, hidden_plans
from usher.services.workspace import Refusal, Workspace
from usher.store.repository import dump, load

PLAN_FILE = "usher.plan-file/1"
SIGNATURE_FILE = "usher.signature/1"
LARGEST = 20_000_000
"""Characters of a file that is read; the largest plan is far smaller."""
_REORDERS = frozenset("\x7f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") | {
    chr(one) for one in range(0x80, 0xA0)
}
CONTEXTS = {"approve": APPROVAL, "reject": REJECTION}


class BadFile(ValueError):
    """The file is not what it should be, or was changed: get it again. The message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A plan as a file carries it: what is signed, and what the file says beside it."""

    plan: Plan
    names: Mapping[str, str]


def export_plan(workspace: Workspace, reference: str) -> dict[str, Any]:
    """The canonical document of a plan that takes signatures, with its digest and the names of its operators."""
    with workspace.store.read() as unit:
        row = unit.plans.find(reference)
        if row is None:
            raise Refusal(f"there is no plan {reference}; see: usher plan list")
        if row["state"] != PlanState.PROPOSED.value:
            raise Refusal(f"plan {row['number']} is {row['state']}: it takes no signatures")
        if row["id"] in hidden_plans(workspace, unit):
            raise Refusal(f"plan {row['number']} is confidential: {ASK}")
        plan = Plan.of(load(row["document"]))
        if plan.digest != row["digest"]:
            raise Refusal("the stored plan is not the plan that was signed: make it again")
        concerned = {plan.requested_by, *plan.needs.owners.values()}
        names = {one["id"]: one["name"] for one in unit.operators.all() if one["id"] in concerned}
        return {"digest": plan.digest, "plan": plan.document(), "names": names}


def read_plan(text: str) -> Carried:
    """Read an exported plan; raises BadFile where it is damaged, was changed, or is of a form not known here."""
    document = _document(text, PLAN_FILE)
    try:
        plan = Plan.of(document["plan"])
        same = dump(plan.document()) == dump(document["plan"])
        digest = plan.digest
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadFile(f"this usher cannot read the plan in it ({error}); nothing unread is ever signed") from error
    if hidden := _hidden(document["plan"]):
        raise BadFile(f"the plan in it holds a character that changes what a screen shows ({hidden!r})")
    if not same:
        raise BadFile("the plan in it says more than this usher can show; nothing unseen is ever signed")
    if document.get("digest") != digest:
        raise BadFile("its digest is not that of the plan in it: it was changed on the way")
    names = document.get("names", {})
    if not isinstance(names, dict) or not all(isinstance(one, str) for pair in names.items() for one in pair):
        raise BadFile("names: expected the names of operators by their ids")
    return Carried(plan, names)


def sign_plan(plan: Plan, operator: str, private_key: str, decision: str, reason: str, at: str) -> dict[str, Any]:
    """The signature file of a decision (`approve` or `reject`) on a plan; Refusal where the plan is too old.

    `at` is the present instant of this machine, for people; the workspace counts from when it gets the file.
    """
    if plan.expires_at <= at:
        raise Refusal(f"plan {plan.number} expired at {plan.expires_at}: have it made again")
    try:
        public = public_of(private_key)
        signature = sign(private_key, plan.digest, CONTEXTS[decision])
    except BadKey as error:
        raise Refusal(f"the key of {operator!r} cannot be read: {error}") from error
    return {
        "workspace": plan.workspace,
        "plan": plan.id,
        "number": plan.number,
        "digest": plan.digest,
        "decision": decision,
        "operator": operator,
        "public_key": public,
        "reason": reason,
        "signed_at": at,
        "signature": signature,
    }


def bring_signature(workspace: Workspace, reference: str, text: str) -> tuple[str, Standing | None]:
    """Keep a signature that was made elsewhere; returns its decision, and of an approval how far the plan is.

    Everything is checked as if it were made here: that it is over this very plan, in the sense that it claims, by an
    operator who may sign now, once. Raises BadFile or Refusal.
    """
    document = _document(text, SIGNATURE_FILE)
    wanted = ("plan", "digest", "decision", "operator", "public_key", "reason", "signature")
    for name in wanted:
        if not isinstance(document.get(name), str):
            raise BadFile(f"{name}: expected text")
    if document["decision"] not in CONTEXTS:
        raise BadFile(f"decision: expected approve or reject, got {document['decision']!r}")
    word = _word(workspace, reference, document)
    if document["decision"] == "approve":
        return "approve", keep_approval(workspace, reference, document["digest"], lambda _: word)
    if not document["reason"].strip():
        raise BadFile("reason: expected why the plan is rejected")
    keep_rejection(workspace, reference, lambda _: word)
    return "reject", None


def _word(workspace: Workspace, reference: str, document: Mapping[str, Any]) -> Word:
    """The signed word of a file, by the operator whose name and key it gives."""
    with workspace.store.read() as unit:
        row = unit.plans.find(reference)
        operator = unit.operators.named(document["operator"])
    if row is None:
        raise Refusal(f"there is no plan {reference}; see: usher plan list")
    if document["plan"] != row["id"]:
        raise Refusal(f"this signature is for another plan than plan {row['number']}")
    if operator is None or operator["public_key"] != document["public_key"]:
        raise Refusal(f"no operator {document['operator']!r} of this workspace has the key that signed this")
    return Word(
        operator["id"], operator["name"], document["digest"], document["signature"], document["reason"], brought=True
    )


def _hidden(value: object) -> str | None:
    """A character by which a text could hide or reorder what is shown before it is signed."""
    match value:
        case str():
            return next((one for one in value if one in _REORDERS or (one < " " and one not in "\n\t")), None)
        case dict():
            return next((found for pair in value.items() for one in pair if (found := _hidden(one))), None)
        case list():
            return next((found for one in value if (found := _hidden(one))), None)
    return None


def _document(text: str, schema: str) -> dict[str, Any]:
    if len(text) > LARGEST:
        raise BadFile("it is too large")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFile("it is not JSON") from error
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise BadFile(f"expected a document of the schema {schema}")
    return document
