"""POP3 clients: who asks how much there is, and a crowd that fetches and deletes everything."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from tests.benchmarks.crowd import PASSWORD
from tests.benchmarks.talks import Say, Talk, Talks


def is_line(heard: bytes) -> bool:
    """Whether a reply of one line is whole."""
    return heard.endswith(b"\r\n")


def is_many(heard: bytes) -> bool:
    """Whether a reply of many lines is whole (RFC 1939 §3)."""
    return heard.endswith(b"\r\n.\r\n") or (heard.startswith(b"-") and heard.endswith(b"\r\n"))


def _taken(reply: bytes) -> bytes:
    if not reply.startswith(b"+OK"):
        raise ValueError(f"the server said {reply[:200]!r}")
    return reply


def _login(user: str) -> Talk:
    _taken((yield Say(b"", is_line)))
    _taken((yield Say(b"USER %s\r\n" % user.encode(), is_line)))
    _taken((yield Say(b"PASS %s\r\n" % PASSWORD.encode(), is_line)))


STAT = Say(b"STAT\r\n", is_line)
QUIT = Say(b"QUIT\r\n", is_line)


def counted(host: str, port: int, user: str) -> int:
    """How many letters are in a user's mailbox."""
    found: list[int] = []

    def talk() -> Talk:
        yield from _login(user)
        found.append(int(_taken((yield STAT)).split()[1]))
        yield QUIT

    with closing(Talks(host, port)) as talks:
        talks.begin(talk())
        talks.run()
    return found[0]


def listed(host: str, port: int, user: str) -> tuple[int, float]:
    """How many letters there are, and the seconds for login, STAT, UIDL and LIST."""
    found: list[int] = []

    def talk() -> Talk:
        yield from _login(user)
        count = int(_taken((yield STAT)).split()[1])
        for command in (b"UIDL\r\n", b"LIST\r\n"):
            lines = _taken((yield Say(command, is_many))).count(b"\n") - 2
            if lines != count:
                raise ValueError(f"STAT says {count} letters, and {command!r} lists {lines}")
        found.append(count)
        found_at.append(time.perf_counter())
        yield QUIT

    found_at: list[float] = []
    with closing(Talks(host, port)) as talks:
        begun = time.perf_counter()
        talks.begin(talk())
        talks.run()
    return found[0], found_at[0] - begun


def collect(
    host: str, port: int, users: Iterator[str], clients: int, before_sending: Callable[[], None] | None = None
) -> tuple[int, float]:
    """So many clients at a time fetch and delete all letters of these users: how many there were, and the seconds."""
    fetched = [0]

    def talk(user: str) -> Talk:
        yield from _login(user)
        count = int(_taken((yield STAT)).split()[1])
        for number in range(1, count + 1):
            _taken((yield Say(b"RETR %d\r\n" % number, is_many)))
        for number in range(1, count + 1):
            _taken((yield Say(b"DELE %d\r\n" % number, is_line)))
        _taken((yield QUIT))
        fetched[0] += count

    waiting = map(talk, users)
    with closing(Talks(host, port, before_sending=before_sending)) as talks:
        begun = time.perf_counter()
        for each in itertools.islice(waiting, clients):
            talks.begin(each)
        talks.run(waiting)
        return fetched[0], time.perf_counter() - begun
