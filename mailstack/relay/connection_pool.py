"""Connection pool and host back-off."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec import Struct

from mailstack.letter.envelope import HostPort, is_unix_socket
from mailstack.protocols.connection import Clock, ConnectFailed
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.queue.attempt import Interrupted
from mailstack.relay.hosts import TargetHost
from mailstack.relay.routes import SmartHostCredentials
from mailstack.relay.routing import SourceAddress
from mailstack.relay.session_opener import Call, ConnectionLimits, RelayConnection, SessionOpener
from mailstack.relay.tls_policy import TlsPolicy
from mailstack.relay.trouble import is_down
from mailstack.store.delay_reasons import DelayReason


class DownLimits(Struct, frozen=True):
    """Limits of the back-off."""

    first: float = 15.0
    """Seconds without calls after a failed one; the time doubles with each further failure."""
    max_wait: float = 600.0
    """Maximum number of seconds without calls."""
    probe: float = 900.0
    """Seconds after which a probe without a result no longer prevents other calls."""
    max_hosts: int = 1000
    """Maximum number of hosts; beyond it the oldest is removed."""


_LIMITS = DownLimits()


class _Host(Struct):
    name: str
    reason: str
    failed: float
    """Time of the last failed call, by `Clock.steady`."""
    wait: float
    probed: float | None = None
    """Start of the call that finds out whether the host is back, by `Clock.steady`."""


class HostBackoff:
    """Back-off of hosts that did not respond.

    The states of one host, and the answer of `blocked_reason`:

        state     call it?                    leaves by
        --------  --------------------------  ----------------------------------------------------------
        unknown   yes, any number             `failed`: down
        down      no                          its time is over: due; `reached`: unknown
        due       yes, the first one          the first call: probed
        probed    no                          `reached`: unknown; `failed`: down, for twice the time
    """

    def __init__(self, clock: Clock, limits: DownLimits = _LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._hosts: OrderedDict[HostPort, _Host] = OrderedDict()

    def blocked_reason(self, address: HostPort, *, retry_requested: bool = False) -> str | None:
        """Reason not to call the host now, for people. None: call it, then report `reached` or `failed`.

        `retry_requested` limits the back-off to its first time, because the operator may have repaired the host.
        """
        host = self._hosts.get(address)
        if host is None:
            return None
        now = self._clock.steady()
        until = host.failed + (min(host.wait, self._limits.first) if retry_requested else host.wait)
        if now < until:
            return f"{host.reason}; backed off until {_time_of(self._clock.now() + until - now)}"
        if host.probed is not None and now < host.probed + self._limits.probe:
            return f"{host.reason}; another message is finding out whether it is back"
        host.probed = now
        return None

    def is_known(self, address: HostPort) -> bool:
        """Whether the host is in another state than unknown."""
        return address in self._hosts

    def reached(self, address: HostPort) -> None:
        """Removes a host that responded."""
        self._hosts.pop(address, None)

    def probe_interrupted(self, address: HostPort) -> None:
        """Ends a probe that was interrupted: the next call is the probe."""
        if (state := self._hosts.get(address)) is not None:
            state.probed = None

    def failed(self, address: HostPort, reason: str, name: str = "") -> None:
        """Notes a failed call. Calls that were concurrent count once. `name` is the host's name in delay reasons."""
        now = self._clock.steady()
        state = self._hosts.get(address)
        if state is not None and state.probed is None and now < state.failed + state.wait:
            return
        wait = self._limits.first if state is None else min(state.wait * 2, self._limits.max_wait)
        self._hosts[address] = _Host(name or address.host, reason, now, wait)
        if len(self._hosts) > self._limits.max_hosts:
            self._hosts.popitem(last=False)

    def delay_reasons(self, limit: int) -> list[DelayReason]:
        """Delay reasons of the hosts that are down, the latest failure first."""
        reasons: list[DelayReason] = []
        now = self._clock.steady()
        for address, host in reversed(self._hosts.items()):
            remaining = host.failed + host.wait - now
            if len(reasons) < limit and remaining > 0:
                facts = {"host": host.name, "address": address.host, "port": address.port}
                name = host.name if is_unix_socket(address.host) else f"{host.name} [{address.host}]:{address.port}"
                reasons.append(
                    DelayReason("down", name, host.reason, float(round(self._clock.now() + remaining)), facts)
                )
        return reasons


def _time_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


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
        """Removes an idle connection with the same properties from the pool; its host may have closed it by now.

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
