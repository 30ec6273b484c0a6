"""The whole command line: every noun and verb put together, with the options that all of them share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.models import CommandInfo, TyperInfo

from usher import __version__
from usher.entry.cli import (
    approvals,
    apps,
    backups,
    connection_changes,
    delegations,
    demo,
    evidence,
    findings,
    ledger,
    links,
    observing,
    people,
    plan_answers,
    policies,
    reports,
    residual,
    runs,
    seals,
    setting_up,
    setup,
    tasks,
    undoing,
    workers,
)
from usher.entry.cli.context import Context
from usher.entry.cli.exits import MEANING
from usher.entry.cli.groups import RootGroup, block, examples, first_word
from usher.entry.cli.options import KEY_VARIABLE, OPERATOR_VARIABLE, context_of

EPILOG = "\n\n".join(
    (
        examples(
            "usher init acme && cd acme",
            "usher operator add olga --account olga@acme.test --key-out ~/olga.key",
            "usher connect hr --speaks csv --part hr --path exports/hr.csv --owner olga",
            "usher observe && usher findings",
            "usher plan leave ann@acme.test && usher approve 1 && usher run 1",
        ),
        block("Exit codes:", *(f"{code:<5}{meaning}" for code, meaning in MEANING.items())),
        block(
            "Variables:",
            "USHER_WORKSPACE    folder of the workspace",
            f"{OPERATOR_VARIABLE:<19}the operator who acts (else --as)",
            f"{KEY_VARIABLE:<19}where the operator's key is (else --key): file:PATH or env:NAME",
            "USHER_DEBUG        1 shows where an internal failure was",
        ),
    )
)

app = typer.Typer(
    name="usher",
    cls=RootGroup,
    help="usher sees who has which account in every app of a company, proposes what must change, has people approve "
    "exactly that, carries it out and proves it.",
    epilog=EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"usher {__version__}")
        raise typer.Exit


@app.callback()
def everything(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="FOLDER",
            help="The workspace; else $USHER_WORKSPACE, else this folder or one above.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document and nothing else; stands before or after a command.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Take the options that every command shares."""
    context = context_of(ctx)
    context.folder = workspace.expanduser() if workspace is not None else None
    context.as_json = as_json


app.command(
    short_help="Make a workspace with its keys.",
    epilog=examples("usher init acme --zone Europe/Berlin", json="init/1"),
)(setting_up.init)
app.command(
    short_help="How far the set-up is, and what is next.",
    epilog=examples("usher setup", "usher setup --json", json="setup/1"),
)(setup.setup)
app.add_typer(delegations.app, name="operator", short_help="The people who act, each with a key.")
app.add_typer(connection_changes.app, name="connect", short_help="How usher reaches each app.")
app.add_typer(apps.app, name="app", short_help="What usher knows of apps; any app by a person.")
app.add_typer(policies.app, name="policy", short_help="What each kind of person shall have.")

app.command(
    short_help="Read apps, then list what is not as it shall be.",
    epilog=examples(
        "usher observe",
        "usher observe hr okta",
        "usher observe hr --confirm --as olga --key file:~/olga.key",
        json="observe/1",
    ),
)(observing.observe)
app.command(
    short_help="Who there is, with accounts and findings.",
    epilog=examples("usher people", "usher people archer", "usher people --as-of 2026-03-31", json="people/1"),
)(people.people)
app.command(
    short_help="Ghosts, orphans, drift, and whatever else is wrong.",
    epilog=examples(
        "usher findings", "usher findings --rule ghost --json", "usher findings --check", json="findings/1"
    ),
)(findings.findings)
app.command(
    short_help="Everything about one person, with the evidence.",
    epilog=examples(
        "usher why ann@acme.test",
        "usher why ann@acme.test wiki",
        "usher why ann@acme.test wiki --as-of '2026-03-09 12:00'",
        json="why/1",
    ),
)(people.why)
app.command(
    short_help="Say whose account it is.",
    epilog=examples(
        "usher link wiki/ann@acme.test E1017 --reason 'asked her' --as olga --key file:~/olga.key", json="link/1"
    ),
)(links.link)
app.command(
    short_help="Say that an account is not that person's.",
    epilog=examples(
        "usher unlink wiki/ann@acme.test --reason 'another Ann' --as olga --key file:~/olga.key", json="link/1"
    ),
)(links.unlink)
app.command(
    short_help="Say that you ended what outlived an account.",
    epilog=examples(
        "usher residual wiki/ann@acme.test tokens --reason 'revoked in Admin > API' --as olga --key file:~/o.key",
        json="residual/1",
    ),
)(residual.residual)

app.add_typer(plan_answers.app, name="plan", short_help="Propose steps for one person; nothing happens.")
app.command(
    short_help="Sign a plan exactly as it stands.",
    epilog=examples(
        "usher approve 1 --as omar --key file:~/omar.key",
        "usher approve 1 --digest 3fa2b1c4 --as omar --key env:OMAR_KEY",
        "usher approve --file plan-12.json --as omar --key file:~/omar.key --out plan-12.omar.sig",
        "usher approve 12 --signature plan-12.omar.sig",
        "usher approve 1 --reject --reason 'she moves, she does not leave' --as omar --key file:~/omar.key",
        json="plan/1",
    ),
)(approvals.approve)
app.command(
    short_help="Mails to operators: sent, and not sent.",
    epilog=examples("usher notices", "usher notices --unsent", json="notices/1"),
)(approvals.notices)
app.command(
    short_help="Carry out an approved plan, each step proven.",
    epilog=examples("usher run 1", "usher run 1 --no-wait", json="run/1"),
)(runs.run)
app.command(
    short_help="Propose what takes a run back.",
    epilog=examples(
        "usher undo 3 --reason 'wrong Ann' --as olga --key file:~/olga.key",
        "usher undo 3 --app wiki --reason 'she needs it until May' --as olga --key file:~/olga.key",
        json="plan/1",
    ),
)(undoing.undo)
app.command(
    short_help="How far each run is.",
    epilog=examples("usher runs", "usher runs 1", json="runs/1, and for one run usher.run/1"),
)(runs.runs)
app.add_typer(tasks.app, name="task", short_help="Steps that only a person can do.")
app.command(
    short_help="Answer a parked step: look, retry or cancel.",
    epilog=examples(
        "usher resolve 3/2 --answer look --reason 'seen in the console' --as olga --key file:~/olga.key", json="run/1"
    ),
)(runs.resolve)

app.command(
    short_help="Stop everything: no effect begins.",
    epilog=examples("usher seal --reason 'wrong file from HR' --as olga --key file:~/olga.key", json="seal/1"),
)(seals.seal)
app.command(
    short_help="Let effects begin again.",
    epilog=examples(
        "usher unseal --reason 'file mended' --as olga --key file:~/olga.key",
        "usher unseal --anyway --reason 'the wiki is gone for good' --as olga --key file:~/olga.key",
        json="seal/1",
    ),
)(seals.unseal)
app.add_typer(backups.app, name="backup", short_help="The whole workspace in one file, and a check of it.")
app.command(
    short_help="Make a workspace of a backup, sealed.",
    epilog=examples(
        "usher restore acme-2026-06-01.tar.gz acme --reason 'the disk died' --as olga --key file:~/olga.key",
        "usher restore acme-2026-06-01.tar.gz acme --replace --reason 'a wrong update' --as olga --key file:~/olga.key",
        json="restore/1",
    ),
)(backups.restore)
app.add_typer(ledger.app, name="ledger", short_help="The signed record: check it, hand it over.")
app.add_typer(reports.app, name="report", short_help="Who left, who came: lists for auditors.")
app.command(
    short_help="One zip for an auditor, with a verifier.",
    epilog=examples(
        "usher evidence ann@acme.test",
        "usher evidence 3 --out run-3.zip",
        "usher evidence --from 2026-01-01 --to 2026-03-31",
        json="evidence-written/1",
    ),
)(evidence.evidence)
app.command(
    short_help="Read on schedule and carry out what is due.",
    epilog=examples("usher worker", "usher -w acme worker"),
)(workers.worker)
app.command(
    short_help="The worker, with a health page for whoever watches.",
    epilog=examples("usher serve", "usher serve --port 0 --ready-file serve.json", "curl http://127.0.0.1:8420/health"),
)(workers.serve)
app.command(
    short_help="The whole of it at a made-up company.",
    epilog=examples(
        "usher demo", "usher demo --yes", "usher demo --yes --directory ldap", "usher demo --folder /tmp/acme --keep"
    ),
)(demo.demo)


def named(one: CommandInfo | TyperInfo) -> str | None:
    """The name under which a command or a group of commands is called."""
    return one.name or (one.callback.__name__ if isinstance(one, CommandInfo) and one.callback else None)


def run(context: Context) -> None:
    """Run the command line of this process and end it with the exit code."""
    if (word := first_word(sys.argv[1:])) and "_USHER_COMPLETE" not in os.environ:
        # Putting all commands together takes longer than reading a workspace.
        app.registered_commands = [one for one in app.registered_commands if named(one) == word]
        app.registered_groups = [one for one in app.registered_groups if named(one) == word]
    app(obj=context)
