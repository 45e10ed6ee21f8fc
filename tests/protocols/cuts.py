"""Ways to cut a stream of octets into pieces."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable

Cut = Callable[[bytes], Iterable[bytes]]


def whole(octets: bytes) -> list[bytes]:
    return [octets]


def one_at_a_time(octets: bytes) -> list[bytes]:
    return [octets[at : at + 1] for at in range(len(octets))]


def cut_at(octets: bytes, places: Iterable[int]) -> list[bytes]:
    """The pieces between these places."""
    return [octets[start:end] for start, end in itertools.pairwise([0, *sorted(places), len(octets)])]


def in_pieces_of(*sizes: int) -> Cut:
    """Pieces of these sizes, over and over."""
    return lambda octets: _pieces(octets, itertools.cycle(sizes))


def at_random(seed: int) -> Cut:
    """Pieces of 1 to 40 octets."""
    dice = random.Random(seed)
    return lambda octets: _pieces(octets, iter(lambda: dice.randint(1, 40), 0))


def _pieces(octets: bytes, sizes: Iterable[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        if not octets:
            break
        pieces.append(octets[:size])
        octets = octets[size:]
    return pieces


CUTS: dict[str, Cut] = {"whole": whole, "one at a time": one_at_a_time, "at random": at_random(5321)}
