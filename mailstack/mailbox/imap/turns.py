"""Long work in short turns: iteration and sorting with pauses for other sessions."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

Pause = Callable[[float], Awaitable[object]]
"""Coroutine that ends after so many seconds; with 0 other sessions run."""

AT_ONCE = 500
"""Items of one turn: some milliseconds."""
_RUN = 4000
"""Items that are sorted at once."""


async def in_turns(items: Iterable[T], pause: Pause) -> AsyncIterator[T]:
    """The items, with pauses. A list may grow meanwhile."""
    for count, item in enumerate(items, 1):
        yield item
        if count % AT_ONCE == 0:
            await pause(0)


async def sorted_in_turns(keyed: Sequence[tuple[float, int, T]], pause: Pause) -> list[T]:
    """Third values in the order of the first two, which are different in all."""
    if len(keyed) <= AT_ONCE:
        return [item for _, _, item in sorted(keyed, key=_key)]
    runs = []
    for start in range(0, len(keyed), _RUN):
        runs.append(sorted(keyed[start : start + _RUN], key=_key))
        await pause(0)
    return [item async for _, _, item in in_turns(heapq.merge(*runs, key=_key), pause)]


def _key(keyed: tuple[float, int, T]) -> tuple[float, int]:
    return keyed[0], keyed[1]
