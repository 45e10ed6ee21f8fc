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
"""Last step that a session began."""

LINES = 200
"""Maximum lines of dialogue that are recorded of the opening, and of each transaction."""
WIDTH = 200
"""Maximum characters of a recorded line."""

LEFT_OUT = "(…)"
"""Text in the dialogue in place of a secret."""


class Timeouts(Struct, frozen=True):
    """Seconds to wait, by default as RFC 5321 §4.5.3.2 asks."""

    greeting: float = 300.0
    hello: float = 300.0
    """EHLO, HELO, STARTTLS and AUTH; the RFC names no time for them."""
    mail: float = 300.0
    rcpt: float = 300.0
    data_start: float = 120.0
    """Timeout for 354."""
    data_block: float = 180.0
    """Timeout for the network to take a block of the content."""
    final: float = 600.0
    """Timeout for the reply to the final dot: too short a time makes duplicates (RFC 1047)."""
    quit: float = 5.0


class SmtpSessionError(Exception):
    """The session can't go on; the connection is of no more use."""

    def __init__(self, stage: Stage, reply: Reply | None, reason: str, fault: str = "") -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage: Stage = stage
        self.reply = reply
        """Reply of the host; None without one, or for octets that are no SMTP."""
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
        self.heard = 0
        """Number of replies received and of content blocks that the network took."""
        self.is_behind_dot = False
        """Whether the host may have a whole letter without having replied to it."""
        self.timeouts = timeouts
        self._peer = peer
        self._engine = engine
        self._abandoned = ""
        self._room = LINES

    def say(self, *lines: str, secret: str = "") -> None:
        """Send commands in one piece. `secret` follows the line, or stands alone, and is not recorded."""
        shown: Sequence[str] = lines
        if not lines:
            # The last response of SCRAM is empty, and is a line all the same.
            shown, lines = [LEFT_OUT], (secret,)
        elif secret:
            shown = [f"{line} {LEFT_OUT}" for line in lines]
            lines = tuple([f"{line} {secret}" for line in lines])
        octets = b"".join([self._engine.command(line) for line in lines])
        for line in shown:
            self.note(f"C: {line}")
        self._peer.send(octets)

    async def reply(self, stage: Stage, timeout: float) -> Reply:
        """The next reply. Raises SmtpSessionError without one, and for 421, which ends the connection (§3.8)."""
        event = await self._peer.next_event(timeout)
        if isinstance(event, Received):
            answer = event.reply
            self.heard += 1
            self._note_reply(answer)
            if answer.code == 421:
                raise SmtpSessionError(stage, answer, f"the host hangs up: {answer}")
            return answer
        if isinstance(event, Malformed):
            reason = event.reason
        elif isinstance(event, TimedOut):
            reason = f"no answer within {timeout:g} seconds"
        elif self._abandoned:
            reason = self._abandoned
        elif isinstance(event, Disconnected):
            reason = f"the connection was lost: {event.reason}" if event.reason else "the connection was lost"
        else:
            reason = "we are shutting down"
        self.note(f"-- {reason}")
        raise SmtpSessionError(stage, None, reason)

    def send_octets(self, octets: bytes) -> None:
        """Send a piece of content."""
        self._peer.send(octets)

    async def send_block(self, octets: bytes) -> None:
        """Send a block of content that others follow, once the network takes it. Raises SmtpSessionError."""
        self._peer.send(octets)
        if await self._peer.drain(self.timeouts.data_block):
            self.heard += 1
            return
        try:
            # The host may have said why before it hung up.
            answer = await self.reply("data", 0.0)
        except SmtpSessionError as trouble:
            if trouble.reply is not None:
                raise
            raise SmtpSessionError("data", None, "the connection was lost, or stuck, in mid-content") from trouble
        raise SmtpSessionError("data", answer, "the host broke off in mid-content")

    def abandon(self, reason: str) -> None:
        """Hang up, as if the host had, for `reason`."""
        self._abandoned = reason
        self._peer.close()

    async def quit(self) -> None:
        """Send QUIT, wait shortly for the reply, and close the connection. Never raises SmtpSessionError."""
        try:
            self.say("QUIT")
            event = await self._peer.next_event(self.timeouts.quit)
            if isinstance(event, Received):
                self._note_reply(event.reply)
        finally:
            self._peer.close()

    def _note_reply(self, answer: Reply) -> None:
        if "\n" not in answer.text:
            self.note(_told(answer))
            return
        status = f"{answer.status} " if answer.status else ""
        *lines, last = answer.text.split("\n")
        for line in lines:
            self.note(f"S: {answer.code}-{status}{line}")
        self.note(f"S: {answer.code} {status}{last}")

    def note(self, line: str) -> None:
        if self._room > 0:
            self._room -= 1
            self.dialogue.append(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")


@lru_cache(maxsize=256)  # hosts say the same few things all day
def _told(answer: Reply) -> str:
    """A reply of one line as the dialogue shows it."""
    return f"S: {answer.code} {answer.status} {answer.text}" if answer.status else f"S: {answer.code} {answer.text}"
