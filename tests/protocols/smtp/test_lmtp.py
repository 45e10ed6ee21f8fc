"""LMTP (RFC 2033): its own greeting word, and an answer to the content for each recipient."""

import pytest

from mailstack.letter import Envelope
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.commands import EndOfData
from mailstack.protocols.smtp.replies import EachReply, reply
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.cuts import CUTS
from tests.protocols.smtp.dialogue import Dialogue
from tests.protocols.smtp.hosts import QUEUED, UNKNOWN, answer_to
from tests.protocols.smtp.test_client_session import recipients, talk, talk_to_script

FULL = reply(452, "4.2.2", "the mailbox is full")
PLAIN = Capabilities("mx.home.test")
TO = (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"RCPT TO:<no@d.test>", b"RCPT TO:<e@d.test>")


def each_his_own(event):
    """The second recipient's mailbox is full."""
    return (
        EachReply(250, "OK", QUEUED.status, each=(QUEUED, FULL)) if isinstance(event, EndOfData) else answer_to(event)
    )


def codes(session, *lines):
    return [code for code, _ in session.codes(*lines)]


def test_only_lhlo_says_hello():
    """LMTP-01: RFC 2033 §4.1."""
    session = Dialogue(PLAIN, lmtp=True)
    assert codes(session, b"EHLO c.test", b"HELO c.test", b"MAIL FROM:<>", b"LHLO c.test") == [
        "500",
        "500",
        "503",
        "250",
    ]
    assert session.engine.hello.extended
    assert codes(Dialogue(PLAIN), b"LHLO c.test") == ["502"]


@pytest.mark.parametrize("content", [(b"DATA", b"x", b"."), (b"BDAT 3 LAST", b"x")], ids=["DATA", "BDAT"])
def test_each_recipient_that_was_taken_has_an_answer(content):
    """LMTP-01, CODE-05: RFC 2033 §4.2, §4.3."""
    session = Dialogue(PLAIN, lmtp=True, answers=each_his_own)
    codes(session, b"LHLO c.test", *TO)
    assert codes(session, *content)[-2:] == ["250", "452"]
    session.answers = answer_to
    codes(session, *TO)
    assert codes(session, *content)[-2:] == ["250", "250"]


def test_a_second_mail_is_refused_and_the_recipients_are_still_answered():
    """CODE-05: RFC 2033 §4.2."""
    session = Dialogue(PLAIN, lmtp=True, answers=each_his_own)
    codes(session, b"LHLO c.test", *TO)
    assert codes(session, b"MAIL FROM:<x@y.test>", b"MAIL", b"DATA", b"x", b".") == ["503", "503", "354", "250", "452"]
    codes(session, *TO)
    assert codes(session, b"RSET", *TO, b"BDAT 3 LAST", b"x")[-2:] == ["250", "452"]


def test_a_chunk_that_is_not_the_last_has_one_answer():
    """BDAT-01: RFC 2033 §4.3."""
    session = Dialogue(PLAIN, lmtp=True)
    codes(session, b"LHLO c.test", *TO)
    assert codes(session, b"BDAT 3", b"x", b"BDAT 0 LAST") == ["250", "250", "250"]


def test_what_is_wrong_with_the_content_is_told_for_each():
    """CODE-06."""
    session = Dialogue(Capabilities("mx.home.test", max_size=10), lmtp=True)
    codes(session, b"LHLO c.test", *TO)
    assert codes(session, b"BDAT 11 LAST", b"123456789") == ["552", "552"]
    codes(session, *TO)
    assert codes(session, b"DATA", b"x" * 20, b".")[1:] == ["552", "552"]


def test_content_without_recipients_is_503():
    """RFC 2033 §4.2."""
    session = Dialogue(PLAIN, lmtp=True)
    codes(session, b"LHLO c.test", *TO, b"RSET")
    for command in (b"DATA", b"BDAT 0 LAST"):
        assert codes(session, b"MAIL FROM:<>", b"RCPT TO:<no@d.test>", command, b"RSET") == ["250", "550", "503", "250"]


# --- the client


def sent(*names, content=b"x\r\n", body="7BIT"):
    return Envelope(None, (), body), recipients(*names), Octets(content)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("body", ["7BIT", "BINARYMIME"])
@pytest.mark.parametrize("withheld", [frozenset(), frozenset({"PIPELINING"})])
def test_the_client_hears_of_each(cut, body, withheld):
    """CODE-05: RFC 2033 §4.2."""

    async def work(session):
        return [
            await session.transact(*sent("c", "nobody", "e", body=body)),
            await session.transact(*sent("nobody")),
            await session.transact(*sent("c", "e")),
        ]

    capabilities = Capabilities("mx.home.test", withheld=withheld)
    (replies, again, third), session, _ = talk(
        work, capabilities=capabilities, cut=cut, answers=each_his_own, lmtp=True
    )
    assert replies == (QUEUED, UNKNOWN, FULL)
    assert again == (UNKNOWN,)
    assert third == (QUEUED, FULL)
    assert "C: LHLO client.test" in session.dialogue


def hear_from(script, *names):
    """Replies of a scripted host, or the trouble with it."""
    return talk_to_script(script, lambda session: session.transact(*sent(*names)), lmtp=True)[0]


TAKEN = [(b"LHLO", b"250 odd\r\n"), (b"MAIL", b"250 ok\r\n"), (b"RCPT", b"250 ok\r\n"), (b"RCPT", b"250 ok\r\n")]


def test_what_was_said_of_the_first_holds_when_the_host_hangs_up():
    """Else the first would have the letter twice."""
    one, other = hear_from([*TAKEN, (b"DATA", b"354 go\r\n"), (b".", b"250 yours\r\n")], "c", "e")
    assert (one.code, other.code, str(other.status)) == (250, 451, "4.4.2")
    trouble = hear_from([*TAKEN, (b"DATA", b"354 go\r\n"), (b".", None)], "c", "e")
    assert trouble.stage == "final"


def test_a_host_that_does_not_know_lhlo_is_not_asked_in_smtp():
    assert hear_from([(b"LHLO", b"502 what\r\n")], "c").stage == "ehlo"
