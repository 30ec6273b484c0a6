"""What is typed to sign on another machine, to be stood in for, and to be told by mail."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from tests.usher.entry.cli.conftest import Answer, Shell


@pytest.fixture
def asked(shell: Shell) -> Shell:
    """Olga has asked for Ben's leaving; Omar owns the app and must sign."""
    assert shell.usher("plan", "leave", "ben@acme.test", "--reason", "left today", *shell.as_("olga")).code == 0
    return shell


def exported(shell: Shell) -> Path:
    """The plan in a file."""
    path = shell.home / "plan-1.json"
    done = shell.usher("plan", "export", "1", "--out", path)
    assert done.code == 0, done.err
    return path


def sign(shell: Shell, path: Path, *more: str | Path, name: str = "omar") -> Answer:
    """Sign the file in a folder without a workspace, with no variable that names one."""
    away = shell.home / "away"
    away.mkdir(exist_ok=True)
    return shell.process("approve", "--file", path, *shell.as_(name), *more, cwd=away)


def test_a_plan_is_signed_where_no_workspace_is_and_the_file_brings_it_back(asked: Shell) -> None:
    path = exported(asked)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    unseen = sign(asked, path)
    assert unseen.code == 2 and "look at the plan, then give its digest" in unseen.lines()[-1]
    assert "deactivate ben@acme.test in expenses" in unseen.err, "it was shown in words"
    done = sign(asked, path, "--digest", asked.digest()[7:19], "--out", "mine.sig")
    assert done.code == 0, done.err
    file = asked.home / "away" / "mine.sig"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "usher-key-1:" not in file.read_text()
    brought = asked.usher("approve", "1", "--signature", file)
    assert brought.code == 0 and "It is approved" in brought.out
    again = asked.usher("approve", "1", "--signature", file)
    assert again.code == 3 and len(again.lines()) == 1


def test_an_export_and_a_signature_never_replace_a_file(asked: Shell) -> None:
    path = exported(asked)
    before = path.read_bytes()
    assert asked.usher("plan", "export", "1", "--out", path).code == 2
    assert path.read_bytes() == before
    taken = asked.home / "away" / "taken.sig"
    taken.parent.mkdir()
    taken.write_text("mine")
    assert sign(asked, path, "--digest", asked.digest()[7:19], "--out", "taken.sig").code == 2
    assert taken.read_text() == "mine"


def test_a_file_that_was_changed_is_neither_shown_nor_signed(asked: Shell) -> None:
    path = exported(asked)
    document = json.loads(path.read_text())
    document["plan"]["steps"][0]["user_name"] = "cleo@acme.test"
    path.write_text(json.dumps(document))
    answer = sign(asked, path, "--digest", asked.digest()[7:19])
    assert answer.code == 2 and answer.lines() == [
        f"usher: --file {path}: its digest is not that of the plan in it: it was changed on the way"
    ]
    assert list((asked.home / "away").iterdir()) == []


def test_a_digest_of_another_plan_signs_nothing(asked: Shell) -> None:
    answer = sign(asked, exported(asked), "--digest", "0123456789ab")
    assert answer.code == 2 and "not '0123456789ab'" in answer.lines()[-1]
    assert list((asked.home / "away").iterdir()) == []


def test_a_signature_with_somebody_elses_key_is_refused_where_it_is_brought(asked: Shell) -> None:
    away = asked.home / "away"
    away.mkdir()
    olga = f"file:{asked.home / 'olga.key'}"
    done = asked.process("approve", "--file", exported(asked), "--as", "omar", "--key", olga,
                         "--digest", asked.digest()[7:19], "--out", "x.sig", cwd=away)  # fmt: skip
    assert done.code == 0
    answer = asked.usher("approve", "1", "--signature", away / "x.sig")
    assert answer.code == 3 and "has the key that signed this" in answer.lines()[-1]


def test_a_rejection_is_signed_elsewhere_too(asked: Shell) -> None:
    path = exported(asked)
    assert sign(asked, path, "--reject", "--digest", asked.digest()[7:19]).code == 2
    done = sign(asked, path, "--reject", "--reason", "he stays", "--digest", asked.digest()[7:19], "--out", "no.sig")
    assert done.code == 0, done.err
    answer = asked.usher("approve", "1", "--signature", asked.home / "away" / "no.sig")
    assert answer.code == 0 and "Plan 1 is rejected. omar: he stays" in answer.out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("1", "--file", "plan.json"),
        ("1", "--out", "x.sig"),
        ("--file", "nowhere.json"),
        ("1", "--signature", "nowhere.sig"),
        ("1", "--signature", "x.sig", "--reject"),
        ("--signature", "x.sig"),
    ],
)
def test_what_does_not_go_together_is_one_line_and_bad_input(shell: Shell, words: tuple[str, ...]) -> None:
    answer = shell.usher("approve", *words)
    assert answer.code == 2 and len(answer.lines()) == 1, answer.err


def test_an_owner_who_is_away_is_stood_in_for_and_the_plan_says_so(asked: Shell) -> None:
    added = asked.usher("operator", "add", "mia", "--key-out", asked.home / "mia.key", *asked.as_("olga"))
    assert added.code == 0, added.err
    given = asked.usher("operator", "delegate", "mia", "--app", "expenses", "--until", "2099-01-01", *asked.as_("omar"))
    assert given.code == 3 and "90 days at most" in given.lines()[-1]
    given = asked.usher(
        "operator", "delegate", "mia", "--until", soon(), "--reason", "away", *asked.as_("omar"), "--json"
    )
    assert given.code == 0, given.err
    assert "(or mia for omar (until " in " ".join(asked.usher("plan", "show", "1").out.split())
    signed = asked.usher("approve", "1", "--digest", asked.digest(), *asked.as_("mia"))
    assert signed.code == 0 and "mia for omar (until " in " ".join(signed.out.split())
    id = given.json()["delegation"]["id"]
    assert asked.usher("operator", "undelegate", id, *asked.as_("olga")).code == 3
    assert asked.usher("operator", "undelegate", id, *asked.as_("omar")).code == 0
    listed = asked.usher("operator", "delegations", "--json").json()["delegations"]
    assert [(one["to"], one["from"], one["counts_now"]) for one in listed] == [("mia", "omar", False)]
    assert asked.usher("run", "1", "--no-wait").code == 3


def soon() -> str:
    """A day a month ahead."""
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")


def test_who_is_absent_needs_a_deputy_in_the_rules(asked: Shell) -> None:
    answer = asked.usher("operator", "absent", "--until", soon(), *asked.as_("omar"))
    assert answer.code == 3 and "add one under rules: deputies:" in answer.lines()[-1]
    main = asked.folder / "usher.yaml"
    main.write_text(main.read_text() + "\nrules:\n  deputies:\n    omar: [olga]\n")
    assert asked.usher("operator", "absent", "--until", soon(), *asked.as_("omar")).code == 0
    main.write_text(main.read_text().replace("[olga]", "[omar]"))
    wrong = asked.usher("operator", "delegations")
    assert wrong.code == 2 and "deputies" in wrong.err and "usher.yaml" in wrong.err


@pytest.mark.parametrize("when", ["soon", "2026-13-01", "2026-02-30", ""])
def test_a_day_that_is_none_is_bad_input(asked: Shell, when: str) -> None:
    answer = asked.usher("operator", "delegate", "olga", "--until", when, *asked.as_("omar"))
    assert answer.code == 2 and "--until" in answer.lines()[-1]


def test_mails_are_listed_with_what_hinders_them(shell: Shell) -> None:
    assert shell.usher("operator", "set-email", "omar", "omar@acme.test", *shell.as_("omar")).code == 0
    assert shell.usher("plan", "leave", "ben@acme.test", "--reason", "x", *shell.as_("olga")).code == 0
    answer = shell.usher("notices", "--json")
    (one,) = answer.json()["notices"]
    assert (one["operator"], one["kind"], one["sent_at"]) == ("omar", "sign", None)
    assert set(one) == {
        "id", "kind", "operator", "address", "subject", "created_at", "sent_at", "tries", "error",
    }, "the text of a mail is not listed"  # fmt: skip
    assert "USHER_SMTP_HOST" in shell.usher("notices").err
    assert shell.usher("operator", "set-email", "omar", "--none", *shell.as_("omar")).code == 0
    listed = shell.usher("operator", "list", "--json").json()["operators"]
    assert [row["email"] for row in listed] == [None, None]
    assert shell.usher("operator", "set-email", "omar", *shell.as_("omar")).code == 2
    assert shell.usher("operator", "set-email", "omar", "omar", *shell.as_("omar")).code == 3


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"USHER_SMTP_HOST": "mail.test", "USHER_SMTP_SECURITY": "none", "USHER_SMTP_FROM": "u@a.test"}, "SECURITY"),
        ({"USHER_SMTP_HOST": "mail.test"}, "USHER_SMTP_FROM"),
        ({"USHER_SMTP_HOST": "mail.test", "USHER_SMTP_FROM": "u@a.test", "USHER_SMTP_USER": "u"}, "both"),
        ({"USHER_SMTP_HOST": "mail.test", "USHER_SMTP_FROM": "not an address"}, "mail address"),
    ],
)
def test_settings_that_contradict_each_other_are_one_line(shell: Shell, settings: dict[str, str], why: str) -> None:
    answer = shell.usher("notices", env=settings)
    assert answer.code == 3 and len(answer.lines()) == 1 and why in answer.err
