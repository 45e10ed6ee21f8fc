"""Failure policy as a table of stages and replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Deferred, Delivered, Failed, Status
from mailstack.protocols.connection import ConnectFailed
from mailstack.protocols.smtp.client_session import SmtpSessionError, Stage
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.relay.trouble import (
    MAX_TEXT,
    all_hosts_trouble,
    clean,
    host_trouble,
    is_stale,
    queued_as,
    quoted_reply,
    recipient_outcome,
    too_many_recipients,
    transaction_trouble,
)

HOST = "mx.elsewhere.test"


@pytest.mark.parametrize(
    ("stage", "answer", "outcome", "status"),
    [
        ("greeting", None, Deferred, "4.4.2"),
        ("greeting", reply(421, "4.3.2", "busy"), Deferred, "4.3.2"),
        ("greeting", reply(450, None, "later"), Deferred, "4.3.2"),
        ("greeting", reply(554, None, "no service"), Failed, "5.3.2"),
        ("greeting", reply(521, "5.3.2", "takes no mail"), Failed, "5.3.2"),
        ("greeting", reply(250, None, "odd"), Deferred, "4.3.2"),
        ("ehlo", None, Deferred, "4.4.2"),
        ("ehlo", reply(421, None, "bye"), Deferred, "4.5.0"),
        ("ehlo", reply(550, "5.7.1", "who are you"), Failed, "5.7.1"),
        ("ehlo", reply(550, None, "who are you"), Failed, "5.5.0"),
        ("starttls", None, Deferred, "4.7.5"),
        ("starttls", reply(454, None, "no"), Deferred, "4.7.5"),
        ("starttls", reply(501, "5.5.4", "no"), Deferred, "4.5.4"),
        ("auth", None, Deferred, "4.7.8"),
        ("auth", reply(535, "5.7.8", "wrong"), Deferred, "4.7.8"),
        ("auth", reply(535, None, "wrong"), Deferred, "4.7.8"),
    ],
)
def test_host_trouble(stage: Stage, answer: Reply | None, outcome: type, status: str) -> None:
    """RLY-08."""
    found = host_trouble(HOST, SmtpSessionError(stage, answer, "why"))
    assert isinstance(found, outcome)
    assert found.status == Status.parse(status)
    assert found.host == HOST


def test_no_connection_is_temporary() -> None:
    """RLY-08."""
    found = host_trouble(HOST, ConnectFailed("connection refused"))
    assert found == Deferred(Status(4, 4, 1), f"{HOST}: connection refused", HOST)


def test_one_host_that_may_come_round_keeps_the_letter() -> None:
    never, later = Failed(Status(5, 3, 2), "never"), Deferred(Status(4, 4, 1), "later")
    assert all_hosts_trouble([never, later, never]) is later
    busy = Deferred(Status(4, 3, 2), "busy")
    assert all_hosts_trouble([later, busy]) is busy, "a host that said something tells people more"
    assert all_hosts_trouble([never, Failed(Status(5, 7, 1), "no")]) is never


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "final"])
@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (None, Deferred, "4.4.2"),
        (reply(421, "4.3.2", "bye"), Deferred, "4.3.2"),
        (reply(421, None, "bye"), Deferred, "4.0.0"),
        (reply(554, "5.7.1", "no"), Failed, "5.7.1"),
    ],
)
def test_transaction_trouble(stage: Stage, answer: Reply | None, outcome: type, status: str) -> None:
    """RLY-09, RLY-10."""
    found = transaction_trouble(HOST, SmtpSessionError(stage, answer, "why"))
    assert isinstance(found, outcome)
    assert found.status == Status.parse(status)


def test_a_lost_reply_to_the_final_dot_is_told_as_such() -> None:
    """RLY-10."""
    found = transaction_trouble(HOST, SmtpSessionError("final", None, "the connection was lost"))
    assert "may have accepted the message" in found.text
    assert "may have accepted the message" not in transaction_trouble(HOST, SmtpSessionError("data", None, "lost")).text


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (reply(250, "2.0.0", "OK"), Delivered, "2.0.0"),
        (reply(250, None, "OK"), Delivered, "2.0.0"),
        (reply(251, "2.1.5", "will forward"), Delivered, "2.1.5"),
        (reply(450, "4.2.1", "busy"), Deferred, "4.2.1"),
        (reply(450, None, "busy"), Deferred, "4.0.0"),
        (reply(450, "5.2.1", "liar"), Deferred, "4.0.0"),
        (reply(550, "5.1.1", "no such user"), Failed, "5.1.1"),
        (reply(550, "4.1.1", "liar"), Failed, "5.0.0"),
        (reply(550, "2.0.0", "liar"), Failed, "5.0.0"),
        (reply(354, None, "odd"), Deferred, "4.0.0"),
    ],
)
def test_recipient_outcome(answer: Reply, outcome: type, status: str) -> None:
    """RLY-09, RLY-12: the code decides, the enhanced status only if its class is the same."""
    found = recipient_outcome(HOST, answer)
    assert isinstance(found, outcome)
    assert found.status == Status.parse(status)
    assert found.text.startswith(f"{HOST} said: {answer.code} ")


@pytest.mark.parametrize(
    ("answer", "too_many"),
    [
        (reply(452, "4.5.3", "too many recipients"), True),
        (reply(452, None, "too many"), True),
        (reply(552, "5.5.3", "too many recipients"), True),
        (reply(452, "4.3.1", "disk full"), False),
        (reply(552, "5.2.2", "mailbox full"), False),
        (reply(552, "5.3.4", "too big"), False),
        (reply(451, "4.5.3", "odd"), False),
        (reply(550, "5.5.3", "no"), False),
    ],
)
def test_too_many_recipients(answer: Reply, *, too_many: bool) -> None:
    """RLY-28."""
    assert too_many_recipients(answer) is too_many


@pytest.mark.parametrize(
    ("stage", "answer", "stale"),
    [
        ("mail", None, True),
        ("rcpt", None, True),
        ("data", None, True),
        ("mail", reply(421, None, "idle too long"), True),
        ("mail", reply(550, None, "no"), False),
        ("final", None, False),
        ("final", reply(421, None, "bye"), False),
    ],
)
def test_a_letter_is_sent_again_at_once_only_when_it_cannot_have_arrived(
    stage: Stage, answer: Reply | None, *, stale: bool
) -> None:
    assert is_stale(SmtpSessionError(stage, answer, "why")) is stale


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ok: queued as 4XyZ1abcDE", "4XyZ1abcDE"),
        ("OK, queued as 0a1b2c3d4e5f6g7", "0a1b2c3d4e5f6g7"),
        ("Ok: queued as <AB12>", "AB12"),
        ("OK id=1tABCd-000000001Ab-2xyz", "1tABCd-000000001Ab-2xyz"),
        ("OK: Message 12 accepted", None),
        ("queued", None),
        ("queued as", None),
        ("queued as \x1b[31m", None),
        ("OK", None),
        ("", None),
    ],
)
def test_the_id_at_the_other_host_is_read(text: str, found: str | None) -> None:
    assert queued_as(Reply(250, text)) == found


@given(st.text(max_size=2000))
def test_an_id_is_always_harmless(text: str) -> None:
    for written in (text, f"queued as {text}", f"OK id={text}"):
        found = queued_as(Reply(250, written))
        if found is not None:
            assert found.isascii()
            assert len(found) <= 80
            assert not set(found) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


@given(st.text(max_size=2000))
def test_what_a_host_said_is_cut_and_clean(text: str) -> None:
    for found in (clean(text), quoted_reply(HOST, Reply(550, text))):
        assert len(found) <= MAX_TEXT + 200
        assert found.isascii()
        assert found.isprintable()


def test_lines_of_a_reply_stay_apart() -> None:
    assert quoted_reply(HOST, reply(550, "5.1.1", "one\ntwo")) == f"{HOST} said: 550 5.1.1 one / two"
