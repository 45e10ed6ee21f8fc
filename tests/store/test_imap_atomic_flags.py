"""Flags that two processes change at once all remain (IMAP-70)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mailstack.store.mailboxes import ANSWERED, FLAGGED, SEEN, FlagChange, Flags
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, Subject, place

ROUNDS = 40


def change_flags_at_once(pump: Pump, stores: list[Any]) -> None:
    """Each store adds a flag and takes one, of the same message, many times; none undoes what the other does."""
    place(Subject(stores[0], pump.run, lambda: stores[0]))

    async def change(store: Any, flag: int, word: int) -> None:
        for number in range(ROUNDS):
            both = Flags(flag, 1 << word)
            wish = FlagChange(added=both) if number % 2 == 0 else FlagChange(removed=both)
            stored = await store.mailboxes.store_flags(BOB.key, [1], wish)
            ((_, flags),) = stored.changed
            assert bool(flags.system & flag) is bool(flags.keywords >> word & 1) is (number % 2 == 0)
        await store.mailboxes.store_flags(BOB.key, [1], FlagChange(Flags(flag, 1 << word)))

    waiting = [
        pump.start(change(store, flag, word))
        for store, (flag, word) in zip(stores, ((SEEN, 0), (FLAGGED, 63)), strict=True)
    ]
    waiting.append(pump.start(change(stores[0], ANSWERED, 7)))
    while not all(waiting):
        pump.run(stores[0].queue.next_due("nobody"))
    assert waiting == [[None]] * 3
    (found,) = pump.run(stores[1].mailboxes.messages(BOB.key, limit=10))
    assert found.flags == Flags(SEEN | FLAGGED | ANSWERED, 1 << 63 | 1 | 1 << 7)
    status = pump.run(stores[1].mailboxes.status(BOB.key))
    assert (status.unseen, status.modseq) == (0, 2 + 3 * (ROUNDS + 1))


def test_two_processes_on_one_directory(tmp_path: Path) -> None:
    pump = Pump()
    stores = [SqliteStore(pump, tmp_path) for _ in range(2)]
    for store in stores:
        pump.run(store.open())
    change_flags_at_once(pump, stores)
    for store in stores:
        pump.run(store.close())
