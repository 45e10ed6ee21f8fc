"""Processes that share a directory are notified of changed mailboxes."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock

from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.change_watch import POLL_S, SharedMark, WatchedChanges
from mailstack.store.sqlite.store import MAILDROPS, SqliteStore
from tests.aid import Pump
from tests.contracts.store import BOB, Subject, place


def test_a_change_of_another_process_is_found_by_its_mark(tmp_path: Path) -> None:
    """IMAP-111."""
    pump = Pump()
    stores = [SqliteStore(pump, tmp_path) for _ in range(2)]
    for store in stores:
        pump.run(store.open())
    one, other = stores
    seen: list[str | None] = []
    one.mailboxes.on_change(seen.append)
    one.changes.poll()
    assert seen == []
    place(Subject(other, pump.run, lambda: other))
    one.changes.poll()
    one.changes.poll()
    assert seen == [None]
    place(Subject(one, pump.run, lambda: one))
    one.changes.poll()
    assert seen == [None, BOB.key]
    place(Subject(other, pump.run, lambda: other))
    place(Subject(one, pump.run, lambda: one))
    one.changes.poll()
    assert seen == [None, BOB.key, BOB.key, None]
    assert pump.run(one.mailboxes.open(BOB.key, "me")).entries
    for store in stores:
        pump.run(store.close())


def test_a_server_of_one_process_sets_no_mark(tmp_path: Path) -> None:
    pump = Pump()
    store = SqliteStore(pump, tmp_path, StoreSettings(notifies_others=False))
    pump.run(store.open())
    before = (tmp_path / MAILDROPS).stat().st_mtime_ns
    place(Subject(store, pump.run, lambda: store))
    assert (tmp_path / MAILDROPS).stat().st_mtime_ns == before
    pump.run(store.close())


class PumpedClock(Pump, Clock):
    """Reactor with threads and a clock."""

    def __init__(self) -> None:
        Pump.__init__(self)
        Clock.__init__(self)


def test_the_mark_is_polled_while_there_are_subscribers(tmp_path: Path) -> None:
    file = tmp_path / "mark"
    file.touch()
    clock = PumpedClock()
    changes = WatchedChanges(clock, SharedMark(file))
    seen: list[str | None] = []
    assert not clock.getDelayedCalls()
    end = changes.subscribe(seen.append)
    SharedMark(file).set()
    clock.advance(POLL_S)
    assert seen == [None]
    clock.advance(POLL_S)
    assert seen == [None]
    end()
    clock.advance(POLL_S)
    assert not clock.getDelayedCalls()
    changes.subscribe(seen.append)
    changes.close()
    assert not clock.getDelayedCalls()


def test_a_subscriber_that_fails_stops_no_other(tmp_path: Path) -> None:
    changes = WatchedChanges(Pump(), SharedMark(tmp_path / "none"))
    seen: list[str | None] = []

    def fail(_: str | None) -> None:
        raise ValueError

    changes.subscribe(fail)
    changes.subscribe(seen.append)
    changes.publish(["a"])
    assert seen == ["a"]
