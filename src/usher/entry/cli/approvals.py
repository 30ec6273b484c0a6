"""`usher approve`, `usher plan export` and `usher notices`: sign here or on another machine, and see who was told."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from usher.entry.cli import plans
from usher.entry.cli.context import Context
from usher.entry.cli.exits import BadInput
from usher.entry.cli.groups import examples
from usher.entry.cli.options import KEY_VARIABLE, OPERATOR_VARIABLE, As, Key, Reason, as_reader, context_of, read_key
from usher.entry.cli.out import console, emit, instant, note, table
from usher.entry.cli.painting import paint_plan

if TYPE_CHECKING:
    from rich.console import Console

    from usher.services.signfile import Carried

Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write the result to this new file, for its owner only.")
]


def approve(
    ctx: typer.Context,
    number: Annotated[
        str | None, typer.Argument(metavar="N", help="The plan's number or id; not needed with --file.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="The digest that you were shown (its first 8 digits are enough).")
    ] = None,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse the plan for good, with a reason.")] = False,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Sign a plan of `usher plan export`; needs no workspace."),
    ] = None,
    out: Out = None,
    signature: Annotated[
        Path | None,
        typer.Option("--signature", metavar="FILE", help="Bring a signature that was made on another machine."),
    ] = None,
    reason: Reason = "",
    as_: As = None,
    key: Key = None,
) -> None:
    """Sign a plan exactly as it stands. On a terminal it is shown first; elsewhere give its digest.

    With --file the plan is read from a file and the signature is written to --out, on any machine that has usher and
    your key. With --signature such a file is checked and kept in the workspace.
    """
    if reject and signature is None and not reason.strip():
        raise BadInput("--reject: say why with --reason")
    if file is not None:
        if number is not None or signature is not None:
            raise BadInput("--file: expected neither N nor --signature beside it")
        _sign_elsewhere(context_of(ctx), file, out, digest, "reject" if reject else "approve", reason, as_, key)
    elif number is None:
        raise BadInput("which plan? give its number (usher plan list), or --file FILE")
    elif signature is not None:
        if reject or as_ or key or digest or reason:
            raise BadInput("--signature: the file says who signed what and why; give nothing beside it")
        _bring(context_of(ctx), number, signature)
    elif out is not None:
        raise BadInput("--out: expected --file FILE with it")
    else:
        plans.approve(ctx, number, digest, reject, reason, as_, key)


def _sign_elsewhere(
    context: Context,
    file: Path,
    out: Path | None,
    digest: str | None,
    decision: str,
    reason: str,
    as_: str | None,
    key: str | None,
) -> None:
    from usher.domain.clock import SystemClock, to_text
    from usher.services.signfile import SIGNATURE_FILE, BadFile, read_plan, sign_plan

    try:
        carried = read_plan(_text(file, "--file"))
    except BadFile as error:
        raise BadInput(f"--file {file}: {error}") from error
    name = as_ or os.environ.get(OPERATOR_VARIABLE)
    if not name:
        raise BadInput(f"who signs? give --as NAME --key file:PATH, or set {OPERATOR_VARIABLE} and {KEY_VARIABLE}")
    shown = shown_elsewhere(carried)
    if not context.as_json:
        paint_plan(console(errors=True), shown)
    _agree(carried, digest, decision)
    private = read_key(name, key or os.environ.get(KEY_VARIABLE))
    made = sign_plan(carried.plan, name, private, decision, reason, to_text(SystemClock().now()))
    target = out or Path(f"plan-{carried.plan.number}.{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.sig")
    write_new(target, {"schema": SIGNATURE_FILE, **made})

    def paint(screen: Console) -> None:
        screen.print(f"{name} signed to {decision} plan {carried.plan.number} of {carried.plan.workspace}: {target}")
        screen.print(f"In the workspace: usher approve {carried.plan.number} --signature {target.name}")

    emit(context, "signature/1", {"file": str(target), **made}, paint)


def shown_elsewhere(carried: Carried) -> dict[str, Any]:
    """The plan of a file as a screen shows it; operators are called what the file calls them, which nobody signed."""
    from usher.domain.clock import from_text
    from usher.domain.moments import in_words

    plan = carried.plan
    names = {id: f"{carried.names[id]} ({id})" if id in carried.names else id for id in _operators(carried)}
    document = plan.document()
    return {
        **document,
        "state": "proposed",
        "note": f"workspace {plan.workspace}" + (", confidential" if plan.confidential else ""),
        "digest": plan.digest,
        "requested_by": names[plan.requested_by],
        "signal": None,
        "approvers": [],
        "missing": [
            f"{plan.needs.quorum} operator(s) must approve ({plan.needs.why})",
            *(f"{names[id]} signs for {connection}" for connection, id in sorted(plan.needs.owners.items())),
        ],
        "configuration_changed_since": False,
        "act_local": in_words(from_text(plan.act_at), plan.act_zone or "UTC") if plan.act_at else None,
        "releases": [],
        "override": None,
        "notes": [
            *(f"a signal of a source asked for it ({plan.signal})" for _ in (1,) if plan.signal),
            *(f"{word}: {value}" for word in _SAID if (value := document.get(word))),
            *plan.notes,
        ],
    }


_SAID = ("act_at", "act_zone", "lane", "emergency", "undoes")
"""What a plan says of itself beside its steps, where it says anything."""


def _operators(carried: Carried) -> set[str]:
    return {carried.plan.requested_by, *carried.plan.needs.owners.values()}


def _agree(carried: Carried, digest: str | None, decision: str) -> None:
    """The operator says that it is this plan: by its digest, or at the terminal where it was just shown."""
    whole = carried.plan.digest
    if digest is not None:
        match = plans.PREFIX.fullmatch(digest.strip().casefold())
        if match is None or not whole.startswith("sha256:" + match[2]):
            raise BadInput(f"--digest: the plan in the file has the digest {whole[7:19]}, not {digest!r}")
    elif not sys.stdin.isatty():
        raise BadInput(f"look at the plan, then give its digest: --digest {whole[7:19]}")
    else:
        typer.confirm(f"Sign to {decision} plan {carried.plan.number} exactly so?", abort=True, err=True)


def _bring(context: Context, number: str, file: Path) -> None:
    from usher.services.show_plans import plan
    from usher.services.signfile import BadFile, bring_signature

    text = _text(file, "--signature")
    with context.opened() as workspace:
        try:
            bring_signature(workspace, number, text)
        except BadFile as error:
            raise BadInput(f"--signature {file}: {error}") from error
        document = plan(workspace, number)
    emit(context, "plan/1", {"plan": document}, lambda screen: plans.paint_standing(screen, document))


def export(
    ctx: typer.Context,
    number: plans.Number,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file; only you can read it.")],
    as_: As = None,
    key: Key = None,
) -> None:
    """Write a plan to a file that can be signed on another machine: usher approve --file."""
    from usher.services.signfile import PLAN_FILE, export_plan

    context = context_of(ctx)
    with context.opened() as workspace:
        made = export_plan(as_reader(workspace, as_, key), number)
    target = out.expanduser()
    write_new(target, {"schema": PLAN_FILE, **made})

    def paint(screen: Console) -> None:
        screen.print(f"Plan {made['plan']['number']} is in {target}; it names people: carry it safely, then delete it.")
        screen.print(f"On the other machine: usher approve --file {target.name} --as NAME --key file:PATH")
        screen.print(f"Its digest begins with {made['digest'][7:19]}.")

    emit(context, "exported-plan/1", {"file": str(target), "digest": made["digest"]}, paint)


def notices(
    ctx: typer.Context,
    unsent: Annotated[bool, typer.Option("--unsent", help="Only mails that were not sent.")] = False,
) -> None:
    """List the mails to operators, newest first: who was told of what, and what could not be sent."""
    from usher.services.notify import notices as listed

    context = context_of(ctx)
    with context.opened() as workspace:
        found = listed(workspace, unsent_only=unsent)
        is_set = workspace.post is not None

    def paint(screen: Console) -> None:
        if not is_set:
            note("no mail server is set, so nothing is sent: USHER_SMTP_HOST and USHER_SMTP_FROM")
        if not found:
            screen.print("No mails: usher operator set-email NAME ADDRESS says where an operator is told.")
            return
        rows = [
            (one["operator"], one["subject"], "sent" if one["sent_at"] else f"not sent, tried {one['tries']}",
             one["error"], instant(one["created_at"]))
            for one in found
        ]  # fmt: skip
        headings = ("operator", "subject", "state", "error", "written")
        screen.print(table(screen, headings, rows, wide=("written",)))

    emit(context, "notices/1", {"notices": found}, paint)


def write_new(path: Path, document: dict[str, Any]) -> None:
    """Write a new JSON file that only its owner can read; an existing file is never overwritten."""
    import json

    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise BadInput(f"--out {path}: the file exists; name a new one") from error
    except OSError as error:
        raise BadInput(f"--out {path}: {error.strerror}") from error


def _text(path: Path, option: str) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{option} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{option} {path}: it is not text") from error


plans.app.command("export", epilog=examples("usher plan export 1 --out plan-1.json", json="exported-plan/1"))(export)
