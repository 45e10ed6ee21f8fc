"""Measures the simulation: `python -m tests.benchmarks.bench_simulation [--letters N] [--each N]`.

A story of five days of retries and a bounce; and 10,000 letters between two servers over five virtual days, with how much
memory that takes: in sessions of 20 letters, as applications send, and each letter in a session of its own. Prints one
JSON object a line; seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from mailstack.config import JourneySettings
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.letter import Octets
from mailstack.sandbox.simulation import Internet
from tests.benchmarks.bench_memory import rss
from tests.benchmarks.figures import print_json

DAYS = 5 * 86400
BURST = 20


def world(**options: Any) -> Internet:
    internet = Internet(1, **options)
    # Histories of a day, so that what is over is forgotten.
    keep: Any = {"journey": JourneySettings(keep=86400.0)}  # type: ignore[arg-type]
    internet.host("mx.a.test", domains=["a.test"], accounts=["ann@a.test"], **keep)
    internet.host("mx.b.test", domains=["b.test"], accounts=["bob@b.test"], **keep)
    return internet


def bounce() -> float:
    """Five days of retries, a delay notice, and a bounce that its author reads."""
    began = time.process_time()
    internet = world()
    internet.servers["mx.b.test"].stop()
    internet.author("ann@a.test").submit(to="bob@b.test", subject="Hello", text="Hello")
    internet.run()
    assert len(internet.reader("ann@a.test").collect()) == 2
    return time.process_time() - began


def traffic(letters: int, burst: int) -> tuple[float, list[int]]:
    """So many letters over five days, collected every hour; processor seconds, and MiB of memory after each day."""
    began = time.process_time()
    internet = world(transcript=0)
    ann, bob = internet.author("ann@a.test"), internet.reader("bob@b.test")
    to = (Recipient(Address.parse("bob@b.test")),)
    envelope, content = Envelope(Address.parse("ann@a.test"), to), Octets(b"Subject: hello\r\n\r\nHello Bob\r\n")
    counts = {"sent": 0, "read": 0}

    async def send() -> None:
        if counts["sent"] + burst < letters:
            internet.after(DAYS * burst / letters, send)
        session = await ann.session()
        for _ in range(burst):
            (reply,) = await session.transact(envelope, to, content)
            assert reply.code == 250
            counts["sent"] += 1
        await session.quit()

    async def read() -> None:
        counts["read"] += len(await bob.collect_async())

    def every_hour() -> Any:
        internet.after(3600, every_hour)
        return read()

    internet.after(1, send)
    internet.after(3600, every_hour)
    memory = []
    for _ in range(5):
        internet.advance("1d")
        memory.append(round(rss(os.getpid())))
    internet.advance("2h")
    assert counts == {"sent": letters, "read": letters}, counts
    return time.process_time() - began, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("--letters", type=int, default=10_000, help="in sessions of 20 letters")
    parser.add_argument("--each", type=int, default=1000, help="in sessions of their own")
    options = parser.parse_args()
    bounce()
    print_json(measured="five days and a bounce", milliseconds=round(min(bounce() for _ in range(10)) * 1000, 1))
    for letters, burst in ((options.letters, BURST), (options.each, 1)):
        if letters:
            seconds, memory = traffic(letters, burst)
            print_json(letters=letters, a_session=burst, seconds=round(seconds, 1), mib_by_day=memory)


if __name__ == "__main__":
    main()
