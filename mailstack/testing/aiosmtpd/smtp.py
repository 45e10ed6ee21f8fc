"""The server of one connection: an asyncio protocol that asks a handler's coroutines what to answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import socket
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from mailstack import __version__
from mailstack.smtp.commands import ServerEvent
from mailstack.smtp.extensions.auth import AUTH
from mailstack.smtp.extensions.eightbitmime import EIGHTBITMIME
from mailstack.smtp.extensions.extension import Capabilities, Extension
from mailstack.smtp.extensions.pipelining import PIPELINING
from mailstack.smtp.extensions.size import SIZE
from mailstack.smtp.extensions.smtputf8 import SMTPUTF8
from mailstack.smtp.extensions.starttls import STARTTLS
from mailstack.smtp.replies import Reply
from mailstack.smtp.server import ServerEngine
from mailstack.testing.aiosmtpd.commands import Commands, TLSSetupException, ssl_facts, verb_of
from mailstack.testing.aiosmtpd.peer import AsyncioPeer
from mailstack.testing.aiosmtpd.values import (
    MISSING,
    AuthResult,
    Envelope,
    LoginPassword,
    Session,
    auth_mechanism,
    mechanism_of,
)
from mailstack.wire import Ending

__all__ = [
    "MISSING",
    "SMTP",
    "AuthResult",
    "Envelope",
    "LoginPassword",
    "Session",
    "TLSSetupException",
    "auth_mechanism",
]

log = logging.getLogger("mail.log")

DATA_SIZE_DEFAULT = 2**25
CALL_LIMIT_DEFAULT = 20
MOST_UNKNOWN = 5
"""Commands that nobody knows, before the goodbye."""
BEFORE_TLS = frozenset({"NOOP", "EHLO", "STARTTLS", "QUIT"})
AFTER_LOGIN = frozenset({"MAIL", "RCPT", "DATA", "VRFY", "HELP"})
_STATUS = re.compile(r"([2-5][0-9][0-9])(?:[ -](.*))?\Z", re.DOTALL)


class SMTP(Commands, asyncio.Protocol):
    """One connection, by the rules of `handler`: `handle_EHLO`, `handle_MAIL` … coroutines that return a reply line."""

    def __init__(
        self,
        handler: Any,
        *,
        data_size_limit: int | None = DATA_SIZE_DEFAULT,
        enable_SMTPUTF8: bool = False,  # noqa: N803 - aiosmtpd's names, as all of these
        decode_data: bool = False,
        hostname: str | None = None,
        ident: str | None = None,
        tls_context: ssl.SSLContext | None = None,
        require_starttls: bool = False,
        timeout: float = 300,
        auth_required: bool = False,
        auth_require_tls: bool = True,
        auth_exclude_mechanism: Iterable[str] | None = None,
        auth_callback: Callable[[str, bytes, bytes], bool] | None = None,
        command_call_limit: int | Mapping[str, int] | None = None,
        authenticator: Callable[..., AuthResult] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if auth_required and not auth_require_tls:
            warnings.warn("Requiring AUTH while not requiring TLS can lead to security vulnerabilities!", stacklevel=2)
        self.loop = loop or asyncio.get_event_loop()
        self.event_handler = handler
        self.hostname = hostname or socket.getfqdn()
        self.ident = ident or f"mailstack {__version__}"
        self.data_size_limit = data_size_limit
        self.enable_SMTPUTF8 = enable_SMTPUTF8
        self.tls_context = tls_context
        self.require_starttls = bool(tls_context) and require_starttls
        self.transport: Any = None
        self.session = Session(self.loop)
        self.envelope = Envelope()
        self._decode_data = decode_data
        self._timeout = timeout
        self._auth_required = auth_required
        self._auth_require_tls = auth_require_tls
        self._auth_callback = auth_callback
        self._authenticator = authenticator
        self._hooks = {name[7:]: getattr(handler, name) for name in dir(handler) if name.startswith("handle_")}
        self._auth_methods = {
            mechanism_of(name, method): method
            for each in (self, handler)
            for name, method in inspect.getmembers(each)
            if name.startswith("auth_")
        }
        for name in auth_exclude_mechanism or ():
            self._auth_methods.pop(name, None)
        self._calls_left = _budget(command_call_limit)
        self._unknown_left = MOST_UNKNOWN
        self._tls = False
        self._tls_okay = True
        self._owes = False
        self._offered = _offered(utf8=enable_SMTPUTF8, bits8=not decode_data)
        self._engine = ServerEngine(Capabilities(self.hostname), self._offered)
        self._peer: AsyncioPeer[ServerEvent]
        self._conversation: asyncio.Task[None] | None = None

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = transport
        self.session.peer = transport.get_extra_info("peername")
        self._tls = transport.get_extra_info("ssl_object") is not None
        if self._tls:
            self.session.ssl = ssl_facts(transport)
        self._peer = AsyncioPeer(self.loop, self._engine, transport)
        self._conversation = self.loop.create_task(self._converse())

    def data_received(self, data: bytes) -> None:
        """Feed the engine."""
        self._peer.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the conversation at its next pause."""
        self._peer.lost(exc)
        self.transport = None

    def pause_writing(self) -> None:
        """The client does not take what is said."""
        self._peer.pause()

    def resume_writing(self) -> None:
        """It does again."""
        self._peer.resume()

    # --- what handlers call

    async def push(self, status: str | bytes) -> None:
        """Say a line now, as it is."""
        self._say(status)
        await self._peer.drain()

    # --- the conversation

    async def _converse(self) -> None:
        self._offer()
        self._peer.send(self._engine.greet(Reply(220, f"{self.hostname} {self.ident}")))
        try:
            while await self._one_command():
                await self._peer.drain()
        finally:
            if self.transport is not None:
                self._peer.transport.close()

    async def _one_command(self) -> bool:
        """Whether the conversation goes on after it."""
        event = await self._peer.next_event(self._timeout)
        if isinstance(event, Ending):
            return False
        self._owes = True
        verb = verb_of(event)
        refused = self._forbidden(verb)
        if refused is not None:
            self._answer(refused)
            return not refused.startswith("421")
        try:
            await self._DOORS[type(event)](self, event)
        except TLSSetupException:
            log.exception("%r: the TLS handshake failed", self.session.peer)
            return False
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is told to the client
            said = await self._about(error)
            if not self._owes:
                return False  # the answer is given already, and nobody knows how things stand
            self._answer(said)
        if self._owes:
            self._answered()
        return verb != "QUIT" and self._unknown_left > 0

    def _forbidden(self, verb: str) -> str | None:
        """What a command is answered before anybody looks at what it says."""
        if not self._tls_okay and verb != "QUIT":
            return "554 Command refused due to lack of security"
        if self.require_starttls and not self._tls and verb not in BEFORE_TLS:
            return "530 Must issue a STARTTLS command first"
        if self._calls_left is not None:
            left = self._calls_left[verb] = self._calls_left.get(verb, self._calls_left["*"]) - 1
            if left < 0:
                return f"421 4.7.0 {verb} sent too many times"
        if verb == "AUTH" and self._auth_require_tls and not self._tls:
            return "538 5.7.11 Encryption required for requested authentication mechanism"
        if self._auth_required and not self.session.authenticated and verb in AFTER_LOGIN and self._engine.hello:
            return "530 5.7.0 Authentication required"
        return None

    def _answer(self, status: str) -> None:
        """The answer that is owed. Raises ValueError for what is none."""
        self._engine.answer(_reply(status))
        self._owes = False
        self._say(status)

    def _answered(self) -> None:
        """A handler gave a negative answer itself; the engine must know."""
        self._engine.answer(Reply(501, "answered"))
        self._owes = False

    def _say(self, status: str | bytes) -> None:
        octets = (
            status
            if isinstance(status, bytes)
            else status.encode("utf-8" if self.enable_SMTPUTF8 else "ascii", "replace")
        )
        self._peer.send(octets + b"\r\n")

    async def _about(self, error: Exception) -> str:
        """What the client hears of an exception of a handler."""
        tell: Callable[[Exception], Awaitable[str]] | None = self._hooks.get("exception")
        try:
            if tell is not None:
                told = await tell(error)
                _reply(told)
                return told
        except Exception as another:  # noqa: BLE001 - as above
            error = another
        log.error("%r: a handler failed", self.session.peer, exc_info=error)
        return f"500 Error: ({type(error).__name__}) {error}".replace("\r", " ").replace("\n", " ")

    def _offer(self) -> None:
        open_to_logins = self._tls or not self._auth_require_tls
        self._engine.capabilities = Capabilities(
            self.hostname,
            max_size=self.data_size_limit or 0,
            starttls=self.tls_context is not None and not self._tls,
            mechanisms=tuple(sorted(self._auth_methods)) if open_to_logins else (),
            logins=True,
        )
        self._engine.tls = self._tls


def _reply(status: str) -> Reply:
    """A handler's reply line, for the engine. Raises ValueError."""
    found = _STATUS.match(status.splitlines()[-1]) if isinstance(status, str) and status else None
    if found is None:
        raise ValueError(f"a handler must return a reply such as '250 OK', not {status!r}")
    return Reply(int(found[1]), found[2] or "")


def _offered(*, utf8: bool, bits8: bool) -> tuple[Extension, ...]:
    return (PIPELINING, SIZE, STARTTLS, AUTH, *((EIGHTBITMIME,) if bits8 else ()), *((SMTPUTF8,) if utf8 else ()))


def _budget(limit: int | Mapping[str, int] | None) -> dict[str, int] | None:
    """How often each command may come; "*" stands for all others."""
    if limit is None:
        return None
    if isinstance(limit, int):
        return {"*": limit}
    if not isinstance(limit, Mapping) or not all(isinstance(each, int) for each in limit.values()):
        raise TypeError("command_call_limit is a number, or a dict of command and number")
    return {"*": CALL_LIMIT_DEFAULT, **limit}
