"""Simulated TCP sockets, with the calls and errors of real ones.

Twisted's own transports run on these sockets, so that closing, aborting, back-pressure and STARTTLS are real. Not
simulated: limits of a backlog.
"""

# ruff: noqa: SLF001 - a socket and its peer belong together

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from random import Random

from mailstack.sandbox.simulation.clock import DelayedCall
from mailstack.sandbox.simulation.network import ANY, Machine, Network, Path, canonical, delay_of_losses, family_of

CONNECT_TIMEOUT_S = 127.0
"""Timeout of a connection without an answer, in seconds: Linux's default of six retries."""

_ABORTIVE = struct.pack("ii", 1, 0)

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


def _os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class SimulatedSocket:
    """TCP socket with the methods that `twisted.internet.tcp` uses; it never blocks.

    `readable` and `writable` are for a poll; `Network.on_ready` is called when one of them may have become true.
    Raises OSError with the system's error numbers.
    """

    # Tens of thousands live at a time in a large simulation.
    __slots__ = (
        "_arrival",
        "_backlog",
        "_bound",
        "_clear",
        "_connect_timeout",
        "_connecting",
        "_credit",
        "_eof",
        "_error",
        "_family",
        "_linger",
        "_machine",
        "_network",
        "_number",
        "_options",
        "_peer",
        "_random",
        "_read",
        "_received",
        "_remote",
        "_shut",
        "_window",
    )

    def __init__(self, network: Network, machine: Machine, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._network = network
        self._machine = machine
        self._family = family
        self._number = network.enter(self)
        self._bound: tuple[str, int] = (ANY[family], 0)
        self._remote: tuple[str, int] | None = None
        self._peer: SimulatedSocket | None = None
        self._backlog: deque[SimulatedSocket] | None = None
        self._connecting = False  # connect_ex was called
        self._error = 0  # error number for the next call
        self._received: deque[bytes] = deque()
        self._eof = False  # the peer has closed its side
        self._shut = False  # this side is closed
        self._linger = False  # close with RST
        self._window = 0  # receive window of each side, in octets
        self._connect_timeout: DelayedCall | None = None  # timeout of a connection without an answer
        self._credit = 0  # octets that the peer's window still has room for
        self._read = 0  # octets read since the last window update
        self._clear = 0.0  # time when the path is free for the next segment
        self._arrival = 0.0  # time when the last segment arrives
        self._random: Random | None = None
        self._options: dict[tuple[int, int], int] = {}

    # --- poll

    @property
    def readable(self) -> bool:
        if self._backlog is not None:
            return bool(self._backlog)
        return bool(self._received) or self._eof or bool(self._error)

    @property
    def writable(self) -> bool:
        return bool(self._error) or (self._remote is not None and (self._credit > 0 or self._shut))

    # --- socket API for Twisted's transports

    def fileno(self) -> int:
        """Number in the network; -1 once closed."""
        return self._number

    def setblocking(self, flag: bool) -> None:
        """Does nothing: the socket never blocks."""

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        if isinstance(value, bytes):
            self._linger = (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER) and value == _ABORTIVE
        else:
            self._options[level, option] = int(value)

    def getsockopt(self, level: int, option: int) -> int:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            error, self._error = self._error, 0
            return error
        return self._options.get((level, option), 0)

    def getsockname(self) -> SocketAddress:
        return self._socket_address(self._bound)

    def getpeername(self) -> SocketAddress:
        if self._remote is None:
            raise _os_error(errno.ENOTCONN)
        return self._socket_address(self._remote)

    def bind(self, address: SocketAddress) -> None:
        """Binds a local address; port 0 is any free port. Raises EADDRNOTAVAIL, EADDRINUSE."""
        name = canonical(address[0]) if address[0] else ANY[self._family]
        if family_of(name) != self._family or not (name == ANY[self._family] or self._machine.owns(name)):
            raise _os_error(errno.EADDRNOTAVAIL)
        if self._machine.is_taken(name, address[1]):
            raise _os_error(errno.EADDRINUSE)
        self._bound = (name, address[1] or self._machine.free_port())

    def listen(self, backlog: int) -> None:  # noqa: ARG002 - unlimited
        """Accepts connections. Raises EADDRINUSE."""
        if self._machine.is_taken(*self._bound):
            raise _os_error(errno.EADDRINUSE)
        self._backlog = deque()
        self._machine.listen(*self._bound, self)

    def accept(self) -> tuple[SimulatedSocket, SocketAddress]:
        """Next connection of the backlog. Raises EWOULDBLOCK."""
        if not self._backlog:
            raise _os_error(errno.EWOULDBLOCK)
        accepted = self._backlog.popleft()
        return accepted, accepted.getpeername()

    def connect_ex(self, address: SocketAddress) -> int:
        """Starts a connection, or returns its state as an error number."""
        if self._connecting:
            return errno.EISCONN if self._remote is not None else errno.EALREADY
        host, port = canonical(address[0]), address[1]
        bound, bound_port = self._bound
        source = bound if bound != ANY[self._family] else self._machine.source_for(host)
        if source is None:
            return errno.ENETUNREACH
        self._connecting = True
        self._bound = (source, bound_port or self._machine.free_port())
        arrival = self._network.clock.now + self._network.path(source, host).latency
        self._network.carry(source, host, arrival, self._on_syn, host, port)
        self._connect_timeout = self._network.after(CONNECT_TIMEOUT_S, self._fail, errno.ETIMEDOUT)
        return errno.EINPROGRESS

    def send(self, octets: bytes | memoryview) -> int:
        """Sends what the peer's window has room for. Raises EWOULDBLOCK, ECONNRESET, EPIPE."""
        if self._error:
            raise _os_error(self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if self._peer is None or self._shut:
            raise _os_error(errno.EPIPE)
        count = min(len(octets), self._credit)
        if not count:
            raise _os_error(errno.EWOULDBLOCK)
        self._credit -= count
        for segment in self._path().cut(bytes(octets[:count]), self._random_source):
            self._transmit(self._peer._on_segment, segment, size=len(segment))
        return count

    def recv(self, size: int) -> bytes:
        """Next octets, at most one segment; b"" at the end. Raises EWOULDBLOCK, ECONNRESET."""
        if self._received:
            segment = self._received.popleft()
            if len(segment) > size:
                self._received.appendleft(segment[size:])
                segment = segment[:size]
            self._update_window(len(segment))
            return segment
        if self._eof:
            return b""
        if self._error:
            raise _os_error(self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        raise _os_error(errno.EWOULDBLOCK)

    def shutdown(self, how: int) -> None:
        """Closes this side for sending (SHUT_WR, SHUT_RDWR); the peer reads the end after all octets."""
        if self._remote is None:
            raise _os_error(errno.ENOTCONN)
        if how != socket.SHUT_RD and not self._shut:
            self._shut = True
            if self._peer is not None:
                self._transmit(self._peer._on_fin)

    def close(self) -> None:
        """Closes the socket; the peer reads the end, or a reset if SO_LINGER is set."""
        if self._number == -1:
            return
        self._network.leave(self._number)
        self._number = -1
        self._cancel_timeout()
        if self._backlog is not None:
            self._machine.stop_listening(*self._bound)
            for caller in self._backlog:
                caller._linger = True
                caller.close()
        elif self._peer is not None and self._linger:
            self._transmit(self._peer.on_reset)
        elif self._peer is not None and not self._shut:
            self._transmit(self._peer._on_fin)
        self._shut = True
        self._received.clear()

    # --- connection establishment (RFC 9293 §3.5)

    def _on_syn(self, host: str, port: int) -> None:
        machine = self._network.find(host, self._machine)
        if machine is None or self._number == -1:
            return  # no host at that address, or this socket is closed: no answer
        listener = machine.listener(host, port)
        if listener is None:
            latency = self._network.path(self._bound[0], host).latency
            self._network.carry(host, self._bound[0], self._network.clock.now + latency, self._fail, errno.ECONNREFUSED)
            return
        other = SimulatedSocket(self._network, machine, self._family)
        other._bound = (host, port)
        other._establish(self, self._bound)
        listener.enqueue(other)
        other._transmit(self._on_syn_ack, other)
        self._network.on_ready(listener)

    def _on_syn_ack(self, other: SimulatedSocket) -> None:
        if self._number == -1:
            other.on_reset()
            return
        self._establish(other, other._bound)
        self._network.on_ready(self)

    def _establish(self, other: SimulatedSocket, remote: tuple[str, int]) -> None:
        self._peer = other
        self._remote = remote
        self._window = self._credit = self._path().window
        self._cancel_timeout()

    def _cancel_timeout(self) -> None:
        if self._connect_timeout is not None and self._connect_timeout.active():
            self._connect_timeout.cancel()
        self._connect_timeout = None

    def _fail(self, code: int) -> None:
        self._cancel_timeout()
        if self._number != -1:
            self._error = code
            self._network.on_ready(self)

    # --- arrivals from the peer or the network

    def enqueue(self, connection: SimulatedSocket) -> None:
        """Adds a new connection to the backlog."""
        assert self._backlog is not None
        self._backlog.append(connection)

    @property
    def ends(self) -> tuple[str, ...]:
        """Addresses of both ends of the connection; empty without one."""
        return (self._bound[0], self._remote[0]) if self._remote is not None else ()

    @property
    def machine(self) -> Machine:
        return self._machine

    def vanish(self) -> None:
        """Closes the socket with a reset, as the kernel does for a killed process."""
        self._linger = True
        self.close()

    def _on_segment(self, segment: bytes) -> None:
        if self._number == -1:
            # RFC 9293 §3.10.7.1: a segment for a closed connection is answered with a reset.
            if self._peer is not None:
                self._transmit(self._peer.on_reset)
            return
        self._received.append(segment)
        self._network.on_ready(self)

    def _on_fin(self) -> None:
        self._eof = True
        self._network.on_ready(self)

    def on_reset(self) -> None:
        self._shut = True
        self._peer = None
        self._fail(errno.ECONNRESET)

    def _on_window_update(self, count: int) -> None:
        self._credit += count
        self._network.on_ready(self)

    # --- departures to the peer

    def _update_window(self, count: int) -> None:
        """Sends a window update once it is worth a segment (RFC 9293 §3.8.6.2.2)."""
        self._read += count
        if self._peer is not None and self._read * 2 >= self._window:
            arrival = self._network.clock.now + self._path().latency
            assert self._remote is not None
            self._network.carry(self._bound[0], self._remote[0], arrival, self._peer._on_window_update, self._read)
            self._read = 0

    def _transmit(self, do: Callable[..., object], *args: object, size: int = 0) -> None:
        """Schedules an arrival at the peer, after everything sent before."""
        path = self._path()
        leaves = max(self._network.clock.now, self._clear)
        if path.bandwidth:
            leaves += size / path.bandwidth
        self._clear = leaves
        if path.loss:
            leaves += delay_of_losses(path.loss, self._random_source())
        self._arrival = max(self._arrival, leaves + path.latency)
        assert self._remote is not None
        self._network.carry(self._bound[0], self._remote[0], self._arrival, do, *args)

    def _path(self) -> Path:
        assert self._remote is not None
        return self._network.path(self._bound[0], self._remote[0])

    def _random_source(self) -> Random:
        if self._random is None:
            self._random = self._network.random_for(self._number)
        return self._random

    def _socket_address(self, address: tuple[str, int]) -> SocketAddress:
        return address if self._family == socket.AF_INET else (*address, 0, 0)
