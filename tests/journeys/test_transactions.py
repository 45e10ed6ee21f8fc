"""Random orders of SMTP commands: an accepted letter reaches exactly its recipients, unchanged."""

from __future__ import annotations

import re
from random import Random

import pytest
from attrs import Factory, define

from mailstack.config import ExchangeSettings, LimitsSettings
from mailstack.config.syntax import Size
from mailstack.letter.times import read_duration
from tests.journeys.internet import Internet, SimulatedServer
from tests.journeys.raw_client import RawClient, connect

PEOPLE = ("alice@home.test", "bob@home.test")
ACCEPTED = (b"2", b"3")


@define
class Client:
    """Says one thing at a time, and keeps what a host owes it for the answers that it hears (RFC 5321 §4.1.4)."""

    internet: Internet
    home: SimulatedServer
    client: RawClient
    taken: list[tuple[bytes, bytes, frozenset[str]]] = Factory(list)
    """Sender, content and recipients of each letter that was answered with 250."""
    heard: int = 0
    letters: int = 0
    sender: bytes = b""
    recipients: list[str] = Factory(list)
    chunks: bytes = b""

    def say(self, octets: bytes) -> bool:
        """Whether the one answer is positive."""
        self.client.transport.write(octets)
        self.internet.reactor.advance(0.01)
        codes = self.client.codes()[self.heard :]
        self.heard += len(codes)
        assert len(codes) == 1, octets
        if self.client.is_gone:
            self.connect()
        return codes[0][:1] in ACCEPTED

    def connect(self) -> None:
        self.client = connect(self.internet, self.home)
        self.heard = 1
        self.forget()
        self.hello()

    def forget(self) -> None:
        self.sender, self.recipients, self.chunks = b"", [], b""

    def hello(self) -> None:
        if self.say(b"EHLO x\r\n"):
            self.forget()

    def mail(self) -> None:
        self.letters += 1
        sender = b"s%d@x.test" % self.letters
        if self.say(b"MAIL FROM:<%b>\r\n" % sender):
            self.forget()
            self.sender = sender

    def rcpt(self, person: str) -> None:
        if self.say(b"RCPT TO:<%b>\r\n" % person.encode()):
            self.recipients.append(person)

    def data(self, content: bytes) -> None:
        if self.say(b"DATA\r\n"):
            self.end(content, taken=self.say(content + b".\r\n"))

    def bdat(self, octets: bytes, *, last: bool) -> None:
        taken = self.say(b"BDAT %d%b\r\n%b" % (len(octets), b" LAST" if last else b"", octets))
        self.chunks = self.chunks + octets if taken else b""
        if last:
            self.end(self.chunks, taken=taken)

    def end(self, content: bytes, *, taken: bool) -> None:
        if taken:
            self.taken.append((self.sender, content, frozenset(self.recipients)))
            self.forget()

    def reset(self) -> None:
        assert self.say(b"RSET\r\n")
        self.forget()

    def nonsense(self, line: bytes) -> None:
        assert not self.say(line + b"\r\n")


CONTENTS = (b"A: b\r\n\r\nhello\r\n", b"QUIT\r\n", b"\r\n", b"x" * 90 + b"\r\n", b"bare\nnewline\r\n")
NONSENSE = (b"RSET x", b"DATA x", b"MAIL", b"RCPT TO:<no@home.test>", b"EHLO", b"AUTH PLAIN")


def step(client: Client, chance: Random) -> None:
    """Something that a client may say, whether it makes sense now or not; what makes some more often."""
    match chance.choice(("begin", "begin", "chunk", "chunk", "last", "data", "nonsense", "nonsense", "reset", "hello")):
        case "begin":
            client.mail()
            for _ in range(chance.randint(1, 2)):
                client.rcpt(chance.choice(PEOPLE))
        case "chunk":
            client.bdat(chance.choice(CONTENTS), last=False)
        case "last":
            client.bdat(chance.choice(CONTENTS), last=True)
        case "data":
            client.data(chance.choice(CONTENTS))
        case "nonsense":
            client.nonsense(chance.choice(NONSENSE))
        case "reset":
            client.reset()
        case "hello":
            client.hello()


@pytest.mark.parametrize("seed", range(4))
def test_what_was_answered_with_250_is_all_that_goes(internet: Internet, seed: int) -> None:
    """BDAT-02: and it goes to all whom it was for."""
    home = internet.home(
        *PEOPLE,
        exchange=ExchangeSettings(max_size=Size(150)),
        limits=LimitsSettings(errors=10_000, junk_commands=0, tarpit=read_duration("0")),
    )
    client = Client(internet, home, connect(internet, home))
    client.connect()
    chance = Random(seed)
    for _ in range(1500):
        step(client, chance)
    assert len(client.taken) > 30
    for person in PEOPLE:
        there = [_parts(letter) for letter in internet.fetch(home, person)]
        assert there == [(sender, content) for sender, content, whom in client.taken if person in whom]


def _parts(letter: bytes) -> tuple[bytes, bytes]:
    """The reverse-path, and what was sent: it stands below the second trace field."""
    sender, content = re.findall(
        rb"Return-Path: <(.*?)>.*Received: from x .*?; *\r\n\t[^\r]*\r\n(.*)", letter, re.DOTALL
    )[0]
    return sender, content
