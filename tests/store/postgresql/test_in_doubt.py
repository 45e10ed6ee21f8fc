"""In-doubt transactions are resolved when the database is back."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.store import MaildropInUse, OutcomeUnknown
from tests.aid import Pump
from tests.contracts.store import BOB, SERVER, acceptance, later
from tests.store.postgresql.test_faults import within
from tests.store.postgresql.test_process_leases import owners, until

psycopg = pytest.importorskip("psycopg", exc_type=ImportError)

QUICKLY: dict[str, Any] = {"timeout": 1.0, "connect_timeout": 1.0, "lost_after": 2.0}


def test_the_initial_claim_of_a_letter_in_doubt_is_released(pump: Pump, open_store: Any, line: Any, other: Any) -> None:
    store = open_store(line.url, owner="here", **QUICKLY)
    line.lose, line.lost = "after", line.down
    claimed = acceptance(claimed_by="here", attempts=1, lease=store.now() + 7200, due=store.now() + 900)
    with pytest.raises(OutcomeUnknown):
        pump.run(store.queue.accept(claimed))
    line.up()
    until(pump, lambda: owners(other) == [None])
    assert other.execute("SELECT due < 1e11 AND due <= ? FROM deliveries", (store.now(),)).fetchall() == [(True,)]
    assert store._registration._in_doubt.waiting() == []


def test_only_the_claims_in_doubt_are_released(pump: Pump, open_store: Any, line: Any, other: Any) -> None:
    store = open_store(line.url, owner="here", **QUICKLY)
    kept = acceptance(at=1.0, claimed_by="here", attempts=1, lease=store.now() + 7200, due=store.now() + 900)
    pump.run(store.queue.accept(kept))
    pump.run(store.queue.accept(acceptance(at=2000.0)))
    line.lose, line.lost = "after", line.down
    with pytest.raises(OutcomeUnknown):
        pump.run(store.queue.claim(SERVER, "here", store.now(), limit=10, lease=7200.0, next_due=later))
    line.up()
    until(pump, lambda: owners(other) == ["here", None])


def test_a_maildrop_lock_in_doubt_is_released(pump: Pump, open_store: Any, line: Any, other: Any) -> None:
    here = open_store(line.url, owner="here", **QUICKLY)
    line.lose, line.lost = "after", line.down
    with pytest.raises(OutcomeUnknown):
        pump.run(here.mailboxes.open(BOB.key, "me"))
    assert other.execute("SELECT count(*) FROM held_maildrops").fetchall() == [(1,)]
    line.up()
    until(pump, lambda: other.execute("SELECT count(*) FROM held_maildrops").fetchall() == [(0,)])


def test_a_running_transaction_stays_in_doubt(other: Any, url: str) -> None:
    from mailstack.store.batch import Transaction
    from mailstack.store.postgresql.connection import PostgresConnection
    from mailstack.store.postgresql.process_leases import InDoubtTransactions, is_unfinished

    in_doubt = InDoubtTransactions()
    in_doubt.add("w", [], [])
    (entry,) = in_doubt.waiting()
    other.execute("INSERT INTO commits (writer, number, at) VALUES ('w', 1, 0)")
    other.begin()
    other.execute("UPDATE commits SET number = 2 WHERE writer = 'w'")
    with psycopg.connect(url, autocommit=True) as raw:
        registration = PostgresConnection(raw)
        with pytest.raises(psycopg.Error) as caught:
            in_doubt.settle(Transaction(registration), entry, "here", 0.0)
        assert is_unfinished(caught.value)
        other.commit()
        in_doubt.settle(Transaction(registration), entry, "here", 0.0)
    assert other.execute("SELECT count(*) FROM commits WHERE writer = 'w'").fetchall() == [(0,)]


def test_a_failed_release_of_a_maildrop_is_repeated(pump: Pump, open_store: Any, line: Any) -> None:
    """The lease of its process is valid: no other process would release it."""
    here, there = open_store(line.url, owner="here", **QUICKLY), open_store(owner="there")
    pump.run(here.mailboxes.open(BOB.key, "me"))
    pump.run(here.mailboxes.open("alice@home.test", "me"))
    line.down()
    pump.run(here.mailboxes.release(BOB.key, "me"))
    line.up()
    within(5.0, lambda: pump.run(here.accounts.get("a@home.test")))

    def is_free() -> bool:
        try:
            pump.run(there.mailboxes.open(BOB.key, "you"))
        except MaildropInUse:
            return False
        return True

    until(pump, is_free)
    with pytest.raises(MaildropInUse):
        pump.run(there.mailboxes.open("alice@home.test", "you"))
