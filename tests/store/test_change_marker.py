"""Each change that is marked is seen by others, however fast one follows the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from mailstack.store.accounts import Account
from mailstack.store.connection import SETTLING, ChangeMarker
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import TURN, SqliteStore
from tests.aid import Pump


def test_each_mark_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    one, other = ChangeMarker(tmp_path / "mark"), ChangeMarker(tmp_path / "mark")
    seen = [one.seen()]
    for _ in range(100):
        one.set()
        seen.append(other.seen())
    assert len(set(seen)) == len(seen)


def test_during_a_change_nothing_read_is_cached(tmp_path: Path) -> None:
    now = 1_000 * SETTLING
    (tmp_path / "mark").touch()
    mark = ChangeMarker(tmp_path / "mark", lambda: now)
    mark.set()
    seen = []
    for _ in range(6):
        seen.append(mark.seen())
        now += SETTLING // 5
    assert len(set(seen)) == len(seen)
    settled = mark.seen()
    now += 100 * SETTLING
    assert mark.seen() == settled
    now -= 500 * SETTLING
    assert mark.seen() == settled, "a clock that was set back: the mark is not of now"


KILLED = """
import os, signal, sys
from pathlib import Path
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump

marks, real = [], os.utime

def utime(*arguments, **named):
    if marks:
        os.kill(os.getpid(), signal.SIGKILL)
    marks.append(real(*arguments, **named))

pump = Pump()
store = SqliteStore(pump, Path(sys.argv[1]))
pump.run(store.open())
os.utime = utime
pump.run(store.accounts.set_password("bob@home.test", b"new"))
"""


def test_a_change_by_a_process_killed_right_after_it_is_seen(tmp_path: Path) -> None:
    """At the moment when it is durable, and nothing else is done."""
    pump = Pump()
    store = SqliteStore(pump, tmp_path, settings=StoreSettings(address_seconds=0.0))
    pump.run(store.open())
    try:
        pump.run(store.accounts.add([Account("bob@home.test", b"old", 0.0)]))
        os.utime(tmp_path / TURN, ns=(1, 1))
        for _ in range(2):
            found = pump.run(store.accounts.get("bob@home.test"))
            assert found is not None
            assert found.password_hash == b"old"
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL
        found = pump.run(store.accounts.get("bob@home.test"))
        assert found is not None
        assert found.password_hash == b"new"
    finally:
        pump.run(store.close())


def test_without_a_file_nothing_is_marked_and_no_call_fails(tmp_path: Path) -> None:
    mark = ChangeMarker(tmp_path / "missing")
    mark.set()
    assert mark.seen() == 0
