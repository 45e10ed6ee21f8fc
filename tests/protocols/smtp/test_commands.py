"""Events and refusals of command lines."""

import pytest

from mailstack.letter import Address
from mailstack.protocols.smtp.commands import Expand, Hello, Help, Mail, Noop, Rcpt, Rejected, Verify
from mailstack.protocols.smtp.grammar import LineLimits
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.smtp.dialogue import Dialogue, after, started

FULL = Capabilities("mx.home.test", max_size=1000)


def event_of(line, *before, capabilities=FULL):
    """Event of one line after EHLO and other lines."""
    (event,) = after(*before, capabilities=capabilities).hear(line + b"\r\n")
    return event


def refusal_of(line, *before, capabilities=FULL):
    event = event_of(line, *before, capabilities=capabilities)
    assert isinstance(event, Rejected)
    return event.reply.code, str(event.reply.status)


A = Address("a", "b.test")


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"MAIL FROM:<a@b.test>", Mail(A, (), None)),
        (b"mAiL fRoM:<a@b.test>", Mail(A, (), None)),
        (b"MAIL FROM: <a@b.test>", Mail(A, (), None)),
        (b"MAIL FROM:<a@b.test>  \t", Mail(A, (), None)),
        (b"MAIL  FROM:<a@b.test>", Mail(A, (), None)),
        (b"MAIL FROM:<>", Mail(None, (), None)),
        (b"MAIL FROM:<> BODY=8BITMIME", Mail(None, (), None, "8BITMIME")),
        (b"MAIL FROM:<a@b.test> sIzE=100 body=7bit", Mail(A, (), 100, "7BIT")),
        (b"MAIL FROM:<@x.test,@y.test:a@b.test>", Mail(A, (), None)),
        (b"MAIL FROM:<a@b.test> size=1 SIZE=2", Mail(Address("a", "b.test"), (), 2)),
        (b'MAIL FROM:<"a>b"@b.test> SIZE=1', Mail(Address("a>b", "b.test"), (), 1)),
        (b'MAIL FROM:<"a\\" b"@b.test>', Mail(Address('a" b', "b.test"), (), None)),
        (b"MAIL FROM:<a@[192.0.2.1]>", Mail(Address("a", "[192.0.2.1]"), (), None)),
        (b"EHLO [IPv6:2001:db8::1]", Hello("[IPv6:2001:db8::1]", extended=True)),
        (b"HELO my_host", Hello("my_host", extended=False)),
        (b"NOOP", Noop()),
        (b"NOOP some text", Noop()),
        (b"HELP", Help("")),
        (b"HELP MAIL", Help("MAIL")),
        (b"VRFY alice", Verify("alice")),
        (b"EXPN staff", Expand("staff")),
    ],
)
def test_good_lines(line, event):
    """SMTP-05, SMTP-06, SMTP-10, SMTP-14, SMTP-15, SMTP-19."""
    assert event_of(line) == event


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (b"RCPT TO:<Alice@Home.test>", Address("Alice", "Home.test")),
        (b"RCPT TO:<postmaster>", Address("postmaster", "")),
        (b"RCPT TO:<PostMaster>", Address("postmaster", "")),
        (b"RCPT TO:<@a.test:user@local.test>", Address("user", "local.test")),
        (b'RCPT TO:<"x@elsewhere.test"@home.test>', Address("x@elsewhere.test", "home.test")),
    ],
)
def test_good_recipients(line, address):
    """SMTP-16, SMTP-17, SMTP-19."""
    assert event_of(line, b"MAIL FROM:<>") == Rcpt(address)


REFUSED_LINES = {
    (501, "5.5.4"): [
        b"MAIL", b"MAIL FROM", b"MAIL TO:<a@b.test>", b"MAIL FROM:<a@b.test> BODY=7BIT BODY=8BITMIME",
        b"MAIL FROM:<a@b.test> =x", b"EHLO", b"HELO", b"EHLO two words", b"EHLO " + b"x" * 256, b"RSET now", b"QUIT now",
        b"VRFY", b"EXPN",
    ],
    (501, "5.1.7"): [
        b"MAIL FROM:", b"MAIL FROM:a@b.test", b"MAIL FROM:<a@b.test", b'MAIL FROM:<"a@b.test>', b"MAIL FROM:<a b@c.test>",
        b"MAIL FROM:<a@b@c.test>", b"MAIL FROM:<bob>", b"MAIL FROM:<@a.test:>", b"MAIL FROM:<a@b.test>SIZE=1",
    ],
    (555, "5.5.4"): [b"MAIL FROM:<a@b.test> FOO=bar"],
    (550, "5.6.7"): [b"MAIL FROM:<\xc3\xa5@b.test>", b"MAIL FROM:<\xff@b.test>"],
    (502, "5.5.1"): [b"STARTTLS", b"AUTH PLAIN"],
    (503, "5.5.1"): [b"DATA now", b"BDAT 10 LAST"],
    (500, "5.5.6"): [b"AUTH PLAIN " + b"x" * 50_000],
    (500, "5.5.2"): [
        b"EHLO \xc3\xa5.test", b"", b"   ", b" NOOP", b"XYZZY", b".", b"NO\0OP", b"NOOP \0", b"NOOP \x1b[2J", b"NOOP a\rb",
        b"MAIL FROM:<a\0@b.test>", b"end of data", b"response to a challenge", b"NOOP " + b"x" * 5000,
        b"NOOP " + b"x" * 50_000, b"PROXY TCP4 192.0.2.5 127.0.0.1 1 25",
    ],
}  # fmt: skip
REFUSED_RECIPIENTS = {
    (501, "5.5.4"): [b"RCPT", b"RCPT FROM:<a@b.test>"],
    (501, "5.1.3"): [
        b"RCPT TO:", b"RCPT TO:<>", b"RCPT TO:<a@b.test", b"RCPT TO:<a@>", b"RCPT TO:<@b.test>",
        b"RCPT TO:<" + b"l" * 1000 + b"@b.test>",
    ],
    (555, "5.5.4"): [b"RCPT TO:<a@b.test> FOO"],
    (553, "5.6.7"): [b"RCPT TO:<\xc3\xa5@b.test>"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "answer"), [(line, answer) for answer in REFUSED_LINES for line in REFUSED_LINES[answer]]
)
def test_malformed_command_is_refused(line, answer):
    """SMTP-05, SMTP-07, SMTP-14, SMTP-20, SMTP-23, SMTP-25, CODE-13, CODE-15, PRXY-02, UTF8-02."""
    assert refusal_of(line) == answer


@pytest.mark.parametrize(
    ("line", "answer"), [(line, answer) for answer in REFUSED_RECIPIENTS for line in REFUSED_RECIPIENTS[answer]]
)
def test_malformed_recipient_is_refused(line, answer):
    """SMTP-14, SMTP-21, SMTP-25, UTF8-02."""
    assert refusal_of(line, b"MAIL FROM:<>") == answer


@pytest.mark.parametrize(
    "verb", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT mx:25 HTTP/1.1", b"PUT /", b"options *"]
)
def test_a_web_request_ends_the_session(verb):
    """SMTP-24."""
    session = Dialogue()
    session.hear(verb + b"\r\nHost: x\r\n\r\nEHLO evil.test\r\nMAIL FROM:<>\r\n")
    (event,) = session.events
    assert event.reply.closes
    assert session.octets.splitlines()[1].startswith(b"421 ")


def test_after_helo_no_parameter_is_known():
    """SMTP-03, SMTP-25."""
    session = Dialogue(FULL)
    assert session.say(b"HELO c.test") == b"250 mx.home.test at your service\r\n"
    assert session.say(b"MAIL FROM:<a@b.test> SIZE=1").startswith(b"555 ")
    assert session.say(b"MAIL FROM:<a@b.test>") == b"250 OK\r\n"


def test_a_session_goes_on_after_an_over_long_line():
    """SMTP-20."""
    session = Dialogue(limits=LineLimits(command_line=100, auth_line=200))
    assert session.codes(b"NOOP " + b"x" * 93, b"NOOP " + b"x" * 94, b"NOOP " + b"x" * 500, b"NOOP") == [
        ("250", "OK"),
        ("500", "the"),
        ("500", "the"),
        ("250", "OK"),
    ]


def test_a_bare_newline_ends_the_connection():
    """SMUG-03: refused once, and what follows is not obeyed."""
    session = Dialogue()
    session.hear(b"NOOP\nRSET\r\n")
    (event,) = session.events
    assert (event.reply.code, event.reply.closes) == (500, True)


def test_a_rejected_line_shows_no_secret():
    session = after(
        b"AUTH PLAIN secret!",
        b"AUTH NOSUCH secret",
        b"auth PLAIN a b c",
        capabilities=Capabilities("mx.home.test", mechanisms=("PLAIN",)),
    )
    assert {event.line.upper() for event in session.events[1:]} == {b"AUTH"}
    assert b"secret" not in session.octets


def test_a_rejected_line_is_cut():
    assert event_of(b"XYZZY" * 100).line == (b"XYZZY" * 100)[:128]


def test_nothing_that_the_peer_said_is_echoed():
    """SMTP-02."""
    session = started(b"EHLO evil.test", b"MAIL FROM:<evil", b"evil", b"MAIL FROM:<evil@evil@evil> EVIL=evil")
    assert b"evil" not in session.octets
