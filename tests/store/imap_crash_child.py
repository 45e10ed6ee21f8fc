"""Appends, copies, moves and expunges under load until killed; prints each completed call on standard output."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from mailstack.letter.letter import Octets
from mailstack.store.mailboxes import DELETED, SEEN, AppendedLetter, FlagChange, Flags
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, acceptance
from tests.store.crash_child import octets_for

CALLERS = 16


def stages_of(number: int) -> list[tuple[str, tuple[int, int]]]:
    """Calls of a letter in order, and its entries in INBOX and Trash after each."""
    copies = int(number % 3 == 0)
    stages = [("append", (1, 0))]
    stages += [("copy", (1, 1))] * copies
    stages += [("move", (0, 1 + copies))]
    return [*stages, ("mark", (0, 1 + copies)), ("expunge", (0, 0))] if number % 2 else stages


async def work(store: SqliteStore, trash: str, numbers: Iterator[int]) -> None:
    mailboxes = store.mailboxes
    for number in numbers:
        letter = replace(acceptance(at=1000.0 + number).letter, content=Octets(octets_for(number)))
        uids: list[int] = []
        in_trash: list[int] = []
        modseq = 0
        for call, _ in stages_of(number):
            if call == "append":
                uids = (await mailboxes.append(BOB.key, [AppendedLetter(letter, Flags(0, 0), 5.0)])).uids
            elif call == "copy":
                in_trash += (await mailboxes.copy(BOB.key, uids, trash, 9.0)).uids
            elif call == "move":
                copied, expunged = await mailboxes.move(BOB.key, uids, trash, 9.0)
                in_trash += copied.uids
                modseq = expunged.modseq
            elif call == "mark":
                await mailboxes.store_flags(trash, in_trash, FlagChange(Flags(DELETED | SEEN, 0)))
            else:
                await mailboxes.expunge(trash, in_trash)
            os.write(1, f"{call} {letter.id} {number} {modseq}\n".encode())


async def prepare(store: SqliteStore) -> str:
    await store.folders.prepare(BOB.key, (), 1000.0)
    found = {folder.path: folder for folder in await store.folders.list(BOB.key)}
    return (found.get("Trash") or await store.folders.create(BOB.key, "Trash", 1000.0)).mailbox


def main() -> None:
    pump = Pump()
    store = SqliteStore(pump, Path(sys.argv[1]))
    pump.run(store.open())
    trash = pump.run(prepare(store))
    numbers = itertools.count()
    results = [pump.start(work(store, trash, numbers)) for _ in range(CALLERS)]
    while not any(results):
        pump.run(store.queue.next_due("nobody"))


if __name__ == "__main__":
    main()
