"""SMTP client dialogue: commands, replies and their record (RFC 5321 §4.5.3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from mailstack.protocols.connection import Disconnected, Peer, TimedOut
from mailstack.protocols.smtp.client import ClientEngine, ClientEvent, Malformed, Received
from mailstack.protocols.smtp.replies import Reply

Stage = Literal["connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final"]
"""Last step that a session started."""

MAX_DIALOGUE_LINES = 200
"""Maximum lines of dialogue that are recorded of the opening, and of each transaction."""
MAX_LINE_WIDTH = 200
"""Maximum characters of a recorded line."""

REDACTED_TEXT = "(…)"
"""Text in the dialogue in place of a secret."""


class Timeouts(Struct, frozen=True):
    """Seconds to wait, by default as RFC 5321 §4.5.3.2 asks."""

    greeting: float = 300.0
    hello: float = 300.0
    """Timeout for EHLO, HELO, STARTTLS and AUTH; the RFC has none."""
    mail: float = 300.0
    rcpt: float = 300.0
    data_start: float = 120.0
    """Timeout for 354."""
    data_block: float = 180.0
    """Timeout for the network to take a block of the content."""
    final: float = 600.0
    """Timeout for the reply to the final dot: a short one makes duplicates (RFC 1047)."""
    quit: float = 5.0


class SmtpSessionError(Exception):
    """The session failed, and its connection can't be used again."""

    def __init__(self, stage: Stage, reply: Reply | None, reason: str, fault: str = "") -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage: Stage = stage
        self.reply = reply
        """Reply of the host; None without a valid one."""
        self.reason = reason
        """Reason, for people."""
        self.fault = fault
        """Fault of the certificate in a handshake, as in `Peer.tls_fault`."""


class ClientDialogue:
    """One connection of a client: commands in one piece, replies with timeouts, blocks of content."""

    def __init__(self, peer: Peer[ClientEvent], engine: ClientEngine, timeouts: Timeouts) -> None:
        """`engine` is the one that `peer` runs."""
        self.dialogue: list[str] = []
        """Recorded lines, without content and secrets. The list only grows."""
        self.progress = 0
        """Number of replies received and of content blocks sent."""
        self.is_behind_dot = False
        """Whether the host may have a whole letter without having replied to it."""
        self.timeouts = timeouts
        self._peer = peer
        self._engine = engine
        self._close_reason = ""
        self._lines_left = MAX_DIALOGUE_LINES

    def send_commands(self, *lines: str, secret: str = "") -> None:
        """Send commands in one piece. `secret` follows the line, or stands alone, and is not recorded."""
        shown: Sequence[str] = lines
        if not lines:
            # The last response of SCRAM is an empty line.
            shown, lines = [REDACTED_TEXT], (secret,)
        elif secret:
            shown = [f"{line} {REDACTED_TEXT}" for line in lines]
            lines = tuple([f"{line} {secret}" for line in lines])
        octets = b"".join([self._engine.command(line) for line in lines])
        for line in shown:
            self.record(f"C: {line}")
        self._peer.send(octets)

    async def reply(self, stage: Stage, timeout: float) -> Reply:
        """The next reply. Raises SmtpSessionError without one, and for 421, which ends the connection (§3.8)."""
        event = await self._peer.next_event(timeout)
        if isinstance(event, Received):
            answer = event.reply
            self.progress += 1
            self._record_reply(answer)
            if answer.code == 421:
                raise SmtpSessionError(stage, answer, f"the host hangs up: {answer}")
            return answer
        if isinstance(event, Malformed):
            reason = event.reason
        elif isinstance(event, TimedOut):
            reason = f"no answer within {timeout:g} seconds"
        elif self._close_reason:
            reason = self._close_reason
        elif isinstance(event, Disconnected):
            reason = f"the connection was lost: {event.reason}" if event.reason else "the connection was lost"
        else:
            reason = "we are shutting down"
        self.record(f"-- {reason}")
        raise SmtpSessionError(stage, None, reason)

    def send_octets(self, octets: bytes) -> None:
        """Send a piece of content."""
        self._peer.send(octets)

    async def send_block(self, octets: bytes) -> None:
        """Send a block of content, and wait until the network accepts more. Raises SmtpSessionError."""
        self._peer.send(octets)
        if await self._peer.drain(self.timeouts.data_block):
            self.progress += 1
            return
        try:
            # The host may have sent a reason before it hung up.
            answer = await self.reply("data", 0.0)
        except SmtpSessionError as trouble:
            if trouble.reply is not None:
                raise
            raise SmtpSessionError("data", None, "the connection was lost or stalled during the content") from trouble
        raise SmtpSessionError("data", answer, "the host replied before the end of the content")

    def abandon(self, reason: str) -> None:
        """Close the connection for `reason`, as if the host had."""
        self._close_reason = reason
        self._peer.close()

    async def quit(self) -> None:
        """Send QUIT, wait shortly for the reply, and close the connection. Never raises SmtpSessionError."""
        try:
            self.send_commands("QUIT")
            event = await self._peer.next_event(self.timeouts.quit)
            if isinstance(event, Received):
                self._record_reply(event.reply)
        finally:
            self._peer.close()

    def _record_reply(self, answer: Reply) -> None:
        if "\n" not in answer.text:
            self.record(_reply_line(answer))
            return
        status = f"{answer.status} " if answer.status else ""
        *lines, last = answer.text.split("\n")
        for line in lines:
            self.record(f"S: {answer.code}-{status}{line}")
        self.record(f"S: {answer.code} {status}{last}")

    def record(self, line: str) -> None:
        if self._lines_left > 0:
            self._lines_left -= 1
            self.dialogue.append(line if len(line) <= MAX_LINE_WIDTH else line[: MAX_LINE_WIDTH - 1] + "…")


@lru_cache(maxsize=256)  # most replies of hosts repeat
def _reply_line(answer: Reply) -> str:
    """A reply of one line in the dialogue."""
    return f"S: {answer.code} {answer.status} {answer.text}" if answer.status else f"S: {answer.code} {answer.text}"
