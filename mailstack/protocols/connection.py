"""Interfaces between sans-IO engine, session and network: Engine, Peer, Connector.

An *engine* speaks a language (SMTP, POP3): octets in, events out, no I/O.
A *conversation* is one coroutine that decides what to answer.
A *peer* joins the two to a connection; its one implementation is `mailstack.net.peer`.
These are interfaces only, so that stations and conversations never import the network.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from mailstack.letter.envelope import HostPort, TlsInfo


class ResourceError(Exception):
    """A local resource, such as the store, that can't be used now: no bug, and no fault of the client's."""


class Signal(Enum):
    """What an engine says when it has no event to give."""

    NEED_DATA = "need data"
    """The next event needs more octets."""
    PAUSED = "paused"
    """An answer to the last event is owed; what follows it waits, in order (RFC 2920 §3.2)."""


NEED_DATA: Literal[Signal.NEED_DATA] = Signal.NEED_DATA
PAUSED: Literal[Signal.PAUSED] = Signal.PAUSED


class Disconnected(Struct, frozen=True):
    """The connection is gone; nothing more can be sent."""

    reason: str = ""


class TimedOut(Struct, frozen=True):
    """No whole event came within the time allowed."""

    after: float
    """Seconds waited."""


class ShuttingDown(Struct, frozen=True):
    """The server shuts down; say goodbye (RFC 5321 §3.8: 421) and end the conversation."""


class LoggedOut(Struct, frozen=True):
    """The credentials of the login have changed; nothing that the client still sends is answered."""


Ending = Disconnected | TimedOut | ShuttingDown | LoggedOut


class Source(Struct, frozen=True):
    """The addresses that a call comes from; empty ones are the system's choice, or the Caller's."""

    four: str = ""
    """Source address of connections over IPv4."""
    six: str = ""
    """Source address of connections over IPv6."""


class Tlsa(Struct, frozen=True):
    """One TLSA record (RFC 6698 §2.1)."""

    usage: int
    """2: an authority above the server's certificate (DANE-TA); 3: that certificate itself (DANE-EE)."""
    selector: int
    """0: the whole certificate; 1: its public key."""
    matching: int
    """0: as it is; 1: by SHA-256; 2: by SHA-512."""
    data: bytes


class Dane(Struct, frozen=True):
    """What a server's certificate must match, in place of what we trust otherwise (RFC 7672)."""

    records: tuple[Tlsa, ...]
    names: tuple[str, ...]
    """Names, one of which a certificate below an authority must have (RFC 7672 §3.2.2); the first is asked for."""


EventT = TypeVar("EventT")
EventT_co = TypeVar("EventT_co", covariant=True)


class Engine(Protocol[EventT_co]):
    """One side of one connection in one language; a state machine that does no I/O."""

    def receive(self, octets: bytes) -> None:
        """Take octets as the network cut them. Never raises, whatever they are."""

    def next_event(self) -> EventT_co | Signal:
        """The next event, or NEED_DATA, or PAUSED while an answer to the last event is owed."""

    def tls_started(self) -> None:
        """TLS begins now: forget what the other side said, and throw away what is buffered (RFC 3207 §4.2, §6)."""

    @property
    def buffered(self) -> int:
        """Octets received and not yet used; the network stops reading above its high-water mark."""


class Peer(Protocol[EventT_co]):
    """The other side of a connection, as a conversation sees it."""

    @property
    def remote(self) -> HostPort:
        """Where the other side is."""

    @property
    def local(self) -> HostPort:
        """Where we are."""

    @property
    def tls(self) -> TlsInfo | None:
        """What protects the connection; None in the clear."""

    @property
    def can_start_tls(self) -> bool:
        """Whether `start_tls` can work: in the clear, and a certificate (server) or context (client) is there."""

    def channel_binding(self, kind: str) -> bytes | None:
        """What binds an authentication to this very TLS connection (RFC 5056), for SCRAM's -PLUS mechanisms.

        `kind` is "tls-exporter" (RFC 9266: TLS 1.3 only) or "tls-server-end-point" (RFC 5929 §4). None in the clear,
        before the handshake is over, and when this connection has none of that kind.
        """

    async def next_event(self, timeout: float) -> EventT_co | Ending:
        """The next whole event of the engine, or why there will be none, within `timeout` seconds.

        Octets that dribble in do not extend the time (RFC 5321 §4.5.3.2.7).
        """

    def send(self, octets: bytes) -> None:
        """Write; keeps order, never blocks, silently drops after the connection is lost."""

    async def drain(self, timeout: float) -> bool:
        """Wait until the network has taken most of what was sent; False if it is lost, or `timeout` seconds passed."""

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        """Shake hands on the open connection; `engine.tls_started()` was called when this returns.

        True when it succeeded. On failure the connection is closed: never go on in the clear (RFC 3207 §4.1).
        A server returns True at once: its handshake goes on below, and failure is a Disconnected event.
        `server_name`, `verify` and `dane` are for clients only: `dane` goes before `verify`.
        """

    @property
    def tls_failure(self) -> str:
        """Why `start_tls` gave False, for people."""

    @property
    def tls_fault(self) -> str:
        """The same for programs: what was wrong with the certificate, in the words of RFC 8460 §4.3; else ""."""

    def close(self) -> None:
        """Send what is written, then close."""

    def abort(self) -> None:
        """Drop the connection now, whatever is written."""


class Clock(Protocol):
    """Time and tasks, which tests and simulations may turn by hand."""

    def now(self) -> float:
        """UTC, as seconds since 1970: the machine's clock, which may be set back."""

    def steady(self) -> float:
        """Monotonic seconds, from an arbitrary start: for deadlines and ages that are in memory only."""

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        """Call `do` once after `seconds`; the function returned cancels that."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine by itself. What it raises is a bug: it is logged, and nothing else stops."""


class Connector(Protocol):
    """Opens connections outward."""

    async def call(
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
        """Connect within `timeout` seconds. `tls` shakes hands at once (implicit TLS, RFC 8314 §3).

        `source` goes before what the Caller itself would call from.
        Raises Unreachable with a reason for people.
        """


class ConnectFailed(Exception):
    """A connection could not be opened; str() says why, for people."""
