"""One lost or damaged content ends no command: it is named and left out, all else is there, and the exit status is 1."""

from __future__ import annotations

import shlex
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mailstack.store.sqlite.store import DATABASE
from tests.cli.conftest import Mailstack, Shelf, lines_of, refusal
from tests.contracts.store import BOB, acceptance, placing

LARGE = b"Subject: large\r\n\r\n" + b"x" * 100_000 + b"\r\n"
SMALL = b"Subject: small\r\n\r\nHello\r\n"


def flip(octets: bytes) -> bytes:
    return octets[:20] + bytes([octets[20] ^ 4]) + octets[21:]


Damage = Callable[[bytes], bytes | None]
DAMAGES: dict[str, Damage] = {
    "lost": lambda _: None,
    "emptied": lambda _: b"",
    "cut": lambda octets: octets[:-1],
    "lengthened": lambda octets: octets + b"x",
    "flipped": flip,
}


class Damaged:
    """A server with five letters in bob's mailbox, of which one or two are damaged."""

    def __init__(self, shelf: Shelf, data: Path) -> None:
        self.data = data
        self.letters = []
        for octets in (SMALL, LARGE, LARGE, SMALL, LARGE):
            entered = acceptance(octets=octets)
            shelf.pump.run(shelf.store.queue.accept(entered))
            shelf.pump.run(shelf.store.queue.settle(placing(entered.deliveries[0], size=len(octets))))
            self.letters.append(entered.letter.id)
        shelf.add_account(BOB.key)
        shelf.pump.run(shelf.store.close())

    def damage_file(self, damage: Damage) -> tuple[str, str]:
        """The letter and its file."""
        with closing(sqlite3.connect(self.data / DATABASE)) as connection:
            ((name,),) = connection.execute("SELECT file FROM contents WHERE letter = ?", (self.letters[1],))
        path = self.data / "contents" / name[:2] / name
        octets = damage(path.read_bytes())
        path.unlink() if octets is None else path.write_bytes(octets)
        return self.letters[1], name

    def damage_row(self) -> str:
        with closing(sqlite3.connect(self.data / DATABASE, isolation_level=None)) as connection:
            connection.execute("UPDATE contents SET octets = ? WHERE letter = ?", (flip(SMALL), self.letters[3]))
        return self.letters[3]


@pytest.fixture
def server(shelf: Shelf, tmp_path: Path) -> Damaged:
    return Damaged(shelf, tmp_path / "data")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_backup_goes_on_without_what_is_damaged(
    mailstack: Mailstack, server: Damaged, tmp_path: Path, damage: Damage
) -> None:
    letter, file = server.damage_file(damage)
    small = server.damage_row()
    said = refusal(mailstack("backup", str(tmp_path / "mail.tar")))
    assert f"message {letter} ({BOB.key}" in said
    assert file in said
    assert f"message {small} ({BOB.key}" in said
    assert "2 faults" in said
    assert "come and go" not in said
    there = tmp_path / "there"
    with tarfile.open(tmp_path / "mail.tar") as tar:
        tar.extractall(there, filter="data")
    verified = mailstack("store", "verify", str(there))
    named = {line.split()[4] for line in verified.stdout.splitlines() if "content of" in line}
    assert named == {letter, small}
    restored = mailstack("export", "--data", str(there), BOB.key, str(tmp_path / "out"), "--format", "eml")
    assert restored.exit_code == 1
    assert len(list((tmp_path / "out").glob("*.eml"))) == 3


def test_an_incomplete_backup_replaces_no_other(mailstack: Mailstack, server: Damaged, tmp_path: Path) -> None:
    """The one of before may have what is lost now."""
    file = tmp_path / "mail.tar"
    assert mailstack("backup", str(file)).exit_code == 0
    whole = file.read_bytes()
    server.damage_file(lambda _: None)
    assert "mail.tar.incomplete" in refusal(mailstack("backup", str(file)))
    assert file.read_bytes() == whole
    assert (tmp_path / "mail.tar.incomplete").stat().st_mode & 0o777 == 0o600
    assert not list(server.data.glob(".backup-*"))


def test_a_backup_of_a_broken_index_is_not_called_good(mailstack: Mailstack, server: Damaged, tmp_path: Path) -> None:
    break_index(server.data / DATABASE, "letters_by_sender")
    assert "mailstack.sqlite3: " in refusal(mailstack("backup", str(tmp_path / "mail.tar")))


def test_a_broken_index_ends_no_backup(mailstack: Mailstack, server: Damaged, tmp_path: Path) -> None:
    (server.data / "index.sqlite3").write_bytes(b"no database" * 1000)
    assert "index.sqlite3 can't be read" in refusal(mailstack("backup", str(tmp_path / "mail.tar")))
    with tarfile.open(tmp_path / "mail.tar") as tar:
        assert len([name for name in tar.getnames() if name.startswith("contents/")]) == 3


def test_a_damaged_database_is_saved_with_all_files(mailstack: Mailstack, server: Damaged, tmp_path: Path) -> None:
    """People may find more in it than programs."""
    break_index(server.data / DATABASE, "contents", count=4000)
    assert "all files are in the backup" in refusal(mailstack("backup", str(tmp_path / "mail.tar")))
    with tarfile.open(tmp_path / "mail.tar") as tar:
        assert len([name for name in tar.getnames() if name.startswith("contents/")]) == 3
        assert DATABASE in tar.getnames()


def break_index(database: Path, name: str, count: int = 40) -> None:
    """Or a table: so many octets at the end of its first page."""
    with closing(sqlite3.connect(database)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
        ((size,),) = connection.execute("PRAGMA page_size")
    octets = bytearray(database.read_bytes())
    end = page * size
    octets[end - count : end] = bytes(value ^ 0x15 for value in octets[end - count : end])
    database.write_bytes(octets)


@pytest.mark.parametrize(
    "index", [f"letters_by_{key}" for key in ("sender", "arrival")] + ["entries_by_delivery", "deliveries_by_address"]
)
def test_a_store_with_a_broken_index_is_not_copied(
    mailstack: Mailstack, server: Damaged, tmp_path: Path, index: str
) -> None:
    assert mailstack("store", "verify", str(server.data)).exit_code == 0
    break_index(server.data / DATABASE, index)
    verified = mailstack("store", "verify", str(server.data))
    assert verified.exit_code == 1
    assert "mailstack.sqlite3: " in verified.stdout
    copied = mailstack("store", "copy", str(server.data), str(tmp_path / "to"))
    assert "is damaged, and was not copied" in refusal(copied)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_copy_names_damaged_contents(mailstack: Mailstack, server: Damaged, tmp_path: Path, damage: Damage) -> None:
    letter, file = server.damage_file(damage)
    small = server.damage_row()
    there = tmp_path / "there"
    said = refusal(mailstack("store", "copy", str(server.data), str(there)))
    assert f"not copied: the content of message {letter} ({BOB.key}" in said
    assert f"message {small} " in said
    assert not (there / "contents" / file[:2] / file).exists()
    verified = mailstack("store", "verify", str(there))
    assert verified.exit_code == 1
    assert verified.stdout.count("the content of message") == 2
    assert "4 contents are damaged" in refusal(mailstack("store", "verify", str(server.data), str(there)))
    exported = mailstack("export", "--data", str(there), BOB.key, str(tmp_path / "out"), "--format", "eml")
    assert exported.exit_code == 1
    assert len(list((tmp_path / "out").glob("*.eml"))) == 3


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("kind", ["maildir", "eml", "mbox"])
def test_an_export_goes_on_without_what_is_damaged(
    mailstack: Mailstack, server: Damaged, tmp_path: Path, damage: Damage, kind: str
) -> None:
    letter, file = server.damage_file(damage)
    small = server.damage_row()
    result = mailstack("export", BOB.key, str(tmp_path / "out"), "--format", kind)
    said = refusal(result)
    assert f"mailstack: {letter}: in mailbox {BOB.key}, not exported: content file {file}" in said
    assert f"mailstack: {small}: " in said
    assert "2 of 5 couldn't be read" in said
    assert result.stdout == "3 exported, 2 damaged\n"
    out = tmp_path / "out"
    files = [out] if kind == "mbox" else [path for path in out.rglob("*") if path.is_file()]
    text = b"".join(path.read_bytes() for path in files)
    assert text.count(b"\nSubject: ") + text.startswith(b"Subject: ") + text.count(b"\r\nSubject: ") >= 3
    assert text.count(b"x" * 100_000) == 2


def test_programs_hear_of_each_damaged_letter(mailstack: Mailstack, server: Damaged, tmp_path: Path) -> None:
    letter, _ = server.damage_file(lambda _: None)
    result = mailstack("export", BOB.key, str(tmp_path / "out"), "--json")
    assert result.exit_code == 1
    result.exit_code = 0
    lines = lines_of(result)
    assert [line["id"] for line in lines if line["state"] == "damaged"] == [letter]
    assert lines[-1]["damaged"] == 1


def test_a_letter_with_a_broken_envelope_is_exported(mailstack: Mailstack, server: Damaged, tmp_path: Path) -> None:
    """What is written to the folder is the content; the envelope only says who sent it."""
    with closing(sqlite3.connect(server.data / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE letters SET envelope = '{' WHERE id = ?", (server.letters[0],))
    assert mailstack("export", BOB.key, str(tmp_path / "out")).stdout == "5 exported\n"


@pytest.mark.parametrize(
    "line",
    [
        "backup ''", "export bob ''", "import bob ''", "ingest ''", "dump ''", "letters -c ''", "letters --data ''",
        "dev --data ''", "store verify ''", "store copy '' there", "store copy here ''", "store stats ''",
        "user import ''", "send --file '' a@b.test",
    ],
)  # fmt: skip
def test_an_empty_path_is_refused(mailstack: Mailstack, line: str) -> None:
    assert "is empty" in refusal(mailstack(*shlex.split(line)), 2)
