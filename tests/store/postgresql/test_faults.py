"""What the store in PostgreSQL makes of a database that is lost, silent, full, or in somebody else's hands."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.python.failure import Failure

from mailstack.letter import LetterId
from mailstack.letter.letter import read_all
from mailstack.store import Damaged, Filter, OutcomeUnknown, StoreError, StoreFull
from tests.aid import Pump
from tests.contracts.store import BOB, SERVER, acceptance, later

pytest.importorskip("psycopg", exc_type=ImportError)

AT_ONCE = 2.0
"""Seconds, on a busy machine; who waits for a connection waits for three."""


def letters(pump: Pump, store: Any) -> list[LetterId]:
    return [record.letter.id for record in pump.run(store.history.records(Filter()))]


def settled(pump: Pump, *started: list[Any]) -> list[Any]:
    while not all(started):
        pump._calls.get(timeout=20)()
    return [result[0].value if isinstance(result[0], Failure) else result[0] for result in started]


# --- a connection that is lost


@pytest.mark.parametrize("loss", ["before", "after"])
def test_a_letter_whose_commit_was_lost_is_there_once(pump: Pump, open_store: Any, line: Any, loss: Any) -> None:
    """Whether the database had done it or not, its sender hears 250."""
    store = open_store(line.url)
    line.lose = loss
    accepted = acceptance()
    pump.run(store.queue.accept(accepted))
    assert line.lose is None
    assert letters(pump, store) == [accepted.letter.id]
    assert len(pump.run(store.history.steps(accepted.letter.id))) == len(accepted.steps)


def test_a_letter_whose_commit_was_lost_is_there_once_when_the_line_breaks_again(
    pump: Pump, open_store: Any, line: Any
) -> None:
    """While it is found out that it was done, and the row that says so is taken away."""
    store = open_store(line.url)

    def break_again() -> None:
        line.lost, line.lose, line.word = lambda: None, "after", b"DELETE FROM commits"

    line.lose, line.lost = "after", break_again
    accepted = acceptance()
    pump.run(store.queue.accept(accepted))
    assert line.lose is None
    assert letters(pump, store) == [accepted.letter.id]


def test_a_letter_of_which_nothing_can_be_known_keeps_its_content(
    pump: Pump, open_store: Any, line: Any, other: Any
) -> None:
    """As on a connection that was idle for a month: not to know is not to know that it was not done."""
    store = open_store(line.url)
    other.execute("DELETE FROM commits")
    line.lose = "after"
    writing = store.contents.new()
    pump.run(writing.write(b"x" * 1_000_000))
    accepted = acceptance()
    accepted = replace(accepted, letter=replace(accepted.letter, content=pump.run(writing.finish())))
    with pytest.raises(OutcomeUnknown):
        pump.run(store.queue.accept(accepted))
    writing.discard()
    assert letters(pump, store) == [accepted.letter.id]
    content = pump.run(store.contents.get(accepted.letter.id))
    assert within(5.0, lambda: len(pump.run(read_all(content)))) == 1_000_000


@pytest.mark.parametrize("loss", ["before", "after"])
def test_an_attempt_whose_claim_was_lost_is_counted_once(pump: Pump, open_store: Any, line: Any, loss: Any) -> None:
    store = open_store(line.url)
    pump.run(store.queue.accept(acceptance()))
    line.lose = loss
    (claim,) = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=10, lease=60.0, next_due=later))
    assert claim.deliveries[0].attempts == 1
    assert pump.run(store.queue.claim(SERVER, "you", 5000.0, limit=10, lease=60.0, next_due=later)) == []


def test_what_can_not_be_found_out_is_said_to_be_so(pump: Pump, open_store: Any, line: Any) -> None:
    store = open_store(line.url, timeout=1.0, connect_timeout=1.0)
    line.lose, line.lost = "after", line.down
    accepted = acceptance()
    with pytest.raises(OutcomeUnknown):
        pump.run(store.queue.accept(accepted))
    line.up()
    assert within(5.0, lambda: letters(pump, store)) == [accepted.letter.id]


def within(seconds: float, ask: Any) -> Any:
    """What `ask` gives as soon as the store answers again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except StoreError:
            assert time.monotonic() < end, "the store did not come back"
            time.sleep(0.05)


def test_a_connection_that_the_server_ended_is_replaced(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store()
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> ?"
    for _ in range(2):
        other.execute(others, (other.raw.info.backend_pid,)).fetchall()
        pump.run(store.queue.accept(acceptance()))
        assert letters(pump, store)
    other.execute(others, (other.raw.info.backend_pid,)).fetchall()
    assert len(letters(pump, store)) == 2


def test_a_large_content_is_read_on_over_a_connection_that_is_new(pump: Pump, open_store: Any, other: Any) -> None:
    """Else the first reader after a restart of the database would be told to come again later."""
    store = open_store()
    accepted = acceptance(octets=b"x" * 1_500_000)
    pump.run(store.queue.accept(accepted))
    content = pump.run(store.contents.get(accepted.letter.id))
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> ?"
    other.execute(others, (other.raw.info.backend_pid,)).fetchall()
    assert len(pump.run(read_all(content))) == 1_500_000


def test_nobody_waits_for_a_database_that_is_down_and_it_is_found_when_it_is_back(
    pump: Pump, open_store: Any, line: Any
) -> None:
    store = open_store(line.url)
    line.down()
    for ask in (
        lambda: store.queue.accept(acceptance()),
        lambda: store.accounts.get("a@home.test"),
        lambda: store.queue.accept(acceptance()),
    ):
        begun = time.monotonic()
        with pytest.raises(StoreError):
            pump.run(ask())
        assert time.monotonic() - begun < AT_ONCE
    line.up()
    within(5.0, lambda: pump.run(store.queue.accept(acceptance())))
    assert len(letters(pump, store)) == 1


def test_nobody_waits_for_a_database_that_has_gone_silent_longer_than_is_allowed(
    pump: Pump, open_store: Any, line: Any
) -> None:
    store = open_store(line.url, timeout=1.0, connect_timeout=1.0)
    line.silence()
    begun = time.monotonic()
    found = settled(pump, pump.start(store.queue.accept(acceptance())), pump.start(store.accounts.get("a@home.test")))
    assert all(isinstance(each, StoreError) for each in found)
    # The watch looks twice a second, and no connection is given up before two seconds (libpq).
    assert time.monotonic() - begun < 1.0 + 0.5 + 2.0 + AT_ONCE
    line.up()
    within(5.0, lambda: pump.run(store.queue.accept(acceptance())))


# --- what the database says


def fail_by_trigger(other: Any, code: str, times: int) -> None:
    """The next so many letters are refused by the database; a sequence counts, for it is not rolled back."""
    other.raw.execute(f"""CREATE SEQUENCE tries;
        CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN
        IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'refused for a test' USING ERRCODE = '{code}'; END IF;
        RETURN NEW; END $$ LANGUAGE plpgsql;
        CREATE TRIGGER refuse BEFORE INSERT ON letters FOR EACH ROW EXECUTE FUNCTION refuse()""")


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_collides_is_tried_again(pump: Pump, open_store: Any, other: Any, code: str) -> None:
    store = open_store()
    fail_by_trigger(other, code, 3)
    pump.run(store.queue.accept(acceptance()))
    assert len(letters(pump, store)) == 1


def test_what_collides_for_ever_is_given_up(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store()
    fail_by_trigger(other, "40001", 1_000_000)
    with pytest.raises(StoreError, match="40001"):
        pump.run(store.queue.accept(acceptance()))


def test_a_full_disk_is_told_as_such(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store()
    fail_by_trigger(other, "53100", 1)
    with pytest.raises(StoreFull):
        pump.run(store.queue.accept(acceptance()))
    pump.run(store.queue.accept(acceptance()))


def test_of_a_group_only_the_bad_one_fails(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store()
    good, bad = acceptance(), acceptance()
    pump.run(store.queue.accept(bad))
    other.begin()
    other.execute("LOCK TABLE letters")  # so that what comes gathers behind the first
    started = [pump.start(store.queue.accept(each)) for each in (acceptance(), good, bad)]
    other.commit()
    found = settled(pump, *started)
    assert [type(each) for each in found[:2]] == [type(None)] * 2
    assert isinstance(found[2], StoreError)
    assert len(letters(pump, store)) == 3


def test_octets_that_no_text_can_hold_are_an_error_and_no_end(pump: Pump, open_store: Any) -> None:
    store = open_store()
    for name in ("nobody\0@home.test", "\udc80@home.test"):
        with pytest.raises(StoreError):
            pump.run(store.accounts.get(name))
        with pytest.raises(StoreError):
            pump.run(store.accounts.set_alias(name, ["a@home.test"]))
    assert pump.run(store.accounts.get(BOB.key)) is None


def test_a_server_that_may_not_be_written_to_any_more_is_left(pump: Pump, open_store: Any, other: Any) -> None:
    """As after a failover: the next connection finds the one that may."""
    store = open_store()

    async def hand_over() -> None:
        await store._writer.do(lambda change: change.execute("SET default_transaction_read_only = on"))

    pump.run(hand_over())
    pump.run(store.queue.accept(acceptance()))
    assert len(letters(pump, store)) == 1


def test_a_damaged_letter_is_held_and_stops_nothing_behind_it(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store()
    bad, good = acceptance(at=1000.0), acceptance(at=2000.0)
    pump.run(store.queue.accept(bad))
    pump.run(store.queue.accept(good))
    other.execute("UPDATE letters SET envelope = '{' WHERE id = ?", (bad.letter.id,))
    (claim,) = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=10, lease=60.0, next_due=later))
    assert claim.letter.id == good.letter.id
    held = "SELECT state, text FROM deliveries WHERE letter = ?"
    ((state, text),) = other.execute(held, (bad.letter.id,)).fetchall()
    assert (state, text.startswith("can't be read: table letters")) == ("held", True)
    with pytest.raises(Damaged, match=str(bad.letter.id)):
        letters(pump, store)


def test_unneeded_contents_are_deleted_from_any_thread(pump: Pump, open_store: Any) -> None:
    """Writer threads report it; the reactor alone hands it to other threads."""
    store = open_store()
    pump.wait(0.1)
    before = set(threading.enumerate())
    teller = threading.Thread(target=store._local.delete, args=([f"rows/{'0' * 32}"],))
    teller.start()
    teller.join()
    assert set(threading.enumerate()) <= before
    pump.wait(0.1)


def test_a_large_content_with_a_piece_missing_is_never_given_out_as_whole(
    pump: Pump, open_store: Any, other: Any
) -> None:
    store = open_store()
    accepted = acceptance(octets=b"x" * 1_500_000)
    pump.run(store.queue.accept(accepted))
    other.execute("DELETE FROM pieces WHERE number = 1")
    content = pump.run(store.contents.get(accepted.letter.id))
    with pytest.raises(StoreError, match="piece 1 is missing"):
        pump.run(read_all(content))
    other.execute("UPDATE pieces SET number = number - 1 WHERE number > 1")
    with pytest.raises(StoreError):
        pump.run(read_all(content))
