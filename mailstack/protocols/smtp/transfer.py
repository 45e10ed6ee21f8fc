"""Transfer of a content by DATA, and its interface (RFC 5321 §4.1.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailstack.letter import Content
from mailstack.protocols.dot_stuffing import DotStuffer
from mailstack.protocols.smtp.client_dialogue import ClientDialogue, SmtpSessionError
from mailstack.protocols.smtp.replies import Reply

Replies = list[Reply | None]
"""Refusal of each RCPT, or None for an accepted one."""


class Transfer(Protocol):
    """Way of a content from RCPT to its final reply. Every coroutine may raise SmtpSessionError."""

    @property
    def commands(self) -> tuple[str, ...]:
        """Commands that follow RCPT, in the same group as RCPT where the host offers PIPELINING."""

    async def start(self, session: ClientDialogue, replies: Replies) -> tuple[Replies, Reply | None]:
        """Replies to the commands: the refusals with theirs, and what asks for the content, or None for no content."""

    async def send(self, session: ClientDialogue, content: Content | None) -> None:
        """Send the content and its end; None where no recipient was accepted."""

    def leaves_open(self, finals: Sequence[Reply]) -> bool:
        """Whether RSET has to end the transaction after these final replies."""


class DataTransfer:
    """Transfer by DATA."""

    commands: tuple[str, ...] = ("DATA",)

    async def start(self, session: ClientDialogue, replies: Replies) -> tuple[Replies, Reply | None]:
        """The reply to DATA decides for the accepted recipients."""
        answer = await session.reply("data", session.timeouts.data_start)
        if answer.code == 354:
            return replies, answer
        if answer.code < 400:
            raise SmtpSessionError("data", answer, "the host answers DATA with neither 354 nor a refusal")
        return [one or answer for one in replies], None

    async def send(self, session: ClientDialogue, content: Content | None) -> None:
        """The dot alone follows 354 where no recipient was accepted (RFC 2920 §3.1)."""
        stuffer = DotStuffer()
        waiting = b""
        if content is not None:
            async for octets in content.chunks():
                if waiting:
                    await session.send_block(waiting)
                waiting = stuffer.feed(octets)
        # The final dot goes with the last block: a packet less.
        session.is_behind_dot = content is not None
        session.send_octets(waiting + stuffer.finish())
        session.note(f"C: ({content.size:,} octets)" if content is not None else "C: .")

    def leaves_open(self, finals: Sequence[Reply]) -> bool:  # noqa: ARG002
        """The final reply ends the transaction, whatever it is (RFC 5321 §4.1.1.4)."""
        return False


DATA = DataTransfer()
