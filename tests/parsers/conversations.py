"""Whole conversations with somebody who says anything: they come to an end, and nothing in them is a bug of ours."""

from __future__ import annotations

from typing import Any

from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.policy.permissions import Relaying
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession, Pop3ConnectionLost, Refused
from mailstack.protocols.smtp.client import ClientEngine as SmtpClient
from mailstack.protocols.smtp.client_session import SmtpClientSession, SmtpSessionError
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from mailstack.protocols.smtp.server_session import ServerSession
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import MxRules
from tests.mailbox.pop3.sessions import TLS, Server, Shelf
from tests.parsers.parser import Parser
from tests.protocols.smtp.hosts import ScriptedEngine
from tests.protocols.smtp.pair import Wire
from tests.queue.rig import SERVER, Rig

_BEGIN = b"EHLO c.test\r\nMAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<bob@home.test>\r\n"


def _exchange(octets: bytes) -> None:
    """Another host says anything on port 25: no reply is our own fault, and what was answered 250 is in the queue."""
    rig = Rig()
    counter = Intake(SERVER, rig.queue, rig.store, rig.directory)
    engine = ServerEngine(Capabilities(SERVER))
    wire = Wire(ScriptedEngine(), engine)
    session = ServerSession(wire.server, engine, MxRules(counter, Relaying(())), rig.clock)
    conversation = session.serve()
    wire.carry(wire.server, octets)
    wire.client.close()
    wire.converse(conversation)
    said = bytes(wire.server.said)
    assert b"\n451 4.3.0" not in said, said
    assert said.count(b" queued as ") == len(rig.mailbox("bob@home.test"))


TEXT = b"Subject: x\r\n\r\n.\r\n"


def _sending(octets: bytes) -> None:
    """A host, or a program that speaks LMTP, says anything to a letter: one reply for each recipient, or SmtpSessionError."""
    _send(octets, lmtp=False)
    _send(octets, lmtp=True)


def _send(octets: bytes, *, lmtp: bool) -> None:
    client = SmtpClient()
    wire = Wire(client, ScriptedEngine())
    session = SmtpClientSession(wire.client, client, "client.test", lmtp=lmtp)
    recipients = tuple(Recipient(Address(name, "elsewhere.test")) for name in ("carol", "dave"))
    envelope = Envelope(Address("alice", "home.test"), recipients)
    replies: list[Any] = []

    async def send() -> None:
        try:
            await session.open()
            if "AUTH" in session.extensions:
                await session.authenticate("alice", "secret", allow_clear=True)
            assert min(session.limits.recipients, session.limits.letters, session.limits.domains) >= 0
            replies.extend([await session.transact(envelope, recipients, Octets(TEXT)) for _ in range(2)])
            await session.quit()
        except SmtpSessionError:
            return
        finally:
            wire.client.close()

    wire.carry(wire.client, octets)
    wire.server.close()
    wire.converse(send())
    assert all(len(each) == len(recipients) for each in replies)
    assert all(line.isprintable() for line in session.dialogue)


def _reading(octets: bytes) -> None:
    """A reader says anything after the greeting, and after the login: every session ends, and gives its maildrop back."""
    for begin in (b"", b"USER bob\r\nPASS secret word\r\n"):
        shelf = Shelf(b"Subject: a\r\n\r\n.\r\n", b"Subject: b\r\n\r\n" + b"x" * 70 + b"\r\n")
        mail_server = Server(mailboxes=shelf)
        telnet = mail_server.telnet(tls=TLS)
        telnet.peer.receive(begin + octets)
        telnet.hang_up()
        assert not shelf.holders
        assert not mail_server.clock.bugs
        assert b"SYS/" not in telnet.heard


def _fetching(octets: bytes) -> None:
    """A POP3 server says anything: what the reader gets is of the right kind, or it is Refused or Broken."""
    engine = Pop3ClientEngine()
    wire = Wire(engine, ScriptedEngine())
    wire.client.remote = HostPort("192.0.2.1", 110)
    session = Pop3ClientSession(wire.client, engine, max_size=10_000)

    async def fetch() -> None:
        try:
            await session.open()
            await session.capabilities()
            await session.login("bob", "secret", "PLAIN")
            assert all(isinstance(each, int) for each in await session.stat())
            await session.list()
            await session.uidl()
            assert isinstance(await session.retr(1), bytes)
            await session.quit()
        except (Refused, Pop3ConnectionLost):
            return
        finally:
            wire.client.close()

    wire.carry(wire.client, octets)
    wire.server.close()
    wire.converse(fetch())


PARSERS = (
    Parser(
        "exchange-session",
        (
            "protocols.smtp.server_session",
            "protocols.smtp.session_letter",
            "protocols.smtp.session_state",
            "protocols.smtp.incoming_content",
            "protocols.smtp.extensions.body",
        ),
        _exchange,
        (
            _BEGIN.replace(b"BINARYMIME", b"8BITMIME") + b"DATA\r\nReceived: x\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n",
            _BEGIN + b"BDAT 12\r\nA: b\r\n\r\n\0\n\xe4\rBDAT 0 LAST\r\nRSET\r\nVRFY bob\r\nHELP\r\nNOOP\r\n",
            b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<bob@home.test>\r\nRCPT TO:<x@y.test>\r\nDATA\r\n\r\n.\r\n",
        ),
    ),
    Parser(
        "sending-session",
        ("protocols.smtp.client_session", "protocols.smtp.outgoing", "protocols.smtp.extensions.limits"),
        _sending,
        (
            (
                b"220 x\r\n250-x\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-LIMITS RCPTMAX=1 MAILMAX=2\r\n250 8BITMIME\r\n"
                b"250 a\r\n250 b\r\n550 5.1.1 c\r\n354 d\r\n250 2.0.0 e\r\n250 a\r\n250 b\r\n250 c\r\n354 d\r\n452 e\r\n221 bye\r\n"
            ),
            b"220 x\r\n250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n250 a\r\n250 b\r\n250 c\r\n250 d\r\n250 e\r\n221 f\r\n",
            b"220 x\r\n250-x\r\n250 AUTH LOGIN\r\n334 \r\n334 VXNlcm5hbWU6\r\n235 a\r\n250 b\r\n250 c\r\n550 d\r\n354 e\r\n250 f\r\n451 g\r\n",
            b"220 x\r\n250-x\r\n250 AUTH SCRAM-SHA-256 PLAIN\r\n334 cj14\r\n501 x\r\n",
            b"220 x\r\n502 x\r\n250 x\r\n250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 e\r\n421 f\r\n",
        ),
    ),
    Parser(
        "reading-session",
        (
            "mailbox.pop3.session",
            "mailbox.login",
            "mailbox.pop3.authorization",
            "mailbox.pop3.transaction",
        ),
        _reading,
        (
            b"CAPA\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 0\r\nDELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n",
            b"UTF8\r\nAUTH PLAIN\r\nAGJvYgBzZWNyZXQgd29yZA==\r\nSTAT\r\nQUIT\r\n",
            b"USER bob\r\nPASS wrong\r\nAUTH LOGIN Ym9i\r\n*\r\nLANG *\r\n",
        ),
    ),
    Parser(
        "fetching-session",
        ("protocols.pop3.client",),
        _fetching,
        (
            b"+OK hi\r\n+OK\r\nTOP\r\n.\r\n+OK in\r\n+OK 1 20\r\n+OK\r\n1 20\r\n.\r\n+OK\r\n1 abc\r\n.\r\n+OK\r\n..x\r\n.\r\n+OK bye\r\n",
            b"+OK hi\r\n+OK\r\n.\r\n+ \r\n-ERR [AUTH] no\r\n",
            b"+OK\r\n+OK\r\n.\r\n+OK\r\n+OK \xb2 1\r\n",
        ),
    ),
)
