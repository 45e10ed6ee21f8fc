"""Interfaces between sans-IO engine, session and network, and decorators of a peer.

An *engine* parses and formats one protocol (SMTP, POP3): octets in, events out, no I/O.
A *session* is one coroutine that decides on the replies.
A *peer* joins the two to a connection; `mailstack.net.peer` implements it.
Sessions and receiving rules import these interfaces, and never the network.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from mailstack.letter.envelope import HostPort, TlsInfo


class ResourceError(Exception):
    """A local resource, such as the store, is unavailable: neither a bug nor a fault of the client."""


class Signal(Enum):
    """Result of `Engine.next_event` without an event."""

    NEED_DATA = "need data"
    """The next event needs more octets."""
    PAUSED = "paused"
    """The last event has no reply yet; later input waits, in order (RFC 2920 §3.2)."""


NEED_DATA: Literal[Signal.NEED_DATA] = Signal.NEED_DATA
PAUSED: Literal[Signal.PAUSED] = Signal.PAUSED


class Disconnected(Struct, frozen=True):
    """The connection was lost; nothing more can be sent."""

    reason: str = ""


class TimedOut(Struct, frozen=True):
    """Timeout without a complete event."""

    after: float
    """Seconds waited."""


class ShuttingDown(Struct, frozen=True):
    """The server shuts down; the session sends 421 (RFC 5321 §3.8) and ends."""


class LoggedOut(Struct, frozen=True):
    """The credentials of the login have changed; later input gets no reply."""


Ending = Disconnected | TimedOut | ShuttingDown | LoggedOut


class Woken(Struct, frozen=True):
    """Event of a session that was woken by `Peer.wake` while it waited for its client."""


WOKEN = Woken()


class Source(Struct, frozen=True):
    """Source addresses of outbound connections; "" leaves the choice to the connector, then to the system."""

    four: str = ""
    """Source address of connections over IPv4."""
    six: str = ""
    """Source address of connections over IPv6."""


class Tlsa(Struct, frozen=True):
    """One TLSA record (RFC 6698 §2.1)."""

    usage: int
    """2: a certificate authority of the server (DANE-TA); 3: the server's certificate itself (DANE-EE)."""
    selector: int
    """0: the whole certificate; 1: its public key."""
    matching: int
    """0: unhashed data; 1: SHA-256; 2: SHA-512."""
    data: bytes


class Dane(Struct, frozen=True):
    """Requirements on a server's certificate in place of the trusted authorities (RFC 7672)."""

    records: tuple[Tlsa, ...]
    names: tuple[str, ...]
    """Accepted names of a certificate below an authority (RFC 7672 §3.2.2); the first is sent as SNI."""


EventT = TypeVar("EventT")
EventT_co = TypeVar("EventT_co", covariant=True)


class Engine(Protocol[EventT_co]):
    """One side of a connection in one protocol; a state machine without I/O."""

    def receive(self, octets: bytes) -> None:
        """Buffer octets from the network. Never raises."""

    def next_event(self) -> EventT_co | Signal:
        """The next event; NEED_DATA; or PAUSED until the last event has its reply."""

    def tls_started(self) -> None:
        """Reset the session state and discard the buffer: TLS starts (RFC 3207 §4.2, §6)."""

    @property
    def buffered(self) -> int:
        """Octets received and not yet parsed; the network stops reading above its high-water mark."""


class Peer(Protocol[EventT_co]):
    """The other end of a connection, as a session sees it."""

    @property
    def remote(self) -> HostPort:
        """Address of the other end."""

    @property
    def local(self) -> HostPort:
        """Local address."""

    @property
    def tls(self) -> TlsInfo | None:
        """TLS version, cipher and certificate; None in the clear."""

    @property
    def can_start_tls(self) -> bool:
        """Whether `start_tls` is possible: in the clear, with a certificate (server) or a context (client)."""

    def channel_binding(self, kind: str) -> bytes | None:
        """Channel binding of this TLS connection (RFC 5056), for SCRAM's -PLUS mechanisms.

        `kind` is "tls-exporter" (RFC 9266: TLS 1.3 only) or "tls-server-end-point" (RFC 5929 §4). None in the clear,
        during the handshake, and for a kind that the connection does not have.
        """

    async def next_event(self, timeout: float) -> EventT_co | Ending:
        """The next complete event of the engine within `timeout` seconds, or the reason of the end.

        Partial input does not extend the time (RFC 5321 §4.5.3.2.7). After `wake` the result is WOKEN, unless an event
        of the engine is complete: a session that is woken has Woken among its events.
        """

    def wake(self) -> None:
        """Give the session WOKEN in its present wait or the next one; several calls before it count once."""

    def send(self, octets: bytes) -> None:
        """Write in order without blocking. After the connection is lost, octets are dropped."""

    async def drain(self, timeout: float) -> bool:
        """Wait until most sent octets left the buffer; False after a lost connection or `timeout` seconds."""

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        """Start TLS on the open connection, after `engine.tls_started()`; whether it succeeded.

        On failure the connection is closed, never continued in the clear (RFC 3207 §4.1).
        A server returns True at once; a failed handshake is a Disconnected event.
        `server_name`, `verify` and `dane` are for clients; `dane` takes precedence over `verify`.
        """

    @property
    def tls_failure(self) -> str:
        """Reason of a failed `start_tls`, for people."""

    @property
    def tls_fault(self) -> str:
        """Result type of a rejected certificate (RFC 8460 §4.3); else ""."""

    def close(self) -> None:
        """Close after the sent octets have left the buffer."""

    def abort(self) -> None:
        """Close now, discarding the buffer."""


class Clock(Protocol):
    """Time, timers and tasks; tests and simulations supply their own."""

    def now(self) -> float:
        """UTC in seconds since 1970: the clock of the machine, which can be set back."""

    def steady(self) -> float:
        """Monotonic seconds from an arbitrary start, for deadlines and ages in memory."""

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        """Call `do` once after `seconds`; the returned function cancels the call."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task. An exception is a bug, and is logged."""


class Connector(Protocol):
    """Opener of outbound connections."""

    async def connect(
        self,
        address: HostPort,
        engine: Engine[EventT],
        *,
        timeout: float,
        tls: bool = False,
        server_name: str | None = None,
        verify: bool = False,
        dane: Dane | None = None,
        source: Source | None = None,
    ) -> Peer[EventT]:
        """Connect within `timeout` seconds. `tls` starts TLS at once (implicit TLS, RFC 8314 §3).

        `source` takes precedence over the connector's own addresses.
        Raises ConnectFailed with a reason for people.
        """


class ConnectFailed(Exception):
    """Failure to open a connection; str() is the reason, for people."""


class PeerWrapper(Generic[EventT]):
    """Peer that delegates to another one; subclasses override what they change."""

    def __init__(self, peer: Peer[EventT]) -> None:
        self._peer = peer

    @property
    def remote(self) -> HostPort:
        return self._peer.remote

    @property
    def local(self) -> HostPort:
        return self._peer.local

    @property
    def tls(self) -> TlsInfo | None:
        return self._peer.tls

    @property
    def tls_failure(self) -> str:
        return self._peer.tls_failure

    @property
    def tls_fault(self) -> str:
        return self._peer.tls_fault

    @property
    def can_start_tls(self) -> bool:
        return self._peer.can_start_tls

    def channel_binding(self, kind: str) -> bytes | None:
        return self._peer.channel_binding(kind)

    async def next_event(self, timeout: float) -> EventT | Ending:
        return await self._peer.next_event(timeout)

    def wake(self) -> None:
        self._peer.wake()

    def send(self, octets: bytes) -> None:
        self._peer.send(octets)

    async def drain(self, timeout: float) -> bool:
        return await self._peer.drain(timeout)

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        return await self._peer.start_tls(server_name, verify=verify, dane=dane)

    def close(self) -> None:
        self._peer.close()

    def abort(self) -> None:
        self._peer.abort()


class TappedEngine(Generic[EventT]):
    """Engine that delegates to another one and passes received octets to a function first."""

    def __init__(self, engine: Engine[EventT], on_octets: Callable[[bytes], object]) -> None:
        self._engine = engine
        self._on_octets = on_octets

    def receive(self, octets: bytes) -> None:
        self._on_octets(octets)
        self._engine.receive(octets)

    def next_event(self) -> EventT | Signal:
        return self._engine.next_event()

    def tls_started(self) -> None:
        self._engine.tls_started()

    @property
    def buffered(self) -> int:
        return self._engine.buffered
