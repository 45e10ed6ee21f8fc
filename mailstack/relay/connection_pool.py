"""Pool of connections to hosts, each kept a moment for the next letter."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mailstack.letter.envelope import HostPort
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.queue.progress_watch import Interrupted
from mailstack.relay.host_backoff import HostBackoff
from mailstack.relay.hosts import TargetHost
from mailstack.relay.routes import SmartHostCredentials
from mailstack.relay.routing import SourceAddress
from mailstack.relay.session_opener import Call, ConnectionLimits, RelayConnection, SessionOpener
from mailstack.relay.tls_policy import TlsPolicy
from mailstack.relay.trouble import is_down
from mailstack.store.delay_reasons import DelayReason

_Key = tuple[str, HostPort, bool, TlsPolicy, SmartHostCredentials | None, SourceAddress | None]
"""Properties of a letter that must be equal to share a connection, its TLS policy and credentials included."""


def _key(candidate: TargetHost, security: TlsPolicy) -> _Key:
    return candidate.host, candidate.address, candidate.lmtp, security, candidate.credentials, candidate.source_address


class _IdleConnection(NamedTuple):
    until: float
    connection: RelayConnection


class ConnectionPool:
    """Opens connections to candidates, and holds idle ones for a limited time."""

    def __init__(self, opener: SessionOpener, clock: Clock, limits: ConnectionLimits, backoff: HostBackoff) -> None:
        self._opener = opener
        self._clock = clock
        self._limits = limits
        self._backoff = backoff
        self._idle: dict[_Key, list[_IdleConnection]] = {}
        """Idle connections; empty lists stay until the next time that connections expire."""
        self._count = 0
        self._stop_timer: Callable[[], None] | None = None

    def acquire(self, candidate: TargetHost, security: TlsPolicy, domain: str = "") -> RelayConnection | None:
        """Removes an idle connection with the same properties from the pool; its host may have closed it meanwhile.

        `domain` is the domain of the recipients.
        """
        idle = self._idle.get(_key(candidate, security))
        if not idle:
            return None
        entry = idle.pop()
        self._count -= 1
        if not entry.connection.accepts_domain(domain):
            self._clock.spawn(entry.connection.session.quit())
            return None
        return entry.connection

    def release(self, connection: RelayConnection) -> None:
        """Returns a connection to the pool after a letter."""
        connection.letters += 1
        # A host that accepts letters is not down, even if it refuses further connections.
        self._backoff.reached(connection.candidate.address)
        if connection.letters >= self._limits.letters or connection.is_used_up or self._count >= self._limits.max_idle:
            self._clock.spawn(connection.session.quit())
            return
        entry = _IdleConnection(self._clock.steady() + self._limits.idle, connection)
        self._idle.setdefault(_key(connection.candidate, connection.security), []).append(entry)
        self._count += 1
        if self._stop_timer is None:
            self._stop_timer = self._clock.call_later(self._limits.idle, self._expire)

    def is_down(self, address: HostPort) -> bool:
        """Whether the last call failed."""
        return self._backoff.is_known(address)

    def delay_reasons(self, limit: int) -> list[DelayReason]:
        """Delay reasons of at most `limit` hosts in back-off."""
        return self._backoff.delay_reasons(limit)

    async def close(self) -> None:
        """Sends QUIT on every idle connection, and closes it."""
        if self._stop_timer is not None:
            self._stop_timer()
        idle = [entry.connection for entries in self._idle.values() for entry in entries]
        self._idle.clear()
        self._count = 0
        for connection in idle:
            await connection.session.quit()

    async def open(self, call: Call, *, retry_requested: bool = False) -> RelayConnection:
        """Opens a new connection with the required TLS. `retry_requested` shortens the back-off of the host.

        Raises ConnectFailed, or SmtpSessionError of a stage before MAIL.
        """
        candidate = call.candidate
        address = candidate.address
        if reason := self._backoff.blocked_reason(address, retry_requested=retry_requested):
            call.transcript.append(f"-- {candidate}: not called ({reason})")
            raise ConnectFailed(reason)
        try:
            connection = await self._opener.open(call)
        except (ConnectFailed, SmtpSessionError) as trouble:
            if is_down(trouble):
                self._backoff.failed(address, str(trouble), candidate.host)
            else:
                self._backoff.reached(address)
            raise
        except Interrupted as interrupted:
            if interrupted.put_back:
                self._backoff.probe_interrupted(address)
            else:
                self._backoff.failed(address, str(interrupted), candidate.host)
            raise
        self._backoff.reached(address)
        return connection

    def _expire(self) -> None:
        """Closes the connections that were idle for too long. One timer serves all of them, for speed."""
        now = self._clock.steady()
        self._stop_timer = None
        for key, idle in list(self._idle.items()):
            while idle and idle[0].until <= now:
                self._count -= 1
                self._clock.spawn(idle.pop(0).connection.session.quit())
            if not idle:
                del self._idle[key]
        if self._idle:
            first = min(idle[0].until for idle in self._idle.values())
            self._stop_timer = self._clock.call_later(first - now, self._expire)
