"""Long work in short turns (IMAP-16)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.mailbox.imap.turns import AT_ONCE, in_turns, sorted_in_turns
from tests.aid import examples, run


class Pauses:
    """Pauses that are counted."""

    def __init__(self) -> None:
        self.count = 0

    async def pause(self, _: float) -> None:
        self.count += 1


async def collected(items, pauses: Pauses) -> list:
    return [item async for item in in_turns(items, pauses.pause)]


def test_items_come_in_their_order_with_pauses() -> None:
    """IMAP-16."""
    pauses = Pauses()
    assert run(collected(range(3 * AT_ONCE + 1), pauses)) == list(range(3 * AT_ONCE + 1))
    assert pauses.count == 3


def test_a_list_may_grow_meanwhile() -> None:
    async def grown() -> list[int]:
        items = [0]
        async for item in in_turns(items, Pauses().pause):
            if item < 2 * AT_ONCE:
                items += [item + 1]
        return items

    assert run(grown()) == list(range(2 * AT_ONCE + 1))


@settings(max_examples=examples(20))
@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 700))
def test_items_are_sorted_as_by_the_standard_library(times: list[int], copies: int) -> None:
    """IMAP-16: items with equal keys are never compared."""
    keyed = [(float(sent), number, object()) for number, sent in enumerate(times * copies)]
    pauses = Pauses()
    found = run(sorted_in_turns(keyed, pauses.pause))
    assert found == [item for *_, item in sorted(keyed, key=lambda each: each[:2])]
    assert pauses.count >= len(keyed) // AT_ONCE - 1
