"""Dialogue of an IMAP session: events, responses and errors (RFC 3501 §7.1)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.mailbox.imap.mailbox_view import MailboxGone
from mailstack.mailbox.imap.quota import OverQuota
from mailstack.mailbox.imap.service import ImapLimits
from mailstack.mailbox.login import SessionEnded
from mailstack.protocols.connection import Clock, Ending, LoggedOut, Peer, ShuttingDown, TimedOut, Woken
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import Compress, ImapEvent, ImapRejected, LiteralWanted
from mailstack.protocols.imap.compression import DeflatingPeer
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.protocols.sasl import Channel
from mailstack.store import Damaged, StoreError, StoreFull
from mailstack.store.folders import FolderExists, FolderHasChildren, NoSuchFolder

_log = logging.getLogger(__name__)

EARLY_S = 0.5
"""Seconds before its time at which a timeout is that of the connection's lifetime."""


class CommandRefused(Exception):
    """Command that gets NO, or BAD; str() is the text."""

    def __init__(self, text: str, code: str = "", *, status: str = "NO") -> None:
        super().__init__(text)
        self.code = code
        self.status = status


_REFUSALS: dict[type[Exception], tuple[str, str]] = {
    NoSuchFolder: ("no such mailbox", "NONEXISTENT"),
    MailboxGone: ("no such mailbox", "NONEXISTENT"),
    FolderExists: ("the mailbox exists already", "ALREADYEXISTS"),
    FolderHasChildren: ("the mailbox has mailboxes below it", "HASCHILDREN"),
    OverQuota: ("the quota of the account is exceeded", "OVERQUOTA"),
    StoreFull: ("no room for the message now, try again later", "UNAVAILABLE"),
    Damaged: ("local error: stored data is damaged, contact the postmaster", "SERVERBUG"),
}
"""Text and response code of refused commands, by their error (RFC 5530 §3)."""


def refusal(error: Exception, doing: str) -> CommandRefused:
    """The response to an error of the store. Trouble of the server is logged."""
    if isinstance(error, CommandRefused):
        return error
    if isinstance(error, StoreError):
        _log.error("can't %s: %s", doing, error)
    return CommandRefused(*_REFUSALS.get(type(error), ("local error, try again later", "UNAVAILABLE")))


REFUSED = (CommandRefused, StoreError, MailboxGone, OverQuota, NoSuchFolder, FolderExists, FolderHasChildren)
"""Errors of a command that `refusal` makes into a response."""


class ImapDialogue:
    """Peer and engine of a session."""

    def __init__(
        self,
        peer: Peer[ImapEvent | Woken],
        engine: ImapServerEngine,
        limits: ImapLimits,
        clock: Clock,
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        """`pause` returns after a number of seconds; 0 lets other sessions run."""
        self.pause = pause
        self.engine = engine
        self.limits = limits
        self.timeout = limits.login_timeout
        """Maximum seconds without a whole command."""
        self.wake = peer.wake
        self._peer = peer
        self._clock = clock
        self._errors = 0

    @property
    def remote(self) -> HostPort:
        return self._peer.remote

    @property
    def tls(self) -> TlsInfo | None:
        return self._peer.tls

    @property
    def can_start_tls(self) -> bool:
        return self._peer.can_start_tls

    def channel(self, host: str) -> Channel:
        """Returns the connection for a SASL mechanism; `host` is the host name of the server."""
        return Channel.for_peer(self._peer, host)

    # --- events

    async def next(self, on_woken: Callable[[], Awaitable[None]] | None = None) -> ImapEvent:
        """Returns the next event, once earlier responses are sent. Raises SessionEnded.

        `on_woken` is called when the session is woken meanwhile.
        """
        end = self._clock.steady() + self.timeout
        while True:
            event = await self.next_until(end)
            if event is None:
                self.bye("autologout: no command for too long")
                raise SessionEnded
            if not isinstance(event, Woken):
                return event
            if on_woken is not None:
                await on_woken()

    async def next_until(self, end: float) -> ImapEvent | Woken | None:
        """Returns the next event, or None at the time `end` of the steady clock. Raises SessionEnded."""
        while True:
            await self.drain()
            event = await self._peer.next_event(max(0.0, end - self._clock.steady()))
            if isinstance(event, TimedOut):
                if self._clock.steady() < end - EARLY_S:
                    self.bye("the connection has lasted too long")
                    raise SessionEnded
                return None
            if isinstance(event, Ending):
                self._end(event)
            if not isinstance(event, LiteralWanted):
                return event
            self.send(self.engine.accept_literal())

    def _end(self, ending: Ending) -> NoReturn:
        if isinstance(ending, ShuttingDown):
            self.bye("the server is shutting down", "UNAVAILABLE")
        elif isinstance(ending, LoggedOut):
            self.bye("the login is no longer valid", "EXPIRED")
        raise SessionEnded

    # --- responses

    async def drain(self) -> None:
        """Waits until most of the output is sent. Raises SessionEnded."""
        if not await self._peer.drain(self.limits.write_timeout):
            raise SessionEnded

    def send(self, octets: bytes) -> None:
        self._peer.send(octets)

    def ok(self, tag: str, text: str, code: str = "") -> None:
        self._errors = 0
        self.send(self.engine.tagged(tag, "OK", text, code))

    def refuse(self, tag: str, refused: CommandRefused) -> None:
        """Sends NO or BAD. Raises SessionEnded after too many BADs."""
        self.send(self.engine.tagged(tag, refused.status, str(refused), refused.code))
        if refused.status == "BAD":
            self._errors += 1
            if self._errors >= self.limits.errors:
                self.bye("too many errors", "CLIENTBUG")
                raise SessionEnded

    def reject(self, rejected: ImapRejected) -> None:
        """Answers a command that the engine has rejected. Raises SessionEnded."""
        if rejected.is_fatal:
            self.bye(rejected.text, rejected.code)
            raise SessionEnded
        self.refuse(rejected.tag, CommandRefused(rejected.text, rejected.code, status=rejected.status))

    def bye(self, text: str, code: str = "") -> None:
        self.send(responses.bye(text, code))

    def compress(self, command: Compress) -> None:
        """COMPRESS: compresses what follows its OK (RFC 4978 §3)."""
        if self.engine.is_compressed:
            self.refuse(command.tag, CommandRefused("the connection is compressed already", "COMPRESSIONACTIVE"))
        elif command.mechanism != "DEFLATE" or not self.limits.compression:
            self.refuse(command.tag, CommandRefused("the compression is not offered"))
        else:
            self.ok(command.tag, "DEFLATE active")
            self.engine.compression_started()
            self._peer = DeflatingPeer(self._peer)

    async def start_tls(self, tag: str) -> None:
        """STARTTLS (RFC 3501 §6.2.1). Raises SessionEnded when TLS fails."""
        if not self._peer.can_start_tls:
            raise CommandRefused("TLS is not available here", status="BAD" if self._peer.tls else "NO")
        self.ok(tag, "begin TLS negotiation now")
        if not await self._peer.start_tls():
            raise SessionEnded
