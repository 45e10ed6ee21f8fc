"""SMTP client engine: commands out, replies in (RFC 5321 §4.2)."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from mailstack.letter.status import Status
from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong
from mailstack.protocols.smtp.order import LocalProtocolError
from mailstack.protocols.smtp.replies import Reply, clean

__all__ = ["ClientEngine", "ClientEvent", "Malformed", "Received", "ReplyLimits"]

# §4.2: Reply-code = %x32-35 %x30-35 %x30-39; the second digit is not held to its range, for it decides nothing. What
# is neither a blank nor a hyphen behind the code is no reply at all.
_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([- \t])(.*))?\Z", re.DOTALL)
# §4.1.1.1: ehlo-keyword, then its parameters. Old servers write "AUTH=LOGIN".
_KEYWORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]+(.*))?\Z")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?: +|\Z)")
_UNSENDABLE = re.compile(r"[\r\n\0]")


class Received(Struct, frozen=True):
    """A reply came, whole."""

    reply: Reply
    """Lines parted by "\\n", cleaned, without the enhanced status code that each began with."""


class Malformed(Struct, frozen=True):
    """What came is not SMTP. Nothing more is read; the connection is of no use."""

    reason: str


ClientEvent = Received | Malformed


class ReplyLimits(Struct, frozen=True):
    """How much a reply may say."""

    line: int = 4096
    """Octets of a line with its CRLF; RFC 5321 §4.5.3.1.5 says 512, which not all keep."""
    lines: int = 128
    octets: int = 65536
    """Octets of all lines of one reply."""


class ClientEngine:
    """One connection, as the client sees it. Commands may be pipelined; replies come in their order."""

    def __init__(self, limits: ReplyLimits = ReplyLimits()) -> None:
        self.extensions: dict[str, str] = {}
        """Extensions of the last EHLO reply: keyword in upper case, and the text behind it."""
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
        """A command line in octets. Raises LocalProtocolError for what would be more, or less, than one line.

        It may hold UTF-8 where the host takes that (RFC 6531 §3.1).
        """
        if _UNSENDABLE.search(line) or not (line.isascii() or ("SMTPUTF8" in self.extensions and line.isprintable())):
            raise LocalProtocolError(f"a command must be one line of ASCII: {line[:40]!r}")
        if line[:4].upper() in ("EHLO", "HELO", "LHLO"):
            self.extensions = {}
            self._hello = line[0] not in "Hh"
        return line.encode() + b"\r\n"

    def receive(self, octets: bytes) -> None:
        """Take octets as the network cut them."""
        if not self._malformed:
            self._lines.receive(octets)

    def tls_started(self) -> None:
        """Forget what the server said in the clear, and what is buffered (RFC 3207 §4.2, §6)."""
        self._lines.clear()
        self._texts.clear()
        self._octets = 0
        self._hello = False
        self.extensions = {}

    def next_event(self) -> ClientEvent | Signal:
        """The next whole reply, or NEED_DATA; Malformed once, and NEED_DATA ever after."""
        while True:
            try:
                line = self._lines.line(self._limits.line)
            except LineTooLong:
                return self._give_up("a line of the reply is too long")
            except BareLF as bare:
                # Against the standard, but which command the reply belongs to is as clear as ever.
                line = bare.line
            if line is None:
                return NEED_DATA
            if not self._texts and not self._hello and (whole := _whole(line)) is not None:
                return whole
            found = _REPLY_LINE.match(line)
            if found is None:
                return self._give_up(f"no SMTP reply: {clean(line[:80].decode('ascii', 'replace'))}")
            self._octets += len(line)
            self._texts.append(clean((found[3] or b"").decode("ascii", "replace")))
            if len(self._texts) > self._limits.lines or self._octets > self._limits.octets:
                return self._give_up("the reply has no end")
            if found[2] != b"-":
                return self._received(int(found[1]))

    def _received(self, code: int) -> Received:
        # The code of the last line counts, should they differ.
        texts, self._texts, self._octets = self._texts, [], 0
        if self._hello:
            self._hello = False
            if code == 250:
                self.extensions = _extensions(texts[1:])
        return Received(_reply(code, texts))

    def _give_up(self, reason: str) -> Malformed:
        self._malformed = True
        self._lines.clear()
        return Malformed(reason)


@lru_cache(maxsize=256)  # hosts say the same few things all day
def _whole(line: bytes) -> Received | None:
    """The reply that this line is; None for one that goes on, or makes no sense."""
    found = _REPLY_LINE.match(line)
    if found is None or found[2] == b"-":
        return None
    return Received(_reply(int(found[1]), [clean((found[3] or b"").decode("ascii", "replace"))]))


def _reply(code: int, texts: list[str]) -> Reply:
    closes = code in (221, 421, 521)
    if (begin := _STATUS.match(texts[0])) is None or (status := Status.parse(begin[0])).kind != code // 100:
        return Reply(code, "\n".join(texts), None, closes)
    if len(texts) == 1:
        return Reply(code, texts[0][begin.end() :], status, closes)
    return Reply(code, "\n".join([_STATUS.sub("", line, count=1) for line in texts]), status, closes)


def _extensions(lines: list[str]) -> dict[str, str]:
    found = (_KEYWORD.match(line.strip()) for line in lines)
    return {match[1].upper(): match[2] or "" for match in found if match}
