"""POP3 client engine: commands out, responses in (RFC 1939, RFC 2449 §4)."""

from __future__ import annotations

import binascii
from collections import deque

from msgspec import Struct

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.dot_stuffing import DotUnstuffer
from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong


class Response(Struct, frozen=True):
    """A status line; of a multi-line response the first, which Text and End follow when it is positive."""

    positive: bool
    text: str
    """Text behind the indicator and the response code; hostile, ASCII."""
    code: str = ""
    """The response code without its brackets, in upper case; empty when there is none (RFC 2449 §8)."""


class Prompt(Struct, frozen=True):
    """The server waits for a line of an authentication exchange (RFC 5034 §4)."""

    challenge: bytes


class Text(Struct, frozen=True):
    """The next octets of a multi-line response, dots taken out, lines ending in CRLF."""

    octets: bytes


class End(Struct, frozen=True):
    """The multi-line response is whole."""


class Violation(Struct, frozen=True):
    """The server doesn't speak POP3; nothing after it can be trusted."""

    reason: str


ClientEvent = Response | Prompt | Text | End | Violation

CHUNK = 65536
"""Octets looked through at a time."""


class ClientEngine:
    """A wire.Engine of ClientEvent. Commands may be pipelined; responses come in their order."""

    def __init__(self, *, line_limit: int = 16384) -> None:
        """`line_limit` is in octets with CRLF: RFC 2449 §4 has 512, challenges are longer."""
        self._line_limit = line_limit
        self._lines = LineBuffer()
        # For each response that is to come: whether it has more than one line. The first is the greeting.
        self._expected: deque[bool] = deque([False])
        self._body: DotUnstuffer | None = None
        self._ended = False
        self._violation: Violation | None = None

    def command(self, line: bytes, *, multiline: bool = False) -> bytes:
        """The octets of a command; its response is expected from now on."""
        if b"\r" in line or b"\n" in line:
            raise ValueError("a command is one line")
        self._expected.append(multiline)
        return line + b"\r\n"

    def respond(self, response: bytes | None) -> bytes:
        """The answer to a Prompt; None cancels the exchange."""
        return (b"*" if response is None else binascii.b2a_base64(response)[:-1]) + b"\r\n"

    def receive(self, octets: bytes) -> None:
        self._lines.receive(octets)

    @property
    def buffered(self) -> int:
        return len(self._lines)

    def tls_started(self) -> None:
        """Nothing that was sent in the clear may answer what is asked under TLS (RFC 2595 §4)."""
        self._lines.clear()
        self._expected.clear()

    def next_event(self) -> ClientEvent | Signal:
        if self._violation is not None:
            return self._violation
        if self._ended:
            self._ended = False
            return End()
        if self._body is not None:
            return self._text(self._body)
        if not self._expected:
            return self._violate("the server speaks without being asked") if self._lines else NEED_DATA
        try:
            line = self._lines.line(self._line_limit)
        except (LineTooLong, BareLF) as error:
            return self._violate(f"a response is no line: {type(error).__name__}")
        return NEED_DATA if line is None else self._status(line)

    def _text(self, body: DotUnstuffer) -> ClientEvent | Signal:
        while self._lines:
            text = body.feed(self._lines.take(CHUNK))
            if body.ended:
                self._body, self._ended = None, True
                self._give_back(body.rest)
            if text:
                return Text(text)
            if self._ended:
                self._ended = False
                return End()
        return NEED_DATA

    def _give_back(self, octets: bytes) -> None:
        behind = self._lines.take(len(self._lines))
        self._lines.receive(octets + behind)

    def _status(self, line: bytes) -> ClientEvent:
        text = line.decode("ascii", "replace")
        if text.startswith("+ ") or text == "+":
            try:
                return Prompt(binascii.a2b_base64(line[2:], strict_mode=True))
            except ValueError:
                return self._violate("a challenge is not base64")
        indicator, _, text = text.partition(" ")
        if indicator not in {"+OK", "-ERR"}:
            return self._violate("a response begins with neither +OK nor -ERR")
        positive = indicator == "+OK"
        if self._expected.popleft() and positive:
            self._body = DotUnstuffer()
        code = ""
        if text.startswith("[") and "]" in text:
            code, _, text = text[1:].partition("]")
        return Response(positive, text.strip(), code.upper())

    def _violate(self, reason: str) -> Violation:
        self._violation = Violation(reason)
        self._lines.clear()
        return self._violation
