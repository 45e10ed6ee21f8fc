"""IMAP beside Dovecot on Maildir, in turn, by one raw client: `python -m tests.benchmarks.bench_imap [MESSAGES]`.

Each figure is printed as it comes, and a table of both sides at the end. Needs root, as Dovecot's master does.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

from tests.benchmarks import imap_servers
from tests.benchmarks.crowd import PASSWORD
from tests.benchmarks.figures import print_json
from tests.benchmarks.imap_client import Client
from tests.benchmarks.table import peers
from tests.benchmarks.table.site import LOGIN

FIELDS = "DATE SUBJECT FROM SENDER REPLY-TO TO CC BCC MESSAGE-ID REFERENCES NEWSGROUPS IN-REPLY-TO CONTENT-TYPE"
TEXT = "some words in a line of text\r\n" * 20
GROUP = 100
CHANGED = 10
REPEATED = {
    "select": "SELECT Big",
    "flags": "UID FETCH 1:* (FLAGS)",
    "bodystructure": "FETCH 1:* (BODYSTRUCTURE)",
    "first sync": f"UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS ({FIELDS})])",
    "envelope": "FETCH 1:* (ENVELOPE)",
    "search unseen": "SEARCH UNSEEN",
    "search subject": "SEARCH SUBJECT needle",
    "search body": "SEARCH BODY haystack",
    "sort": "SORT (REVERSE DATE) UTF-8 ALL",
    "thread": "THREAD REFERENCES UTF-8 ALL",
}
"""The first time after a start is a row of its own; the best of two more is the warm row.

No file is removed before the start: what APPEND has put into `dovecot.index.cache` makes its first BODYSTRUCTURE fast.
"""
TIMES = {
    "select": 3,
    "select, first": 5,
    "flags": 1.5,
    "envelope": 2,
    "bodystructure": 1,
    "bodystructure, first": 10,
    "first sync": 1,
    "first sync, first": 4,
    "search subject": 10,
    "search body": 50,
    "store": 5,
    "copy": 5,
    "multiappend": 20,
}
"""How many times faster than Dovecot is aimed at, with 50,000 messages."""
LIMITS = {"search unseen": 5.0, "changedsince": 2.0, "append to idle": 20.0}
"""How many milliseconds are aimed at."""
Start = Callable[[Path], AbstractContextManager[int]]
Figures = Iterator[tuple[str, float]]


def message(number: int) -> bytes:
    """A multipart of 1.5 KB; each 997th has the subject and the word that are searched for."""
    is_rare = number % 997 == 0
    references = f"References: <{number - 1}@home.test>\r\n" if number % 3 else ""
    return (
        f"Date: {1 + number % 28} Nov 2026 {number % 24:02}:{number % 60:02}:00 +0000\r\n"
        f"From: Alice <alice{number % 50}@home.test>\r\nTo: bob@home.test\r\n"
        f"Subject: {'needle' if is_rare else 'message'} {number // 7}\r\nMessage-ID: <{number}@home.test>\r\n"
        f"{references}MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
        f"--b\r\nContent-Type: text/plain\r\n\r\n{'haystack ' if is_rare else ''}{TEXT}"
        f"--b\r\nContent-Type: text/html\r\n\r\n<p>{TEXT}</p>\r\n--b--\r\n"
    ).encode()


def append(first: int, count: int) -> bytes:
    """The command with that many messages (MULTIAPPEND, RFC 3502) in non-synchronizing literals."""
    group = (message(number) for number in range(first, first + count))
    return b"APPEND Big" + b"".join(b" {%d+}\r\n%b" % (len(octets), octets) for octets in group)


def logged_in(port: int) -> closing[Client]:
    """A session of u1."""
    client = Client(port)
    client.command(f"LOGIN {LOGIN.format(1)} {PASSWORD}".encode())
    return closing(client)


def measure(start: Start, folder: Path, messages: int) -> Figures:
    """Milliseconds of each command; the server is started again between filling and the first SELECT."""
    with start(folder) as port, logged_in(port) as client:
        for name in (b"Big", b"Other"):
            client.command(b"CREATE " + name)
        groups = [(first, min(GROUP, messages - first)) for first in range(0, messages, GROUP)]
        yield "multiappend", statistics.mean(client.command(append(*group)) for group in groups)
    with start(folder) as port, logged_in(port) as client:
        for name, text in REPEATED.items():
            yield f"{name}, first", client.command(text.encode())
            yield name, min(client.command(text.encode()) for _ in range(2))
        yield "store", client.command(rb"STORE 1:* +FLAGS.SILENT (\Flagged)")
        yield "copy", client.command(b"COPY 1:%d Other" % min(1000, messages))
        yield "changedsince", changed_since(client, messages)
        with logged_in(port) as watcher:
            yield "append to idle", append_to_idle(client, watcher, messages)


def changed_since(client: Client, messages: int) -> float:
    """The median of five, each after a change of ten messages (RFC 7162, section 3.1.4.1)."""
    spent = []
    for turn in range(5):
        client.command(b"STATUS Big (HIGHESTMODSEQ)")
        before = client.highest
        changed = b",".join(b"%d" % (1 + number * messages // CHANGED) for number in range(CHANGED))
        client.command(b"STORE %b +FLAGS.SILENT (turn%d)" % (changed, turn))
        spent.append(client.command(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE %b)" % before))
        if client.fetched != CHANGED:
            raise ValueError(f"{client.fetched} messages are said to have changed")
    return statistics.median(spent)


def append_to_idle(client: Client, watcher: Client, messages: int) -> float:
    """The median of ten times from an APPEND's first octet to EXISTS in another session's IDLE."""
    watcher.command(b"SELECT Big")
    watcher.idle()
    return statistics.median(client.until_exists(append(messages + turn, 1), watcher) for turn in range(10))


def judged(name: str, value: float, ratio: float) -> str:
    """What is aimed at, and whether it holds."""
    if name in TIMES:
        return f"{TIMES[name]:g} x: {'holds' if ratio >= TIMES[name] else 'does not hold'}"
    if name in LIMITS:
        return f"{LIMITS[name]:g} ms: {'holds' if value <= LIMITS[name] else 'does not hold'}"
    return ""


def main(messages: int) -> None:
    """One side after the other, then the table."""
    if reason := peers.missing("dovecot"):
        raise SystemExit(reason)
    found: dict[str, dict[str, float]] = {"mailstack": {}, "Dovecot": {}}
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        for side, start in (("mailstack", imap_servers.ours), ("Dovecot", imap_servers.dovecot)):
            for command, value in measure(start, Path(name) / side, messages):
                found[side][command] = value
                print_json(side=side, command=command, messages=messages, ms=value)
    lines = ["| command | mailstack, ms | Dovecot, ms | times | aim |", "| --- | ---: | ---: | ---: | --- |"]
    for command, value in found["mailstack"].items():
        theirs = found["Dovecot"][command]
        aim = judged(command, value, theirs / value)
        lines.append(f"| {command} | {value:.2f} | {theirs:.2f} | {theirs / value:.2f} | {aim} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 50_000)
