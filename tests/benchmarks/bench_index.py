"""The index with many letters: filling it, lists, searches, changes, and how soon a new letter is told.

python -m tests.benchmarks.bench_index [LETTERS]      100,000 if it is not said
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from mailstack.letter import Address, Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.letter import Octets
from mailstack.mailbox.index import queries, writes
from mailstack.mailbox.index.items import ArchivedLetter, ItemFilter, NewItem, extract
from mailstack.mailbox.index.query import parse
from mailstack.store import Record
from tests.mailbox.index.shelf import Shelf, text

AT_ONCE = 500
TIMES = 40
QUERIES = (
    "invoice", "xylophone", '"order number 77"', "from:user77@shop.test", "to:bob7@home.test is:unread",
    "subject:welcome -tag:done", "from:user7 has:attachment", "ab", "before:2020-01-01", "larger:1K smaller:1M",
)  # fmt: skip
WORDS = [
    "order", "invoice", "welcome", "number", "your", "account", "please", "confirm", "shipping", "password", "reset",
    "hello", "world", "token", "meeting", "report", "weekly", "newsletter", "update", "payment", "receipt", "thanks",
    "regards", "team", "support", "question", "answer", "delivery",
]  # fmt: skip


def letters(count: int) -> Iterator[ArchivedLetter]:
    dice = random.Random(7)
    for number in range(1, count + 1):
        words = " ".join(dice.choices(WORDS, k=dice.randrange(40, 300)))
        octets = text(
            f"{dice.choice(WORDS)} {number}",
            f"{words} order number {number}" + (" xylophone" if number % 5000 == 0 else ""),
            From=f"User {number % 1000} <user{number % 1000}@shop.test>",
            To=f"bob{number % 100}@home.test",
        )
        now = 1_760_000_000.0 + number
        recipient = Recipient(Address(f"bob{number % 100}", "home.test"))
        letter = Letter(
            new_letter_id(now),
            Envelope(Address(f"user{number % 1000}", "shop.test"), (recipient,)),
            Octets(octets),
            Arrival(now, "mx.home.test", "ESMTP"),
        )
        yield ArchivedLetter(number, Record(letter, ()), octets, (recipient.address.key,))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Table:
    """What was measured, as documents show it."""

    def __init__(self) -> None:
        say("\n| what | median | p95 | worst |\n| --- | --- | --- | --- |")

    def row(self, what: str, spent: list[float]) -> None:
        """Seconds, of some times."""
        spent = sorted(spent)
        figures = (median(spent), spent[math.ceil(0.95 * len(spent)) - 1], spent[-1])
        say(f"| {what} | {' | '.join(f'{1000 * each:.1f} ms' for each in figures)} |")

    def timed(self, what: str, do: Callable[[], Any], times: int = TIMES) -> None:
        """Measure it."""
        spent = []
        for _ in range(times):
            begun = time.perf_counter()
            do()
            spent.append(time.perf_counter() - begun)
        self.row(what, spent)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        shelf = Shelf(Path(directory) / "data")
        _fill(shelf, count)
        size = sum(file.stat().st_size for file in Path(directory).rglob("index.sqlite3*"))
        say(f"the index on the disk: {size / 2**20:.0f} MiB")
        table, index = Table(), shelf.index
        box = ItemFilter(mailbox="bob7@home.test")
        for what, which, start in (
            ("the newest 100 letters", ItemFilter(), 0),
            ("100 letters from the middle on", ItemFilter(), count // 2),
            ("the oldest 100", ItemFilter(), count - 100),
            ("100 of one mailbox", box, 0),
            ("100 of one mailbox, from its middle on", box, count // 200),
        ):
            table.timed(what, lambda which=which, start=start: shelf.run(index.find(which, 100, start)))
        for query in QUERIES:
            which = ItemFilter(terms=parse(query, 1_760_000_000.0 + count))
            table.timed(f"search `{query}`", lambda which=which: shelf.run(index.find(which, 100)))
        table.timed("all mailboxes, counted", lambda: shelf.run(index.mailboxes()))
        table.timed("all tags, counted", lambda: shelf.run(index.tags()))
        table.row("a letter accepted, read, indexed and told", _live(shelf))
        deleted: list[str] = []

        async def delete() -> None:
            deleted.append((await index.soft_delete(ItemFilter())).token)

        for what, do in (
            ("all marked as read", lambda: index.mark(ItemFilter(), unread=False)),
            ("all deleted", delete),
            ("all brought back", lambda: index.undelete(deleted[0])),
        ):
            meanwhile: list[float] = []
            table.timed(what, lambda do=do, meanwhile=meanwhile: _meanwhile(shelf, do(), meanwhile), 1)
            table.row("… and a change by somebody else meanwhile", meanwhile)
        shelf.close()


def _fill(shelf: Shelf, count: int) -> None:
    begun = time.perf_counter()
    some: list[NewItem] = []
    for arriving in letters(count):
        some.append(extract(arriving))
        if len(some) == AT_ONCE or arriving.number == count:
            shelf.run(_add(shelf, some))
            some = []
    spent = time.perf_counter() - begun
    say(f"{count} letters read and indexed: {count / spent:.0f} letters/s")


def _meanwhile(shelf: Shelf, work: Coroutine[Any, Any, Any], spent: list[float]) -> None:
    """Work in parts, and how long others wait for the database while it is done."""
    results = shelf.pump.start(work)
    while not results:
        shelf.clock.advance(0.0)
        begun = time.perf_counter()
        shelf.run(_nothing(shelf))
        spent.append(time.perf_counter() - begun)


async def _nothing(shelf: Shelf) -> None:
    await shelf.index._database.write(queries.progress)


async def _add(shelf: Shelf, some: list[NewItem]) -> None:
    await shelf.index._database.write(lambda connection: writes.add(connection, some, (), 0))


def _live(shelf: Shelf) -> list[float]:
    """From the acceptance to the event, with all those letters there."""
    told: list[float] = []
    stop = shelf.index.feed.subscribe(
        lambda event: told.append(time.perf_counter()) if event.name == "letter" else None
    )
    spent = []
    # The archive of this bench holds nothing of the letters above: its numbers must begin behind them.
    for _ in range(100):
        begun = time.perf_counter()
        shelf.put(text("live"))
        spent.append((told[-1] if told else time.perf_counter()) - begun)
    stop()
    return spent


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
