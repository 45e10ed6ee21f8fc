"""`mailstack store`: a server moves, and its readers see nothing of it."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mailstack.letter.letter import read_all
from mailstack.store import Filter
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump
from tests.cli.conftest import Mailstack, Shelf, lines_of, refusal
from tests.contracts.store import BOB, acceptance, placing
from tests.waiting import PATIENCE

LETTERS = 600
KILLS = 6


@pytest.fixture
def server(shelf: Shelf, tmp_path: Path) -> Path:
    """A few letters that wait, one that was delivered, an account, a key and an index; closed."""
    shelf.accept()
    shelf.accept(sender="", recipients=("a@b.test", "c@b.test"))
    shelf.add_account()
    arrived = acceptance(attempts=1, claimed_by="me")
    shelf.pump.run(shelf.store.queue.accept(arrived))
    shelf.pump.run(shelf.store.queue.settle(placing(arrived.deliveries[0])))
    data = tmp_path / "data"
    (data / "tls").mkdir()
    (data / "tls" / "key.pem").write_text("a key")
    with closing(sqlite3.connect(data / "index.sqlite3")) as index:
        index.execute("CREATE TABLE tags (tag TEXT)")
    return data


def test_a_server_moves_with_all_that_it_has(mailstack: Mailstack, server: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    result = mailstack("store", "copy", str(server), str(there))
    assert result.exit_code == 0, result.stderr
    assert "copied: letters, 3 rows" in result.stderr
    assert "compared: contents, 3 rows" in result.stderr
    assert "index.sqlite3, tls/key.pem" in result.stdout
    assert (there / "tls" / "key.pem").read_text() == "a key"
    assert mailstack("store", "verify", str(server), str(there)).stdout == "both stores are equal\n"
    assert "all rows and contents are intact" in mailstack("store", "verify", str(there)).stdout
    pump = Pump()
    stores = [SqliteStore(pump, directory) for directory in (server, there)]
    seen = []
    for store in stores:
        pump.run(store.open())
        drop = pump.run(store.mailboxes.open(BOB.key, "reader"))
        records = pump.run(store.history.records(Filter()))
        octets = [pump.run(read_all(record.letter.content)) for record in records]
        lives = [(each.letter.id, each.letter.envelope, each.deliveries) for each in records]
        steps = [pump.run(store.history.steps(record.letter.id)) for record in records]
        accounts = pump.run(store.accounts.all())
        seen.append((drop.validity, drop.entries, octets, lives, steps, accounts))
        pump.run(store.close())
    assert seen[0] == seen[1]
    assert len(seen[0][1]) == 1


def test_programs_are_told_in_lines(mailstack: Mailstack, server: Path, tmp_path: Path) -> None:
    lines = lines_of(mailstack("store", "copy", "--json", str(server), str(tmp_path / "there")))
    assert {"step": "copied", "table": "deliveries", "rows": 4, "of": 4} in lines
    assert lines[-1]["step"] == "done"
    assert lines[-1]["to"] == str(tmp_path / "there")
    counts = {line["table"]: line["rows"] for line in lines_of(mailstack("store", "stats", "--json", str(server)))}
    assert counts["letters"] == 3
    assert counts["entries"] == 1
    assert "deliveries" in mailstack("store", "stats", str(server)).stdout


def test_what_can_not_be_copied_is_refused_in_one_line(mailstack: Mailstack, server: Path, tmp_path: Path) -> None:
    there = str(tmp_path / "there")
    assert mailstack("store", "copy", str(server), str(server)).exit_code == 2
    assert "has no store" in mailstack("store", "copy", str(tmp_path), there).stderr
    assert "is not a store" in mailstack("store", "copy", "mysql://db/mail", there).stderr
    assert mailstack("store", "copy", str(server), there).exit_code == 0
    again = refusal(mailstack("store", "copy", str(server), there))
    assert "is not empty" in again
    assert len(again.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["store", "stats", "postgresql://db.test/x"], ["queue", "list", "-c", "FILE"]])
def test_a_driver_that_can_not_be_loaded_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    """As where psycopg is installed and libpq is not."""
    pytest.importorskip("psycopg", exc_type=ImportError)
    config = tmp_path / "mailstack.toml"
    config.write_text('hostname = "mx.home.test"\ndomains = ["home.test"]\nstore = "postgresql://db.test/x"\n')
    program = [sys.executable, "-m", "mailstack", *(str(config) if each == "FILE" else each for each in arguments)]
    environ = {**os.environ, "PSYCOPG_IMPL": "one that nobody has"}
    ended = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "needs libpq" in ended.stderr
    assert "apt install libpq5" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_what_is_damaged_is_told(mailstack: Mailstack, server: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert mailstack("store", "copy", str(server), str(there)).exit_code == 0
    with closing(sqlite3.connect(there / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE deliveries SET state = 'eaten'")
    result = mailstack("store", "verify", str(there))
    assert result.exit_code == 1
    assert "'eaten'" in result.stdout
    assert "4 faults" in result.stderr
    result = mailstack("store", "verify", "--json", str(server), str(there))
    assert result.exit_code == 1
    assert '"different", "table": "deliveries", "rows": [4, 4]' in result.stdout


def test_a_copy_that_was_killed_is_started_anew(server: Path, shelf: Shelf, tmp_path: Path) -> None:
    for number in range(LETTERS):
        arrived = acceptance(octets=b"x" * (100_000 if number % 50 == 0 else 2000))
        shelf.pump.start(shelf.store.queue.accept(arrived))
    shelf.pump.run(shelf.store.queue.next_due("nobody"))
    command = [sys.executable, "-m", "mailstack", "store", "copy", "--json", str(server), str(tmp_path / "there")]
    moments = random.Random(8)
    said = b""
    for _ in range(KILLS):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
            assert child.stdout is not None
            said = b"".join(child.stdout.readline() for _ in range(moments.randint(1, 40)))
            child.kill()
            said += child.stdout.read()
        if b'"done"' in said:
            break
    else:
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    subprocess.run([*command[:4], "verify", *command[-2:]], check=True, capture_output=True, timeout=PATIENCE)
