"""POP3 client: sans-IO engine and session (RFC 1939, RFC 2449 §4)."""

from __future__ import annotations

import binascii
from collections import deque

from msgspec import Struct

from mailstack.protocols.connection import NEED_DATA, Disconnected, Ending, Peer, Signal
from mailstack.protocols.line_buffer import BareLF, DotUnstuffer, LineBuffer, LineTooLong


class Pop3Response(Struct, frozen=True):
    """Status line; in a multi-line response, Text and End follow a positive one."""

    positive: bool
    text: str
    """Text after the indicator and the response code; hostile, ASCII."""
    code: str = ""
    """Response code without brackets, in upper case; "" without one (RFC 2449 §8)."""


class Prompt(Struct, frozen=True):
    """Challenge of an authentication exchange (RFC 5034 §4)."""

    challenge: bytes


class Text(Struct, frozen=True):
    """The next octets of a multi-line response, unstuffed, with CRLF line ends."""

    octets: bytes


class End(Struct, frozen=True):
    """End of a multi-line response."""


class Violation(Struct, frozen=True):
    """Input that is not POP3; later input is ignored."""

    reason: str


Pop3ClientEvent = Pop3Response | Prompt | Text | End | Violation

CHUNK = 65536
"""Octets processed at a time."""


class Pop3ClientEngine:
    """Client side of one connection. Commands may be pipelined; responses arrive in their order."""

    def __init__(self, *, line_limit: int = 16384) -> None:
        """`line_limit` is in octets with CRLF: 512 in RFC 2449 §4, but challenges are longer."""
        self._line_limit = line_limit
        self._lines = LineBuffer()
        # Whether each pending response is a multi-line one. The first is the greeting.
        self._expected: deque[bool] = deque([False])
        self._body: DotUnstuffer | None = None
        self._ended = False
        self._violation: Violation | None = None

    def command(self, line: bytes, *, multiline: bool = False) -> bytes:
        """A command in octets; its response is expected from now on."""
        if b"\r" in line or b"\n" in line:
            raise ValueError("a command is one line")
        self._expected.append(multiline)
        return line + b"\r\n"

    def respond(self, response: bytes | None) -> bytes:
        """Response to a Prompt in octets; None cancels the exchange."""
        return (b"*" if response is None else binascii.b2a_base64(response)[:-1]) + b"\r\n"

    def receive(self, octets: bytes) -> None:
        self._lines.receive(octets)

    @property
    def buffered(self) -> int:
        return len(self._lines)

    def tls_started(self) -> None:
        """Discard responses sent in the clear, and expected ones (RFC 2595 §4)."""
        self._lines.clear()
        self._expected.clear()

    def next_event(self) -> Pop3ClientEvent | Signal:
        if self._violation is not None:
            return self._violation
        if self._ended:
            self._ended = False
            return End()
        if self._body is not None:
            return self._text(self._body)
        if not self._expected:
            return self._violate("the server sent a response without a command") if self._lines else NEED_DATA
        try:
            line = self._lines.line(self._line_limit)
        except (LineTooLong, BareLF) as error:
            return self._violate(f"a response is not a valid line: {type(error).__name__}")
        return NEED_DATA if line is None else self._status(line)

    def _text(self, body: DotUnstuffer) -> Pop3ClientEvent | Signal:
        while self._lines:
            text = body.feed(self._lines.read(CHUNK))
            if body.ended:
                self._body, self._ended = None, True
                self._lines.unread(body.remainder)
            if text:
                return Text(text)
            if self._ended:
                self._ended = False
                return End()
        return NEED_DATA

    def _status(self, line: bytes) -> Pop3ClientEvent:
        text = line.decode("ascii", "replace")
        if text.startswith("+ ") or text == "+":
            try:
                return Prompt(binascii.a2b_base64(line[2:], strict_mode=True))
            except ValueError:
                return self._violate("a challenge is not base64")
        indicator, _, text = text.partition(" ")
        if indicator not in {"+OK", "-ERR"}:
            return self._violate("a response starts with neither +OK nor -ERR")
        positive = indicator == "+OK"
        if self._expected.popleft() and positive:
            self._body = DotUnstuffer()
        code = ""
        if text.startswith("[") and "]" in text:
            code, _, text = text[1:].partition("]")
        return Pop3Response(positive, text.strip(), code.upper())

    def _violate(self, reason: str) -> Violation:
        self._violation = Violation(reason)
        self._lines.clear()
        return self._violation


MAX_INITIAL = 255
"""Octets of an AUTH command with its initial response, CRLF included (RFC 5034 §4)."""

MAX_DIGITS = 15
"""Maximum digits of a number or size."""


class Refused(Exception):
    """The server replied -ERR; str() is its text."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code
        """Response code such as "AUTH" or "IN-USE"; "" without one."""


class Pop3ConnectionLost(Exception):
    """The connection was lost, or its input was not POP3 or too large; str() is the reason."""


class Pop3ClientSession:
    """One connection to a POP3 server. Every method may raise Refused or Pop3ConnectionLost."""

    def __init__(
        self,
        peer: Peer[Pop3ClientEvent],
        engine: Pop3ClientEngine,
        *,
        timeout: float = 600.0,
        max_size: int = 256 * 1024 * 1024,
    ) -> None:
        """`timeout` is in seconds for each piece of a response; `max_size` in octets of one letter or listing."""
        self._peer = peer
        self._engine = engine
        self._timeout = timeout
        self._max_size = max_size

    async def open(self) -> str:
        """Receive the greeting; returns its text."""
        return (await self._response()).text

    async def start_tls(self, server_name: str | None = None, *, verify: bool = False) -> None:
        """STLS (RFC 2595 §4)."""
        await self._command("STLS")
        if not await self._peer.start_tls(server_name, verify=verify):
            raise Pop3ConnectionLost("the TLS handshake failed")

    async def capabilities(self) -> tuple[str, ...]:
        return await self._lines("CAPA")

    async def utf8(self) -> None:
        """UTF8, before the login: permits headers in UTF-8 (RFC 6856 §2.1)."""
        await self._command("UTF8")

    async def login(self, user: str, password: str, mechanism: str | None = None) -> None:
        """Log in by USER and PASS, or by AUTH with `mechanism` "PLAIN" or "LOGIN"."""
        if mechanism is None:
            await self._command(f"USER {user}")
            await self._command(f"PASS {password}")
        elif mechanism == "PLAIN":
            await self._authenticate(mechanism, b"\0".join((b"", user.encode(), password.encode())))
        else:
            await self._authenticate(mechanism, user.encode(), password.encode())

    async def stat(self) -> tuple[int, int]:
        """Number of messages, and their octets in total."""
        return _pair(await self._command("STAT"))

    async def list(self) -> dict[int, int]:
        """Octets of each message, by number."""
        return dict(map(_pair, await self._lines("LIST")))

    async def uidl(self) -> dict[int, str]:
        """Unique id of each message, by number."""
        lines = [line.partition(" ") for line in await self._lines("UIDL")]
        return {_number(number): uid.strip() for number, _, uid in lines}

    async def retr(self, number: int) -> bytes:
        return await self._text(f"RETR {number}")

    async def top(self, number: int, lines: int) -> bytes:
        """Header, blank line and first lines of the body."""
        return await self._text(f"TOP {number} {lines}")

    async def dele(self, number: int) -> None:
        await self._command(f"DELE {number}")

    async def rset(self) -> None:
        await self._command("RSET")

    async def noop(self) -> None:
        await self._command("NOOP")

    async def quit(self) -> None:
        """End the session; the server has removed deleted messages when this returns."""
        try:
            await self._command("QUIT")
        finally:
            self._peer.close()

    # --- inside

    async def _command(self, command: str) -> str:
        """Send a command; returns the text of its one-line response."""
        self._peer.send(self._engine.command(command.encode()))
        return (await self._response()).text

    async def _lines(self, command: str) -> tuple[str, ...]:
        return tuple((await self._text(command)).decode("ascii", "replace").splitlines())

    async def _text(self, command: str) -> bytes:
        """Send a command; returns the text of its multi-line response."""
        self._peer.send(self._engine.command(command.encode(), multiline=True))
        await self._response()
        pieces: list[bytes] = []
        size = 0
        while isinstance(event := await self._next(), Text):
            pieces.append(event.octets)
            size += len(event.octets)
            if size > self._max_size:
                self._peer.close()
                raise Pop3ConnectionLost(f"more than {self._max_size} octets in one response")
        assert isinstance(event, End)
        return b"".join(pieces)

    async def _authenticate(self, mechanism: str, *responses: bytes) -> None:
        """AUTH, with the first response as initial response if it fits (RFC 5034 §4)."""
        command = f"AUTH {mechanism}".encode()
        waiting = deque(responses)
        longer = command + b" " + self._engine.respond(responses[0])
        if mechanism == "PLAIN" and len(longer) <= MAX_INITIAL:
            command = longer.removesuffix(b"\r\n")
            waiting.popleft()
        self._peer.send(self._engine.command(command))
        event = await self._next()
        while isinstance(event, Prompt):
            self._peer.send(self._engine.respond(waiting.popleft() if waiting else None))
            event = await self._next()
        self._check(event)

    async def _response(self) -> Pop3Response:
        return self._check(await self._next())

    def _check(self, event: Pop3ClientEvent) -> Pop3Response:
        if not isinstance(event, Pop3Response):
            self._peer.close()
            raise Pop3ConnectionLost("a status line was expected")
        if not event.positive:
            raise Refused(event.text, event.code)
        return event

    async def _next(self) -> Pop3ClientEvent:
        event: Pop3ClientEvent | Ending = await self._peer.next_event(self._timeout)
        if isinstance(event, Pop3Response | Prompt | Text | End):
            return event
        self._peer.close()
        if isinstance(event, Violation | Disconnected):
            raise Pop3ConnectionLost(event.reason or "the connection is gone")
        raise Pop3ConnectionLost(f"no response: {event}")


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) <= MAX_DIGITS):
        raise Pop3ConnectionLost("a number was expected")
    return int(text)


def _pair(line: str) -> tuple[int, int]:
    """The first two numbers of a line."""
    first, _, last = line.partition(" ")
    return _number(first), _number(last.partition(" ")[0])
