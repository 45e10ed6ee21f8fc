"""One parser as the tests see it: what it is fed with, and what must hold for whatever octets come."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.protocols.cuts import at_random, one_at_a_time, whole

Pieces = list[bytes]

FOUND = Path(__file__).parent / "found"
"""Octets that once did harm, a file each, in a folder named after the parser."""


@frozen
class Parser:
    """`feed` takes any octets; what it raises, an AssertionError as much as anything else, is a fault of the program."""

    name: str
    modules: tuple[str, ...]
    """Modules of its code, below `mailstack`; the seeds reach all of them."""
    feed: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    """Octets that reach far: from them hypothesis and the fuzzer make others."""


def cuts(octets: bytes) -> list[Pieces]:
    """The same octets whole, one at a time, and cut at random, the same way each time."""
    return [whole(octets), one_at_a_time(octets), at_random(zlib.crc32(octets))(octets)]


def same_in_every_cut(octets: bytes, play: Callable[[Pieces], Any]) -> Any:
    """Result of `play`, which is the same for every cut of the octets."""
    first, *others = [play(pieces) for pieces in cuts(octets)]
    for other in others:
        assert other == first
    return first


def unless(*expected: type[Exception]) -> Callable[[Callable[[bytes], object]], Callable[[bytes], None]]:
    """Feeding may end in one of these, which say that the octets are not in the language."""

    def decorate(feed: Callable[[bytes], object]) -> Callable[[bytes], None]:
        def fed(octets: bytes) -> None:
            try:
                feed(octets)
            except expected:
                return

        return fed

    return decorate


@cache
def scratch(name: str) -> Path:
    """A directory of this process for parsers of files; it goes when the process does."""
    directory = Path(tempfile.mkdtemp(prefix=f"mailstack-{name}-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def text(octets: bytes) -> str:
    """Any octets as a text such as a command line, a file or a database row may hold."""
    return octets.decode("utf-8", "surrogateescape")


def words(octets: bytes) -> list[str]:
    """Words of the octets, one for each line."""
    return text(octets).split("\n")
