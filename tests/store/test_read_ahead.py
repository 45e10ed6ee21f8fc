"""Contents that are read together: every one is what it was, read once, and in memory within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from mailstack.letter import Content, LetterId
from mailstack.letter.letter import Octets, read_all
from mailstack.store import Damaged, StoreError
from mailstack.store.content_cache import LETTERS, OCTETS, ReadAheadBatch, RecentOctets
from tests.aid import run

SMALL = 65_536


class Shelf:
    """Contents by letter, which are read when the test says so."""

    def __init__(self, contents: dict[LetterId, bytes], *, held: int = 1 << 22, waits: bool = False) -> None:
        self.contents = contents
        self.together: list[list[LetterId]] = []
        self.alone: list[LetterId] = []
        self.under_way: list[Deferred[None]] = []
        self.failing = False
        self._waits = waits
        self._group = ReadAheadBatch(self._read, self._read_alone, RecentOctets(held), SMALL)
        self.stored = {letter: self._group.content(letter, len(octets)) for letter, octets in contents.items()}

    async def _read(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        self.together.append(list(letters))
        if self._waits:
            self.under_way.append(Deferred())
            await self.under_way[-1]
        if self.failing:
            raise StoreError("the disk is away")
        return {letter: self.contents[letter] for letter in letters if letter in self.contents}

    async def _read_alone(self, letter: LetterId) -> Content:
        self.alone.append(letter)
        if self.failing:
            raise StoreError("the disk is away")
        return Octets(self.contents[letter])

    def start(self, letter: LetterId) -> list[Any]:
        results: list[Any] = []
        Deferred.fromCoroutine(read_all(self.stored[letter])).addBoth(results.append)
        return results


def letters(count: int, size: int = 100) -> dict[LetterId, bytes]:
    return {LetterId(f"l{number}"): b"%d" % number * (size // len(str(number))) for number in range(count)}


def test_the_next_letters_are_read_with_the_first() -> None:
    shelf = Shelf(letters(150))
    assert {letter: run(read_all(content)) for letter, content in shelf.stored.items()} == shelf.contents
    assert list(map(len, shelf.together)) == [LETTERS, LETTERS, 150 - 2 * LETTERS]
    assert shelf.alone == []


def test_a_second_reader_waits_for_a_running_read() -> None:
    shelf = Shelf(letters(10), waits=True)
    results = [shelf.start(letter) for letter in shelf.stored]
    assert len(shelf.together) == 1
    assert not any(results)
    shelf.under_way[0].callback(None)
    assert [result for (result,) in results] == list(shelf.contents.values())
    assert shelf.alone == []


def test_few_large_ones_are_read_at_a_time() -> None:
    shelf = Shelf(letters(40, SMALL))
    run(read_all(shelf.stored[LetterId("l0")]))
    assert sum(len(shelf.contents[letter]) for letter in shelf.together[0]) <= OCTETS + SMALL


def test_what_is_in_a_file_is_read_by_itself() -> None:
    shelf = Shelf(letters(3, SMALL + 100))
    run(read_all(shelf.stored[LetterId("l0")]))
    assert shelf.together == []
    assert shelf.alone == ["l0"]


def test_an_evicted_content_is_read_again() -> None:
    shelf = Shelf(letters(20, 1000), held=3000)
    assert {letter: run(read_all(content)) for letter, content in shelf.stored.items()} == shelf.contents


def test_a_content_of_another_size_is_read_alone() -> None:
    shelf = Shelf(letters(2))
    shelf.contents[LetterId("l1")] += b"more"
    for content in shelf.stored.values():
        run(read_all(content))
    assert shelf.alone == ["l1"]


def test_a_failure_reaches_each_waiting_reader_and_later_reads_succeed() -> None:
    shelf = Shelf(letters(3), waits=True)
    results = [shelf.start(letter) for letter in shelf.stored]
    shelf.failing = True
    shelf.under_way[0].callback(None)
    assert [result.type for (result,) in results] == [StoreError] * 3
    shelf.failing = False
    assert run(read_all(shelf.stored[LetterId("l0")])) == shelf.contents[LetterId("l0")]


def test_damage_is_an_error_of_its_own_letter_only() -> None:
    class Torn(Shelf):
        async def _read_alone(self, letter: LetterId) -> Content:
            raise Damaged(f"{letter} is torn")

    shelf = Torn(letters(2))
    del shelf.contents[LetterId("l0")]
    with pytest.raises(Damaged, match="l0 is torn"):
        run(read_all(shelf.stored[LetterId("l0")]))
    assert run(read_all(shelf.stored[LetterId("l1")])) == shelf.contents[LetterId("l1")]


@given(st.lists(st.integers(0, 90), max_size=200), st.integers(0, 20_000))
def test_in_any_order_and_with_any_room_each_is_what_it_was(order: list[int], held: int) -> None:
    shelf = Shelf(letters(91, 500), held=held)
    for number in order:
        letter = LetterId(f"l{number}")
        assert run(read_all(shelf.stored[letter])) == shelf.contents[letter]
