"""Simulated TCP sockets, with the calls and errors of real ones.

Twisted's own transports run on it, so what tests see of closing, aborting, back-pressure and STARTTLS is not an
imitation of them. What the simulation leaves out of TCP: nothing is lost on the way, and a backlog has no end.
"""

# ruff: noqa: SLF001 - the two ends of a connection are one thing

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

SYN_PATIENCE = 127.0
"""Seconds until a connection to nowhere fails by itself; Linux's default of six retries."""

_ABORTIVE = struct.pack("ii", 1, 0)

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


def _trouble(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class SimulatedSocket:
    """What `twisted.internet.tcp` uses of `socket.socket`, never blocking.

    `readable` and `writable` say what a poll would; the network's `woken` is told when one of them may have become
    true. Raises OSError with the system's numbers.
    """

    # Tens of thousands live at a time in a large simulation.
    __slots__ = (
        "_arrival",
        "_backlog",
        "_bound",
        "_called",
        "_clear",
        "_credit",
        "_eof",
        "_error",
        "_family",
        "_linger",
        "_machine",
        "_network",
        "_number",
        "_options",
        "_patience",
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
        self._called = False  # connect was called
        self._error = 0  # what the next call will fail with
        self._received: deque[bytes] = deque()
        self._eof = False  # the other side will send no more
        self._shut = False  # we will send no more
        self._linger = False  # close with RST
        self._window = 0  # octets that may be under way to a side, and unread there
        self._patience: DelayedCall | None = None  # until a call that nobody answers fails
        self._credit = 0  # octets that the other side has room for
        self._read = 0  # octets read that the other side was not told of
        self._clear = 0.0  # when what was sent has left our end of the path
        self._arrival = 0.0  # when the last of it arrives
        self._random: Random | None = None
        self._options: dict[tuple[int, int], int] = {}

    # --- what the poll asks

    @property
    def readable(self) -> bool:
        if self._backlog is not None:
            return bool(self._backlog)
        return bool(self._received) or self._eof or bool(self._error)

    @property
    def writable(self) -> bool:
        return bool(self._error) or (self._remote is not None and (self._credit > 0 or self._shut))

    # --- what Twisted's transports call

    def fileno(self) -> int:
        """Our number in the network; -1 once closed."""
        return self._number

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

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
        return self._spell(self._bound)

    def getpeername(self) -> SocketAddress:
        if self._remote is None:
            raise _trouble(errno.ENOTCONN)
        return self._spell(self._remote)

    def bind(self, address: SocketAddress) -> None:
        """Take a local address; port 0 is any that is free. Raises EADDRNOTAVAIL, EADDRINUSE."""
        name = canonical(address[0]) if address[0] else ANY[self._family]
        if family_of(name) != self._family or not (name == ANY[self._family] or self._machine.owns(name)):
            raise _trouble(errno.EADDRNOTAVAIL)
        if self._machine.is_taken(name, address[1]):
            raise _trouble(errno.EADDRINUSE)
        self._bound = (name, address[1] or self._machine.free_port())

    def listen(self, backlog: int) -> None:  # noqa: ARG002 - it has no end here
        """Take calls. Raises EADDRINUSE."""
        if self._machine.is_taken(*self._bound):
            raise _trouble(errno.EADDRINUSE)
        self._backlog = deque()
        self._machine.listen(*self._bound, self)

    def accept(self) -> tuple[SimulatedSocket, SocketAddress]:
        """The next caller. Raises EWOULDBLOCK when there is none."""
        if not self._backlog:
            raise _trouble(errno.EWOULDBLOCK)
        accepted = self._backlog.popleft()
        return accepted, accepted.getpeername()

    def connect_ex(self, address: SocketAddress) -> int:
        """Call another host, or ask whether it answered; an error number, as the system gives it."""
        if self._called:
            return errno.EISCONN if self._remote is not None else errno.EALREADY
        host, port = canonical(address[0]), address[1]
        bound, bound_port = self._bound
        source = bound if bound != ANY[self._family] else self._machine.source_for(host)
        if source is None:
            return errno.ENETUNREACH
        self._called = True
        self._bound = (source, bound_port or self._machine.free_port())
        arrival = self._network.clock.now + self._network.path(source, host).latency
        self._network.carry(source, host, arrival, self._call_arrives, host, port)
        self._patience = self._network.after(SYN_PATIENCE, self._fail, errno.ETIMEDOUT)
        return errno.EINPROGRESS

    def send(self, octets: bytes | memoryview) -> int:
        """Send what the window has room for. Raises EWOULDBLOCK, ECONNRESET, EPIPE."""
        if self._error:
            raise _trouble(self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if self._peer is None or self._shut:
            raise _trouble(errno.EPIPE)
        count = min(len(octets), self._credit)
        if not count:
            raise _trouble(errno.EWOULDBLOCK)
        self._credit -= count
        for segment in self._path().cut(bytes(octets[:count]), self._chance):
            self._travel(self._peer._take, segment, size=len(segment))
        return count

    def recv(self, most: int) -> bytes:
        """What arrived next, one segment at most; nothing at all at its end. Raises EWOULDBLOCK, ECONNRESET."""
        if self._received:
            segment = self._received.popleft()
            if len(segment) > most:
                self._received.appendleft(segment[most:])
                segment = segment[:most]
            self._give_credit(len(segment))
            return segment
        if self._eof:
            return b""
        if self._error:
            raise _trouble(self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        raise _trouble(errno.EWOULDBLOCK)

    def shutdown(self, how: int) -> None:
        """Send no more (SHUT_WR, SHUT_RDWR): the other side reads the end behind what was sent."""
        if self._remote is None:
            raise _trouble(errno.ENOTCONN)
        if how != socket.SHUT_RD and not self._shut:
            self._shut = True
            if self._peer is not None:
                self._travel(self._peer._take_end)

    def close(self) -> None:
        """Give everything back; the other side reads the end, or a reset when SO_LINGER said so."""
        if self._number == -1:
            return
        self._network.leave(self._number)
        self._number = -1
        self._wait_no_more()
        if self._backlog is not None:
            self._machine.stop_listening(*self._bound)
            for caller in self._backlog:
                caller._linger = True
                caller.close()
        elif self._peer is not None and self._linger:
            self._travel(self._peer.take_reset)
        elif self._peer is not None and not self._shut:
            self._travel(self._peer._take_end)
        self._shut = True
        self._received.clear()

    # --- a connection comes about (RFC 9293 §3.5)

    def _call_arrives(self, host: str, port: int) -> None:
        machine = self._network.find(host, self._machine)
        if machine is None or self._number == -1:
            return  # nobody there, or nobody here any more: silence
        listener = machine.listener(host, port)
        if listener is None:
            latency = self._network.path(self._bound[0], host).latency
            self._network.carry(host, self._bound[0], self._network.clock.now + latency, self._fail, errno.ECONNREFUSED)
            return
        other = SimulatedSocket(self._network, machine, self._family)
        other._bound = (host, port)
        other._join(self, self._bound)
        listener.enqueue(other)
        other._travel(self._answered, other)
        self._network.woken(listener)

    def _answered(self, other: SimulatedSocket) -> None:
        if self._number == -1:
            other.take_reset()
            return
        self._join(other, other._bound)
        self._network.woken(self)

    def _join(self, other: SimulatedSocket, remote: tuple[str, int]) -> None:
        self._peer = other
        self._remote = remote
        self._window = self._credit = self._path().window
        self._wait_no_more()

    def _wait_no_more(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None

    def _fail(self, code: int) -> None:
        self._wait_no_more()
        if self._number != -1:
            self._error = code
            self._network.woken(self)

    # --- what the other side, or the network, did arrives

    def enqueue(self, connection: SimulatedSocket) -> None:
        """Add a new connection to the backlog."""
        assert self._backlog is not None
        self._backlog.append(connection)

    @property
    def ends(self) -> tuple[str, ...]:
        """The two addresses of a connection; nothing without one."""
        return (self._bound[0], self._remote[0]) if self._remote is not None else ()

    @property
    def machine(self) -> Machine:
        """Whose it is."""
        return self._machine

    def vanish(self) -> None:
        """Be closed by the kernel of a machine whose program is no more: the other side reads a reset."""
        self._linger = True
        self.close()

    def _take(self, segment: bytes) -> None:
        if self._number == -1:
            # RFC 9293 §3.10.7.1: what comes to a connection that is no more is answered with a reset.
            if self._peer is not None:
                self._travel(self._peer.take_reset)
            return
        self._received.append(segment)
        self._network.woken(self)

    def _take_end(self) -> None:
        self._eof = True
        self._network.woken(self)

    def take_reset(self) -> None:
        self._shut = True
        self._peer = None
        self._fail(errno.ECONNRESET)

    def _take_credit(self, count: int) -> None:
        self._credit += count
        self._network.woken(self)

    # --- what we do goes there

    def _give_credit(self, count: int) -> None:
        """Tell the other side that there is room again, when it is worth a segment (RFC 9293 §3.8.6.2.2)."""
        self._read += count
        if self._peer is not None and self._read * 2 >= self._window:
            arrival = self._network.clock.now + self._path().latency
            assert self._remote is not None
            self._network.carry(self._bound[0], self._remote[0], arrival, self._peer._take_credit, self._read)
            self._read = 0

    def _travel(self, do: Callable[..., object], *args: object, size: int = 0) -> None:
        """Have something arrive at the other side, behind everything that was sent before it."""
        path = self._path()
        leaves = max(self._network.clock.now, self._clear)
        if path.bandwidth:
            leaves += size / path.bandwidth
        self._clear = leaves
        if path.loss:
            leaves += delay_of_losses(path.loss, self._chance())
        self._arrival = max(self._arrival, leaves + path.latency)
        assert self._remote is not None
        self._network.carry(self._bound[0], self._remote[0], self._arrival, do, *args)

    def _path(self) -> Path:
        assert self._remote is not None
        return self._network.path(self._bound[0], self._remote[0])

    def _chance(self) -> Random:
        if self._random is None:
            self._random = self._network.random_for(self._number)
        return self._random

    def _spell(self, address: tuple[str, int]) -> SocketAddress:
        return address if self._family == socket.AF_INET else (*address, 0, 0)
