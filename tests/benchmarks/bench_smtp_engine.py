"""How many letters of 4 KB one server engine takes in a second of processor time: parsing, content, replies; no I/O.

Run it by itself: `python -m tests.benchmarks.bench_smtp_engine`.
"""

from __future__ import annotations

import time

from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.smtp.commands import Chunk, Data, EndOfData, Hello, Mail, Rcpt
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine

ROUNDS, LETTERS = 5, 4000

HEADER = b"From: <alice@home.test>\r\nTo: <carol@elsewhere.test>\r\nSubject: a letter of 4 KB\r\n\r\n"
CONTENT = HEADER + (b"x" * 70 + b"\r\n") * ((4096 - len(HEADER)) // 72)
LETTER = (
    b"MAIL FROM:<alice@home.test> SIZE=%d BODY=8BITMIME\r\n" % len(CONTENT),
    b"RCPT TO:<carol@elsewhere.test>\r\n",
    b"DATA\r\n",
    CONTENT + b".\r\n",
)
ANSWERS: dict[type, Reply] = {
    Hello: reply(250, None, "mx.home.test at your service"),
    Mail: reply(250, "2.1.0", "sender OK"),
    Rcpt: reply(250, "2.1.5", "recipient OK"),
    Data: reply(354, None, "end the letter with a dot on a line alone"),
    EndOfData: reply(250, "2.0.0", "queued as 0123456789abcde"),
}


def converse(engine: ServerEngine, octets: bytes) -> None:
    engine.receive(octets)
    while (event := engine.next_event()) is not NEED_DATA:
        if type(event) is not Chunk:
            engine.answer(ANSWERS[type(event)])


def main() -> None:
    best = 0.0
    for _ in range(ROUNDS):
        engine = ServerEngine(Capabilities("mx.home.test", max_size=50_000_000, max_line=998))
        engine.greet(reply(220, None, "mx.home.test ESMTP"))
        converse(engine, b"EHLO client.test\r\n")
        begun = time.process_time()
        for _ in range(LETTERS):
            for octets in LETTER:
                converse(engine, octets)
        best = max(best, LETTERS / (time.process_time() - begun))
    print(f"{best:,.0f} letters/s, {1e6 / best:.1f} microseconds a letter of {len(CONTENT):,} octets")  # noqa: T201


if __name__ == "__main__":
    main()
