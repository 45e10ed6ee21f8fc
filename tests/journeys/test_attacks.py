"""Hostile clients: raw octets, smuggling, and limits of memory and connections."""

from __future__ import annotations

import email
from base64 import b64encode
from typing import Any

import pytest

from mailstack.config.mail_sections import ExchangeSettings
from mailstack.config.model import LimitsSettings
from mailstack.config.syntax import Size
from mailstack.config.values import Keyword
from mailstack.store import ContentWriter
from mailstack.store.contents import WritingInMemory
from mailstack.store.sqlite.in_memory import InMemoryStore, RowContents
from tests.journeys.internet import Internet, SimulatedServer
from tests.journeys.raw_client import POP3, SUBMISSION, connect, listen_in_clear

LOGIN = b"USER bob@home.test\r\nPASS bob@home.test\r\n"
BEGIN = b"EHLO x\r\nMAIL FROM:<x@y.test>\r\nRCPT TO:<bob@home.test>\r\n"


class WatchedWriter(WritingInMemory):
    def __init__(self) -> None:
        super().__init__()
        self.is_discarded = False

    def discard(self) -> None:
        self.is_discarded = True
        super().discard()


class WatchedContents(RowContents):
    """Remembers the writers of its contents."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.writers: list[WatchedWriter] = []

    def new(self) -> ContentWriter:
        self.writers.append(WatchedWriter())
        return self.writers[-1]


class WatchedStore(InMemoryStore):
    contents_class = WatchedContents
    contents: WatchedContents


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
def home(internet: Internet, store: WatchedStore) -> SimulatedServer:
    site = internet.home(
        "alice@home.test",
        "bob@home.test",
        store=store,
        exchange=ExchangeSettings(max_size=Size(1_000_000)),
        limits=LimitsSettings(command_timeout=300.0, junk_commands=0),
    )
    listen_in_clear(internet, site)
    return site


def test_a_refused_data_leaves_no_recipient_to_the_next_transaction(internet: Internet, home: SimulatedServer) -> None:
    client = connect(internet, home, BEGIN + b"DATA now\r\n")
    assert client.codes()[-1] == b"501"
    client.transport.write(b"MAIL FROM:<x@y.test>\r\nRCPT TO:<alice@home.test>\r\nDATA\r\n\r\nsecret\r\n.\r\n")
    internet.reactor.advance(1)
    assert client.codes()[-1] == b"250"
    assert internet.fetch(home, "bob@home.test") == []
    assert len(internet.fetch(home, "alice@home.test")) == 1


@pytest.mark.parametrize("fault", [b"a bare\nnewline", b"x" * 2_000_000])
def test_a_refused_content_is_discarded(
    internet: Internet, home: SimulatedServer, store: WatchedStore, fault: bytes
) -> None:
    """Else whatever a stranger sends stays on the disk until the next start."""
    assert connect(internet, home, BEGIN + b"DATA\r\n\r\n" + fault + b"\r\n.\r\n").codes()[-1][:1] == b"5"
    assert [writer.is_discarded for writer in store.contents.writers] == [True]


def test_a_content_cut_off_is_discarded(internet: Internet, home: SimulatedServer, store: WatchedStore) -> None:
    client = connect(internet, home, BEGIN + b"DATA\r\nSubject: half\r\n\r\nof a let")
    client.transport.abortConnection()
    internet.reactor.advance(1)
    assert [writer.is_discarded for writer in store.contents.writers] == [True]
    assert internet.fetch(home, "bob@home.test") == []


def test_recipients_beyond_the_limit_do_not_cost_the_transaction(internet: Internet, home: SimulatedServer) -> None:
    """CODE-07, SMTP-22: those are told 452, and the letter goes to the others."""
    many = b"EHLO x\r\nMAIL FROM:<x@y.test>\r\n" + b"RCPT TO:<bob@home.test>\r\n" * 1100
    client = connect(internet, home, many + b"DATA\r\n\r\nto many\r\n.\r\nQUIT\r\n")
    codes = client.codes()
    assert codes.count(b"452") == 100
    assert codes[-3:] == [b"354", b"250", b"221"]


@pytest.mark.parametrize(("port", "command"), [(25, b"HELP\r\n"), (POP3, b"CAPA\r\n")])
def test_a_client_that_never_reads_is_cut(internet: Internet, home: SimulatedServer, port: int, command: bytes) -> None:
    """SMTP-28: it is heard no more while its answers wait, and is cut in the end."""
    client = connect(internet, home, port=port)
    client.transport.pauseProducing()
    client.transport.write(command * 2_000_000)
    internet.reactor.advance(100)
    listener = home.server.listeners.bound["mx" if port == 25 else str(port)]
    (peer,) = listener._peers
    waiting = len(peer.transport.dataBuffer) + peer.transport._tempDataLen
    assert waiting < 300_000
    internet.reactor.advance(1000)
    assert not listener._peers


def test_a_client_that_reads_late_hears_every_answer(internet: Internet, home: SimulatedServer) -> None:
    client = connect(internet, home)
    client.transport.pauseProducing()
    client.transport.write(b"HELP\r\n" * 50_000 + b"QUIT\r\n")
    internet.reactor.advance(100)
    client.transport.resumeProducing()
    internet.reactor.advance(100)
    assert client.codes() == [b"220"] + [b"214"] * 50_000 + [b"221"]
    assert client.is_gone


def test_a_disturbed_login_leaves_the_session_in_step(internet: Internet, home: SimulatedServer) -> None:
    """Cancelled, too long, not base64, a command in its place: pipelined, each answered once and in order."""
    exchanges = [b"AUTH LOGIN", b"*", b"AUTH LOGIN", b"A" * 20_000, b"AUTH PLAIN", b"!", b"AUTH PLAIN ="]
    lines = [b"EHLO x", *exchanges, b"NOOP"]
    client = connect(internet, home, b"\r\n".join(lines) + b"\r\n", port=SUBMISSION)
    assert client.codes() == [b"220", b"250", b"334", b"501", b"334", b"500", b"334", b"501", b"501", b"250"]


def test_a_maildrop_is_free_after_its_session_was_cut(internet: Internet, home: SimulatedServer) -> None:
    """Even with answers that nobody took."""
    internet.submit(home, "alice@home.test", "bob@home.test", content=b"\r\n" + b"x" * 70_000 + b"\r\n")
    client = connect(internet, home, LOGIN, port=POP3)
    assert b"1 messages" in client.heard
    client.transport.pauseProducing()
    client.transport.write(b"RETR 1\r\n" * 100)
    internet.reactor.advance(1)
    assert b"[IN-USE]" in connect(internet, home, LOGIN, port=POP3).heard
    client.transport.abortConnection()
    internet.reactor.advance(1)
    assert len(internet.fetch(home, "bob@home.test")) == 1


def test_a_header_section_is_found_however_it_was_cut(internet: Internet, home: SimulatedServer) -> None:
    client = connect(internet, home, BEGIN + b"DATA\r\n")
    letter = b"Subject: cut\r\n\r\nbody\r\n\r\nmore\r\n"
    for octet in letter + b".\r\n":
        client.transport.write(bytes([octet]))
        internet.reactor.advance(0.1)
    assert client.codes()[-1] == b"250"
    (collected,) = internet.fetch(home, "bob@home.test")
    assert collected.endswith(b"\r\n" + letter)


@pytest.mark.parametrize("spoilt", [b"RSET now\r\n", b"BDAT 2000000 LAST\r\n" + b"x" * 2_000_000])
def test_refused_chunks_are_discarded(
    internet: Internet, home: SimulatedServer, store: WatchedStore, spoilt: bytes
) -> None:
    """BDAT-02: what the engine refuses ends a transaction; its chunks must not wait for the next, nor its recipients."""
    client = connect(internet, home, BEGIN + b"BDAT 18\r\nSubject: first\r\n\r\n" + spoilt)
    assert client.codes()[-2][:1] == b"2"
    assert client.codes()[-1][:1] == b"5"
    client.transport.write(b"MAIL FROM:<x@y.test>\r\nRCPT TO:<alice@home.test>\r\nBDAT 10 LAST\r\n\r\nsecret\r\n")
    internet.reactor.advance(1)
    assert client.codes()[-1] == b"250"
    assert internet.fetch(home, "bob@home.test") == []
    (letter,) = internet.fetch(home, "alice@home.test")
    assert b"first" not in letter
    # The last of them is the letter as it is kept, with the results of our checks on top.
    assert [writer.is_discarded for writer in store.contents.writers] == [True, True, False]


def test_slow_large_header_sections_do_not_fill_the_memory(internet: Internet, home: SimulatedServer) -> None:
    """SMTP-28: a crowd of them is told to come again later, and honest letters pass."""
    room = home.server.submission.intake.memory_budget
    room.limit = 305_000
    crowd = [connect(internet, home, BEGIN + b"DATA\r\nX: " + b"y" * 100_000) for _ in range(4)]
    assert 300_000 < room.used < 305_000
    honest = connect(internet, home, BEGIN + b"DATA\r\nSubject: hello\r\nX: " + b"y" * 10_000 + b"\r\n\r\n.\r\n")
    assert honest.codes()[-1] == b"250"
    crowd[3].transport.write(b"\r\n\r\n.\r\n")
    internet.reactor.advance(1)
    assert b"452 4.3.1" in crowd[3].heard
    crowd[0].transport.write(b"\r\n\r\n.\r\n")
    crowd[1].transport.abortConnection()
    internet.reactor.advance(1)
    assert crowd[0].codes()[-1] == b"250"
    assert 100_000 < room.used < 101_000
    internet.reactor.advance(4000)
    assert room.used == 0


LOGGED_IN = b"EHLO x\r\nAUTH PLAIN " + b64encode(b"\0alice@home.test\0alice@home.test") + b"\r\n"
INSIDE = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\n..\n", b"\n\n.\n\n"]


@pytest.mark.parametrize("inside", INSIDE)
def test_bare_newlines_of_a_user_end_no_letter(internet: Internet, home: SimulatedServer, inside: bytes) -> None:
    """SMUG-01, SMUG-02: what smtplib or emailjs sends goes on with CRLF alone, and each leading dot stuffed."""
    other = internet.mail_server("mx.other.test", "192.0.2.2", "carol@other.test")
    begin = b"MAIL FROM:<alice@home.test>\r\nRCPT TO:<carol@other.test>\r\n"
    smuggled = b"MAIL FROM:<eve@y.test>\r\nRCPT TO:<carol@other.test>\r\nDATA\r\n\r\nsmuggled\r\n"
    content = b"Subject: one\n\nfirst" + inside + smuggled
    for sent in (b"DATA\r\n" + content + b".\r\n", b"BDAT %d LAST\r\n%b" % (len(content), content)):
        client = connect(internet, home, LOGGED_IN + begin + sent + b"QUIT\r\n", port=SUBMISSION)
        assert client.codes()[-2:] == [b"250", b"221"]
        internet.reactor.advance(30)
        (letter,) = internet.fetch(other, "carol@other.test")
        assert letter.endswith(b"\r\nRCPT TO:<carol@other.test>\r\nDATA\r\n\r\nsmuggled\r\n")
        unpaired = letter.replace(b"\r\n", b"")
        assert b"\n" not in unpaired
        assert b"\r" not in unpaired


@pytest.mark.parametrize("fault", [b"a\nb", b"a\rb"])
def test_a_stranger_with_a_bare_newline_is_hung_up_on(internet: Internet, home: SimulatedServer, fault: bytes) -> None:
    """SMUG-02: what follows may be commands that the host before took for content."""
    for sent in (b"DATA\r\n\r\n" + fault + b"\r\n.\r\n", b"BDAT 5 LAST\r\n" + fault + b"\r\n", fault + b"\r\n"):
        client = connect(internet, home, BEGIN + sent + b"MAIL FROM:<eve@y.test>\r\n")
        assert client.is_gone
        assert client.codes()[-1] in {b"550", b"500"}
        assert client.codes().count(b"250") == 3


@pytest.mark.parametrize("withheld", [(), ("BINARYMIME",), ("BINARYMIME", "8BITMIME")])
def test_a_nul_is_never_relayed_raw(internet: Internet, home: SimulatedServer, withheld: tuple[Keyword, ...]) -> None:
    """SMUG-04: some hosts drop a NUL, and would read CR LF NUL . CR LF as the end of the letter."""
    exchange = ExchangeSettings(withhold=tuple(Keyword(word) for word in withheld))
    other = internet.mail_server("mx.other.test", "192.0.2.2", "carol@other.test", exchange=exchange)
    begin = b"MAIL FROM:<alice@home.test>\r\nRCPT TO:<carol@other.test>\r\nDATA\r\n"
    text = b"first\r\n\0.\r\nMAIL FROM:<eve@y.test>\r\n"
    client = connect(internet, home, LOGGED_IN + begin + b"Subject: one\r\n\r\n" + text + b".\r\n", port=SUBMISSION)
    assert client.codes()[-1] == b"250"
    internet.reactor.advance(30)
    (letter,) = internet.fetch(other, "carol@other.test")
    assert b"\0" not in letter
    assert email.message_from_bytes(letter).get_payload(decode=True) == text
