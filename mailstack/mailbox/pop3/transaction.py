"""TRANSACTION state: listings, retrieval, TOP and deletion marks (RFC 1939 §5, §7)."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterator

from mailstack.letter import Content
from mailstack.letter.letter import CHUNK, octets_in_memory, verify
from mailstack.mailbox.login import SessionEnded
from mailstack.mailbox.pop3.authorization import Dialogue
from mailstack.mailbox.pop3.maildrop import Maildrop, NoSuchLetter, ReadAhead
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.pop3.commands import Dele, List, Pop3Event, Pop3Noop, Pop3Quit, Retr, Rset, Stat, Top, Uidl
from mailstack.store import Entry, MailboxStore, StoreError

_BLANK_LINE = b"\r\n\r\n"


class TopFilter:
    """Truncates a content in chunks for TOP, so that no more of it is read than is sent."""

    __slots__ = ("_in_body", "_lines", "_tail", "done")

    def __init__(self, lines: int) -> None:
        """`lines` is the number of lines of the body that are sent."""
        self._lines = lines
        self._in_body = False
        # Octets before the chunk: a blank line may be split between chunks, or be the first line.
        self._tail = b"\r\n"
        self.done = False
        """Whether the remaining lines are left out."""

    def feed(self, chunk: bytes) -> bytes:
        """The part of the next octets that is sent."""
        if self.done:
            return b""
        if self._in_body:
            return chunk[: self._body(chunk, 0)]
        tail = self._tail
        joined = tail + chunk
        end = joined.find(_BLANK_LINE)
        if end < 0:
            self._tail = joined[-3:]
            return chunk
        self._in_body = True
        return chunk[: self._body(chunk, end + len(_BLANK_LINE) - len(tail))]

    def _body(self, chunk: bytes, start: int) -> int:
        """Offset of the end of the last line to be sent; the body continues at `start`."""
        line_count = chunk.count(b"\n", start)
        if line_count < self._lines:
            self._lines -= line_count
            return len(chunk)
        for _ in range(self._lines):
            start = chunk.index(b"\n", start) + 1
        self.done = True
        return start


_log = logging.getLogger(__name__)


class Pop3Transaction:
    """Commands on the open maildrop. None of them changes the store."""

    def __init__(
        self,
        dialogue: Dialogue,
        drop: Maildrop,
        mailboxes: MailboxStore,
        on_collected: Callable[[Entry], None],
        memory_budget: MemoryBudget,
    ) -> None:
        """`on_collected` is called for each letter that was sent whole. `memory_budget` is the budget of all read-ahead."""
        self._dialogue = dialogue
        self._engine = dialogue.engine
        self._drop = drop
        self._letters = ReadAhead(mailboxes, drop, memory_budget)
        self._on_collected = on_collected

    async def run(self) -> None:
        """Answers all commands before QUIT; its reply is still owed. Raises SessionEnded without QUIT."""
        try:
            while not isinstance(event := await self._dialogue.next(), Pop3Quit):
                try:
                    await self._answer(event)
                except NoSuchLetter as error:
                    self._dialogue.err(str(error))
        finally:
            self._letters.close()

    async def _answer(self, event: Pop3Event) -> None:
        match event:  # the most frequent commands first
            case Retr(number):
                await self._retrieve(number)
            case Dele(number):
                self._drop.mark(number)
                self._dialogue.ok(f"message {number} deleted")
            case Stat():
                self._dialogue.ok(f"{len(self._drop)} {self._drop.octets}")
            case List(number):
                await self._list(number)
            case Uidl(number):
                await self._uidl(number)
            case Top(number, lines):
                await self._show(number, "top of message follows", TopFilter(lines))
            case Rset():
                self._drop.unmark_all()
                self._dialogue.ok(f"maildrop has {self._drop}")
            case Pop3Noop():
                self._dialogue.ok()
            case _:
                self._dialogue.answer_common(event)

    async def _list(self, number: int | None) -> None:
        if number is None:
            await self._scan(str(self._drop), self._drop.sizes())
        else:
            self._dialogue.ok(f"{number} {self._drop.entry(number).size}")

    async def _uidl(self, number: int | None) -> None:
        if number is None:
            await self._scan("unique ids follow", self._drop.unique_ids())
        else:
            self._dialogue.ok(f"{number} {self._drop.unique_id(self._drop.entry(number))}")

    async def _scan(self, text: str, slices: Iterator[bytes]) -> None:
        """Sends a listing of the maildrop; other sessions run after each chunk."""
        self._dialogue.send(self._engine.start(text))
        for number, octets in enumerate(slices):
            if number:
                await self._dialogue.pause(0)
            self._dialogue.send(self._engine.feed(octets))
            await self._dialogue.drain()
        self._dialogue.send(self._engine.finish())

    async def _retrieve(self, number: int) -> None:
        entry = self._drop.entry(number)
        if await self._show(number, f"{entry.size} octets"):
            # Not collected before the network has accepted most of it.
            await self._dialogue.drain()
            self._on_collected(entry)

    async def _show(self, number: int, text: str, top_filter: TopFilter | None = None) -> bool:
        """Sends a letter or its top; returns whether it was sent whole."""
        content = await self._open(number, self._drop.entry(number), whole=top_filter is None)
        if content is None:
            return False
        if (octets := octets_in_memory(content)) is not None:
            self._dialogue.send(self._engine.whole(text, top_filter.feed(octets) if top_filter else octets))
            return True
        return await self._show_in_pieces(content, text, top_filter)

    async def _show_in_pieces(self, content: Content, text: str, top_filter: TopFilter | None) -> bool:
        """Sends a content from disk, at the speed of the network."""
        # A small content is one piece, so that it is one TLS record, and an error still gets an error reply.
        piece, has_begun = self._engine.start(text), False
        chunks = content.chunks()
        try:
            async for chunk in chunks:
                piece += self._engine.feed(top_filter.feed(chunk) if top_filter else chunk)
                if len(piece) >= CHUNK:
                    self._dialogue.send(piece)
                    piece, has_begun = b"", True
                    await self._dialogue.drain()
                if top_filter and top_filter.done:
                    break
        except StoreError as error:
            if not has_begun:
                self._dialogue.trouble("read a message", error)
                return False
            # Only the missing end mark shows the client that these octets are not the letter.
            _log.error("can't read on in a message: %s", error)
            raise SessionEnded from error
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        self._dialogue.send(piece + self._engine.finish())
        return True

    async def _open(self, number: int, entry: Entry, *, whole: bool) -> Content | None:
        """Opens a letter; returns None after an error reply. `whole` verifies it first."""
        try:
            content = await self._letters.open(number, entry)
            if whole:
                await verify(content)
        except KeyError:
            self._dialogue.err("the message has been removed meanwhile")
        except StoreError as error:
            self._dialogue.trouble(f"read message {entry.letter} of {self._drop.mailbox}", error)
        else:
            return content
        return None
