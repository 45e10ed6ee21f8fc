"""SMTP client: sans-IO engine, and the dialogue of commands and replies (RFC 5321 §4.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from mailstack.letter.status import Status
from mailstack.protocols.connection import NEED_DATA, Disconnected, Peer, Signal, TimedOut
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong
from mailstack.protocols.smtp.commands import LocalProtocolError
from mailstack.protocols.smtp.replies import Reply, clean

# §4.2: Reply-code = %x32-35 %x30-35 %x30-39; the second digit may be any. A character other than
# blank, tab or hyphen after the code makes a line invalid.
_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([- \t])(.*))?\Z", re.DOTALL)
# §4.1.1.1: ehlo-keyword, then its parameters. Old servers write "AUTH=LOGIN".
_KEYWORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]+(.*))?\Z")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?: +|\Z)")
_UNSENDABLE = re.compile(r"[\r\n\0]")


class Received(Struct, frozen=True):
    """A complete reply."""

    reply: Reply
    """Reply with lines separated by "\\n", cleaned, without the enhanced status codes."""


class MalformedReply(Struct, frozen=True):
    """Input that is not SMTP. The engine reads no more; the connection can't be used."""

    reason: str


ClientEvent = Received | MalformedReply


class ReplyLimits(Struct, frozen=True):
    """Maximum sizes of a reply."""

    line: int = 4096
    """Octets of a line with CRLF; some hosts exceed the 512 of RFC 5321 §4.5.3.1.5."""
    lines: int = 128
    octets: int = 65536
    """Octets of all lines of one reply."""


class ClientEngine:
    """Client side of one connection. Commands may be pipelined; replies arrive in their order."""

    def __init__(self, limits: ReplyLimits = ReplyLimits()) -> None:
        self.extensions: dict[str, str] = {}
        """Extensions of the last EHLO reply: keyword in upper case and its parameters."""
        self._limits = limits
        self._lines = LineBuffer()
        self._texts: list[str] = []
        self._octets = 0
        self._hello = False
        self._malformed = False

    @property
    def buffered(self) -> int:
        return len(self._lines)

    def command(self, line: str) -> bytes:
        """A command line in octets, in UTF-8 if the host offers SMTPUTF8 (RFC 6531 §3.1).

        Raises LocalProtocolError for anything other than one line.
        """
        if _UNSENDABLE.search(line) or not (line.isascii() or ("SMTPUTF8" in self.extensions and line.isprintable())):
            raise LocalProtocolError(f"a command must be one line of ASCII: {line[:40]!r}")
        if line[:4].upper() in ("EHLO", "HELO", "LHLO"):
            self.extensions = {}
            self._hello = line[0] not in "Hh"
        return line.encode() + b"\r\n"

    def receive(self, octets: bytes) -> None:
        if not self._malformed:
            self._lines.receive(octets)

    def tls_started(self) -> None:
        """Discard the buffer and the extensions announced in the clear (RFC 3207 §4.2, §6)."""
        self._lines.clear()
        self._texts.clear()
        self._octets = 0
        self._hello = False
        self.extensions = {}

    def next_event(self) -> ClientEvent | Signal:
        """The next complete reply, or NEED_DATA; MalformedReply once, and NEED_DATA from then on."""
        while True:
            try:
                line = self._lines.line(self._limits.line)
            except LineTooLong:
                return self._malformed_reply("a line of the reply is too long")
            except BareLF as bare:
                # Invalid, but the reply still belongs to a known command.
                line = bare.line
            if line is None:
                return NEED_DATA
            if not self._texts and not self._hello and (reply := _one_line_reply(line)) is not None:
                return reply
            match = _REPLY_LINE.match(line)
            if match is None:
                return self._malformed_reply(f"no SMTP reply: {clean(line[:80].decode('ascii', 'replace'))}")
            self._octets += len(line)
            self._texts.append(clean((match[3] or b"").decode("ascii", "replace")))
            if len(self._texts) > self._limits.lines or self._octets > self._limits.octets:
                return self._malformed_reply("the reply has no end")
            if match[2] != b"-":
                return self._received(int(match[1]))

    def _received(self, code: int) -> Received:
        # If codes differ, that of the last line counts.
        texts, self._texts, self._octets = self._texts, [], 0
        if self._hello:
            self._hello = False
            if code == 250:
                self.extensions = _extensions(texts[1:])
        return Received(_reply(code, texts))

    def _malformed_reply(self, reason: str) -> MalformedReply:
        self._malformed = True
        self._lines.clear()
        return MalformedReply(reason)


@lru_cache(maxsize=256)  # most replies of hosts repeat
def _one_line_reply(line: bytes) -> Received | None:
    """The reply of one line; None for a line that continues or is invalid."""
    match = _REPLY_LINE.match(line)
    if match is None or match[2] == b"-":
        return None
    return Received(_reply(int(match[1]), [clean((match[3] or b"").decode("ascii", "replace"))]))


def _reply(code: int, texts: list[str]) -> Reply:
    closes = code in (221, 421, 521)
    if (start := _STATUS.match(texts[0])) is None or (status := Status.parse(start[0])).kind != code // 100:
        return Reply(code, "\n".join(texts), None, closes)
    if len(texts) == 1:
        return Reply(code, texts[0][start.end() :], status, closes)
    return Reply(code, "\n".join([_STATUS.sub("", line, count=1) for line in texts]), status, closes)


def _extensions(lines: list[str]) -> dict[str, str]:
    matches = (_KEYWORD.match(line.strip()) for line in lines)
    return {match[1].upper(): match[2] or "" for match in matches if match}


Stage = Literal["connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final"]
"""Last step that a session started."""

MAX_DIALOGUE_LINES = 200
"""Maximum lines of dialogue that are recorded of the opening, and of each transaction."""
MAX_LINE_WIDTH = 200
"""Maximum characters of a recorded line."""

REDACTED_TEXT = "(…)"
"""Text in the dialogue in place of a secret."""


class Timeouts(Struct, frozen=True):
    """Timeouts in seconds, with the defaults of RFC 5321 §4.5.3.2."""

    greeting: float = 300.0
    hello: float = 300.0
    """Timeout for EHLO, HELO, STARTTLS and AUTH; the RFC has none."""
    mail: float = 300.0
    rcpt: float = 300.0
    data_start: float = 120.0
    """Timeout for 354."""
    data_block: float = 180.0
    """Timeout for sending a block of the content."""
    final: float = 600.0
    """Timeout for the reply to the final dot; a short one causes duplicates (RFC 1047)."""
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
        """`engine` is the engine of `peer`."""
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
        """Send commands in one piece. `secret` follows the line, or replaces it, and is not recorded."""
        recorded: Sequence[str] = lines
        if not lines:
            # The last response of SCRAM is an empty line.
            recorded, lines = [REDACTED_TEXT], (secret,)
        elif secret:
            recorded = [f"{line} {REDACTED_TEXT}" for line in lines]
            lines = tuple([f"{line} {secret}" for line in lines])
        octets = b"".join([self._engine.command(line) for line in lines])
        for line in recorded:
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
                raise SmtpSessionError(stage, answer, f"the host closes the connection: {answer}")
            return answer
        if isinstance(event, MalformedReply):
            reason = event.reason
        elif isinstance(event, TimedOut):
            reason = f"no answer within {timeout:g} seconds"
        elif self._close_reason:
            reason = self._close_reason
        elif isinstance(event, Disconnected):
            reason = f"the connection was lost: {event.reason}" if event.reason else "the connection was lost"
        else:
            reason = "this server shuts down"
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
        """Close the connection; the session fails with `reason`."""
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
    return f"S: {answer.code} {answer.status} {answer.text}" if answer.status else f"S: {answer.code} {answer.text}"
