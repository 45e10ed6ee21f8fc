"""Nodes on one database change one mailbox at once: flags remain, mod-sequences are distinct, and nothing deadlocks."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.store.mailboxes import DELETED, FlagChange, Flags
from tests.aid import Pump
from tests.contracts.store import BOB, Subject, place
from tests.store.test_imap_atomic_flags import change_flags_at_once

pytest.importorskip("psycopg", exc_type=ImportError)


def test_flags_of_two_nodes_remain(pump: Pump, open_store: Any) -> None:
    """IMAP-70."""
    change_flags_at_once(pump, [open_store(owner="one"), open_store(owner="other")])


def test_moves_to_and_fro_lose_nothing_and_double_nothing(pump: Pump, open_store: Any) -> None:
    """IMAP-65."""
    one, other = open_store(owner="one", writers=2), open_store(owner="other", writers=2)
    letters = {place(Subject(one, pump.run, lambda: one)) for _ in range(6)}
    trash = pump.run(one.folders.create(BOB.key, "Trash", 1000.0)).mailbox

    async def move(store: Any, source: str, target: str) -> None:
        for _ in range(30):
            found = await store.mailboxes.messages(source, limit=2)
            await store.mailboxes.move(source, [each.uid for each in found], target, 9.0)

    waiting = [pump.start(move(store, *way)) for store in (one, other) for way in ((BOB.key, trash), (trash, BOB.key))]
    while not all(waiting):
        pump.run(one.queue.next_due("nobody"))
    assert waiting == [[None]] * 4
    found = [each for box in (BOB.key, trash) for each in pump.run(one.mailboxes.messages(box, limit=100))]
    assert len(found) == 6
    assert {each.letter for each in found} == letters
    statuses = pump.run(one.mailboxes.statuses([BOB.key, trash]))
    assert sum(each.messages for each in statuses.values()) == sum(each.unseen for each in statuses.values()) == 6


def test_removals_by_two_nodes_are_all_logged(pump: Pump, open_store: Any) -> None:
    one, other = open_store(owner="one"), open_store(owner="other")
    for _ in range(20):
        place(Subject(one, pump.run, lambda: one))

    async def expunge(store: Any, first: int) -> None:
        for uid in range(first, 21, 2):
            await store.mailboxes.store_flags(BOB.key, [uid], FlagChange(Flags(DELETED, 0)))
            await store.mailboxes.expunge(BOB.key, [uid])

    waiting = [pump.start(expunge(one, 1)), pump.start(expunge(other, 2))]
    while not all(waiting):
        pump.run(one.queue.next_due("nobody"))
    assert waiting == [[None]] * 2
    assert pump.run(other.mailboxes.removals(BOB.key, 1)).uids == [(1, 20)]
    status = pump.run(other.mailboxes.status(BOB.key))
    assert (status.messages, status.unseen, status.deleted, status.octets) == (0, 0, 0, 0)
