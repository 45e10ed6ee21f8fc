"""Locks between processes end with their process, and no wait for them is without an end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailstack.store import MaildropInUse, StoreError
from mailstack.store.locks import NameLocks, Turn, TurnTimeout
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.contracts.store import acceptance

_HOLDER = """
import sys
from pathlib import Path
from mailstack.store.locks import NameLocks, Turn
path = Path(sys.argv[2])
if sys.argv[1] == "name":
    assert NameLocks(path).acquire(sys.argv[3])
    print("taken", flush=True)
    sys.stdin.read()
with Turn(path, 20.0).acquired():
    print("taken", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """It holds a lock until it is killed."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "taken\n"
            yield holder
        finally:
            holder.kill()


def test_a_name_that_another_process_has_is_free_when_that_is_killed(tmp_path: Path) -> None:
    locks = NameLocks(tmp_path / "maildrops")
    with another_process("name", str(tmp_path / "maildrops"), "bob@home.test") as holder:
        assert not locks.acquire("bob@home.test")
        assert locks.acquire("alice@home.test")
        holder.kill()
        holder.wait(20)
        assert locks.acquire("bob@home.test")
    locks.close()


def test_a_maildrop_that_another_process_reads_is_in_use(tmp_path: Path) -> None:
    """RFC 1939 §4: exclusive, whichever process serves a session."""
    pump = Pump()
    store = SqliteStore(pump, tmp_path)
    pump.run(store.open())
    with another_process("name", str(tmp_path / "maildrops"), "bob@home.test") as holder:
        for _ in range(2):
            with pytest.raises(MaildropInUse):
                pump.run(store.mailboxes.open("bob@home.test", "me"))
        holder.kill()
        holder.wait(20)
        pump.run(store.mailboxes.open("bob@home.test", "me"))
    locks = NameLocks(tmp_path / "maildrops")
    assert locks.acquire("bob@home.test"), "a lock is its process's as a whole"
    pump.run(store.close())


def test_a_turn_passes_on_when_its_process_is_killed(tmp_path: Path) -> None:
    taken = threading.Event()

    def take() -> None:
        with Turn(tmp_path / "turn", 20.0).acquired():
            taken.set()

    with another_process("turn", str(tmp_path / "turn")) as holder:
        waiter = threading.Thread(target=take)
        waiter.start()
        assert not taken.wait(0.05)
        holder.kill()
        assert taken.wait(20)
        waiter.join(20)


def test_a_wait_for_a_turn_has_an_end_and_leaves_no_lock_behind(tmp_path: Path) -> None:
    mine, others = Turn(tmp_path / "turn", 0.02), Turn(tmp_path / "turn", 20.0)
    with others.acquired(), pytest.raises(TurnTimeout, match=r"0\.02 s"), mine.acquired():
        pass
    with others.acquired():
        pass
    with mine.acquired():
        pass


def test_a_process_that_keeps_the_turn_costs_an_error_and_no_letter(tmp_path: Path) -> None:
    pump = Pump()
    store = SqliteStore(pump, tmp_path, settings=StoreSettings(busy_timeout=0.05))
    pump.run(store.open())
    kept = acceptance()
    holder = another_process("turn", str(tmp_path / "turn"))
    with holder, pytest.raises(StoreError, match="another process holds the write lock"):
        pump.run(store.queue.accept(kept))
    pump.run(store.queue.accept(kept))
    pump.run(store.close())
