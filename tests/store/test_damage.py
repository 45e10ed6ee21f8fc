"""Digests of contents: damage on the disk is found when a content is read, and the letters beside it are unaffected."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailstack.letter import Content, LetterId
from mailstack.letter.letter import read_all, verify
from mailstack.store import Damaged, StoreError
from mailstack.store.contents import AHEAD, Verification, digest_of
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump, examples
from tests.contracts.store import BOB, SERVER, acceptance, later, placing

SMALL = b"Subject: small\r\n\r\nHello\r\n"
LARGE = b"Subject: large\r\n\r\n" + bytes(range(256)) * 300
LARGER = LARGE * 8
assert len(LARGE) < AHEAD < len(LARGER)

Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "emptied": lambda _: b"",
    "cut": lambda octets: octets[:-1],
    "cut to a block": lambda octets: octets[:4096],
    "lengthened": lambda octets: octets + b"x",
    "first bit": lambda octets: bytes([octets[0] ^ 1]) + octets[1:],
    "last bit": lambda octets: octets[:-1] + bytes([octets[-1] ^ 128]),
    "a block of zeros": lambda octets: octets[:4096] + bytes(4096) + octets[8192:],
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def store(pump: Pump, directory: Path) -> Iterator[SqliteStore]:
    # Nothing is remembered of what was written: a content is read from the disk.
    made = SqliteStore(pump, directory, settings=StoreSettings(recent_octets=0))
    pump.run(made.open())
    yield made
    pump.run(made.close())


def enter(pump: Pump, store: SqliteStore, octets: bytes) -> LetterId:
    """A letter in bob's mailbox that is still owed to others."""
    made = acceptance(octets=octets)
    pump.run(store.queue.accept(made))
    pump.run(store.queue.settle(placing(made.deliveries[0], size=len(octets))))
    return made.letter.id


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("contents/*/*"), key=lambda file: file.stat().st_mtime_ns)


def given_before_the_end(pump: Pump, content: Content) -> int:
    """How many octets a reader has when Damaged is raised."""

    async def count() -> int:
        octets = 0
        try:
            async for chunk in content.chunks():
                octets += len(chunk)
        except Damaged:
            return octets
        raise AssertionError("a damaged content was read to its end")

    return pump.run(count())


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("octets", [LARGE, LARGER], ids=["large", "larger"])
def test_a_damaged_file_is_never_read_to_its_end(
    pump: Pump, store: SqliteStore, directory: Path, octets: bytes, damage: Damage
) -> None:
    letter = enter(pump, store, octets)
    other = enter(pump, store, octets)
    file = files(directory)[0]
    file.write_bytes(damage(octets))
    for content in (pump.run(store.contents.get(letter)), pump.run(store.mailboxes.read(BOB.key, 1))):
        assert given_before_the_end(pump, content) < len(octets)
        if len(octets) > AHEAD:
            with pytest.raises(Damaged):
                pump.run(verify(content))
        else:
            assert given_before_the_end(pump, content) == 0
    assert pump.run(read_all(pump.run(store.contents.get(other)))) == octets
    assert pump.run(read_all(pump.run(store.mailboxes.read_together(BOB.key, [1, 2]))[2])).endswith(octets)
    file.write_bytes(octets)
    assert pump.run(read_all(pump.run(store.contents.get(letter)))) == octets, "it was restored"


@pytest.mark.parametrize(
    "damage", [DAMAGES[name] for name in ("emptied", "cut", "lengthened", "first bit", "last bit")]
)
def test_a_damaged_row_is_never_returned(pump: Pump, store: SqliteStore, directory: Path, damage: Damage) -> None:
    letter, other = enter(pump, store, SMALL), enter(pump, store, SMALL)
    with closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE contents SET octets = ? WHERE letter = ?", (damage(SMALL), letter))
    with pytest.raises(Damaged, match=letter):
        pump.run(store.contents.get(letter))
    with pytest.raises(Damaged, match=letter):
        pump.run(store.mailboxes.read(BOB.key, 1))
    together = pump.run(store.mailboxes.read_together(BOB.key, [1, 2]))
    assert list(together) == [2]
    assert pump.run(read_all(pump.run(store.contents.get(other)))) == SMALL


def test_letters_that_are_claimed_together_are_read_without_the_damaged_one(
    pump: Pump, store: SqliteStore, directory: Path
) -> None:
    """What leaves the queue is read by the dozen."""
    letters = [acceptance(octets=SMALL) for _ in range(3)]
    for each in letters:
        pump.run(store.queue.accept(each))
    damaged = letters[1].letter.id
    with closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE contents SET octets = CAST(replace(octets, 'Hello', 'hello') AS BLOB) WHERE letter = ?", (damaged,)
        )
    claims = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=9, lease=1.0, next_due=later))
    for claim in claims:
        if claim.letter.id == damaged:
            with pytest.raises(Damaged, match=damaged):
                pump.run(read_all(claim.letter.content))
        else:
            assert pump.run(read_all(claim.letter.content)) == SMALL


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_of_the_database_gives_another_letter(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever page it is in: the content is as it was accepted, or there is an error."""
    whole = tmp_path / "whole"
    pump = Pump()
    if not whole.exists():
        writer = SqliteStore(pump, whole)
        pump.run(writer.open())
        for _ in range(3):
            enter(pump, writer, SMALL)
        pump.run(writer.close())
    octets = bytearray((whole / DATABASE).read_bytes())
    start = data.draw(st.sampled_from([place for place in range(len(octets)) if octets.startswith(SMALL, place)]))
    place = data.draw(st.integers(start - 200, start + len(SMALL) + 50))
    octets[place] ^= 1 << data.draw(st.integers(0, 7))
    there = tmp_path / "there"
    there.mkdir(exist_ok=True)
    (there / DATABASE).write_bytes(octets)
    store = SqliteStore(pump, there, settings=StoreSettings(readers=1))
    try:
        pump.run(store.open())
        for uid in (1, 2, 3):
            try:
                content = pump.run(read_all(pump.run(store.mailboxes.read(BOB.key, uid))))
            except (StoreError, KeyError):
                continue
            assert content.endswith(SMALL)
    except StoreError:
        pass
    finally:
        pump.run(store.close())


def test_what_an_older_program_wrote_has_no_digest_and_is_read_by_its_length(
    pump: Pump, store: SqliteStore, directory: Path
) -> None:
    letters = [enter(pump, store, octets) for octets in (SMALL, LARGE)]
    with closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE contents SET digest = NULL")
    for letter, octets in zip(letters, (SMALL, LARGE), strict=True):
        assert pump.run(read_all(pump.run(store.contents.get(letter)))) == octets
    assert pump.run(read_all(pump.run(store.mailboxes.read_together(BOB.key, [1]))[1])).endswith(SMALL)
    files(directory)[0].write_bytes(LARGE[:-1])
    with pytest.raises(Damaged, match="octets"):
        pump.run(read_all(pump.run(store.contents.get(letters[1]))))


def test_the_digest_is_the_same_in_rows_and_in_files(pump: Pump, store: SqliteStore, directory: Path) -> None:
    for octets in (SMALL, LARGE, LARGER):
        enter(pump, store, octets)
    with closing(sqlite3.connect(directory / DATABASE)) as connection:
        found = {digest for (digest,) in connection.execute("SELECT digest FROM contents")}
    assert found == {digest_of(octets) for octets in (SMALL, LARGE, LARGER)}


@given(st.binary(min_size=1, max_size=50), st.integers(0, 20), st.lists(st.integers(1, 9), max_size=20))
def test_verification_gives_the_last_octets_of_the_right_content_only(
    octets: bytes, wrong: int, sizes: list[int]
) -> None:
    """However it is cut into pieces."""
    pieces = []
    left = octets
    for size in sizes:
        pieces.append(left[:size])
        left = left[size:]
    pieces = [piece for piece in (*pieces, left) if piece]
    verification = Verification("it", len(octets), digest_of(octets))
    assert b"".join([verification.feed(piece) for piece in pieces]) == octets
    assert not verification.left
    other = Verification("it", len(octets), digest_of(octets + bytes(wrong + 1)))
    for piece in pieces[:-1]:
        other.feed(piece)
    with pytest.raises(Damaged):
        other.feed(pieces[-1])
