"""How a session hears and speaks: one event at a time, every answer taken, errors counted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from mailstack.letter.connection import HostPort, TlsInfo
from mailstack.protocols.connection import Ending, LoggedOut, Peer, ShuttingDown
from mailstack.protocols.pop3.commands import Capa, Lang, Pop3Event, Quit, Rejected
from mailstack.protocols.pop3.responses import LANGUAGES, Code, choose_language
from mailstack.protocols.pop3.server import ServerEngine
from mailstack.protocols.sasl import Channel
from mailstack.store import Damaged, StoreError

_log = logging.getLogger(__name__)


class Limits(Struct, frozen=True):
    """What one connection may do; every value is a setting."""

    idle_timeout: float = 600.0
    """Seconds without a whole command (RFC 1939 §3: at least 600)."""
    write_timeout: float = 120.0
    """Seconds in which a client must take what is sent, before the session ends: its maildrop is locked that long."""
    failure_delay: float = 2.0
    """Seconds before a wrong password is answered."""
    auth_failures: int = 3
    """Wrong passwords before the connection is closed."""
    errors: int = 20
    """Refused commands in a row before the connection is closed."""


class SessionEnded(Exception):
    """The session ends here, without UPDATE: the client is gone or silent, we stop, or there were too many errors."""


class Dialogue:
    """The peer and its engine, as the two states of a session use them."""

    def __init__(
        self,
        peer: Peer[Pop3Event],
        engine: ServerEngine,
        limits: Limits,
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        """`pause` returns after so many seconds; with 0 it lets others have their turn."""
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
        """The connection as a SASL mechanism sees it; `host` is our name."""
        return Channel.of(self._peer, host)

    async def next(self) -> Pop3Event:
        """The next command, once the client has taken the answers to those before. Raises Over."""
        await self.drain()
        event = await self._peer.next_event(self.limits.idle_timeout)
        if isinstance(event, Ending):
            # RFC 1939 §3: a session that timed out is closed without UPDATE and without a word.
            if isinstance(event, ShuttingDown):
                self.err("the server is shutting down", Code.SYS_TEMP)
            elif isinstance(event, LoggedOut):
                self.err("login is no longer valid, closing connection", Code.SYS_TEMP)
            raise SessionEnded
        return event

    async def drain(self) -> None:
        """Wait until the client has taken the most of what was sent. Raises Over."""
        if not await self._peer.drain(self.limits.write_timeout):
            raise SessionEnded

    def send(self, octets: bytes) -> None:
        """Octets that the engine made."""
        self._peer.send(octets)

    def ok(self, text: str = "") -> None:
        self._errors = 0
        self.send(self.engine.ok(text))

    def err(self, text: str, code: Code | None = None) -> None:
        """Raises Over when it was one error too many."""
        self.send(self.engine.err(text, code))
        self._errors += 1
        if self._errors >= self.limits.errors:
            raise SessionEnded

    def trouble(self, doing: str, error: StoreError) -> None:
        """The store could not do it: that is never the client's fault (RFC 3206 §4)."""
        _log.error("can't %s: %s", doing, error)
        if isinstance(error, Damaged):
            self.err("our trouble: the postmaster has to see to it", Code.SYS_PERM)
        else:
            self.err("our trouble; nothing was lost, try again later", Code.SYS_TEMP)

    async def start_tls(self) -> None:
        """STLS (RFC 2595 §4)."""
        if not self._peer.can_start_tls:
            self.err("TLS is not available here")
            return
        self.ok("begin TLS")
        if not await self._peer.start_tls():
            raise SessionEnded

    def answer_anywhere(self, event: Pop3Event) -> None:
        """What is answered alike before and after login."""
        match event:
            case Capa():
                lines = self.engine.capabilities(stls=self._peer.can_start_tls)
                self.send(self.engine.listing("capabilities follow", lines))
            case Lang(None):
                self.send(self.engine.listing("languages follow", [f"{tag} {name}" for tag, name in LANGUAGES.items()]))
            case Lang(str(wanted)):
                tag = choose_language(wanted)
                self.err("there are no texts in this language") if tag is None else self.ok(f"{tag} is spoken now")
            case Rejected(text):
                self.err(text)
            case Quit():
                self.ok("goodbye")
                raise SessionEnded
            case _:
                raise AssertionError(f"the order table lets no {type(event).__name__} through here")
