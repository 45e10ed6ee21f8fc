"""Recorded IMAP sessions: no password is shown, and literals are their size."""

from __future__ import annotations

import base64
import itertools
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.connection import NEED_DATA, PAUSED, TappedEngine
from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.client_session import ImapClientSession
from mailstack.sandbox.recording import SessionTranscript
from tests.protocols.imap.small_server import SmallServer
from tests.protocols.imap.test_imaplib import Client
from tests.sandbox.faults.imap_clients import connect, internet_with_imap

PASSWORD = 'Sesam "open\\'
PLAIN = f"\0bob\0{PASSWORD}".encode()


class RefusingServer(SmallServer):
    """A server that refuses every login, and literals before it."""

    def answer(self, event: Any) -> bytes:
        if isinstance(event, c.ImapLogin | c.Authenticate | c.LiteralWanted):
            return self.engine.tagged(event.tag, "NO", "login is disabled", "PRIVACYREQUIRED")
        return super().answer(event)


class Recorded:
    """A server between client and transcript."""

    def __init__(self, server: SmallServer | None = None) -> None:
        self.server = server or SmallServer()
        self.transcript = SessionTranscript(1, "client", "server", lambda: 0.0)
        self.engine: Any = TappedEngine(self.server.engine, lambda octets: self.transcript.feed("C", octets))
        self.reply(self.server.engine.greeting("ready"))

    def reply(self, octets: bytes) -> None:
        self.transcript.feed("S", octets)

    def send(self, octets: bytes) -> bytes:
        """Octets of the replies."""
        self.engine.receive(octets)
        replies = b""
        while (event := self.engine.next_event()) not in (NEED_DATA, PAUSED):
            self.server.events.append(event)
            reply = self.server.answer(event)
            self.reply(reply)
            replies += reply
        return replies

    @property
    def lines(self) -> list[str]:
        return [f"{line.side}: {line.text}" for line in self.transcript.lines]

    @property
    def client_lines(self) -> list[str]:
        return [line for line in self.lines if line.startswith("C: ")]


class RecordedClient(Client):
    """imaplib, with a transcript of its session."""

    def __init__(self) -> None:
        self.recorded = Recorded()
        super().__init__(self.recorded.server)

    def send(self, octets: bytes) -> None:
        self._octets += self.recorded.send(octets)


def secrets(password: str) -> list[str]:
    octets = password.encode()
    plain = [base64.b64encode(each).decode() for each in (octets, b"\0bob\0" + octets)]
    return [password, password.replace("\\", "\\\\").replace('"', '\\"'), *plain]


def assert_hidden(recorded: Recorded, password: str) -> None:
    recorded.transcript.event("closed")
    text = str(recorded.transcript)
    assert not [secret for secret in secrets(password) if secret in text], text


def test_imaplib_logs_in_by_a_quoted_password() -> None:
    client = RecordedClient()
    client.login("bob", PASSWORD)
    assert client.recorded.server.events[-1].password == PASSWORD
    assert client.recorded.client_lines[-1].endswith("LOGIN bob (…)")
    assert_hidden(client.recorded, PASSWORD)


def test_imaplib_logs_in_by_authenticate() -> None:
    client = RecordedClient()
    client.authenticate("PLAIN", lambda _challenge: PLAIN)
    assert client.recorded.server.events[-1] == c.ImapAuthResponse(PLAIN)
    first, second = client.recorded.client_lines[-2:]
    assert (first.endswith("AUTHENTICATE PLAIN"), second) == (True, "C: (…)")
    assert "S: + (…)" in client.recorded.lines
    assert_hidden(client.recorded, PASSWORD)


@pytest.mark.parametrize("plus", ["", "+"])
def test_login_by_literals_shows_neither_password_nor_its_length(plus: str) -> None:
    recorded = Recorded()
    password = PASSWORD.encode()
    for piece in (b"a LOGIN {3%b}\r\n", b"bob {12%b}\r\n"):
        recorded.send(piece % plus.encode())
    recorded.send(password + b"\r\n")
    assert recorded.server.events[-1].password == PASSWORD
    assert recorded.client_lines == ["C: a LOGIN (…)", "C: (…)", "C: (…)", "C: (…)"]
    recorded.send(b"b XUNKNOWN\r\nc NOOP\r\n")
    assert recorded.client_lines[-2:] == ["C: b XUNKNOWN", "C: c NOOP"]
    assert_hidden(recorded, PASSWORD)


def test_initial_response_is_hidden() -> None:
    recorded = Recorded()
    recorded.send(b"a AUTHENTICATE PLAIN " + base64.b64encode(PLAIN) + b"\r\n")
    assert recorded.client_lines == ["C: a AUTHENTICATE PLAIN (…)"]
    assert_hidden(recorded, PASSWORD)


def test_the_rest_of_a_refused_login_is_hidden() -> None:
    """A client that sends without waiting, and gets its refusal in between."""
    recorded = Recorded(RefusingServer())
    recorded.send(b"a LOGIN {3}\r\n")
    recorded.send(b"bob {12}\r\n")
    recorded.send(PASSWORD.encode() + b"\r\n")
    recorded.send(b"b AUTHENTICATE PLAIN\r\n")
    recorded.send(base64.b64encode(PLAIN) + b"\r\nc NOOP\r\n")
    assert recorded.client_lines[-1] == "C: c NOOP"
    assert_hidden(recorded, PASSWORD)


def test_replies_do_not_repeat_a_hidden_tag() -> None:
    recorded = Recorded()
    recorded.send(b"Sesam open\r\nDONE\r\na NOOP\r\n")
    recorded.reply(b"Sesam BAD late\r\n")
    assert recorded.client_lines == ["C: (…)", "C: DONE", "C: a NOOP"]
    assert recorded.lines[-1] == "S: (…) BAD late"
    assert_hidden(recorded, "Sesam")


def test_a_refused_literal_leaves_the_next_command_visible() -> None:
    recorded = Recorded(RefusingServer())
    recorded.send(b"a LOGIN {3}\r\n")
    recorded.send(b"b NOOP\r\n")
    assert recorded.client_lines == ["C: a LOGIN (…)", "C: b NOOP"]


def test_messages_are_their_size() -> None:
    recorded = Recorded()
    recorded.send(b"a LOGIN bob x\r\nb SELECT x\r\n")
    recorded.send(b"c APPEND x {10}\r\n")
    recorded.send(b"A: b\r\n\r\nc\n\r\nd FETCH 1 BODY[]\r\n")
    assert recorded.client_lines[2:] == ["C: c APPEND x {10}", "C: (literal of 10 octets)", "C: d FETCH 1 BODY[]"]
    found = next(at for at, line in enumerate(recorded.lines) if "BODY[] {" in line)
    assert recorded.lines[found + 1 : found + 3] == ["S: (literal of 6 octets)", "S: )"]


def test_status_text_that_ends_as_a_literal_does_is_no_literal() -> None:
    recorded = Recorded()
    for line in (b"* OK size {100}\r\n", b"x NO size {100}\r\n", b"* LIST () NIL {0}\r\n", b"\r\n", b"* BYE\r\n"):
        recorded.reply(line)
    assert recorded.lines[-4:] == [
        "S: (…) NO size {100}",
        "S: * LIST () NIL {0}",
        "S: (literal of 0 octets)",
        "S: * BYE",
    ]


def test_literals_are_not_stored() -> None:
    transcript = SessionTranscript(1, "client", "server", lambda: 0.0, is_imap=True)
    octets = b"x" * 65536
    transcript.feed("C", b"a APPEND x {4194304+}\r\n")
    transcript.feed("S", b"* 1 FETCH (BODY[] {4194304}\r\n")
    tracemalloc.start()
    try:
        for _ in range(64):
            transcript.feed("C", octets)
            transcript.feed("S", octets)
        stored, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored < len(octets)
    assert [line.text for line in transcript.lines[-2:]] == ["(literal of 4194304 octets)"] * 2


def test_literal_after_an_overlong_line_is_none_of_its_lines() -> None:
    transcript = SessionTranscript(1, "client", "server", lambda: 0.0, is_imap=True)
    for octets in (b'a LOGIN "' + b"x" * 70_000, b'" {1', b"2+}\r\nb NOOP Sesa", b"m\r\n"):
        transcript.feed("C", octets)
    assert "Sesa" not in str(transcript)


def test_compressed_octets_are_counted() -> None:
    transcript = SessionTranscript(1, "client", "server", lambda: 0.0, is_imap=True)
    transcript.feed("C", b"a COMPRESS DEFLATE\r\n")
    transcript.feed("S", b"a OK compressed\r\n")
    transcript.feed("C", b"\x01\n\x02\n")
    transcript.event("closed")
    assert [line.text for line in transcript.lines[2:]] == ["(4 octets, incomplete)", "closed"]


def login_forms(password: bytes) -> Sequence[bytes]:
    quoted = b'"%b"' % password.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    plain = base64.b64encode(b"\0bob\0" + password)
    return [
        b"a LOGIN bob %b\r\n" % quoted,
        b'a login "b\\"ob" %b\r\n' % quoted,
        *[b"a LOGIN {3%b}\r\nbob {%d%b}\r\n%b\r\n" % (plus, len(password), plus, password) for plus in (b"", b"+")],
        *[b"a LOGIN bob {%d%b}\r\n%b\r\n" % (len(password), plus, password) for plus in (b"", b"+")],
        b"a LOGIN {3+}\r\nbob %b\r\n" % quoted,
        b"a AUTHENTICATE PLAIN %b\r\n" % plain,
        b"a AUTHENTICATE PLAIN\r\n%b\r\n" % plain,
        b"a AUTHENTICATE LOGIN\r\nYm9i\r\n%b\r\n" % base64.b64encode(password),
    ]


PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12).map(
    lambda text: f"Sesam{text}"
)


@given(PASSWORDS, st.lists(st.integers(0, 100), max_size=6), st.integers(0, 9), st.booleans(), st.booleans())
def test_no_cut_of_segments_shows_a_password(
    password: str, cuts: list[int], form: int, refuses: bool, follows: bool
) -> None:
    recorded = Recorded(RefusingServer() if refuses else SmallServer())
    octets = login_forms(password.encode())[form] + b"z NOOP\r\n" * follows
    edges = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    for start, end in itertools.pairwise(edges):
        recorded.send(octets[start:end])
    assert_hidden(recorded, password)


def test_sessions_with_a_server_hide_passwords() -> None:
    """Simulated server, STARTTLS and all."""
    internet = internet_with_imap()

    async def work() -> ImapClientSession:
        session = await connect(internet)
        await session.login("bob@b.test", "bob@b.test")
        await session.select("INBOX")
        await session.fetch("1", "BODY.PEEK[]")
        return session

    internet.result_of(work())
    text = str(internet.transcript.of("imap")[-1])
    assert "SELECT" in text
    assert "(literal of " in text
    assert "Subject: Letter" not in text
    assert "LOGIN bob@b.test (…)" in text
    assert text.partition("\n")[2].count("bob@b.test") == 1
