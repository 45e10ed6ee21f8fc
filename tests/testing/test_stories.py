"""Application tests: bounces, retries, days of virtual time."""

from __future__ import annotations

import smtplib
import time

import pytest

from mailstack.sandbox.faults import Fault, full_mailbox
from mailstack.testing import LocalMailServer, NoSuchLetter
from tests.testing.sending import hand_in, letter, submit


def send_newsletter(server, subscribers):
    """One letter, many recipients, as an application sends it that logs in."""
    with smtplib.SMTP_SSL(server.submissions.host, server.submissions.port, context=server.ssl_context) as client:
        client.login("alice@home.test", "alice")
        client.send_message(letter("subscribers@home.test", "News"), "alice@home.test", subscribers)


def test_a_newsletter_with_one_bad_address_reaches_the_others_and_bounces_for_it():
    with LocalMailServer() as server:
        fault = server.faults.add(
            at="rcpt", service="mx", recipient="gone@elsewhere.test", reply="550 5.1.1 no such user"
        )
        send_newsletter(server, ["bob@home.test", "carol@elsewhere.test", "gone@elsewhere.test"])
        for reader in ("bob@home.test", "carol@elsewhere.test"):
            news = server.wait_for_letter(to=reader, subject="News")
        bounce = server.wait_for_letter(to="alice@home.test", sender="")
        assert "gone@elsewhere.test" in bounce.text
        assert "5.1.1 no such user" in bounce.text
        assert "carol@elsewhere.test" not in bounce.text
        assert bounce.message.get_content_type() == "multipart/report"
        assert server.journey(news).names.count("bounced") == server.faults.fired(fault) == 1
        with pytest.raises(NoSuchLetter, match=r"gone@elsewhere\.test: bounced 5\.1\.1"):
            server.wait_for_letter(to="gone@elsewhere.test", timeout=0.05)


def send_patiently(server, to, attempts=3):
    """An application that tries again when it is told to come again."""
    for left in reversed(range(attempts)):
        try:
            return hand_in(server, to)
        except (smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused, smtplib.SMTPServerDisconnected):
            if not left:
                raise
    return None


@pytest.mark.parametrize(
    "fault",
    [
        {"at": "rcpt", "reply": "451 4.3.0 not now", "times": 2},
        {"at": "final", "service": "smtp", "reply": "452 4.3.1 disk full", "times": 2},
        Fault(at="data", drop="before", times=2),
        full_mailbox("bob@home.test", service="", times=2),
    ],
    ids=["rcpt", "final", "dropped", "full"],
)
def test_an_application_that_tries_again_delivers_once(fault):
    with LocalMailServer() as server:
        other = server.faults.add(at="quit", drop="before")
        server.faults.remove(other)
        server.faults.add(fault)
        send_patiently(server, "bob@home.test")
        server.wait_for_letter(to="bob@home.test")
        assert len(server.letters) == 1
        assert [fired for _, fired in server.faults.list()] == [2]
        assert len(server.faults.firings) == 2
        assert server.faults.clear() == 1


def test_an_application_that_gives_up_says_so():
    with LocalMailServer() as server:
        server.faults.add(at="rcpt", reply="451 4.3.0 not now")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send_patiently(server, "bob@home.test")
        server.assert_no_letter(within=0)


def test_a_host_that_is_down_for_a_while_gets_its_letters_all_the_same():
    with LocalMailServer(retry=0.05) as server:
        server.faults.add(at="connect", service="mx", reply="421 4.3.2 too busy", times=2)
        submit(server, "carol@elsewhere.test")
        sent = server.wait_for_letter(to="carol@elsewhere.test")
        assert server.journey(sent).names.count("deferred") == 2


def test_five_days_of_retries_pass_in_a_moment_and_end_in_a_bounce():
    with LocalMailServer(retry="5m", give_up="5d") as server:
        server.faults.add(at="connect", service="mx", reply="421 4.3.2 too busy")
        submit(server, "carol@elsewhere.test")
        began = time.monotonic()
        server.advance("1d")
        server.assert_no_letter(sender="", within=0)
        server.advance("4d")
        server.advance(3600)
        assert time.monotonic() - began < 60
        bounce = server.wait_for_letter(to="alice@home.test", sender="")
        assert "gave up after trying for 5 days" in " ".join(bounce.text.split())


@pytest.mark.parametrize("wrong", [{"retry": "soon"}, {"give_up": "5 days"}])
def test_a_span_that_is_none_is_an_error(wrong):
    with pytest.raises(ValueError, match="duration"):
        LocalMailServer(**wrong)


def test_a_fault_that_can_not_be_meant_is_an_error():
    with LocalMailServer() as server:
        for wrong in ({"at": "nowhere", "reply": "450 x"}, {"at": "rcpt"}):
            with pytest.raises(ValueError):  # noqa: PT011 - its words are those of mailstack.faults
                server.faults.add(**wrong)
        with pytest.raises(ValueError, match="not both"):
            server.faults.add({"at": "rcpt", "reply": "450 4.0.0 x"}, times=1)
        with pytest.raises(KeyError):
            server.faults.fired("f9")
        with pytest.raises(ValueError, match="duration"):
            server.advance("soon")
