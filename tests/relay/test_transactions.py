"""Damaged letters, which get no final dot, and truncation of dialogues."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.letter import Deferred, Delivered, Letter
from mailstack.relay.agent import RelayAgent
from mailstack.relay.transactions import UNREADABLE, AttemptLimits, truncate_middle
from mailstack.store import Damaged, StoreError
from tests.relay.agents import CAROL, DAVE, agent, deliveries_of, letter_to
from tests.relay.world import FakeServer, World


class Broken:
    """A content that is read up to its last octets, and then is found to be damaged."""

    def __init__(self, *pieces: bytes, lost: int, error: Exception, good: int = 0) -> None:
        """`good`: how often it can be read before that."""
        self.size = sum(map(len, pieces)) + lost
        self._pieces = pieces
        self._lost = lost
        self._error = error
        self._good = good

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._good:
            self._good -= 1
            yield b"x" * (self._lost - 2) + b"\r\n"
            return
        raise self._error


def broken_letter(*recipients: str, **how: Any) -> Letter:
    usual = {"lost": 20, "error": Damaged("content file 1 is not what was accepted")}
    letter = letter_to(*recipients)
    return replace(letter, content=Broken(b"Subject: x\r\n\r\n", b"y" * 70_000 + b"\r\n", **{**usual, **how}))


def deliver(world: World, using: RelayAgent, letter: Letter) -> Any:
    return world.run(using.deliver(letter, deliveries_of(letter)))


@pytest.mark.parametrize("before", [0, 1], ids=["first", "second on its connection"])
@pytest.mark.parametrize("body", ["7BIT", "8BITMIME"])
@pytest.mark.parametrize("error", [Damaged("content file 1 is not what was accepted"), OSError("the disk is gone")])
def test_a_damaged_letter_never_ends_and_the_next_one_goes_on_a_fresh_connection(
    world: World, server: FakeServer, error: Exception, body: str, before: int
) -> None:
    using = agent(world)
    for _ in range(before):
        deliver(world, using, letter_to(CAROL))
    letter = broken_letter(CAROL, error=error)
    letter = replace(letter, envelope=replace(letter.envelope, body=body))
    with pytest.raises(type(error)):
        deliver(world, using, letter)
    assert len(server.letters) == before
    assert server.peers[0].other.closed
    (outcome,) = deliver(world, using, letter_to(CAROL)).outcomes
    assert isinstance(outcome, Delivered)
    assert [octets for _, _, octets in server.letters] == [b"Subject: hello\r\n\r\n.dot\r\n"] * (before + 1)
    assert server.connections == 2


def test_a_letter_that_breaks_between_two_transactions_is_not_sent_twice_to_the_first(
    world: World, server: FakeServer
) -> None:
    using = agent(world, attempt=AttemptLimits(recipients=1))
    # Each transaction reads it twice: to see what it is, and to send it.
    tried = deliver(world, using, broken_letter(CAROL, DAVE, good=2))
    assert isinstance(tried.outcomes[0], Delivered)
    assert tried.outcomes[1] == UNREADABLE
    assert [recipients for _, recipients, _ in server.letters] == [[CAROL]]


def test_a_store_that_can_not_be_read_for_a_while_is_told_as_it_is(world: World) -> None:
    FakeServer(world)
    with pytest.raises(StoreError, match="away"):
        deliver(world, agent(world), broken_letter(CAROL, error=StoreError("the disk is away")))
    assert isinstance(UNREADABLE, Deferred)


LINES = st.lists(st.text("ab", max_size=9), max_size=30)


@given(LINES, st.integers(0, 30), st.integers(0, 100))
def test_no_more_is_kept_than_fits(lines: list[str], max_lines: int, size: int) -> None:
    kept = truncate_middle(lines, max_lines, size)
    if kept == tuple(lines):
        assert len(lines) <= max_lines
        assert sum(map(len, lines)) <= size
        return
    (place,) = [place for place, line in enumerate(kept) if line.startswith("--")]
    head, tail = list(kept[:place]), list(kept[place + 1 :])
    assert len(head) + len(tail) <= max_lines
    assert sum(map(len, head)) + sum(map(len, tail)) <= size
    assert lines[: len(head)] == head
    assert lines[len(lines) - len(tail) :] == tail
    told = re.fullmatch(r"-- (\d+) lines left out", kept[place])
    assert told is not None
    assert int(told[1]) == len(lines) - len(head) - len(tail)


@given(LINES)
def test_what_fits_is_kept_whole(lines: list[str]) -> None:
    assert truncate_middle(lines, 2 * len(lines), 2 * sum(map(len, lines))) == tuple(lines)
