"""Order of commands, by state (RFC 5321 §4.1.4)."""

import pytest

from mailstack.protocols.smtp.commands import LocalProtocolError
from mailstack.protocols.smtp.order import ORDER, State
from mailstack.protocols.smtp.replies import reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from tests.protocols.smtp.dialogue import Dialogue, after, started

CAPABILITIES = Capabilities("mx.home.test", starttls=True, mechanisms=("PLAIN", "LOGIN"))

# Commands that lead to each state, and the reply code of each command in these states.
WAYS = {
    State.CONNECTED: (),
    State.READY: (b"EHLO c.test",),
    State.MAIL: (b"EHLO c.test", b"MAIL FROM:<a@b.test>"),
    State.REFUSED: (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<no@b.test>"),
    State.RCPT: (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>"),
    State.CHUNKS: (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"BDAT 2", b""),
    State.SPOILED: (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<no@b.test>", b"BDAT 2", b""),
}
COMMANDS = {
    b"EHLO c.test": "250 250 250 250 250 250 250",
    b"HELO c.test": "250 250 250 250 250 250 250",
    b"MAIL FROM:<>": "503 250 503 503 503 503 503",
    b"RCPT TO:<e@f.test>": "503 503 250 250 250 503 503",
    b"DATA": "503 503 503 554 354 503 503",
    b"RSET": "250 250 250 250 250 250 250",
    b"NOOP": "250 250 250 250 250 250 250",
    b"VRFY x": "250 250 250 250 250 250 250",
    b"EXPN x": "250 250 250 250 250 250 250",
    b"HELP": "250 250 250 250 250 250 250",
    b"QUIT": "221 221 221 221 221 221 221",
    b"STARTTLS": "503 220 503 503 503 503 503",
    b"AUTH PLAIN AGEAYg==": "503 235 503 503 503 503 503",
    b"BDAT 2\r\n": "503 503 503 554 250 250 503",
    b"BDAT 2 LAST\r\n": "503 503 503 554 250 250 503",
    b"BDAT two": "501 501 501 501 501 501 501",
    b"XYZZY": "500 500 500 500 500 500 500",
}
CELLS = [
    (state, command, code)
    for command, codes in COMMANDS.items()
    for state, code in zip(WAYS, codes.split(), strict=True)
]
AFTER = {
    b"EHLO c.test": dict.fromkeys(WAYS, State.READY),
    b"HELO c.test": dict.fromkeys(WAYS, State.READY),
    b"MAIL FROM:<>": {State.READY: State.MAIL},
    b"RCPT TO:<e@f.test>": {State.MAIL: State.RCPT, State.REFUSED: State.RCPT},
    b"DATA": {State.REFUSED: State.READY, State.RCPT: State.CONTENT},
    b"RSET": dict.fromkeys(set(WAYS) - {State.CONNECTED}, State.READY),
    b"BDAT 2\r\n": {State.REFUSED: State.SPOILED, State.RCPT: State.CHUNKS},
    b"BDAT 2 LAST\r\n": {State.REFUSED: State.READY, State.RCPT: State.READY, State.CHUNKS: State.READY},
    b"BDAT two": dict.fromkeys(WAYS, State.CLOSED),
    b"QUIT": dict.fromkeys(WAYS, State.CLOSED),
    b"STARTTLS": {State.READY: State.TLS},
}


@pytest.mark.parametrize(("state", "command", "code"), CELLS)
def test_each_command_in_each_state(state, command, code):
    """SMTP-08, SMTP-09, SMTP-10, CODE-14, CODE-19, CODE-22, BDAT-04, BDAT-05."""
    session = Dialogue(CAPABILITIES, start_tls=False)
    session.say(*WAYS[state])
    assert session.engine.state is state
    assert session.codes(command)[0][0] == code
    assert session.engine.state is AFTER.get(command, {}).get(state, state)


def test_every_state_of_a_command_has_its_row():
    assert set(WAYS) | {State.TURNED_AWAY, State.CONTENT, State.AUTHENTICATING} == set(ORDER)


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ((b"RCPT TO:<no@a.test>", b"RCPT TO:<bad", b"DATA", b"MAIL FROM:<>"), "550 501 554 250"),
        ((b"RCPT TO:<bad", b"DATA"), "501 554"),
        ((b"RCPT TO:<a@b.test>", b"RCPT TO:<no@b.test>", b"DATA"), "250 550 354"),
    ],
    ids=["all refused", "malformed", "one accepted"],
)
def test_data_after_refused_recipients(lines, codes):
    """CODE-22, PIPE-03, PIPE-04: 554 ends the transaction; a refused recipient does not undo an accepted one."""
    session = started(*WAYS[State.MAIL])
    replies = session.codes(*lines)
    assert " ".join(code for code, _ in replies) == codes
    assert ("554", "5.5.1") in replies or "554" not in codes


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        (State.READY, b"MAIL FROM:<>", State.READY),
        (State.RCPT, b"DATA", State.READY),
        (State.RCPT, b"EHLO other.test", State.RCPT),
    ],
)
def test_a_refused_command(before, line, after):
    """SMTP-09: MAIL opens no transaction, DATA ends it, EHLO changes nothing."""
    session = started(*WAYS[before])
    hello = session.engine.hello
    session.answers = lambda event: reply(450, "4.7.1", "later")
    session.say(line)
    assert session.engine.state is after
    assert session.engine.hello is hello


def test_rset_keeps_authentication_and_hello():
    """SMTP-09, AUTH-11."""
    session = after(b"AUTH PLAIN AGEAYg==", b"RSET", b"EHLO c.test", capabilities=CAPABILITIES)
    assert session.engine.authenticated
    assert session.codes(b"AUTH PLAIN AGEAYg==") == [("503", "5.5.1")]


def test_a_host_that_turns_a_client_away_serves_only_quit():
    """SMTP-40, CODE-28."""
    session = Dialogue()
    session.engine = ServerEngine(CAPABILITIES)
    session.engine.greet(reply(554, "5.7.1", "mx.home.test takes no mail from you"))
    assert session.codes(b"EHLO c.test", b"MAIL FROM:<>", b"NOOP", b"QUIT") == [
        ("503", "no"),
        ("503", "no"),
        ("503", "no"),
        ("221", "mx.home.test"),
    ]


def test_nothing_is_read_before_the_greeting_or_after_goodbye():
    engine = ServerEngine(CAPABILITIES)
    engine.receive(b"NOOP\r\nQUIT\r\nNOOP\r\n")
    assert engine.next_event().name == "PAUSED"
    session = Dialogue()
    assert session.codes(b"QUIT", b"NOOP") == [("221", "mx.home.test")]
    session.engine.receive(b"NOOP\r\n")
    assert session.engine.buffered == 0


def test_the_engine_pauses_until_the_answer():
    session = Dialogue()
    engine = session.engine
    engine.receive(b"NOOP\r\nRSET\r\n")
    first = engine.next_event()
    assert [engine.next_event().name for _ in range(3)] == ["PAUSED"] * 3
    engine.answer(reply(250, "2.0.0", "OK"))
    assert engine.next_event() != first


@pytest.mark.parametrize(
    ("before", "line", "code"),
    [
        (State.READY, b"NOOP", 354),
        (State.READY, b"MAIL FROM:<>", 354),
        (State.READY, b"EHLO c.test", 354),
        (State.RCPT, b"DATA", 250),
    ],
)
def test_354_is_the_positive_reply_to_data_and_to_nothing_else(before, line, code):
    session = started(*WAYS[before])
    session.engine.receive(line + b"\r\n")
    session.engine.next_event()
    with pytest.raises(LocalProtocolError):
        session.engine.answer(reply(code, None, "go on"))
    session.engine.answer(reply(450, "4.7.1", "later"))


def test_an_answer_that_is_not_owed_is_our_bug():
    engine = Dialogue(CAPABILITIES).engine
    for bug in (
        lambda: engine.answer(reply(250, None, "OK")),
        lambda: engine.challenge(b""),
        lambda: engine.greet(reply(220, None, "x")),
    ):
        with pytest.raises(LocalProtocolError):
            bug()


def test_an_unasked_421_ends_the_session_even_in_the_content():
    """CODE-16."""
    session = started(*WAYS[State.RCPT], b"DATA", b"half a letter")
    assert session.engine.unsolicited(reply(421, "4.3.2", "mx.home.test is shutting down", closes=True)) == (
        b"421 4.3.2 mx.home.test is shutting down\r\n"
    )
    assert session.hear(b".\r\nNOOP\r\n") == []
