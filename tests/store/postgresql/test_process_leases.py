"""Process leases: renewal, release of expired claims, maildrop locks and the database clock."""

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
        assert time.monotonic() < end, f"not within {seconds} s"
        pump.wait(0.02)


def owners(other: Any) -> list[str]:
    return [owner for (owner,) in other.execute("SELECT claimed_by FROM deliveries ORDER BY letter, number")]


def add_expired_lease(other: Any, owner: str, lease: str = "dead") -> None:
    other.execute("INSERT INTO process_leases (id, owner, program, until) VALUES (?, ?, 14, 0)", (lease, owner))


def test_a_process_with_a_thousand_descriptors_renews_and_receives(pump: Pump, open_store: Any, other: Any) -> None:
    """A descriptor of 1024 or more is nothing for select()."""
    with ExitStack() as held:
        for _ in range(1100):
            held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        store = open_store(owner="here", lost_after=0.4)
        told: list[None] = []
        store.on_external_change(lambda: told.append(None))
        pump.wait(0.8)
        assert store.claims_valid_since() is not None
        other.execute("SELECT pg_notify('mailstack', 'work')")
        until(pump, lambda: told)


def test_a_notification_during_a_renewal_is_reported_at_once(pump: Pump, open_store: Any, other: Any) -> None:
    """The driver reads it with the answer to a statement, so the socket never becomes readable for it."""
    reported: list[None] = []
    store = open_store(owner="here", lost_after=60.0)
    store.on_external_change(lambda: reported.append(None))
    registration = store._registration
    connection = registration._connected()
    other.execute("SELECT pg_notify('mailstack', 'work')")
    until(pump, lambda: reported)  # by the registration's own connection
    registration._renew(connection)
    registration._wait(connection, 0.001)
    connection.close()
    until(pump, lambda: len(reported) == 2)


# --- claims


def claimed_by(pump: Pump, store: Any, owner: str) -> None:
    now = store.now()
    pump.run(store.queue.accept(acceptance(at=now)))
    (claim,) = pump.run(store.queue.claim(SERVER, owner, now + 1, limit=10, lease=7200.0, next_due=later))
    assert claim.deliveries[0].claimed_by == owner


def test_the_claims_of_a_dead_process_are_released_soon(pump: Pump, open_store: Any, other: Any) -> None:
    """Not when the lease of the claim ends, hours later."""
    store = open_store(owner="here", lost_after=0.4)
    claimed_by(pump, store, "there")
    add_expired_lease(other, "there")
    until(pump, lambda: owners(other) == [None])
    assert other.execute("SELECT count(*) FROM process_leases WHERE owner = 'there'").fetchall() == [(0,)]
    (claim,) = pump.run(store.queue.claim(SERVER, "here", store.now() + 1, limit=10, lease=60.0, next_due=later))
    assert claim.deliveries[0].attempts == 2


def test_a_new_connection_waits_one_lease_before_it_releases_expired_ones(
    pump: Pump, open_store: Any, other: Any
) -> None:
    """After an outage of the database, each process must have had time to renew."""
    store = open_store(owner="here", lost_after=60.0)
    claimed_by(pump, store, "there")
    add_expired_lease(other, "there")
    store._registration._connected_at = time.monotonic() - 59.0
    store._registration._renew(store._registration._connected())
    assert owners(other) == ["there"]


def test_a_restarted_process_releases_the_claims_of_its_predecessor(pump: Pump, open_store: Any, other: Any) -> None:
    first = open_store(owner="here")
    claimed_by(pump, first, "here")
    claimed_by(pump, first, "there")
    other.execute("INSERT INTO held_maildrops (mailbox, process) VALUES ('x', ?)", (first._lease_id,))
    other.execute("INSERT INTO process_leases (id, owner, program, until) VALUES ('t', 'there', 14, 1e15)")
    open_store(owner="here")
    assert owners(other) == [None, "there"]
    assert other.execute("SELECT count(*) FROM held_maildrops").fetchall() == [(0,)]


def test_an_expired_lease_does_not_release_the_claims_of_its_successor(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store(owner="here", lost_after=0.4)
    claimed_by(pump, store, "there")
    other.execute("INSERT INTO process_leases (id, owner, program, until) VALUES ('new', 'there', 14, 1e15)")
    add_expired_lease(other, "there")
    until(pump, lambda: other.execute("SELECT 1 FROM process_leases WHERE id = 'dead'").fetchall() == [])
    assert owners(other) == ["there"]


def test_a_process_with_an_expired_lease_registers_again(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store(owner="here", lost_after=0.4)
    before = store.claims_valid_since()
    assert before is not None
    claimed_by(pump, store, "here")
    other.execute("DELETE FROM process_leases")
    until(pump, lambda: (store.claims_valid_since() or 0.0) > before)
    assert owners(other) == [None]
    assert store.claims_valid_since() <= store.now()


def test_without_renewal_no_claim_is_valid(pump: Pump, open_store: Any, line: Any) -> None:
    store = open_store(line.url, owner="here", lost_after=0.4)
    since = store.claims_valid_since()
    assert since is not None
    line.down()
    until(pump, lambda: store.claims_valid_since() is None)
    line.up()
    until(pump, lambda: store.claims_valid_since() is not None)
    assert store.claims_valid_since() == since, "no claim was released: the lease goes on"


def test_a_closed_store_leaves_no_lease_and_no_lock(pump: Pump, open_store: Any, other: Any) -> None:
    open_store(owner="here")
    store = open_store(owner="there")
    pump.run(store.mailboxes.open(BOB.key, "me"))
    pump.run(store.close())
    assert other.execute("SELECT owner FROM process_leases").fetchall() == [("here",)]
    assert other.execute("SELECT count(*) FROM held_maildrops").fetchall() == [(0,)]


def test_a_closed_store_releases_its_claims_at_once(pump: Pump, open_store: Any, other: Any) -> None:
    """Without its lease no process would release them, and the lease of a claim lasts hours."""
    here, there = open_store(owner="here"), open_store(owner="there")
    reported: list[str] = []
    there.on_external_change(lambda: reported.append("work"))
    claimed_by(pump, here, "here")
    claimed_by(pump, here, "there")
    pump.run(here.close())
    assert owners(other) == [None, "there"]
    until(pump, lambda: reported)


def test_a_replaced_process_releases_no_claims(pump: Pump, open_store: Any, other: Any) -> None:
    old = open_store(owner="here")
    open_store(owner="here")
    claimed_by(pump, old, "here")
    pump.run(old.close())
    assert owners(other) == ["here"]


def test_of_two_processes_with_one_name_the_first_stops(pump: Pump, open_store: Any, logged: list[str]) -> None:
    """As when a data directory was copied: each would attempt what the other attempts."""
    first = open_store(owner="here", lost_after=0.4)
    second = open_store(owner="here", lost_after=0.4)
    until(pump, lambda: first._database.refusal() is not None)
    with pytest.raises(StoreError, match="another process has the name here"):
        pump.run(first.queue.accept(acceptance()))
    assert first.claims_valid_since() is None
    pump.run(second.queue.accept(acceptance()))
    assert second.claims_valid_since() is not None
    until(pump, lambda: [each.name for each in threading.enumerate()].count("mailstack-registration") == 1)
    (said,) = [line for line in logged if "another process has the name here" in line]
    assert "give each node" in said
    assert not any("can't be reached" in line for line in logged)


# --- maildrops


def test_a_maildrop_is_locked_against_other_processes(pump: Pump, open_store: Any) -> None:
    one, two = open_store(), open_store()
    pump.run(one.mailboxes.open(BOB.key, "me"))
    with pytest.raises(MaildropInUse):
        pump.run(two.mailboxes.open(BOB.key, "me"))
    pump.run(two.mailboxes.open("alice@home.test", "me"))
    pump.run(one.mailboxes.release(BOB.key, "me"))
    pump.run(two.mailboxes.open(BOB.key, "me"))


def test_a_maildrop_is_free_when_the_lease_of_its_holder_has_expired(pump: Pump, open_store: Any, other: Any) -> None:
    """The earlier holder can't change it any more."""
    one, two = open_store(lost_after=60.0), open_store()
    pump.run(one.mailboxes.open(BOB.key, "me"))
    other.execute(LONG_PAST)
    pump.run(two.mailboxes.open(BOB.key, "you"))
    with pytest.raises(MaildropInUse):
        pump.run(one.mailboxes.update(BOB.key, collected=[], deleted=[1], steps=[]))
    assert pump.run(two.mailboxes.update(BOB.key, collected=[], deleted=[1], steps=[])) == []
    pump.run(one.mailboxes.release(BOB.key, "me"))
    with pytest.raises(MaildropInUse):
        pump.run(one.mailboxes.open(BOB.key, "me"))


# --- time and news


def test_the_time_is_the_databases(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store(owner="here")
    (before,), now, (after,) = *other.execute(NOW), store.now(), *other.execute(NOW)
    assert before - 0.2 <= now <= after + 0.2


NOW = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def test_a_machine_with_a_wrong_clock_uses_the_time_of_the_database(other: Any) -> None:
    from mailstack.store.postgresql.process_registration import DatabaseTime

    passed = [1000.0]
    clock = DatabaseTime(lambda: passed[0])
    clock.update(other)
    ((now,),) = other.execute(NOW).fetchall()
    assert abs(clock.now() - now) < 5.0
    known = clock.now()
    passed[0] += 600.0
    assert clock.now() == known + 600.0


def test_a_database_whose_clock_is_set_back_does_not_stop_the_queue(pump: Pump, open_store: Any) -> None:
    """A claim by the new time is not older than the lease of its process."""
    store = open_store(owner="here", lost_after=0.4)
    store._registration._since += 600.0
    until(pump, lambda: store.claims_valid_since() is not None and store.claims_valid_since() <= store.now())


def test_a_slow_answer_does_not_set_the_time(other: Any) -> None:
    from mailstack.store.postgresql.process_registration import DatabaseTime

    ticks = iter([0.0, 0.01, 0.0, 5.0, 0.0])
    clock = DatabaseTime(lambda: next(ticks))
    clock.update(other)
    ahead = clock._ahead
    clock.update(other)
    assert clock._ahead == ahead


def test_changes_by_a_command_are_reported_to_servers(pump: Pump, open_store: Any) -> None:
    server, command = open_store(owner="here", address_seconds=1e9), open_store()
    reported: list[str] = []
    server.on_external_change(lambda: reported.append("news"))
    assert pump.run(server.accounts.alias("info@home.test")) is None
    pump.run(command.queue.accept(acceptance()))
    until(pump, lambda: reported)
    pump.run(command.accounts.set_alias("info@home.test", ["bob@home.test"]))
    until(pump, lambda: pump.run(server.accounts.alias("info@home.test")) is not None)
