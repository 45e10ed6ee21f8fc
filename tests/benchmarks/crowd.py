"""A crowd of SMTP clients: each sends a letter as soon as the one before it was answered."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Sequence

from attrs import define, field

from tests.benchmarks.talks import PARK, START_TLS, Say, Talk, Talks

PASSWORD = "letters-by-number"


@define
class Measured:
    """What a crowd has seen."""

    letters: int
    seconds: float
    processor: float
    """Seconds of the processor that the crowd itself took."""
    waits: list[float] = field(repr=False)
    """Seconds from the end of each letter to its 250, in order of size."""

    @property
    def rate(self) -> float:
        """Letters a second."""
        return self.letters / self.seconds

    def wait(self, part: float) -> float:
        """The wait that so large a part of the letters did not exceed."""
        return self.waits[min(len(self.waits) - 1, int(part * len(self.waits)))]


class Crowd:
    """So many connections to one port, or shared out among several; `send` may be called again and again."""

    def __init__(
        self,
        host: str,
        port: int | Sequence[int],
        sessions: int,
        recipient: str,
        size: int = 4096,
        *,
        login: str = "",
        once: bool = False,
        people: int = 100,
        text: bytes = b"",
        before_sending: Callable[[], None] | None = None,
    ) -> None:
        """`recipient` may hold {}, which is then a number from 1 to `people`. `size`: octets of a letter; or its `text`.

        `login`, with {} as well, asks for STARTTLS and AUTH, and sends in that name. `once`: one letter a connection.
        `before_sending` is called before each piece that is sent.
        """
        self._talks = Talks(host, port, before_sending=before_sending)
        self.sessions = sessions
        self._login = login
        self._once = once
        self._people = people
        self._recipients = [
            Say(b"RCPT TO:<%s>\r\n" % recipient.format(number).encode(), is_whole) for number in range(1, people + 1)
        ]
        text = text or (b"y" * 70 + b"\r\n") * max(1, (size - 160) // 72)
        self._body = b"\r\n\r\n" + text + b".\r\n"
        self._numbers = itertools.count()
        self._left = 0
        self._waits: list[float] = []
        if not once:
            for number in range(1, sessions + 1):
                self._talks.begin(self._kept(number))
            self._talks.run()

    def send(self, letters: int) -> Measured:
        """So many letters by all together. Raises ValueError for a reply that refuses one."""
        self._waits.clear()
        self._left = letters
        begun, spent = time.perf_counter(), time.process_time()
        if self._once:
            following = self._calls(letters)
            for talk in itertools.islice(following, self.sessions):
                self._talks.begin(talk)
            self._talks.run(following)
        else:
            self._talks.run()
        seconds = time.perf_counter() - begun
        return Measured(letters, seconds, time.process_time() - spent, sorted(self._waits))

    def close(self) -> None:
        """Hang up."""
        self._talks.close()

    def _calls(self, letters: int) -> Iterator[Talk]:
        for number in range(letters):
            yield self._call(number % self._people + 1)

    def _kept(self, number: int) -> Talk:
        sender = yield from self._introduce(number)
        mail = Say(b"MAIL FROM:<%s>\r\n" % sender, is_whole)
        while True:
            while not self._left:
                yield PARK
            self._left -= 1
            yield from self._letter(sender, mail)

    def _call(self, number: int) -> Talk:
        sender = yield from self._introduce(number)
        yield from self._letter(sender, Say(b"MAIL FROM:<%s>\r\n" % sender, is_whole))
        _taken((yield Say(b"QUIT\r\n", is_whole)))

    def _introduce(self, number: int) -> Generator[Say, bytes, bytes]:
        """The sender's address."""
        _taken((yield Say(b"", is_whole)))
        _taken((yield HELLO))
        if not self._login:
            return b"bench@bench.test"
        _taken((yield Say(b"STARTTLS\r\n", is_whole)))
        yield START_TLS
        _taken((yield HELLO))
        name = self._login.format((number - 1) % self._people + 1).encode()
        secret = base64.b64encode(b"\0%s\0%s" % (name, PASSWORD.encode()))
        _taken((yield Say(b"AUTH PLAIN %s\r\n" % secret, is_whole)))
        return name

    def _letter(self, sender: bytes, mail: Say) -> Talk:
        number = next(self._numbers)
        _taken((yield mail))
        _taken((yield self._recipients[number % self._people]))
        _taken((yield DATA), b"3")
        octets = HEADER % (sender, number) + self._body
        begun = time.perf_counter()
        _taken((yield Say(octets, is_whole)))
        self._waits.append(time.perf_counter() - begun)


def is_whole(heard: bytes) -> bool:
    """Whether the last line of a reply is there (RFC 5321 §4.2.1)."""
    last = heard[heard.rfind(b"\n", 0, -1) + 1 :]
    return heard.endswith(b"\r\n") and last[3:4] in (b" ", b"\r")


def _taken(reply: bytes, kind: bytes = b"2") -> None:
    if reply[:1] != kind:
        raise ValueError(f"the server said {reply!r}")


HELLO = Say(b"EHLO bench.test\r\n", is_whole)
DATA = Say(b"DATA\r\n", is_whole)
HEADER = b"From: <%s>\r\nSubject: a letter\r\nDate: Fri, 27 Nov 2026 01:00:00 +0000\r\nMessage-ID: <%d@bench.test>"
