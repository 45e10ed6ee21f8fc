"""IDLE: news of the selected mailbox as soon as they come (RFC 2177)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.mailbox.login import SessionEnded
from mailstack.protocols.connection import Clock, Woken
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Idle, IdleDone, ImapRejected


class Idler:
    """IDLE of one session."""

    def __init__(self, dialogue: ImapDialogue, clock: Clock, send_news: Callable[[Idle], Awaitable[None]]) -> None:
        """`send_news` sends what has changed in the selected mailbox."""
        self._dialogue = dialogue
        self._clock = clock
        self._send_news = send_news

    async def idle(self, command: Idle, selected: SelectedMailbox | None) -> None:
        """Returns after DONE. Raises CommandRefused for another line, and SessionEnded."""
        dialogue = self._dialogue
        # NOTIFY may wake the session already, and goes on after IDLE.
        wakers = set() if selected is None else selected.view.wakers
        is_woken = dialogue.wake in wakers
        wakers.add(dialogue.wake)
        try:
            dialogue.send(dialogue.engine.idling())
            await self._send_news(command)
            await self._wait(command)
        finally:
            if not is_woken:
                wakers.discard(dialogue.wake)

    async def _wait(self, command: Idle) -> None:
        dialogue, still_here = self._dialogue, self._dialogue.limits.still_here
        now = self._clock.steady()
        end, next_sign = now + dialogue.timeout, now + still_here
        while True:
            event = await dialogue.next_until(min(end, next_sign))
            now = self._clock.steady()
            match event:
                case IdleDone():
                    return
                case Woken():
                    await self._send_news(command)
                case ImapRejected(_, text):
                    raise CommandRefused(text, status="BAD")
                case None if now >= end:
                    dialogue.bye("autologout: idle for too long")
                    raise SessionEnded
                case None:
                    dialogue.send(responses.untagged_ok("still here"))
                    next_sign = now + still_here
                case _:
                    raise AssertionError(f"unexpected {type(event).__name__} in IDLE")
