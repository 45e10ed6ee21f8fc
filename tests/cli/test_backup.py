"""`mailstack backup`: one moment of a server that goes on, and all of it."""

from __future__ import annotations

import fcntl
import itertools
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mailstack.cli.migrate import backup
from mailstack.cli.migrate.directory import DirectorySource
from mailstack.cli.migrate.verify import faults
from mailstack.letter.letter import read_all
from mailstack.store import Filter
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.cli.conftest import Mailstack, Shelf, refusal
from tests.cli.migrate.stores import silent
from tests.contracts.store import BOB, acceptance, placing
from tests.waiting import PATIENCE


def restore(file: Path, there: Path) -> None:
    """As the documents say; everything in it can be read."""
    there.mkdir(mode=0o700)
    with tarfile.open(file) as tar:
        tar.extractall(there, filter="data")
    with closing(DirectorySource(there)) as side:
        assert list(faults(side, silent)) == []


def test_a_server_comes_back_with_all_that_it_had(mailstack: Mailstack, shelf: Shelf, tmp_path: Path) -> None:
    """While it is open; what came later is not there, and no uid is given twice."""
    data = tmp_path / "data"
    (data / "tls").mkdir()
    (data / "tls" / "key.pem").write_text("a key")
    with closing(sqlite3.connect(data / "index.sqlite3")) as index:
        index.execute("CREATE TABLE tags (tag TEXT)")
    large = acceptance(octets=b"x" * 100_000)
    shelf.pump.run(shelf.store.queue.accept(large))
    shelf.pump.run(shelf.store.queue.settle(placing(large.deliveries[0], size=100_000)))
    shelf.accept()
    file = tmp_path / "mail.tar"
    result = mailstack("backup", str(file))
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("2 messages, 1 large contents, ")
    assert file.stat().st_mode & 0o777 == 0o600
    shelf.accept()

    restore(file, tmp_path / "there")
    pump = Pump()
    there = SqliteStore(pump, tmp_path / "there")
    pump.run(there.open())
    assert len(pump.run(there.history.records(Filter()))) == 2
    (entry,) = pump.run(there.mailboxes.entries(BOB.key, 0, 10))
    assert entry.uid == 1
    assert pump.run(read_all(pump.run(there.mailboxes.read(BOB.key, 1)))).endswith(b"x" * 100_000)
    later = acceptance()
    pump.run(there.queue.accept(later))
    pump.run(there.queue.settle(placing(later.deliveries[0])))
    assert [entry.uid for entry in pump.run(there.mailboxes.entries(BOB.key, 0, 10))] == [1, backup.GAP + 2]
    # A client knows changes that the backup lacks: it gets all messages, and all other uids as removed.
    assert not pump.run(there.mailboxes.removals(BOB.key, backup.GAP // 2)).is_complete
    assert len(pump.run(there.mailboxes.messages(BOB.key, changed_since=backup.GAP // 2, limit=10))) == 2
    pump.run(there.close())
    assert (tmp_path / "there" / "tls" / "key.pem").read_text() == "a key"
    with closing(sqlite3.connect(tmp_path / "there" / "index.sqlite3")) as index:
        assert index.execute("SELECT count(*) FROM tags").fetchall() == [(0,)]
    assert not list(data.glob(".backup-*"))


def test_it_is_one_moment_while_letters_come_and_go(shelf: Shelf, tmp_path: Path) -> None:
    """Each letter of the backup has its content, however soon the server removes it."""
    ended = threading.Event()
    saved: list[Path] = []

    def save() -> None:
        try:
            for number in range(3):
                with (tmp_path / f"{number}.tar").open("wb") as file:
                    backup.back_up(tmp_path / "data", file)
                saved.append(tmp_path / f"{number}.tar")
        finally:
            ended.set()

    thread = threading.Thread(target=save)
    thread.start()
    for number in itertools.count():
        each = acceptance(octets=b"%06d" % number * 20_000)
        shelf.pump.run(shelf.store.queue.accept(each))
        shelf.pump.run(shelf.store.queue.settle(placing(each.deliveries[0], size=120_000)))
        if number >= 5:
            uid = number - 4
            shelf.pump.run(shelf.store.mailboxes.update(BOB.key, collected=[], deleted=[uid], steps=[]))
        if ended.is_set():
            break
    thread.join(PATIENCE)
    assert len(saved) == 3
    for number, file in enumerate(saved):
        restore(file, tmp_path / f"there{number}")


def test_it_can_be_piped(config: Path, shelf: Shelf) -> None:
    shelf.accept()
    program = [sys.executable, "-m", "mailstack", "backup", "-c", str(config), "-"]
    done = subprocess.run(program, capture_output=True, check=True, timeout=PATIENCE)
    told = subprocess.run(["tar", "-t"], input=done.stdout, capture_output=True, check=True, timeout=PATIENCE)
    assert b"mailstack.sqlite3" in told.stdout.split()


def test_only_a_sqlite_store_is_backed_up(
    mailstack: Mailstack, tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mail.tar"
    assert "holds no SQLite store" in mailstack("backup", str(file)).stderr
    assert not list(tmp_path.glob("mail.tar*"))
    monkeypatch.setenv("MAILSTACK_STORE", "postgresql://db.home.test/mail")
    assert "pg_dump" in mailstack("backup", str(file)).stderr


@pytest.mark.usefixtures("shelf")
def test_a_backup_into_a_directory_is_refused(mailstack: Mailstack, tmp_path: Path) -> None:
    there = tmp_path / "a directory"
    there.mkdir()
    reason = refusal(mailstack("backup", str(there)))
    assert "no backup was written" in reason
    assert "is a directory" in reason
    assert not list(tmp_path.glob("*.part"))


def test_a_backup_that_was_killed_leaves_nothing_for_long(shelf: Shelf, tmp_path: Path) -> None:
    left, busy = tmp_path / "data" / ".backup-old", tmp_path / "data" / ".backup-busy"
    left.mkdir()
    busy.mkdir()
    other = os.open(busy, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with (tmp_path / "mail.tar").open("wb") as file:
        backup.back_up(tmp_path / "data", file)
    assert list((tmp_path / "data").glob(".backup-*")) == [busy], "another one is being written there"
    os.close(other)
