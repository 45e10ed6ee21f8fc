"""Accepts and settles under load until killed; prints each completed call on standard output."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from mailstack.letter.letter import Octets
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import acceptance, placing

CALLERS = 16


def octets_for(number: int) -> bytes:
    """Every tenth content is large enough for a file."""
    return f"letter {number}\r\n".encode() * (8000 if number % 10 == 0 else 5)


def say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


async def work(store: SqliteStore, numbers: Iterator[int]) -> None:
    for number in numbers:
        accepted = acceptance(at=time.time(), attempts=1, claimed_by="child", lease=time.time() + 60)
        octets = octets_for(number)
        accepted = replace(accepted, letter=replace(accepted.letter, content=Octets(octets)))
        await store.queue.accept(accepted)
        say(f"accepted {accepted.letter.id} {number}")
        await store.queue.settle(placing(accepted.deliveries[0], size=len(octets)))
        say(f"settled {accepted.letter.id} {number}")


def main() -> None:
    pump = Pump()
    store = SqliteStore(pump, Path(sys.argv[1]))
    pump.run(store.open())
    numbers = itertools.count()
    results = [pump.start(work(store, numbers)) for _ in range(CALLERS)]
    while not any(results):
        pump.run(store.queue.next_due("nobody"))


if __name__ == "__main__":
    main()
