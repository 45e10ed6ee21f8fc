"""Damaged contents in PostgreSQL: found when they are read, and the letters beside them are unaffected."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from mailstack.letter.letter import read_all
from mailstack.store import Damaged
from tests.aid import Pump
from tests.contracts.store import BOB, acceptance, placing

pytest.importorskip("psycopg", exc_type=ImportError)

SMALL = b"Subject: small\r\n\r\nHello\r\n"
LARGE = b"Subject: large\r\n\r\n" + bytes(range(256)) * 4000


def change(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(statement.encode()).rowcount == 1


def enter(pump: Pump, store: Any, octets: bytes) -> str:
    made = acceptance(octets=octets)
    pump.run(store.queue.accept(made))
    pump.run(store.queue.settle(placing(made.deliveries[0], size=len(octets))))
    return str(made.letter.id)


def test_a_damaged_row_is_never_returned(pump: Pump, open_store: Any, url: str) -> None:
    store = open_store(recent_octets=0)
    letter, other = enter(pump, store, SMALL), enter(pump, store, SMALL)
    change(url, f"UPDATE contents SET octets = set_byte(octets, 20, 65) WHERE letter = '{letter}'")
    with pytest.raises(Damaged, match=letter):
        pump.run(store.mailboxes.read(BOB.key, 1))
    with pytest.raises(Damaged, match=letter):
        pump.run(store.contents.get(letter))
    assert list(pump.run(store.mailboxes.read_together(BOB.key, [1, 2]))) == [2]
    assert pump.run(read_all(pump.run(store.contents.get(other)))) == SMALL


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pieces SET octets = set_byte(octets, 100, 65) WHERE number = 0",
        "UPDATE pieces SET octets = substr(octets, 2) WHERE number = 1",
        "UPDATE pieces SET octets = octets || 'x' WHERE number = 1",
        "DELETE FROM pieces WHERE number = 1",
    ],
)
def test_a_damaged_piece_is_found_before_the_end(pump: Pump, open_store: Any, url: str, statement: str) -> None:
    store = open_store()
    letter = enter(pump, store, LARGE)
    content = pump.run(store.contents.get(letter))
    assert pump.run(read_all(content)) == LARGE
    change(url, statement)
    with pytest.raises(Damaged):
        pump.run(read_all(content))


def test_verify_and_copy_name_what_is_damaged(pump: Pump, open_store: Any, url: str, tmp_path: Any) -> None:
    from mailstack.cli.migrate.database import DatabaseSource
    from mailstack.cli.migrate.directory import DirectorySource
    from mailstack.cli.migrate.verify import faults
    from tests.cli.migrate.stores import copied, silent

    store = open_store()
    letters = [enter(pump, store, octets) for octets in (SMALL, LARGE, SMALL)]
    pump.run(store.close())
    change(url, f"UPDATE contents SET octets = set_byte(octets, 20, 65) WHERE letter = '{letters[0]}'")
    change(url, "UPDATE pieces SET octets = set_byte(octets, 100, 65) WHERE number = 0")
    with closing(DatabaseSource(url)) as source:
        found = [fault for fault in faults(source, silent) if "content of" in fault]
    named = copied(url, tmp_path / "there")
    assert sorted(found) == sorted(named)
    assert len(found) == 2
    assert all(f"({BOB.key}" in fault for fault in found)
    with closing(DirectorySource(tmp_path / "there")) as there:
        assert len([fault for fault in faults(there, silent) if "content of" in fault]) == 2
