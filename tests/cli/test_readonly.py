"""Commands that only read: on a disk that can't be written, or from a copy that belongs to somebody else."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailstack.cli.files import export as _exporting  # noqa: F401  # loaded before the user is another one
from mailstack.store.sqlite.store import DATABASE
from tests.cli.conftest import Mailstack, Shelf
from tests.cli.readonly import NOBODY, as_nobody, invoke, read_only_copy
from tests.contracts.store import BOB, acceptance, placing

LARGE = b"Subject: large\r\n\r\n" + b"x" * 100_000 + b"\r\n"


@pytest.fixture
def filled(shelf: Shelf) -> Shelf:
    """One letter in bob's mailbox, and one that waits."""
    entered = acceptance(octets=LARGE)
    shelf.pump.run(shelf.store.queue.accept(entered))
    shelf.pump.run(shelf.store.queue.settle(placing(entered.deliveries[0], size=len(LARGE))))
    shelf.accept()
    return shelf


@pytest.fixture(params=["clean", "log", "log and its index"])
def data(request: pytest.FixtureRequest, filled: Shelf, tmp_path: Path) -> Iterator[Path]:
    """The directory of a server that was stopped, or killed; the log has all letters then."""
    killed = tmp_path / "killed"
    if request.param == "clean":
        filled.pump.run(filled.store.close())
    shutil.copytree(tmp_path / "data", killed)
    if request.param == "log":
        (killed / f"{DATABASE}-shm").unlink()
    assert (killed / f"{DATABASE}-wal").exists() == (request.param != "clean")
    with read_only_copy(killed) as copy:
        yield copy


def test_all_that_only_reads_works_on_a_disk_that_can_not_be_written(data: Path, tmp_path: Path) -> None:
    """Nothing is made beside the database; the letters of a log that was not merged are there, too."""
    before = sorted(path.name for path in data.rglob("*"))
    _load_modules(tmp_path / "killed", tmp_path / "loaded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", "/tmp")  # the directory of the test is not for others
        out = Path(tempfile.mkdtemp(prefix="mailstack-out-", dir="/tmp"))
        if os.geteuid() == 0:
            os.chown(out, NOBODY, NOBODY)
        try:
            _check_commands(data, out)
        finally:
            shutil.rmtree(out)
    assert sorted(path.name for path in data.rglob("*")) == before


LISTS = (("letters",), ("queue", "list"), ("user", "list"), ("alias", "list"), ("suppress", "list"))


def _load_modules(data: Path, out: Path) -> None:
    """Run each command once as this user: another one may not be able to read Python's own modules."""
    out.mkdir()
    place = ("--data", str(data))
    commands = [("export", *place, BOB.key, str(out / "maildir")), ("backup", *place, str(out / "mail.tar"))]
    commands += [(*command, *place) for command in LISTS]
    commands += [("store", "verify", str(data)), ("store", "copy", str(data), str(out / "copy"))]
    for command in commands:
        said = invoke(command)
        assert said.exit_code == 0, (command, said.stderr)


def _check_commands(data: Path, out: Path) -> None:
    place = ("--data", str(data))
    exported = as_nobody("export", *place, BOB.key, str(out / "maildir"))
    assert exported.exit_code == 0, exported.stderr
    (letter,) = [path for path in (out / "maildir").rglob("*") if path.is_file()]
    assert b"x" * 100_000 in letter.read_bytes()
    backup = as_nobody("backup", *place, str(out / "mail.tar"))
    assert backup.exit_code == 0, backup.stderr
    with tarfile.open(out / "mail.tar") as tar:
        assert len([name for name in tar.getnames() if name.startswith("contents/")]) == 1
    for command in LISTS:
        said = as_nobody(*command, *place)
        assert said.exit_code == 0, (command, said.stderr)
    assert "carol@elsewhere.test" in as_nobody("queue", "list", *place).stdout
    verified = as_nobody("store", "verify", str(data))
    assert verified.exit_code == 0, verified.stderr + verified.stdout
    copied = as_nobody("store", "copy", str(data), str(out / "copy"))
    assert copied.exit_code == 0, copied.stderr


def test_what_writes_says_that_it_can_not(filled: Shelf, tmp_path: Path) -> None:
    filled.pump.run(filled.store.close())
    with read_only_copy(tmp_path / "data") as data:
        said = as_nobody("alias", "add", "--data", str(data), "a@home.test", "b@home.test")
    assert said.exit_code == 1
    assert said.stderr.startswith("mailstack: ")
    assert "Traceback" not in said.stderr


def test_a_database_without_a_schema_gets_one_where_that_can_be_written(mailstack: Mailstack, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / DATABASE, isolation_level=None)) as connection:
        connection.execute("VACUUM")
    with read_only_copy(tmp_path / "data") as data:
        said = as_nobody("letters", "--data", str(data))
        assert said.exit_code == 1
        assert said.stderr.startswith("mailstack: ")
    assert mailstack("letters").exit_code == 0
