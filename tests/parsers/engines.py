"""Engines of SMTP and POP3, and stream parsers: the same events in every cut, or a violation."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from mailstack.mailbox.pop3.transaction import TopFilter
from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import BareLF, DotStuffer, DotUnstuffer, LineBuffer, LineTooLong
from mailstack.protocols.pop3 import client as pop3_client
from mailstack.protocols.pop3 import commands as pop3
from mailstack.protocols.pop3.server import Pop3ServerEngine as Pop3Server
from mailstack.protocols.smtp.client import ClientEngine as SmtpClient
from mailstack.protocols.smtp.client import MalformedReply, ReplyLimits
from mailstack.protocols.smtp.grammar import LineLimits
from mailstack.protocols.smtp.replies import MAX_LINE
from mailstack.protocols.smtp.server import Capabilities
from mailstack.sandbox.recording import SessionTranscript
from tests.parsers.parser import Parser, Pieces, same_in_every_cut
from tests.protocols.smtp.dialogue import Dialogue, merged

CAPABILITIES = Capabilities(
    "mx.home.test",
    max_size=300,
    starttls=True,
    mechanisms=("PLAIN", "LOGIN"),
    max_line=60,
    max_hold=86400,
    min_by=30,
    priorities=True,
    verp=True,
    xclient=True,
    max_recipients=10,
    since=1_750_000_000.0,
)
_LIMITS = LineLimits(command_line=300, auth_line=600)
_LONGEST_LINE = 100


def _smtp_server(octets: bytes, capabilities: Capabilities = CAPABILITIES) -> None:
    """SMTP-27, SMTP-02: the same events and replies in every cut, well-formed replies, bounded memory."""

    def play(pieces: Pieces) -> Any:
        session = Dialogue(capabilities, limits=_LIMITS, start_tls=False)
        for piece in pieces:
            session.hear(piece)
            assert session.engine.buffered <= _LIMITS.auth_line
        events = [event for event in merged(session.events) if not hasattr(event, "octets")]
        return events, session.octets, session.engine.state

    _, answers, _ = same_in_every_cut(octets, play)
    for line in answers[:-2].split(b"\r\n"):
        assert re.fullmatch(rb"[2-5][0-9]{2}[ -][ -~]*", line)
        assert len(line) + 2 <= MAX_LINE


_BEGIN = b"EHLO c.test\r\nMAIL FROM:<a@b.test> BODY=8BITMIME\r\nRCPT TO:<c@d.test>\r\n"


def _smtp_content(octets: bytes) -> None:
    """Content never becomes a command (SMUG-01): between DATA and the end mark, or in BDAT chunks."""
    _smtp_server(_BEGIN + b"DATA\r\n" + octets + b"\r\n.\r\nQUIT\r\n")
    _smtp_server(_BEGIN + b"BDAT %d\r\n" % len(octets) + octets + b"BDAT 4 LAST\r\nend\r\nQUIT\r\n")
    binary = _BEGIN.replace(b"8BITMIME", b"BINARYMIME")
    _smtp_server(binary + b"BDAT %d LAST\r\n" % len(octets) + octets + b"QUIT\r\n")


def _smtp_loose(octets: bytes) -> None:
    """As `_smtp_content`, for a port that accepts bare LF, with both line ends of commands."""
    for newline in (b"\r\n", b"\n"):
        begin = (_BEGIN + b"DATA\r\n").replace(b"\r\n", newline)
        _smtp_server(begin + octets + b"\r\n.\r\nQUIT\r\n", replace(CAPABILITIES, bare_newlines="accept"))


def _smtp_client(octets: bytes) -> None:
    def play(pieces: Pieces) -> Any:
        engine = SmtpClient(ReplyLimits(line=_LONGEST_LINE, lines=10, octets=500))
        engine.command("EHLO client.test")
        events: list[Any] = []
        for piece in pieces:
            engine.receive(piece)
            while (event := engine.next_event()) is not NEED_DATA:
                events.append(event)
            assert engine.buffered <= _LONGEST_LINE
        assert all(not isinstance(event, MalformedReply) for event in events[:-1])
        return events, engine.extensions

    same_in_every_cut(octets, play)


def _pop3_server(octets: bytes) -> None:
    """POP-07: PASS logs in, AUTH gets one challenge, and each line gets one reply."""

    def play(pieces: Pieces) -> Any:
        engine = Pop3Server(require_tls=False, command_limit=120, response_limit=240)
        answers = engine.ok("ready")
        events: list[Any] = []
        for piece in pieces:
            engine.receive(piece)
            while (event := engine.next_event()) is not NEED_DATA:
                assert not isinstance(event, Signal), "an answer is owed"
                events.append(event)
                answers += _pop3_answer(engine, event)
                if isinstance(event, pop3.Stls):
                    return events, answers  # what stands behind it is thrown away, or already TLS
            assert engine.buffered <= 240
        return events, answers

    _, answers = same_in_every_cut(octets, play)
    for line in answers[:-2].split(b"\r\n"):
        assert re.match(rb"\+OK|-ERR|\+ |[0-9.A-Z]", line)
        assert len(line) + 2 <= MAX_LINE


def _pop3_answer(engine: Pop3Server, event: pop3.Pop3Event) -> bytes:
    if isinstance(event, pop3.Pop3Rejected):
        return engine.err(event.text)
    if isinstance(event, pop3.Pop3Auth):
        return engine.challenge(event.initial or b"?")
    if isinstance(event, pop3.Pop3Pass | pop3.Pop3AuthResponse):
        engine.logged_in()
    if isinstance(event, pop3.Capa):
        return engine.listing("what there is", engine.capabilities(stls=True))
    if isinstance(event, pop3.Retr):
        return engine.start("now") + engine.feed(b".") + engine.feed(b"\r\n.\r\n") + engine.finish()
    return engine.ok()


def _pop3_client(octets: bytes) -> None:
    def play(pieces: Pieces) -> Any:
        engine = pop3_client.Pop3ClientEngine(line_limit=_LONGEST_LINE)
        for line, multiline in ((b"CAPA", True), (b"AUTH PLAIN", False), (b"RETR 1", True), (b"QUIT", False)):
            engine.command(line, multiline=multiline)
        events: list[Any] = []
        for piece in pieces:
            engine.receive(piece)
            while not isinstance(event := engine.next_event(), Signal):
                if isinstance(event, pop3_client.Text) and isinstance(events and events[-1], pop3_client.Text):
                    event = pop3_client.Text(events.pop().octets + event.octets)
                if isinstance(event, pop3_client.Violation):
                    return [*events, event]
                events.append(event)
        return events

    same_in_every_cut(octets, play)


def _lines(octets: bytes) -> None:
    """Lines within a limit, or their faults, with bounded memory."""

    def play(pieces: Pieces) -> Any:
        buffer, found = LineBuffer(), []
        for piece in pieces:
            buffer.receive(piece)
            while True:
                try:
                    line: object = buffer.line(_LONGEST_LINE)
                except (LineTooLong, BareLF) as wrong:
                    line = type(wrong).__name__
                if line is None:
                    break
                found.append(line)
            assert len(buffer) <= _LONGEST_LINE
        return found

    same_in_every_cut(octets, play)


def _transcript(octets: bytes) -> None:
    """A transcript has the same lines in every cut, and never a password."""

    def play(pieces: Pieces) -> Any:
        transcript = SessionTranscript(1, "client", "server", lambda: 0.0)
        for piece in pieces:
            transcript.feed("C", piece)
        transcript.feed("C", b"\r\n.\r\nPASS secret\r\n")
        transcript.event("closed")
        lines = [str(line) for line in transcript.lines]
        assert not any("PASS secret" in line for line in lines)
        return lines

    same_in_every_cut(octets[:16_000], play)


def _imap_transcript(octets: bytes) -> None:
    """IMAP-23, IMAP-24: a transcript of either side has the same lines in every cut; literals are their size."""

    def play(pieces: Pieces) -> Any:
        sides = []
        for side in "CS":
            transcript = SessionTranscript(1, "client", "server", lambda: 0.0, is_imap=True)
            for piece in pieces:
                transcript.feed(side, piece)
            transcript.event("closed")
            sides.append([str(line) for line in transcript.lines])
        return sides

    same_in_every_cut(octets[:16_000], play)


def _dots(octets: bytes) -> None:
    """POP-07, SMUG-04: octets stuffed in one cut are unstuffed in another, with the same end."""
    behind = b"+OK\r\n"

    def stuffed(pieces: Pieces) -> bytes:
        stuffer = DotStuffer()
        return b"".join([stuffer.feed(piece) for piece in pieces]) + stuffer.finish()

    def unstuffed(pieces: Pieces) -> tuple[bytes, bytes]:
        unstuffer, got, rest = DotUnstuffer(), b"", b""
        for piece in pieces:
            if unstuffer.ended:
                rest += piece
            else:
                got += unstuffer.feed(piece)
        assert unstuffer.ended
        return got, unstuffer.remainder + rest

    wire = same_in_every_cut(octets, stuffed)
    complete = octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"
    assert same_in_every_cut(wire + behind, unstuffed) == (complete, behind)


def _excerpt(octets: bytes) -> None:
    """TOP returns a prefix of the letter, the same for every cut."""
    for lines in (0, 1, 7):

        def play(pieces: Pieces, lines: int = lines) -> bytes:
            excerpt = TopFilter(lines)
            return b"".join([excerpt.feed(piece) for piece in pieces])

        assert octets.startswith(same_in_every_cut(octets, play))


_SMTP_SEEDS = (
    _BEGIN + b"DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
    b"EHLO c.test\r\nMAIL FROM:<a@b.test> SIZE=10 BODY=BINARYMIME\r\nRCPT TO:<c@d.test>\r\nBDAT 4\r\nabcdBDAT 0 LAST\r\n",
    (
        b"EHLO c.test\r\nMAIL FROM:<a@b.test> RET=HDRS ENVID=x+2By HOLDFOR=60 BY=120;RT MT-PRIORITY=-3 XVERP=-=\r\n"
        b"RCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+40d.test\r\nRSET\r\n"
    ),
    b"EHLO c.test\r\nMAIL FROM:<> HOLDUNTIL=2030-01-31T18:00:00Z AUTH=<> SIZE=20\r\nVRFY a\r\nEXPN a\r\nHELP x\r\n",
    "EHLO c.test\r\nMAIL FROM:<bücher@bücher.test> SMTPUTF8\r\nRCPT TO:<ö@xn--bcher-kva.test> ORCPT=utf-8;ö\r\n".encode(),
    b"EHLO c.test\r\nXCLIENT NAME=a.test ADDR=IPV6:::1 PORT=25 PROTO=ESMTP HELO=x+2By LOGIN=a@b.test DESTADDR=192.0.2.1\r\n",
    b"EHLO c.test\r\nAUTH PLAIN AGEAYg==\r\nAUTH LOGIN\r\nYQ==\r\n*\r\nSTARTTLS\r\nEHLO c.test\r\nNOOP\r\n",
    b'HELO c.test\r\nmail from: <@a.test,@b.test:"a\\"@b"@c.test>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<a@[192.0.2.1]>\r\nDATA\r\n',
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 12\r\n\r\n.\r\nQUIT\r\n.BDAT 99999999999999999999\r\nBDAT 3 LAST\r\nx\r\n",
)
_EXTENSIONS = tuple(
    f"protocols.smtp.extensions.{name}"
    for name in [
        "auth", "chunking", "deliverby", "dsn", "body", "futurerelease", "mtpriority", "size", "smtputf8", "starttls",
        "xclient", "xverp",
    ]
)  # fmt: skip

PARSERS = (
    Parser(
        "session-transcript",
        ("sandbox.recording",),
        _transcript,
        (b"EHLO a.test\r\nAUTH PLAIN abc\r\nBDAT 3 LAST\r\nabcPASS x\r\n", b"BDAT 9999\r\n", b"APOP a b\r\nNOOP"),
    ),
    Parser(
        "imap-transcript",
        ("sandbox.recording", "sandbox.imap_recording"),
        _imap_transcript,
        (
            b'a LOGIN bob "x"\r\nb LOGIN {3}\r\nbob {1+}\r\nx\r\nc AUTHENTICATE PLAIN abc\r\nabc\r\nDONE\r\n',
            b"* OK hi {3}\r\n+ abc\r\n* 1 FETCH (BODY[] {3}\r\na\r\n X {0}\r\n)\r\n* BAD x\r\n* PREAUTH\r\n* 1 X ~{9999}\r\n",
        ),
    ),
    Parser(
        "smtp-server",
        (
            "protocols.line_buffer",
            "protocols.smtp.server",
            "protocols.smtp.grammar",
            "protocols.smtp.bdat_reader",
            *_EXTENSIONS,
        ),
        _smtp_server,
        _SMTP_SEEDS,
    ),
    Parser(
        "smtp-content",
        ("protocols.smtp.data_reader", "protocols.smtp.bdat_reader", "protocols.smtp.bdat_reader"),
        _smtp_content,
        (
            b"Subject: x\r\n\r\n.\r\r\n.\n.\r\n..\r\n",
            b"a\n.\r\nb\r\n.\n\0",
            b"\r\n.\r\nRSET\r\n",
            b"x" * 90,
            b"\xe4\r\n" * 99,
        ),
    ),
    Parser(
        "smtp-loose",
        ("protocols.smtp.data_reader", "protocols.smtp.bdat_reader", "protocols.line_buffer"),
        _smtp_loose,
        (b"a\n.\n..b\r\n.\n\r\n", b"\r\n\n..", b"\r"),
    ),
    Parser(
        "smtp-client",
        ("protocols.smtp.client", "letter.status"),
        _smtp_client,
        (
            b"250-mx\r\n250-SIZE 10\r\n250 LIMITS RCPTMAX=5\r\n550-5.1.1 no\r\n550 5.1.1 go\r\n",
            b"220 x\n421 bye\r\n",
            b"HTTP/1.1 400\r\n",
        ),
    ),
    Parser(
        "pop3-server",
        ("protocols.pop3.server", "protocols.pop3.commands", "protocols.line_buffer"),
        _pop3_server,
        (
            b"CAPA\r\nUTF8\r\nUSER bob\r\nPASS a b \r\nSTAT\r\nLIST\r\nLIST 1\r\nRETR 1\r\nTOP 1 2\r\nDELE 1\r\nRSET\r\nUIDL 1\r\nQUIT\r\n",
            b"AUTH\r\nAUTH PLAIN =\r\nAGEAYg==\r\nLANG\r\nLANG de-DE\r\nNOOP\r\n",
            b"STLS\r\nAPOP bob 0123456789abcdef0123456789abcdef\r\nAUTH LOGIN\r\n*\r\n\xff\0\r\n",
        ),
    ),
    Parser(
        "pop3-client",
        ("protocols.pop3.client", "protocols.line_buffer"),
        _pop3_client,
        (b"+OK hi\r\n+OK\r\nTOP\r\n.\r\n+ YQ==\r\n+OK [X-Y] in\r\n+OK\r\n..a\r\n.\r\n-ERR [SYS/TEMP] bye\r\n",),
    ),
    Parser("protocols.line_buffer", ("protocols.line_buffer",), _lines, (b"a\r\nb\nc\rd\r\n" + b"x" * 120 + b"\r\n",)),
    Parser("dots", ("protocols.line_buffer",), _dots, (b".\r\n..\r\n\r\n.\r\n\r.\n.a",)),
    Parser(
        "excerpt",
        ("mailbox.pop3.transaction",),
        _excerpt,
        (b"A: b\r\n\r\n1\r\n2\n3\r\n\r\n", b"\r\nx\r\n", b"A: b\r\n"),
    ),
)
