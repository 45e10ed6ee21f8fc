"""Letter reader: parses letters of the index, large ones in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mailstack.letter.letter import read_all
from mailstack.letter.parsed import Link, ParsedLetter, parse
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.items import Item
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.web.http_messages import HttpError

T = TypeVar("T")

INLINE_OCTETS = 32_768
"""Maximum octets of a letter that is parsed in the reactor thread."""


class LetterReader:
    def __init__(self, index: LetterIndex, in_thread: InThread) -> None:
        self.index = index
        self.in_thread = in_thread

    async def octets(self, item: Item) -> bytes:
        """Raises HttpError 404."""
        try:
            return await read_all(await self.index.content(item))
        except KeyError:
            raise HttpError(404, f"The content of message {item.id} was deleted; only its journey remains.") from None

    async def reading(self, item: Item) -> ParsedLetter:
        """Raises HttpError 404."""
        return await self.read(await self.octets(item))

    async def read(self, octets: bytes) -> ParsedLetter:
        return await self.do(lambda: parse(octets), len(octets))

    async def links(self, item: Item) -> tuple[Link, ...]:
        """Return the links of a letter. Raises HttpError 404."""
        octets = await self.octets(item)
        return await self.do(lambda: parse(octets).links, len(octets))

    async def do(self, work: Callable[[], T], octets: int) -> T:
        """Run work in a thread if it has to process many `octets`."""
        if octets <= INLINE_OCTETS:
            return work()
        result: T = await self.in_thread(work)
        return result
