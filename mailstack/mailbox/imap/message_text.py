"""Message text for FETCH: header, structure and ranges of octets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

from mailstack.letter import Content
from mailstack.letter.letter import octets_in_memory, read_all, verify
from mailstack.letter.mime.parts import header_end
from mailstack.letter.mime.structure import PartStructure, StructureParser, structure_of
from mailstack.protocols.imap.sections import OctetRange, whole_message

IN_MEMORY = 262_144
"""Maximum octets of a message that is read whole; a larger one is read again for each section."""

MAX_HEADER = 4_194_304
"""Maximum octets of a header section that are read for its fields."""


class MessageText:
    """Octets of one message. All reads raise StoreError."""

    def __init__(self, content: Content, pause: Callable[[float], Awaitable[object]]) -> None:
        """`pause` returns after a number of seconds; 0 lets other sessions run."""
        self.size = content.size
        self._content = content
        self._pause = pause
        self._octets: bytes | None = None
        self._header: bytes | None = None
        self._structure: PartStructure | None = None
        self._fields: Mapping[bytes, bytes] | None = None

    async def load(self) -> None:
        """Reads a small message, and verifies a large one, before its first octet is sent."""
        self._octets = octets_in_memory(self._content)
        if self._octets is None and self.size <= IN_MEMORY:
            self._octets = await read_all(self._content)
        elif self._octets is None:
            await verify(self._content)

    async def header(self) -> bytes:
        """Header section with its empty line; all of a message without a body."""
        if self._header is None:
            octets = self._octets
            if octets is None:
                octets = await self._start()
            end = header_end(octets)
            self._header = octets[:end] if end >= 0 else octets
        return self._header

    async def fields(self) -> Mapping[bytes, bytes]:
        """Unfolded bodies of the fields of an envelope, by name in lower case."""
        if self._fields is None:
            if self._structure is None:
                header, _ = structure_of(await self.header())
                self._fields = header.described.bodies
            else:
                self._fields = self._structure.described.bodies
        return self._fields

    async def outline(self, *, with_parts: bool) -> PartStructure:
        """Structure of the message, or header section and body alone without `with_parts`."""
        if self._structure is not None:
            return self._structure
        if not with_parts:
            return whole_message(len(await self.header()), self.size)
        if self._octets is not None:
            self._structure, _ = structure_of(self._octets)
        else:
            parser = StructureParser()
            async for chunk in self.stream(OctetRange(0, self.size)):
                parser.feed(chunk)
                await self._pause(0)
            self._structure = parser.finish()
        return self._structure

    async def octets(self, wanted: OctetRange) -> bytes:
        """Octets of a range, which the caller has bounded."""
        if self._octets is not None:
            return self._octets[wanted.start : wanted.end]
        return b"".join([chunk async for chunk in self.stream(wanted)])

    async def stream(self, wanted: OctetRange) -> AsyncIterator[bytes]:
        """Octets of a range in pieces."""
        if self._octets is not None:
            yield self._octets[wanted.start : wanted.end]
            return
        at = 0
        chunks = self._content.chunks()
        try:
            async for chunk in chunks:
                start, end = max(0, wanted.start - at), min(len(chunk), wanted.end - at)
                at += len(chunk)
                if start < end:
                    yield chunk[start:end]
                if at >= wanted.end:
                    return
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    async def _start(self) -> bytes:
        """Octets up to the end of the header section, or MAX_HEADER octets."""
        octets = bytearray()
        chunks = self.stream(OctetRange(0, min(self.size, MAX_HEADER)))
        try:
            async for chunk in chunks:
                octets += chunk
                if b"\r\n\r\n" in octets[-len(chunk) - 4 :] or octets.startswith(b"\r\n"):
                    break
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
        return bytes(octets)
