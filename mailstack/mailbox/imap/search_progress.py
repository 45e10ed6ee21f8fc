"""Search progress: turns of the reactor, time limit and INPROGRESS responses (RFC 9585)."""

from __future__ import annotations

from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.protocols.connection import Clock
from mailstack.protocols.imap import responses

INTERVAL_S = 10.0
"""Seconds between two INPROGRESS responses (RFC 9585 §4: 10 to 15)."""

MAX_COST = 65536
"""Maximum octets of messages that are searched in one turn of the reactor."""

MESSAGE_COST = 2048
"""Cost of each message that is read, in octets besides its size."""


class SearchProgress:
    """Progress of one SEARCH, SORT or THREAD."""

    def __init__(self, dialogue: ImapDialogue, clock: Clock, tag: str) -> None:
        self._dialogue = dialogue
        self._clock = clock
        self._tag = tag.replace("\\", "\\\\").replace('"', '\\"')
        now = clock.steady()
        self._end = now + dialogue.limits.search_time
        self._next_report = now + INTERVAL_S
        self._cost = 0

    async def read(self, octets: int, done: int, total: int) -> None:
        """Notes that a message of so many octets was read; other sessions run after MAX_COST. Raises CommandRefused."""
        self._cost += MESSAGE_COST + octets
        if self._cost >= MAX_COST:
            await self.turn(done, total)

    async def turn(self, done: int, total: int) -> None:
        """Lets other sessions run, after `done` of `total` messages. Raises CommandRefused after too long."""
        self._cost = 0
        await self._dialogue.pause(0)
        now = self._clock.steady()
        if now > self._end:
            raise CommandRefused("the search takes too long", "LIMIT")
        if now >= self._next_report:
            self._next_report = now + INTERVAL_S
            code = f'INPROGRESS ("{self._tag}" {done} {total})'
            self._dialogue.send(responses.untagged_ok("still searching", code))
            await self._dialogue.drain()
