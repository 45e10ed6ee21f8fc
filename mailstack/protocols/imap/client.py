"""IMAP client engine: commands with literals, and responses as events (RFC 3501 §7)."""

from __future__ import annotations

import binascii
import re
from collections import deque

from msgspec import Struct

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.compression import InflatedInput, InvalidCompression
from mailstack.protocols.imap.response_values import MalformedResponse, Value, parse_values
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong


class ImapStatusResponse(Struct, frozen=True):
    """OK, NO, BAD, BYE or PREAUTH, tagged or not."""

    tag: str
    """Tag of the answered command; "*" for an untagged response."""
    status: str
    """Status in upper case."""
    text: str
    """Text after the response code; hostile, ASCII."""
    code: str = ""
    """Response code without brackets, with its name in upper case, such as "UIDNEXT 4"; "" without one."""


class ImapContinuation(Struct, frozen=True):
    """Continuation request: the next part of the command is awaited; in an authentication exchange, a challenge."""

    text: str


class ImapData(Struct, frozen=True):
    """Untagged data, such as LIST or FETCH."""

    name: str
    """Name in upper case."""
    number: int | None
    """Number before the name; None without one."""
    values: tuple[Value, ...]
    size: int = 0
    """Octets of the response with its literals."""


class ImapViolation(Struct, frozen=True):
    """Input that is not IMAP; later input is ignored."""

    reason: str


ImapClientEvent = ImapStatusResponse | ImapContinuation | ImapData | ImapViolation


class CommandString(Struct, frozen=True):
    """Argument of a command that is written as atom, quoted string or literal, as its octets require."""

    octets: bytes


CHUNK = 65536
"""Octets of compressed input that are inflated at a time."""

_STATUS = re.compile(rb"(?i:(OK|NO|BAD|BYE|PREAUTH))(?: |\Z)(?:\[([^\]\r\n]*+)\] ?)?")
_TAG = re.compile(rb"([^ ]{1,64}) ")
_DATA = re.compile(rb"(?:([0-9]{1,20}) )?([A-Za-z][A-Za-z0-9.=+-]{0,63})(?= |\Z)")
_LITERAL = re.compile(rb"~?\{([0-9]{1,20})\}\Z")
_MAX_NUMBER = 2**63 - 1


class ImapClientEngine:
    """Client side of one connection. Commands may be pipelined, unless a literal waits for its continuation request."""

    def __init__(self, *, line_limit: int = 1_048_576, response_limit: int = 268_435_456) -> None:
        """Limits in octets: of one line, and of one response with its literals."""
        self.is_literal_plus = False
        """Whether literals are sent without waiting (RFC 7888); the session sets it with the capabilities."""
        self._line_limit = line_limit
        self._response_limit = response_limit
        self._input = LineBuffer()
        self._count = 0
        self._is_greeted = False
        self._tags: set[str] = set()
        self._unsent: deque[bytes] = deque()
        self._lines: list[bytes] = []
        self._literals: list[bytes] = []
        self._literal = bytearray()
        self._left: int | None = None
        self._size = 0
        self._violation: ImapViolation | None = None
        self._compressed: InflatedInput | None = None

    # --- commands

    def command(self, *arguments: bytes | CommandString) -> tuple[str, bytes]:
        """Tag and octets of a command of `arguments` with blanks between them; bytes are sent as they are.

        If it has a literal that must wait, the octets end there; `next_part` gives the rest.
        """
        assert not self._unsent, "a command waits for its continuation request"
        self._count += 1
        tag = f"A{self._count}"
        parts = [tag.encode("ascii")]
        for argument in arguments:
            parts[-1] += b" "
            if isinstance(argument, bytes):
                _check_line(argument)
                parts[-1] += argument
                continue
            written = responses.astring(argument.octets)
            if not written.startswith(b"{") or self.is_literal_plus:
                parts[-1] += written.replace(b"}", b"+}", 1) if written.startswith(b"{") else written
            else:
                announcement, _, octets = written.partition(b"\r\n")
                parts[-1] += announcement + b"\r\n"
                parts.append(octets)
        parts[-1] += b"\r\n"
        self._tags.add(tag)
        first, *rest = parts
        self._unsent.extend(rest)
        return tag, first

    def append(self, *arguments: bytes | CommandString, message: bytes) -> tuple[str, bytes]:
        """APPEND with `arguments` and its message literal, which follows by `next_part`, like the rest of `command`."""
        tag, octets = self.command(*arguments, b"{%d%b}" % (len(message), b"+" if self.is_literal_plus else b""))
        if self.is_literal_plus:
            return tag, octets + message + b"\r\n"
        self._unsent.append(message + b"\r\n")
        return tag, octets

    @property
    def is_waiting(self) -> bool:
        """Whether the rest of a command waits for a continuation request."""
        return bool(self._unsent)

    def next_part(self) -> bytes:
        """The next part of the command, after a continuation request."""
        return self._unsent.popleft()

    def respond(self, response: bytes | None) -> bytes:
        """Response to a challenge; None cancels the exchange."""
        return (b"*" if response is None else binascii.b2a_base64(response, newline=False)) + b"\r\n"

    def done(self) -> bytes:
        """End of IDLE."""
        return b"DONE\r\n"

    # --- responses

    def receive(self, octets: bytes) -> None:
        if self._violation is None:
            (self._input if self._compressed is None else self._compressed).receive(octets)

    @property
    def buffered(self) -> int:
        return len(self._input) + (0 if self._compressed is None else len(self._compressed))

    def compression_started(self) -> None:
        """Inflate what follows the OK to COMPRESS (RFC 4978 §3)."""
        self._compressed = InflatedInput()
        self._compressed.receive(self._input.read(len(self._input)))

    def tls_started(self) -> None:
        """Discard responses sent in the clear, and expected ones."""
        self._input.clear()
        self._tags.clear()
        self._unsent.clear()
        self._reset()

    def _reset(self) -> None:
        self._lines, self._literals, self._size, self._left = [], [], 0, None

    def next_event(self) -> ImapClientEvent | Signal:
        if self._violation is not None:
            return self._violation
        try:
            while (event := self._next()) is None or (event is NEED_DATA and self._inflate()):
                pass
        except (LineTooLong, BareLF) as error:
            return self._violate(f"a response is not a valid line: {type(error).__name__}")
        except (MalformedResponse, InvalidCompression) as error:
            return self._violate(str(error))
        return event

    def _inflate(self) -> bool:
        """Inflate the next piece of compressed input; whether there was one."""
        octets = b"" if self._compressed is None else self._compressed.read(CHUNK)
        self._input.receive(octets)
        return bool(octets)

    def _next(self) -> ImapClientEvent | Signal | None:
        """The next event; None when a line or literal was read, and more may follow."""
        if self._left is not None:
            octets = self._input.read(self._left)
            self._literal += octets
            self._left -= len(octets)
            if self._left:
                return NEED_DATA
            self._literals.append(bytes(self._literal))
            self._left, self._literal = None, bytearray()
        line = self._input.line(self._line_limit)
        if line is None:
            return NEED_DATA
        self._grow(len(line) + 2)
        if self._lines:
            return self._data_line(line)
        if line.startswith(b"+") and line[1:2] in {b"", b" "}:
            self._size = 0
            return ImapContinuation(_text(line[2:]))
        tag = _TAG.match(line)
        if tag is None:
            raise MalformedResponse("a response has no tag")
        status = _STATUS.match(line, tag.end())
        if status is not None:
            self._size = 0
            return self._status(tag[1], status, line)
        if tag[1] != b"*" or not self._is_greeted:
            raise MalformedResponse("a response is neither a status nor data")
        return self._data_line(line)

    def _status(self, octets: bytes, found: re.Match[bytes], line: bytes) -> ImapClientEvent:
        tag, status = octets.decode("ascii", "replace"), found[1].upper().decode("ascii")
        if tag == "*":
            self._is_greeted = self._is_greeted or status in {"OK", "PREAUTH", "BYE"}
        elif tag not in self._tags or status not in {"OK", "NO", "BAD"}:
            raise MalformedResponse("a response has the tag of no command")
        else:
            self._tags.discard(tag)
            self._unsent.clear()  # what a refused command had to send still
        if not self._is_greeted:
            raise MalformedResponse("the server did not begin with a greeting")
        name, blank, rest = _text(found[2] or b"").partition(" ")
        return ImapStatusResponse(tag, status, _text(line[found.end() :]), name.upper() + blank + rest)

    def _data_line(self, line: bytes) -> ImapData | None:
        """Data that ends with this line; None if a literal follows."""
        self._lines.append(line)
        literal = _LITERAL.search(line)
        if literal is not None:
            self._left = int(literal[1])
            self._grow(self._left)
            return None
        first = self._lines[0]
        data = _DATA.match(first, 2)
        if data is None:
            raise MalformedResponse("data has no name")
        number = None if data[1] is None else int(data[1])
        if number is not None and number > _MAX_NUMBER:
            raise MalformedResponse("a number is out of range")
        values = parse_values([first[data.end() :], *self._lines[1:]], self._literals)
        event = ImapData(data[2].upper().decode("ascii"), number, values, self._size)
        self._reset()
        return event

    def _grow(self, octets: int) -> None:
        self._size += octets
        if self._size > self._response_limit:
            raise MalformedResponse("a response is too long")

    def _violate(self, reason: str) -> ImapViolation:
        self._violation = ImapViolation(reason)
        self._input.clear()
        self._reset()
        return self._violation


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "replace")


def _check_line(octets: bytes) -> None:
    if b"\r" in octets or b"\n" in octets:
        raise ValueError("an argument is part of one line")
