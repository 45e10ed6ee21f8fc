"""Measures the SQLite store: `python -m tests.benchmarks.bench_store [--letters N] [--callers N] [--directory DIR]`.

Each letter is two calls, as when it is accepted already claimed and then settled into a mailbox. Prints one JSON
object a line.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import queue
import statistics
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets, read_all
from mailstack.store import Acceptance, Change, Filter, Placement, Settlement
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.benchmarks.figures import print_json

SERVER = "mx.home.test"


def acceptance(octets: bytes, user: str) -> Acceptance:
    now = time.time()
    letter = new_letter_id(now)
    recipient = Recipient(Address(user, "home.test"))
    remote = HostPort("192.0.2.1", 40000)
    return Acceptance(
        Letter(
            letter,
            Envelope(Address("sender", "elsewhere.test"), (recipient,)),
            Octets(octets),
            Arrival(now, SERVER, "ESMTPS", remote, "client.elsewhere.test"),
        ),
        (Delivery(letter, 0, recipient, "local", due=now + 300, attempts=1, claimed_by="me", lease=now + 600),),
        (Step(letter, now, SERVER, "exchanged", {"client": "192.0.2.1", "helo": "client.elsewhere.test"}),),
    )


def settlement(accepted: Acceptance, headers: bytes) -> Settlement:
    (delivery,) = accepted.deliveries
    mailbox = delivery.recipient.address.key
    now = time.time()
    size = len(headers) + accepted.letter.content.size
    return Settlement(
        (Change(delivery, replace(delivery, state=DeliveryState.DELIVERED, claimed_by=None, text="in the mailbox")),),
        (Placement(mailbox, (delivery.letter, 0), headers, size, now),),
        (
            Step(delivery.letter, now, SERVER, "attempted", {"recipient": mailbox, "destination": "local"}),
            Step(delivery.letter, now, SERVER, "delivered", {"recipient": mailbox}),
        ),
    )


class Loop(Pump):
    def turn(self, *, wait: bool = True) -> None:
        """One call from a thread, if there is one or `wait` says to wait for it."""
        with contextlib.suppress(queue.Empty):
            self._calls.get(block=wait, timeout=20)()


class Bench:
    def __init__(self, directory: Path) -> None:
        self.pump = Loop()
        self.store = SqliteStore(self.pump, directory)
        self.pump.run(self.store.open())

    def together(self, works: list[Coroutine[Any, Any, None]]) -> None:
        """Run all at once, to the end."""
        left = len(works)

        async def counted(work: Coroutine[Any, Any, None]) -> None:
            nonlocal left
            await work
            left -= 1

        results = [self.pump.start(counted(work)) for work in works]
        while left:
            self.pump.turn()
        assert all(result == [None] for result in results)

    def deliver(self, letters: int, callers: int, size: int, mailboxes: int) -> None:
        octets = b"x" * (size - 2) + b"\r\n"
        headers = (
            b"Return-Path: <sender@elsewhere.test>\r\nDelivered-To: user@home.test\r\n" + b"Received: " + b"r" * 160
        )
        numbers = iter(range(letters))
        users = itertools.cycle(f"user{number}" for number in range(mailboxes))
        waits: list[float] = []

        async def caller() -> None:
            for _ in numbers:
                accepted = acceptance(octets, next(users))
                began = time.perf_counter()
                await self.store.queue.accept(accepted)
                waits.append(time.perf_counter() - began)
                await self.store.queue.settle(settlement(accepted, headers))

        began, cpu, here = time.perf_counter(), time.process_time(), time.thread_time()
        self.together([caller() for _ in range(callers)])
        took, cpu, here = time.perf_counter() - began, time.process_time() - cpu, time.thread_time() - here
        waits.sort()
        print_json(
            what="accept, then settle into a mailbox",
            callers=callers,
            size=size,
            letters_a_second=round(letters / took),
            cpu_us_a_letter=round(cpu / letters * 1e6),
            reactor_cpu_us_a_letter=round(here / letters * 1e6),
            accept_ms_median=statistics.median(waits) * 1e3,
            accept_ms_p99=waits[int(len(waits) * 0.99)] * 1e3,
            accept_ms_worst=waits[-1] * 1e3,
        )

    def list_maildrop(self, letters: int) -> None:
        """A large maildrop, while the reactor has nothing else to do and while it never rests."""

        async def fill() -> None:
            accepted = acceptance(b"small\r\n", "large")
            await self.store.queue.accept(accepted)
            await self.store.queue.settle(settlement(accepted, b"h" * 200))

        for _ in range(letters // 1000):
            self.together([fill() for _ in range(1000)])
        for busy in (False, True):
            began = last = time.perf_counter()
            result = self.pump.start(self.store.mailboxes.open("large@home.test", "bench"))
            longest = 0.0
            while not result:
                if busy:
                    self.pump.turn(wait=False)
                    sum(range(2000))
                else:
                    self.pump.turn()
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
            print_json(
                what="open a maildrop",
                entries=len(result[0].entries),
                reactor_busy=busy,
                ms=(time.perf_counter() - began) * 1e3,
                reactor_held_ms=longest * 1e3 if busy else None,
            )
            self.pump.run(self.store.mailboxes.release("large@home.test", "bench"))

    def read(self, letters: int) -> None:
        async def one(uid: int) -> None:
            await read_all(await self.store.mailboxes.read("large@home.test", uid))

        began, cpu = time.perf_counter(), time.process_time()
        self.together([one(uid) for uid in range(1, letters + 1)])
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        print_json(what="read", letters_a_second=round(letters / took), cpu_us_a_letter=round(cpu / letters * 1e6))

    def look(self) -> None:
        for name, which in {
            "newest": Filter(limit=100),
            "by recipient": Filter(recipient="user1@home.test", limit=100),
            "by sender, none": Filter(sender="nobody@home.test"),
            "owed, none": Filter(states=frozenset({DeliveryState.QUEUED})),
        }.items():
            began = time.perf_counter()
            found = self.pump.run(self.store.history.records(which))
            print_json(what=f"records, {name}", found=len(found), ms=(time.perf_counter() - began) * 1e3)

    def pick(self) -> None:
        """Claim with a long history and nothing due."""
        began = time.perf_counter()
        for _ in range(200):
            self.pump.run(self.store.queue.claim(SERVER, "me", 0, limit=50, lease=60, next_due=lambda d, _: d.due))
        print_json(what="claim, nothing due", ms=(time.perf_counter() - began) * 5)

    def close(self) -> None:
        began = time.perf_counter()
        self.pump.run(self.store.close())
        print_json(what="close", ms=(time.perf_counter() - began) * 1e3)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--letters", type=int, default=30_000)
    options.add_argument("--callers", type=int, default=64)
    options.add_argument("--size", type=int, default=4096)
    options.add_argument("--mailboxes", type=int, default=100)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--entries", type=int, default=50_000)
    options.add_argument("--directory", default=os.environ.get("TMPDIR", "/var/tmp"))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        bench = Bench(Path(directory))
        for _ in range(chosen.repeat):
            bench.deliver(chosen.letters, chosen.callers, chosen.size, chosen.mailboxes)
        bench.look()
        bench.pick()
        if chosen.entries:
            bench.list_maildrop(chosen.entries)
            bench.read(chosen.entries // 5)
        bench.close()


if __name__ == "__main__":
    sys.exit(main())
