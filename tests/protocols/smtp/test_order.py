"""The table of states and commands, cell by cell (RFC 5321 §4.1.4)."""

import pytest

from mailstack.protocols.smtp.commands import ORDER, LocalProtocolError, State
from mailstack.protocols.smtp.replies import reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from tests.protocols.smtp.dialogue import Dialogue

CAPABILITIES = Capabilities("mx.home.test", starttls=True, mechanisms=("PLAIN", "LOGIN"))

# How to come into each state, and what may be said there: the answer's code to each command in turn.
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


def test_all_recipients_refused_then_data_is_554_and_ends_the_transaction():
    """CODE-22, PIPE-04."""
    session = Dialogue()
    codes = session.codes(
        b"EHLO c.test", b"MAIL FROM:<>", b"RCPT TO:<no@a.test>", b"RCPT TO:<bad", b"DATA", b"MAIL FROM:<>"
    )
    assert [code for code, _ in codes[1:]] == ["250", "550", "501", "554", "250"]


def test_a_malformed_recipient_counts_as_a_refused_one():
    session = Dialogue()
    codes = session.codes(b"EHLO c.test", b"MAIL FROM:<>", b"RCPT TO:<bad", b"DATA")
    assert codes[-1] == ("554", "5.5.1")


def test_a_refused_recipient_does_not_undo_a_taken_one():
    """PIPE-03."""
    session = Dialogue()
    codes = session.codes(b"EHLO c.test", b"MAIL FROM:<>", b"RCPT TO:<a@b.test>", b"RCPT TO:<no@b.test>", b"DATA")
    assert [code for code, _ in codes[1:]] == ["250", "250", "550", "354"]


def test_a_refused_mail_opens_no_transaction():
    def refuse(event):
        return reply(450, "4.7.1", "later")

    session = Dialogue()
    session.say(b"EHLO c.test")
    session.answers = refuse
    session.say(b"MAIL FROM:<>")
    assert session.engine.state is State.READY


def test_a_refused_data_ends_the_transaction():
    """SMTP-09."""
    session = Dialogue()
    session.say(*WAYS[State.RCPT])
    session.answers = lambda event: reply(451, "4.3.0", "not now")
    session.say(b"DATA")
    assert session.engine.state is State.READY


def test_a_refused_ehlo_changes_nothing():
    session = Dialogue()
    session.say(*WAYS[State.RCPT])
    hello = session.engine.hello
    session.answers = lambda event: reply(550, "5.7.1", "not you")
    session.say(b"EHLO other.test")
    assert session.engine.state is State.RCPT
    assert session.engine.hello is hello


def test_rset_keeps_authentication_and_hello():
    """SMTP-09, AUTH-11."""
    session = Dialogue(CAPABILITIES)
    session.say(b"EHLO c.test", b"AUTH PLAIN AGEAYg==", b"RSET", b"EHLO c.test")
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


@pytest.mark.parametrize("line", [b"NOOP", b"MAIL FROM:<>", b"EHLO c.test"])
def test_354_answers_data_and_nothing_else(line):
    session = Dialogue()
    session.say(b"EHLO c.test")
    session.engine.receive(line + b"\r\n")
    session.engine.next_event()
    with pytest.raises(LocalProtocolError):
        session.engine.answer(reply(354, None, "go on"))
    session.engine.answer(reply(450, "4.7.1", "later"))


def test_250_does_not_answer_data():
    session = Dialogue()
    session.say(*WAYS[State.RCPT])
    session.engine.receive(b"DATA\r\n")
    session.engine.next_event()
    with pytest.raises(LocalProtocolError):
        session.engine.answer(reply(250, "2.0.0", "OK"))


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
    session = Dialogue()
    session.say(*WAYS[State.RCPT], b"DATA", b"half a letter")
    assert session.engine.unsolicited(reply(421, "4.3.2", "mx.home.test is shutting down", closes=True)) == (
        b"421 4.3.2 mx.home.test is shutting down\r\n"
    )
    assert session.hear(b".\r\nNOOP\r\n") == []
