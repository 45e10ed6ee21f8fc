"""SMTP client session against scripted hosts that fail or break the protocol."""

import pytest

from mailstack.letter import Address, Recipient
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.client_session import MAX_DIALOGUE_LINES, SmtpClientSession, SmtpSessionError, Timeouts
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire
from tests.protocols.smtp.test_client_session import CAROL, TEXT, envelope, send, talk, talk_to_script


@pytest.mark.parametrize("code", [500, 502, 504])
def test_helo_for_a_host_that_does_not_know_ehlo(code):
    """RLY-11."""
    script = [(b"EHLO", b"%d what?\r\n" % code), (b"HELO", b"250 hello\r\n")]
    result, session, _ = talk_to_script(script)
    assert result is None
    assert session.extensions == {}


@pytest.mark.parametrize(
    ("greeting", "script", "stage", "code"),
    [
        (b"554 go away\r\n", [], "greeting", 554),
        (b"421 too busy\r\n", [], "greeting", 421),
        (b"SSH-2.0-OpenSSH\r\n", [], "greeting", None),
        (b"", [], "greeting", None),
        (b"220 x\r\n", [(b"EHLO", b"550 not you\r\n")], "ehlo", 550),
        (b"220 x\r\n", [(b"EHLO", b"500 what?\r\n"), (b"HELO", b"550 not you\r\n")], "ehlo", 550),
        (b"220 x\r\n", [(b"EHLO", None)], "ehlo", None),
    ],
)
def test_a_session_that_does_not_open_is_trouble(greeting, script, stage, code):
    trouble, _, _ = talk_to_script(script, greeting=greeting)
    assert isinstance(trouble, SmtpSessionError)
    assert trouble.stage == stage
    assert (trouble.reply.code if trouble.reply else None) == code
    assert trouble.reason


def test_a_silent_host_times_out():
    """RLY-07: a peer that neither answers nor hangs up."""

    async def silence():
        return None

    client = ClientEngine()
    wire = Wire(client, ScriptedEngine())
    session = SmtpClientSession(wire.client, client, "client.test", Timeouts(greeting=7))

    async def conversation():
        with pytest.raises(SmtpSessionError, match="no answer within 7 seconds") as trouble:
            await session.open()
        return trouble.value.stage

    assert wire.converse(conversation(), silence())[0] == "greeting"


PIPELINES = (b"EHLO", b"250-x\r\n250 PIPELINING\r\n")


@pytest.mark.parametrize(
    ("script", "stage", "code"),
    [
        ([(b"MAIL", None)], "mail", None),
        ([(b"MAIL", b"250 OK\r\n"), (b"RCPT", None)], "rcpt", None),
        ([(b"MAIL", b"421 idle too long\r\n")], "mail", 421),
        ([(b"MAIL", b"250 OK\r\n"), (b"RCPT", b"421 enough\r\n")], "rcpt", 421),
        ([(b"MAIL", b"250 OK\r\n"), (b"RCPT", b"250 OK\r\n"), (b"DATA", None)], "data", None),
        ([(b"MAIL", b"250 OK\r\n"), (b"RCPT", b"250 OK\r\n"), (b"DATA", b"250 OK\r\n")], "data", 250),
        ([(b"MAIL", b"250 OK\r\n"), (b"RCPT", b"250 OK\r\n"), (b"DATA", b"what?\r\n")], "data", None),
        ([(b"MAIL", b"250 OK\r\n"), (b"RCPT", b"250 OK\r\n"), (b"DATA", b"354 go\r\n"), (b".", None)], "final", None),
    ],
)
@pytest.mark.parametrize("ehlo", [PIPELINES, (b"EHLO", b"250 x\r\n")], ids=["in a group", "step by step"])
def test_a_connection_lost_in_a_transaction_is_trouble(script, stage, code, ehlo):
    """RLY-08, RLY-10."""
    trouble, _, _ = talk_to_script([ehlo, *script], send(b"a\r\n"))
    assert isinstance(trouble, SmtpSessionError)
    assert trouble.stage == stage
    assert (trouble.reply.code if trouble.reply else None) == code


def test_354_though_all_recipients_were_refused_gets_just_the_dot():
    """PIPE-04, RFC 2920 §3.1."""
    script = [
        PIPELINES,
        (b"MAIL", b"250 OK\r\n"),
        (b"RCPT", b"550 no\r\n"),
        (b"DATA", b"354 go\r\n"),
        (b".", b"554 none\r\n"),
    ]
    (one,), session, heard = talk_to_script(script, send())
    assert one.code == 550
    assert heard[-2:] == [b"DATA", b"."]
    assert "C: ." in session.dialogue


@pytest.mark.parametrize(
    ("mail", "rcpt", "status"),
    [
        (b"550 5.7.1 no\r\n", b"250 OK\r\n", (550, "5.7.1")),
        (b"503 first log in\r\n", b"503 no MAIL\r\n", (503, "None")),
    ],
    ids=["refused", "out of order"],
)
def test_mail_refused_in_a_group_decides_whatever_follows(mail, rcpt, status):
    script = [PIPELINES, (b"MAIL", mail), (b"RCPT", rcpt), (b"DATA", b"503 no\r\n")]
    (refusal,), _, _ = talk_to_script(script, send())
    assert (refusal.code, str(refusal.status)) == status


@pytest.mark.parametrize(("data", "code"), [(b"354 go\r\n552 5.3.4 enough\r\n", 552), (b"354 go\r\n", None)])
def test_a_host_that_stops_reading_the_content(data, code):
    script = [PIPELINES, (b"MAIL", b"250 OK\r\n"), (b"RCPT", b"250 OK\r\n"), (b"DATA", data)]

    async def work(session):
        session._peer.full = True
        return await session.transact(envelope(), CAROL, Octets(b"x" * 200_000 + b"\r\n"))

    trouble, _, _ = talk_to_script(script, work)
    assert (trouble.stage, trouble.reply and trouble.reply.code) == ("data", code)


def test_starttls_that_fails_is_trouble():
    async def work(session):
        await session.start_tls("x", verify=True)

    trouble, _, _ = talk_to_script([(b"EHLO", b"250 x\r\n")], work)
    assert (trouble.stage, trouble.reply) == ("starttls", None)
    trouble, _, _ = talk_to_script([(b"EHLO", b"250-x\r\n250 STARTTLS\r\n"), (b"STARTTLS", b"454 4.7.0 no\r\n")], work)
    assert (trouble.stage, trouble.reply.code) == ("starttls", 454)


def test_a_refused_handshake_is_trouble():
    async def work(session):
        session._peer.tls_works = False
        await session.start_tls("x", verify=True)

    script = [(b"EHLO", b"250-x\r\n250 STARTTLS\r\n"), (b"STARTTLS", b"220 go\r\n")]
    trouble, _, _ = talk_to_script(script, work)
    assert (trouble.stage, trouble.reply) == ("starttls", None)
    assert trouble.reason == "the TLS handshake failed: certificate verify failed: it has expired"


def test_the_dialogue_is_bounded_for_each_letter():
    many = tuple(Recipient(Address(f"nobody{number}", "elsewhere.test")) for number in range(300))

    async def work(session):
        await session.transact(envelope(), many, Octets(TEXT))
        told = len(session.dialogue)
        await session.transact(envelope(), CAROL, Octets(TEXT))
        return told

    told, session, _ = talk(work)
    assert MAX_DIALOGUE_LINES < told <= 2 * MAX_DIALOGUE_LINES
    assert len(session.dialogue) > told


def test_long_lines_of_the_dialogue_are_cut():
    _, session, _ = talk_to_script([(b"EHLO", b"550 " + b"x" * 1000 + b"\r\n")])
    assert max(len(line) for line in session.dialogue) == 200


def test_quit_ends_even_when_the_host_is_gone():
    async def work(session):
        await session.quit()
        return "done"

    assert talk_to_script([(b"EHLO", b"250 x\r\n"), (b"QUIT", None)], work)[0] == "done"
