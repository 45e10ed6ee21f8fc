"""Dialogue of a POP3 session: one event at a time, with an error limit."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.protocols.connection import Ending, LoggedOut, Peer, ShuttingDown
from mailstack.protocols.pop3.commands import Capa, Lang, Pop3Event, Quit, Rejected
from mailstack.protocols.pop3.responses import LANGUAGES, Code, choose_language
from mailstack.protocols.pop3.server import ServerEngine
from mailstack.protocols.sasl import Channel
from mailstack.store import Damaged, StoreError

_log = logging.getLogger(__name__)


class Pop3Limits(Struct, frozen=True):
    """Limits of one connection; every value is a setting."""

    idle_timeout: float = 600.0
    """Maximum seconds without a whole command (RFC 1939 §3: at least 600)."""
    write_timeout: float = 120.0
    """Maximum seconds for a client to accept output; the maildrop stays locked for that time."""
    failure_delay: float = 2.0
    """Seconds before a wrong password is answered."""
    auth_failures: int = 3
    """Maximum wrong passwords before the connection is closed."""
    errors: int = 20
    """Maximum refused commands in a row before the connection is closed."""


class SessionEnded(Exception):
    """End of a session without UPDATE: disconnect, timeout, shutdown, or too many errors."""


class Dialogue:
    """Peer and engine of a session, for its two states."""

    def __init__(
        self,
        peer: Peer[Pop3Event],
        engine: ServerEngine,
        limits: Pop3Limits,
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        """`pause` returns after a number of seconds; 0 lets other sessions run."""
        self.pause = pause
        self.engine = engine
        self.limits = limits
        self._peer = peer
        self._errors = 0

    @property
    def remote(self) -> HostPort:
        return self._peer.remote

    @property
    def tls(self) -> TlsInfo | None:
        return self._peer.tls

    def channel(self, host: str) -> Channel:
        """Returns the connection for a SASL mechanism; `host` is the host name of the server."""
        return Channel.for_peer(self._peer, host)

    async def next(self) -> Pop3Event:
        """Returns the next command, once earlier replies are sent. Raises SessionEnded."""
        await self.drain()
        event = await self._peer.next_event(self.limits.idle_timeout)
        if isinstance(event, Ending):
            # RFC 1939 §3: after a timeout the session is closed without UPDATE and without a reply.
            if isinstance(event, ShuttingDown):
                self.err("the server is shutting down", Code.SYS_TEMP)
            elif isinstance(event, LoggedOut):
                self.err("login is no longer valid, closing connection", Code.SYS_TEMP)
            raise SessionEnded
        return event

    async def drain(self) -> None:
        """Waits until most of the output is sent. Raises SessionEnded."""
        if not await self._peer.drain(self.limits.write_timeout):
            raise SessionEnded

    def send(self, octets: bytes) -> None:
        """Sends octets of the engine."""
        self._peer.send(octets)

    def ok(self, text: str = "") -> None:
        self._errors = 0
        self.send(self.engine.ok(text))

    def err(self, text: str, code: Code | None = None) -> None:
        """Sends an error reply. Raises SessionEnded after too many errors."""
        self.send(self.engine.err(text, code))
        self._errors += 1
        if self._errors >= self.limits.errors:
            raise SessionEnded

    def trouble(self, doing: str, error: StoreError) -> None:
        """Reports a failure of the store, which never counts as an error of the client (RFC 3206 §4)."""
        _log.error("can't %s: %s", doing, error)
        if isinstance(error, Damaged):
            self.err("local error: the message is damaged, contact the postmaster", Code.SYS_PERM)
        else:
            self.err("local error, try again later", Code.SYS_TEMP)

    async def start_tls(self) -> None:
        """STLS (RFC 2595 §4)."""
        if not self._peer.can_start_tls:
            self.err("TLS is not available here")
            return
        self.ok("begin TLS")
        if not await self._peer.start_tls():
            raise SessionEnded

    def answer_common(self, event: Pop3Event) -> None:
        """Answers a command that is the same before and after login."""
        match event:
            case Capa():
                lines = self.engine.capabilities(stls=self._peer.can_start_tls)
                self.send(self.engine.listing("capabilities follow", lines))
            case Lang(None):
                self.send(self.engine.listing("languages follow", [f"{tag} {name}" for tag, name in LANGUAGES.items()]))
            case Lang(str(wanted)):
                tag = choose_language(wanted)
                self.err("language not supported") if tag is None else self.ok(f"{tag} language changed")
            case Rejected(text):
                self.err(text)
            case Quit():
                self.ok("goodbye")
                raise SessionEnded
            case _:
                raise AssertionError(f"unexpected {type(event).__name__} in this state")
