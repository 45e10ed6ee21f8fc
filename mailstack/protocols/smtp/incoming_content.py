"""Incoming content: header section in memory, body streamed to the store."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from mailstack.letter import Arrival, Content, Envelope, Letter, LetterId
from mailstack.protocols.bounded_memory import ALWAYS_ALLOWED
from mailstack.protocols.smtp.extensions.extension import IncomingHook
from mailstack.protocols.smtp.receiving_rules import NO_FACTS, HeaderHook, ReceivedOctets, ReceivingRules
from mailstack.protocols.smtp.replies import Refusal, reply

_BLANK_LINE = b"\r\n"
_NOTHING = ReceivedOctets(b"", 0)
NO_ROOM = reply(452, "4.3.1", "too many large header sections at a time, try again later")
HEADER_TOO_LARGE = reply(552, "5.3.4", "the header section is too large")


class IncomingContent:
    """Content that is being received: header section buffered until complete, body streamed to the store."""

    def __init__(
        self,
        rules: ReceivingRules,
        letter: LetterId,
        envelope: Envelope,
        arrival: Arrival,
        header_size: int,
        *,
        hooks: Sequence[IncomingHook] = (),
        header_hooks: Sequence[HeaderHook] = (),
    ) -> None:
        """`hooks` are the hooks of the extensions in use; `header_hooks` read the header section."""
        self._rules = rules
        self._letter = letter
        self._envelope = envelope
        self._hooks = hooks
        self._header_hooks = header_hooks
        self._arrival = arrival
        self._header_size = header_size
        self._header: bytearray | None = bytearray()
        self._content = rules.intake.new_content()
        self._received = _NOTHING
        self.facts = NO_FACTS
        """Facts that the receiving rules found about the finished letter."""
        self._budget = rules.intake.memory_budget
        self._held = 0

    async def write(self, octets: bytes) -> None:
        """Append octets. Raises Refusal for a header section beyond the limits."""
        if self._header is None:
            await self._content.write(octets)
            return
        # The blank line can start three octets before the new ones.
        searched = max(0, len(self._header) - 3)
        self._header += octets
        self._held += len(octets)
        self._budget.used += len(octets)
        if self._budget.exhausted and len(self._header) > ALWAYS_ALLOWED:
            raise Refusal(NO_ROOM)
        end = _end_of_header(self._header, searched)
        if end < 0 and len(self._header) <= self._header_size:
            return
        if end < 0 or end > self._header_size:
            raise Refusal(HEADER_TOO_LARGE)
        await self._write_header(end)

    async def finish(self) -> Letter:
        """The letter with its complete content, with `Received:` at the top. Raises Refusal."""
        try:
            return await self._complete()
        finally:
            self._release()

    async def _complete(self) -> Letter:
        if self._header is not None:
            await self._write_header(len(self._header))
        content = await self._content.finish()
        letter = Letter(self._letter, self._envelope, content, self._arrival)
        letter, self.facts = await self._rules.complete(letter, self._received)
        for hook in self._hooks:
            letter = await hook.complete(letter, self._rules.intake)
        return letter if letter.content is content else replace(letter, content=await self._stored(letter.content))

    async def _stored(self, content: Content) -> Content:
        """Store a changed content in place of the received one."""
        before, self._content = self._content, self._rules.intake.new_content()
        try:
            async for octets in content.chunks():
                await self._content.write(octets)
        finally:
            before.discard()
        return await self._content.finish()

    def discard(self) -> None:
        self._content.discard()
        self._release()

    def _release(self) -> None:
        self._header, self._received = None, _NOTHING
        self._budget.used -= self._held
        self._held = 0

    async def _write_header(self, end: int) -> None:
        header, self._header = bytes(self._header or b""), None
        received = header[:end]
        for hook in self._header_hooks:
            self._envelope = hook.read_header(self._envelope, received)
        section = await self._rules.edit_header(received, self._letter, self._envelope, self._arrival)
        trace = self._rules.intake.trace(self._letter, self._envelope, self._arrival)
        self._received = ReceivedOctets(received, len(trace) + len(section) + len(_BLANK_LINE))
        await self._content.write(trace + section + header[end:])


def _end_of_header(octets: bytearray, searched: int) -> int:
    """Offset of the header section's blank line, searched from `searched`; -1 while it is missing."""
    if octets.startswith(b"\r\n"):
        return 0
    end = octets.find(b"\r\n\r\n", searched)
    return end + 2 if end >= 0 else -1
