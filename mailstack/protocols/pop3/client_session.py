"""POP3 client session: login, STAT, RETR, DELE (RFC 1939)."""

from __future__ import annotations

from collections import deque

from mailstack.protocols.connection import Disconnected, Ending, Peer
from mailstack.protocols.pop3.client import ClientEngine, ClientEvent, End, Prompt, Response, Text, Violation

MAX_INITIAL = 255
"""Octets of an AUTH command with its initial response, CRLF included (RFC 5034 §4)."""

MAX_DIGITS = 15
"""Maximum digits of a number or size."""


class Refused(Exception):
    """The server said -ERR; str() is its text."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code
        """The response code, such as "AUTH" or "IN-USE"; empty without one."""


class Pop3ConnectionLost(Exception):
    """The connection ended, or what came over it was not POP3 or too much; str() says which."""


class Pop3ClientSession:
    """One connection to a POP3 server. Every method raises Refused or Broken."""

    def __init__(
        self,
        peer: Peer[ClientEvent],
        engine: ClientEngine,
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
        """The greeting."""
        return (await self._response()).text

    async def start_tls(self, server_name: str | None = None, *, verify: bool = False) -> None:
        """STLS (RFC 2595 §4)."""
        await self._ask("STLS")
        if not await self._peer.start_tls(server_name, verify=verify):
            raise Pop3ConnectionLost("the TLS handshake failed")

    async def capabilities(self) -> tuple[str, ...]:
        return await self._lines("CAPA")

    async def utf8(self) -> None:
        """UTF8: headers in UTF-8 are understood; before the login (RFC 6856 §2.1)."""
        await self._ask("UTF8")

    async def login(self, user: str, password: str, mechanism: str | None = None) -> None:
        """By USER and PASS, or by AUTH when `mechanism` is "PLAIN" or "LOGIN"."""
        if mechanism is None:
            await self._ask(f"USER {user}")
            await self._ask(f"PASS {password}")
        elif mechanism == "PLAIN":
            await self._authenticate(mechanism, b"\0".join((b"", user.encode(), password.encode())))
        else:
            await self._authenticate(mechanism, user.encode(), password.encode())

    async def stat(self) -> tuple[int, int]:
        """Letters, and octets in all."""
        return _pair(await self._ask("STAT"))

    async def list(self) -> dict[int, int]:
        """Octets of each letter, by its number."""
        return dict(map(_pair, await self._lines("LIST")))

    async def uidl(self) -> dict[int, str]:
        """The unique id of each letter, by its number."""
        lines = [line.partition(" ") for line in await self._lines("UIDL")]
        return {_number(number): uid.strip() for number, _, uid in lines}

    async def retr(self, number: int) -> bytes:
        return await self._text(f"RETR {number}")

    async def top(self, number: int, lines: int) -> bytes:
        """The header, the blank line and the first lines of the body."""
        return await self._text(f"TOP {number} {lines}")

    async def dele(self, number: int) -> None:
        await self._ask(f"DELE {number}")

    async def rset(self) -> None:
        await self._ask("RSET")

    async def noop(self) -> None:
        await self._ask("NOOP")

    async def quit(self) -> None:
        """End the session; what was marked is gone when this returns."""
        try:
            await self._ask("QUIT")
        finally:
            self._peer.close()

    # --- inside

    async def _ask(self, command: str) -> str:
        """The text of a response of one line."""
        self._peer.send(self._engine.command(command.encode()))
        return (await self._response()).text

    async def _lines(self, command: str) -> tuple[str, ...]:
        return tuple((await self._text(command)).decode("ascii", "replace").splitlines())

    async def _text(self, command: str) -> bytes:
        """The text of a multi-line response."""
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

    async def _authenticate(self, mechanism: str, *answers: bytes) -> None:
        """AUTH; the first answer goes as initial response where the line has room for it (RFC 5034 §4)."""
        command = f"AUTH {mechanism}".encode()
        waiting = deque(answers)
        longer = command + b" " + self._engine.respond(answers[0])
        if mechanism == "PLAIN" and len(longer) <= MAX_INITIAL:
            command = longer.removesuffix(b"\r\n")
            waiting.popleft()
        self._peer.send(self._engine.command(command))
        event = await self._next()
        while isinstance(event, Prompt):
            self._peer.send(self._engine.respond(waiting.popleft() if waiting else None))
            event = await self._next()
        self._check(event)

    async def _response(self) -> Response:
        return self._check(await self._next())

    def _check(self, event: ClientEvent) -> Response:
        if not isinstance(event, Response):
            self._peer.close()
            raise Pop3ConnectionLost("a status line was expected")
        if not event.positive:
            raise Refused(event.text, event.code)
        return event

    async def _next(self) -> ClientEvent:
        event: ClientEvent | Ending = await self._peer.next_event(self._timeout)
        if isinstance(event, Response | Prompt | Text | End):
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
    """The two numbers that a line begins with."""
    first, _, rest = line.partition(" ")
    return _number(first), _number(rest.partition(" ")[0])
