"""Deletion of removed messages that the store keeps for IMAP sessions."""

from __future__ import annotations

import time
from typing import Any

from mailstack.config.imap_settings import ImapSettings
from mailstack.config.model import Config
from mailstack.letter.times import read_duration
from mailstack.server.delivery_pipeline import HistoryPruner
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.clock import HandClock
from tests.contracts.store import BOB, Subject, place


def test_a_removed_message_is_deleted_within_the_grace() -> None:
    """IMAP-68"""
    store: Any = InMemoryStore()
    run(store.open())
    place(Subject(store, run, lambda: store))
    run(store.mailboxes.keep_removed(BOB.key, 3600.0))
    run(store.mailboxes.update(BOB.key, collected=[], deleted=[1], steps=[]))
    clock: Any = HandClock(time.time())
    config = Config(hostname="mx.home.test", imap=ImapSettings(expunge_grace=read_duration("10m")))
    pruner = HistoryPruner(config, store, clock)
    pruner.start()
    clock.advance(299)
    assert len(run(store.mailboxes.removed_messages(BOB.key, [1]))) == 1
    clock.advance(302)
    assert run(store.mailboxes.removed_messages(BOB.key, [1])) == []
    assert not clock.bugs
    pruner.stop()
