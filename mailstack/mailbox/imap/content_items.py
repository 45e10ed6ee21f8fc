"""Message items of FETCH: sections, ENVELOPE and BODYSTRUCTURE."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from mailstack.mailbox.imap.message_text import IN_MEMORY, MessageText
from mailstack.protocols.imap import sections
from mailstack.protocols.imap.binary_window import BinaryWindow
from mailstack.protocols.imap.body_structure import body_structure
from mailstack.protocols.imap.envelope import envelope
from mailstack.protocols.imap.fetch_items import BinarySection, BodySection, FetchAttribute, FetchItem
from mailstack.protocols.imap.preview import preview, preview_part, preview_range
from mailstack.protocols.imap.responses import string
from mailstack.protocols.imap.sections import OctetRange


class ContentItems:
    """Writer of the items of a FETCH that need the content."""

    def __init__(self, items: Sequence[FetchItem], write: Callable[[bytes], Awaitable[None]], *, utf8: bool) -> None:
        """`write` sends octets at the speed of the client. With `utf8` the client takes UTF-8 in quoted strings."""
        self._items = items
        self._write = write
        self._utf8 = utf8
        # One pass over a message finds the parts for all items.
        self._with_parts = any(_needs_parts(item) for item in items)

    async def write(self, text: MessageText, *, is_first: bool) -> None:
        """Writes all items of a message. Raises StoreError, UnknownEncoding."""
        if self._with_parts:
            await text.outline(with_parts=True)
        for item in self._items:
            if not is_first:
                await self._write(b" ")
            is_first = False
            match item:
                case BodySection():
                    await self._write_section(item, text)
                case BinarySection():
                    await self._write_binary(item, text)
                case FetchAttribute("ENVELOPE"):
                    await self._write(b"ENVELOPE " + envelope(await text.fields(), utf8=self._utf8))
                case FetchAttribute(name):
                    structure = await text.outline(with_parts=True)
                    octets = body_structure(structure, extended=name == "BODYSTRUCTURE", utf8=self._utf8)
                    await self._write(name.encode("ascii") + b" " + octets)
                case _:
                    await self._write_preview(text)

    async def _write_section(self, item: BodySection, text: MessageText) -> None:
        message = await text.outline(with_parts=bool(item.part))
        found = sections.body_range(item, message)
        if found is None:
            await self._write(sections.missing_section(item))
        elif sections.is_filtered(item):
            section = await (text.octets(found) if item.part else text.header())
            fields = sections.selected_fields(item, section)
            window = OctetRange(0, len(fields)).window(item.partial)
            shown = sections.without_nul(fields[window.start : window.end])
            await self._write(sections.section_start(item, window.size) + shown)
        else:
            window = found.window(item.partial)
            await self._write(sections.section_start(item, window.size))
            async for octets in text.stream(window):
                await self._write(sections.without_nul(octets))

    async def _write_binary(self, item: BinarySection, text: MessageText) -> None:
        found = sections.binary_range(item, await text.outline(with_parts=True))
        if found is None:
            await self._write(sections.missing_section(item))
            return
        # The size comes before the octets, so a large part is decoded twice.
        window = BinaryWindow(found.encoding, item.partial)
        held: list[bytes] | None = [] if found.octets.size <= IN_MEMORY else None
        async for octets in _decoded(text, found.octets, window):
            if held is not None:
                held.append(octets)
        if item.size_only:
            await self._write(sections.binary_size(item, window.size))
            return
        await self._write(sections.section_start(item, window.size, has_nul=window.has_nul))
        if held is not None:
            await self._write(b"".join(held))
        else:
            async for octets in _decoded(text, found.octets, BinaryWindow(found.encoding, item.partial)):
                await self._write(octets)

    async def _write_preview(self, text: MessageText) -> None:
        """PREVIEW; NIL for a message without a text (RFC 8970 §3)."""
        part = preview_part(await text.outline(with_parts=True))
        if part is None:
            await self._write(b"PREVIEW NIL")
            return
        words = preview(part, await text.octets(preview_range(part)))
        await self._write(b"PREVIEW " + string(words.encode("utf-8", "replace"), utf8=self._utf8))


async def _decoded(text: MessageText, octets: OctetRange, window: BinaryWindow) -> AsyncIterator[bytes]:
    """Pieces of a decoded part within a window."""
    async for chunk in text.stream(octets):
        yield window.feed(chunk)
        if window.is_full:
            return
    yield window.finish()


def _needs_parts(item: FetchItem) -> bool:
    if isinstance(item, BodySection):
        return bool(item.part)
    return isinstance(item, BinarySection) or (isinstance(item, FetchAttribute) and item.name != "ENVELOPE")
