"""Letters of the index for pages: their octets, and what they say, read where nobody has to wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mailstack.letter.content import read_all
from mailstack.letter.parsed import Link, ParsedLetter, parse
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.items import Item
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.web.http_values import HttpError

T = TypeVar("T")

AT_ONCE = 32_768
"""Octets of a letter that are read where others wait; a larger one is read in a thread."""


class Shelf:
    """Letters of the index, read."""

    def __init__(self, index: LetterIndex, in_thread: InThread) -> None:
        self.index = index
        self.in_thread = in_thread

    async def octets(self, item: Item) -> bytes:
        """Raises Trouble 404."""
        try:
            return await read_all(await self.index.content(item))
        except KeyError:
            raise HttpError(404, f"Of letter {item.id} nothing is left but its history.") from None

    async def reading(self, item: Item) -> ParsedLetter:
        """Raises Trouble 404."""
        return await self.read(await self.octets(item))

    async def read(self, octets: bytes) -> ParsedLetter:
        """What a letter says."""
        return await self.do(lambda: parse(octets), len(octets))

    async def links(self, item: Item) -> tuple[Link, ...]:
        """Those of a letter. Raises Trouble 404."""
        octets = await self.octets(item)
        return await self.do(lambda: parse(octets).links, len(octets))

    async def do(self, work: Callable[[], T], octets: int) -> T:
        """What takes time in proportion to so many octets."""
        if octets <= AT_ONCE:
            return work()
        done: T = await self.in_thread(work)
        return done
