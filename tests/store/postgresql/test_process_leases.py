"""Processes that share a database: who lives, who has a maildrop, whose claims pass on, and what time it is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from mailstack.store import MaildropInUse, StoreError
from tests.aid import Pump
from tests.contracts.store import BOB, SERVER, acceptance, later

pytest.importorskip("psycopg", exc_type=ImportError)

LONG_PAST = "UPDATE process_leases SET until = 0"


def until(pump: Pump, condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for other threads, within bounds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        pump.wait(0.02)


def owners(other: Any) -> list[str]:
    return [owner for (owner,) in other.execute("SELECT claimed_by FROM deliveries ORDER BY letter, number")]


def dead_life(other: Any, owner: str, life: str = "dead") -> None:
    other.execute("INSERT INTO process_leases (id, owner, program, until) VALUES (?, ?, 14, 0)", (life, owner))


def test_a_process_with_a_thousand_open_connections_goes_on_to_live_and_to_hear(
    pump: Pump, open_store: Any, other: Any
) -> None:
    """A descriptor of 1024 or more is nothing for select()."""
    with ExitStack() as held:
        for _ in range(1100):
            held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        store = open_store(owner="here", lost_after=0.4)
        told: list[None] = []
        store.on_news(lambda: told.append(None))
        pump.wait(0.8)
        assert store.tenure() is not None
        other.execute("SELECT pg_notify('mailstack', 'work')")
        until(pump, lambda: told)


def test_a_notification_that_comes_while_the_lease_is_renewed_is_reported_at_once(
    pump: Pump, open_store: Any, other: Any
) -> None:
    """The driver reads it with the answer to a statement, so the socket never becomes readable for it."""
    reported: list[None] = []
    store = open_store(owner="here", lost_after=60.0)
    store.on_news(lambda: reported.append(None))
    registration = store._presence
    connection = registration._connected()
    other.execute("SELECT pg_notify('mailstack', 'work')")
    until(pump, lambda: reported)  # by the registration's own connection
    registration._attend(connection)
    registration._listen(connection, 0.001)
    connection.close()
    until(pump, lambda: len(reported) == 2)


# --- claims


def claimed_by(pump: Pump, store: Any, owner: str) -> None:
    now = store.now()
    pump.run(store.accept(acceptance(at=now)))
    (claim,) = pump.run(store.claim(SERVER, owner, now + 1, limit=10, lease=7200.0, next_due=later))
    assert claim.deliveries[0].claimed_by == owner


def test_what_a_dead_process_had_claimed_is_others_soon(pump: Pump, open_store: Any, other: Any) -> None:
    """Not when the lease of the claim ends, hours later."""
    store = open_store(owner="here", lost_after=0.4)
    claimed_by(pump, store, "there")
    dead_life(other, "there")
    until(pump, lambda: owners(other) == [None])
    assert other.execute("SELECT count(*) FROM process_leases WHERE owner = 'there'").fetchall() == [(0,)]
    (claim,) = pump.run(store.claim(SERVER, "here", store.now() + 1, limit=10, lease=60.0, next_due=later))
    assert claim.deliveries[0].attempts == 2


def test_nobody_is_taken_for_dead_by_who_has_just_come(pump: Pump, open_store: Any, other: Any) -> None:
    """As when the database was away: first everybody must have had the chance to say that he lives."""
    store = open_store(owner="here", lost_after=60.0)
    claimed_by(pump, store, "there")
    dead_life(other, "there")
    store._presence._there_since = store._presence._monotonic() - 59.0
    store._presence._attend(store._presence._connected())
    assert owners(other) == ["there"]


def test_a_process_that_starts_again_lets_go_of_what_its_own_life_before_had(
    pump: Pump, open_store: Any, other: Any
) -> None:
    first = open_store(owner="here")
    claimed_by(pump, first, "here")
    claimed_by(pump, first, "there")
    other.execute("INSERT INTO held_maildrops (mailbox, process) VALUES ('x', ?)", (first._life,))
    other.execute("INSERT INTO process_leases (id, owner, program, until) VALUES ('t', 'there', 14, 1e15)")
    open_store(owner="here")
    assert owners(other) == [None, "there"]
    assert other.execute("SELECT count(*) FROM held_maildrops").fetchall() == [(0,)]


def test_a_life_that_ended_is_no_reason_to_take_from_its_successor(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store(owner="here", lost_after=0.4)
    claimed_by(pump, store, "there")
    other.execute("INSERT INTO process_leases (id, owner, program, until) VALUES ('new', 'there', 14, 1e15)")
    dead_life(other, "there")
    until(pump, lambda: other.execute("SELECT 1 FROM process_leases WHERE id = 'dead'").fetchall() == [])
    assert owners(other) == ["there"]


def test_who_was_taken_for_dead_begins_anew(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store(owner="here", lost_after=0.4)
    before = store.tenure()
    assert before is not None
    claimed_by(pump, store, "here")
    other.execute("DELETE FROM process_leases")
    until(pump, lambda: (store.tenure() or 0.0) > before)
    assert owners(other) == [None]
    assert store.tenure() <= store.now()


def test_who_can_not_say_that_he_lives_is_sure_of_nothing(pump: Pump, open_store: Any, line: Any) -> None:
    store = open_store(line.url, owner="here", lost_after=0.4)
    since = store.tenure()
    assert since is not None
    line.down()
    until(pump, lambda: store.tenure() is None)
    line.up()
    until(pump, lambda: store.tenure() is not None)
    assert store.tenure() == since, "nobody had taken over: what it claimed is still its own"


def test_a_life_that_ends_in_order_leaves_nothing(pump: Pump, open_store: Any, other: Any) -> None:
    open_store(owner="here")
    store = open_store(owner="there")
    pump.run(store.open_maildrop(BOB.key, "me"))
    pump.run(store.close())
    assert other.execute("SELECT owner FROM process_leases").fetchall() == [("here",)]
    assert other.execute("SELECT count(*) FROM held_maildrops").fetchall() == [(0,)]


def test_who_stops_in_order_leaves_what_he_had_claimed_to_others_at_once(
    pump: Pump, open_store: Any, other: Any
) -> None:
    """Nobody would find him late, and the lease of a claim is hours."""
    here, there = open_store(owner="here"), open_store(owner="there")
    heard: list[str] = []
    there.on_news(lambda: heard.append("work"))
    claimed_by(pump, here, "here")
    claimed_by(pump, here, "there")
    pump.run(here.close())
    assert owners(other) == [None, "there"]
    until(pump, lambda: heard)


def test_who_was_replaced_lets_go_of_nothing(pump: Pump, open_store: Any, other: Any) -> None:
    old = open_store(owner="here")
    open_store(owner="here")
    claimed_by(pump, old, "here")
    pump.run(old.close())
    assert owners(other) == ["here"]


def test_of_two_with_one_name_the_first_stops(pump: Pump, open_store: Any, logged: list[str]) -> None:
    """As when a data directory was copied: each would attempt what the other attempts."""
    first = open_store(owner="here", lost_after=0.4)
    second = open_store(owner="here", lost_after=0.4)
    until(pump, lambda: first._database.refusal() is not None)
    with pytest.raises(StoreError, match="another process calls itself here"):
        pump.run(first.accept(acceptance()))
    assert first.tenure() is None
    pump.run(second.accept(acceptance()))
    assert second.tenure() is not None
    until(pump, lambda: [each.name for each in threading.enumerate()].count("mailstack-presence") == 1)
    (said,) = [line for line in logged if "another process calls itself here" in line]
    assert "give each node" in said
    assert not any("can't be reached" in line for line in logged)


# --- maildrops


def test_a_maildrop_is_held_against_other_processes(pump: Pump, open_store: Any) -> None:
    one, two = open_store(), open_store()
    pump.run(one.open_maildrop(BOB.key, "me"))
    with pytest.raises(MaildropInUse):
        pump.run(two.open_maildrop(BOB.key, "me"))
    pump.run(two.open_maildrop("alice@home.test", "me"))
    pump.run(one.release_maildrop(BOB.key, "me"))
    pump.run(two.open_maildrop(BOB.key, "me"))


def test_a_maildrop_is_free_when_its_holder_is_not_heard_of(pump: Pump, open_store: Any, other: Any) -> None:
    """And who held it can't change it any more."""
    one, two = open_store(lost_after=60.0), open_store()
    pump.run(one.open_maildrop(BOB.key, "me"))
    other.execute(LONG_PAST)
    pump.run(two.open_maildrop(BOB.key, "you"))
    with pytest.raises(MaildropInUse):
        pump.run(one.update_maildrop(BOB.key, collected=[], deleted=[1], steps=[]))
    assert pump.run(two.update_maildrop(BOB.key, collected=[], deleted=[1], steps=[])) == []
    pump.run(one.release_maildrop(BOB.key, "me"))
    with pytest.raises(MaildropInUse):
        pump.run(one.open_maildrop(BOB.key, "me"))


# --- time and news


def test_the_time_is_the_databases(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store(owner="here")
    (before,), now, (after,) = *other.execute(NOW), store.now(), *other.execute(NOW)
    assert before - 0.2 <= now <= after + 0.2


NOW = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def test_a_machine_whose_clock_is_wrong_has_the_time_of_the_database(other: Any) -> None:
    from mailstack.store.postgresql.process_registration import DatabaseTime

    passed = [1000.0]
    clock = DatabaseTime(lambda: passed[0])
    clock.learn(other)
    ((now,),) = other.execute(NOW).fetchall()
    assert abs(clock.now() - now) < 5.0
    known = clock.now()
    passed[0] += 600.0
    assert clock.now() == known + 600.0


def test_a_database_whose_clock_is_set_back_does_not_stop_the_queue(pump: Pump, open_store: Any) -> None:
    """What is claimed by the new time is not taken for older than the life that claims it."""
    store = open_store(owner="here", lost_after=0.4)
    store._presence._since += 600.0
    until(pump, lambda: store.tenure() is not None and store.tenure() <= store.now())


def test_a_slow_answer_teaches_no_time(other: Any) -> None:
    from mailstack.store.postgresql.process_registration import DatabaseTime

    ticks = iter([0.0, 0.01, 0.0, 5.0, 0.0])
    clock = DatabaseTime(lambda: next(ticks))
    clock.learn(other)
    ahead = clock._ahead
    clock.learn(other)
    assert clock._ahead == ahead


def test_what_a_command_changes_is_heard_by_those_who_serve(pump: Pump, open_store: Any) -> None:
    server, command = open_store(owner="here", address_seconds=1e9), open_store()
    heard: list[str] = []
    server.on_news(lambda: heard.append("news"))
    assert pump.run(server.accounts.alias("info@home.test")) is None
    pump.run(command.accept(acceptance()))
    until(pump, lambda: heard)
    pump.run(command.accounts.set_alias("info@home.test", ["bob@home.test"]))
    until(pump, lambda: pump.run(server.accounts.alias("info@home.test")) is not None)
