"""Mails reach a real server once it is there, tell no more than they must, and never approve anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.smtp import PASSWORD, USER, Inbox, certificate, free_port, mail_server
from tests.usher.services.conftest import Firm

from usher.domain.plan import Plan, PlanKind
from usher.domain.step import DueKind
from usher.engine.inline import begin, tick
from usher.services.notify import GIVE_UP_HOURS, NoticeKind, Told, notices, send_notice, tell, tell_of_plan
from usher.services.operators import add_operator, checked_address, set_email
from usher.services.post import Mail, NotSent, Security, Smtp, Undeliverable
from usher.services.workspace import Refusal


@pytest.fixture
def inbox() -> Inbox:
    """What the mail server took."""
    return Inbox()


def plain(port: int) -> Smtp:
    """A mail server of this machine, without TLS."""
    return Smtp(host="127.0.0.1", port=port, sender="usher@acme.test", security=Security.NONE, timeout=5.0)


def posted(firm: Firm, post: Any) -> Firm:
    """The firm with a mail server, where Omar has told his address."""
    set_email(firm.workspace, "omar", "omar@acme.test", firm.omar)
    return replace(firm, workspace=replace(firm.workspace, post=post))


def carry(firm: Firm) -> int:
    """Let a worker carry out what is due."""
    return tick(firm.workspace, begin(firm.workspace))


def mail(to: str = "omar@acme.test", subject: str = "plan 1", body: str = "look\n") -> Mail:
    """One mail."""
    return Mail("ntc_1", to, subject, body, datetime(2026, 3, 2, tzinfo=UTC))


def test_whoever_may_sign_a_new_plan_is_told_the_command_and_the_digest_and_no_link(firm: Firm, inbox: Inbox) -> None:
    with mail_server(inbox) as port:
        firm = posted(firm, plain(port))
        plan = firm.plan("ann")
        carry(firm)
    (got,) = inbox.taken
    text = got.get_content()
    assert inbox.envelopes == [("usher@acme.test", ["omar@acme.test"])]
    assert got["Subject"] == "[usher test] plan 1 wants your signature"
    assert got["Auto-Submitted"] == "auto-generated"
    assert plan.digest[7:19] in text and "usher plan show 1" in text and "Ann Person" in text
    assert "http" not in text and "usher approve" not in text
    assert firm.row(plan)["state"] == "proposed"
    (kept,) = notices(firm.workspace)
    assert (kept["operator"], kept["error"], bool(kept["sent_at"])) == ("omar", None, True)


def test_the_mail_of_a_confidential_plan_names_only_its_number(firm: Firm, inbox: Inbox) -> None:
    with mail_server(inbox) as port:
        firm = posted(firm, plain(port))
        plan = replace(firm.plan("ann"), confidential=True, id="pln_secret")
        with firm.workspace.store.begin() as unit:
            tell_of_plan(unit, NoticeKind.SIGN, plan, [unit.operators.named("omar") or {}], "suspected of theft")
        inbox.taken.clear()
        carry(firm)
    told = next(one for one in inbox.taken if "Ann" not in one.get_content())
    whole = told.as_string()
    assert "plan 1" in whole
    assert not any(word in whole for word in ("Ann", "ann@", "theft", "leave", "crm"))


def test_a_mail_waits_in_the_outbox_with_the_error_until_the_server_is_there(firm: Firm, inbox: Inbox) -> None:
    port = free_port()
    firm = posted(firm, plain(port))
    firm.plan("ann")
    carry(firm)
    (waiting,) = notices(firm.workspace, unsent_only=True)
    assert waiting["tries"] == 1 and "refused" in waiting["error"]
    firm.clock.advance(timedelta(seconds=59))
    carry(firm)
    assert notices(firm.workspace)[0]["tries"] == 1, "it is left alone until the next try is due"
    with mail_server(inbox, port=port):
        firm.clock.advance(timedelta(seconds=2))
        carry(firm)
    assert len(inbox.taken) == 1 and notices(firm.workspace, unsent_only=True) == []


def test_without_a_mail_server_a_mail_says_which_setting_is_missing_and_is_given_up_in_the_end(firm: Firm) -> None:
    firm = posted(firm, None)
    firm.plan("ann")
    carry(firm)
    assert "USHER_SMTP_HOST" in notices(firm.workspace)[0]["error"]
    firm.clock.advance(timedelta(hours=GIVE_UP_HOURS))
    carry(firm)
    mine = next(one for one in notices(firm.workspace) if one["kind"] == "sign")
    assert mine["error"].endswith("given up")
    with firm.workspace.store.read() as unit:
        assert not unit.dues.has(DueKind.NOTICE, mine["id"])


def test_a_recipient_whom_the_server_refuses_for_good_is_not_tried_again(firm: Firm, inbox: Inbox) -> None:
    inbox.refuse["omar@acme.test"] = "550 no such user"
    with mail_server(inbox) as port:
        firm = posted(firm, plain(port))
        firm.plan("ann")
        carry(firm)
    (kept,) = notices(firm.workspace, unsent_only=True)
    assert "550 no such user" in kept["error"] and "given up" in kept["error"]
    with firm.workspace.store.read() as unit:
        assert not unit.dues.has(DueKind.NOTICE, kept["id"])


def test_a_recipient_whom_the_server_refuses_for_now_is_tried_again(firm: Firm, inbox: Inbox) -> None:
    inbox.refuse["omar@acme.test"] = "451 come back later"
    with mail_server(inbox) as port:
        firm = posted(firm, plain(port))
        firm.plan("ann")
        carry(firm)
        assert inbox.taken == [] and "451" in notices(firm.workspace)[0]["error"]
        inbox.refuse.clear()
        firm.clock.advance(timedelta(minutes=2))
        carry(firm)
    assert len(inbox.taken) == 1


class Killed(BaseException):
    """The process ends here."""


def test_a_process_killed_between_sending_and_writing_it_down_sends_the_same_message_id_again(
    firm: Firm, inbox: Inbox
) -> None:
    def die(boundary: str) -> None:
        if boundary == "after mail":
            raise Killed

    with mail_server(inbox) as port:
        firm = posted(firm, plain(port))
        firm.plan("ann")
        dying = replace(firm, workspace=replace(firm.workspace, reach=die))
        with pytest.raises(Killed):
            carry(dying)
        carry(firm)
        carry(firm)
    assert len(inbox.taken) == 2 and len(set(inbox.ids())) == 1


def test_about_one_occasion_nobody_is_told_twice(firm: Firm) -> None:
    firm = posted(firm, None)
    told = Told("once", ("line",), "usher findings")
    with firm.workspace.store.begin() as unit:
        everybody = unit.operators.all()
        assert tell(unit, NoticeKind.STOPPED, "fnd_1", everybody, told) == 1
        assert tell(unit, NoticeKind.STOPPED, "fnd_1", everybody, told) == 0
        assert tell(unit, NoticeKind.STOPPED, "fnd_2", everybody, told) == 1


@pytest.mark.parametrize("line", ["x\r\nBcc: all@acme.test", "x\nhttp://evil.test", "x\u2028y", "x\u202ey", "a\x00b"])
def test_nothing_that_people_are_called_makes_a_header_or_a_line_of_its_own(
    firm: Firm, inbox: Inbox, line: str
) -> None:
    with mail_server(inbox) as port:
        firm = posted(firm, plain(port))
        with firm.workspace.store.begin() as unit:
            tell(unit, NoticeKind.STOPPED, "f", unit.operators.all(), Told(line, (f"Because: {line}",), "usher runs"))
        carry(firm)
    (got,) = inbox.taken
    assert got["Bcc"] is None and inbox.envelopes[0][1] == ["omar@acme.test"]
    assert len(got.get_content().splitlines()) == 5
    assert not any(one in got.as_string() for one in ("\u202e", "\u2028", "\x00"))


@pytest.mark.parametrize(
    "address",
    ["omar", "o@a@b", "o m@a.test", "o@a.test\nBcc: x@y.test", "<o@a.test>", "o@a.test,x@y.test", "", "@a.test"],
)
def test_what_is_no_plain_address_is_refused(firm: Firm, address: str) -> None:
    with pytest.raises(Refusal, match="mail address"):
        checked_address(address)
    with pytest.raises(Refusal, match="mail address"):
        set_email(firm.workspace, "omar", address, firm.omar)
    with pytest.raises(Refusal, match="mail address"):
        add_operator(firm.workspace, "mia", by=firm.olga, email=address)


def test_a_header_that_cannot_be_written_is_given_up_and_nothing_is_sent(inbox: Inbox) -> None:
    with mail_server(inbox) as port, pytest.raises(Undeliverable, match="written"):
        plain(port).send(mail(subject="a\r\nBcc: x@y.test"))
    assert inbox.taken == []


Sender = Callable[[int, Path], Smtp]


def over_starttls(port: int, trusted: Path) -> Smtp:
    """A server that is spoken to by STARTTLS, with a user and a password."""
    return Smtp(host="localhost", port=port, sender="usher@acme.test", security=Security.STARTTLS,
                user=USER, password=lambda: PASSWORD, authorities=str(trusted), timeout=5.0)  # fmt: skip


def over_tls(port: int, trusted: Path) -> Smtp:
    """The same from the first byte on."""
    return replace(over_starttls(port, trusted), security=Security.TLS)


@pytest.mark.parametrize(("sender", "implicit"), [(over_starttls, False), (over_tls, True)])
def test_a_mail_goes_over_a_verified_connection_with_the_password(
    inbox: Inbox, tmp_path: Path, sender: Sender, implicit: bool
) -> None:
    context, trusted = certificate(tmp_path)
    with mail_server(inbox, tls=context, implicit=implicit, login=True) as port:
        sender(port, trusted).send(mail())
    assert len(inbox.taken) == 1 and inbox.signed_in == [USER]
    assert "s3cret" not in repr(sender(1, trusted))


@pytest.mark.parametrize(("sender", "implicit"), [(over_starttls, False), (over_tls, True)])
def test_a_certificate_that_nobody_vouches_for_gets_neither_mail_nor_password(
    inbox: Inbox, tmp_path: Path, sender: Sender, implicit: bool
) -> None:
    context, _ = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    running = mail_server(inbox, tls=context, implicit=implicit, login=True)
    with running as port, pytest.raises(NotSent, match="no trusted connection"):
        sender(port, other).send(mail())
    assert inbox.taken == [] and inbox.signed_in == []


def test_a_certificate_of_another_name_gets_nothing(inbox: Inbox, tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path, "elsewhere.test")
    with mail_server(inbox, tls=context, login=True) as port, pytest.raises(NotSent, match="no trusted connection"):
        over_starttls(port, trusted).send(mail())
    assert inbox.taken == [] and inbox.signed_in == []


def test_a_server_that_offers_no_tls_gets_nothing(inbox: Inbox, tmp_path: Path) -> None:
    _, trusted = certificate(tmp_path)
    with mail_server(inbox) as port, pytest.raises(NotSent, match="STARTTLS"):
        over_starttls(port, trusted).send(mail())
    assert inbox.taken == []


def test_a_refused_password_is_said_without_the_password(inbox: Inbox, tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path)
    with mail_server(inbox, tls=context, login=True) as port, pytest.raises(NotSent, match="refuses the user") as error:
        replace(over_starttls(port, trusted), password=lambda: "wr0ng-pass").send(mail())
    assert "wr0ng" not in str(error.value) and error.value.__cause__ is None
    assert not isinstance(error.value, Undeliverable), "the password may be put right"


def test_a_mail_that_was_sent_is_not_sent_again_by_a_row_that_is_due_twice(firm: Firm, inbox: Inbox) -> None:
    with mail_server(inbox) as port:
        firm = posted(firm, plain(port))
        firm.plan("ann")
        carry(firm)
        send_notice(firm.workspace, notices(firm.workspace)[0]["id"], 0)
    assert len(inbox.taken) == 1


def test_the_requester_is_told_that_his_plan_is_void_and_a_revoked_operator_nothing(firm: Firm) -> None:
    from usher.services.approve import reject
    from usher.services.operators import revoke_operator

    set_email(firm.workspace, "olga", "olga@acme.test", firm.olga)
    plan = firm.plan("ann")
    reject(firm.workspace, str(plan.number), firm.omar, "she stays")
    assert [(one["operator"], one["kind"]) for one in notices(firm.workspace)] == [("olga", "voided")]
    set_email(firm.workspace, "omar", "omar@acme.test", firm.omar)
    revoke_operator(firm.workspace, "omar", firm.olga)
    firm.plan("ben")
    assert all(one["operator"] != "omar" for one in notices(firm.workspace))


def test_every_kind_of_plan_can_be_told(firm: Firm) -> None:
    firm = posted(firm, None)
    plan: Plan = firm.plan("ann")
    with firm.workspace.store.begin() as unit:
        for kind in (NoticeKind.EXPIRES, NoticeKind.EMERGENCY, NoticeKind.HELD, NoticeKind.ESCALATED):
            assert tell_of_plan(unit, kind, replace(plan, kind=PlanKind.LEAVE), unit.operators.all(), "why") == 1
