"""Simulated network: addresses of hosts, and paths between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address
from random import Random
from socket import AF_INET, AF_INET6, AddressFamily
from typing import Any, Protocol

from msgspec import Struct

from mailstack.sandbox.simulation.clock import DelayedCall, VirtualClock

EPHEMERAL = range(32768, 61000)
"""Range of ephemeral ports, as in Linux."""

ANY = {AF_INET: "0.0.0.0", AF_INET6: "::"}  # noqa: S104 - nothing is bound outside this process
LOOPBACK = {AF_INET: "127.0.0.1", AF_INET6: "::1"}


@lru_cache(4096)
def canonical(address: str) -> str:
    """Canonical text of an IP address (RFC 5952). Raises ValueError."""
    return str(ip_address(address.partition("%")[0]))


@lru_cache(4096)
def is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback


@lru_cache(4096)
def family_of(address: str) -> AddressFamily:
    """Address family: AF_INET or AF_INET6. Raises ValueError for a text that is no IP address."""
    return AF_INET if ip_address(address).version == 4 else AF_INET6


class Path(Struct, frozen=True):
    """Network path between two hosts, equal in both directions."""

    latency: float = 0.001
    """One-way delay, in seconds."""
    segment: int = 1460
    """Maximum segment size, in octets (RFC 9293 §3.7.1)."""
    ragged: bool = False
    """Whether segments have random sizes, decided by the seed, so that readers see all splits."""
    bandwidth: float | None = None
    """Bandwidth of each connection and direction, in octets a second; None: unlimited."""
    window: int = 65536
    """Receive window, in octets: a sender waits when this much is under way or unread."""
    loss: float = 0.0
    """Share of segments that are lost, decided by the seed; each is retransmitted with growing delays."""

    def __post_init__(self) -> None:
        if (
            self.window < 1
            or self.segment < 1
            or self.latency < 0
            or (self.bandwidth is not None and self.bandwidth <= 0)
            or not 0 <= self.loss < 1
        ):
            raise ValueError(
                "Path: window, segment and bandwidth must be above 0, latency at least 0, and loss from 0 to below 1"
            )

    def cut(self, octets: bytes, random: Callable[[], Random]) -> Iterator[bytes]:
        """Splits octets into segments."""
        start = 0
        while start < len(octets):
            size = random().randint(1, self.segment) if self.ragged else self.segment
            yield octets[start : start + size]
            start += size


RETRANSMIT_TIMEOUT_S = 0.2
"""First retransmission timeout, in seconds; it doubles each time (RFC 6298 §5.5)."""


def delay_of_losses(loss: float, random: Random) -> float:
    """Delay of a segment by losses, in seconds."""
    delay, wait = 0.0, RETRANSMIT_TIMEOUT_S
    while random.random() < loss and delay < 60:
        delay += wait
        wait *= 2
    return delay


class NetworkSocket(Protocol):
    """Socket as the network and the poll see it."""

    @property
    def readable(self) -> bool: ...

    @property
    def writable(self) -> bool: ...

    @property
    def ends(self) -> tuple[str, ...]:
        """The two addresses of a connection; empty without a connection."""

    @property
    def machine(self) -> Machine:
        """The host of the socket."""

    def enqueue(self, connection: Any) -> None:
        """Add a new connection to the backlog of a listening socket."""

    def vanish(self) -> None:
        """Closes the socket with a reset, as the kernel does for a killed process."""

    def on_reset(self) -> None:
        """Ends the connection after a reset."""


class Machine:
    """Machine in the network: its addresses and listeners."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._listeners: dict[tuple[str, int], NetworkSocket] = {}
        self._last_port = EPHEMERAL.start - 1

    def owns(self, address: str) -> bool:
        """Whether a socket of this machine can have this address."""
        return address in self.addresses or is_loopback(address)

    def source_for(self, destination: str) -> str | None:
        """Source address for a connection to `destination`; None without an address of its family."""
        if is_loopback(destination) or destination in self.addresses:
            return destination
        family = family_of(destination)
        return next((address for address in self.addresses if family_of(address) == family), None)

    def free_port(self) -> int:
        """Free port. Raises OSError."""
        ports = {port for _, port in self._listeners}
        for _ in EPHEMERAL:
            self._last_port = self._last_port + 1 if self._last_port + 1 in EPHEMERAL else EPHEMERAL.start
            if self._last_port not in ports:
                return self._last_port
        raise OSError("no port is free")

    def is_taken(self, address: str, port: int) -> bool:
        wildcard = ANY[family_of(address)]
        if address == wildcard:
            return any(p == port and family_of(a) == family_of(address) for a, p in self._listeners)
        return (address, port) in self._listeners or (wildcard, port) in self._listeners

    def listen(self, address: str, port: int, socket: NetworkSocket) -> None:
        self._listeners[address, port] = socket

    def stop_listening(self, address: str, port: int) -> None:
        self._listeners.pop((address, port), None)

    def listener(self, address: str, port: int) -> NetworkSocket | None:
        """Listener for an address and port; None without one."""
        return self._listeners.get((address, port)) or self._listeners.get((ANY[family_of(address)], port))


class Network:
    """Network of all hosts and the paths between them. An address without a host never answers."""

    def __init__(self, clock: VirtualClock, seed: int = 0, path: Path | None = None) -> None:
        """`path` is the default path."""
        self.clock = clock
        self.default_path = path or Path()
        self.sockets: dict[int, NetworkSocket] = {}
        self.on_ready: Callable[[NetworkSocket], object] = _ignore
        self._seed = seed
        self._machines: dict[str, Machine] = {}
        self._paths: dict[frozenset[str], Path] = {}
        self._delayed: dict[frozenset[str], list[tuple[Callable[..., Any], tuple[object, ...]]]] = {}
        """Segments held back by a partition, by pair of addresses."""
        self._last_number = 0

    def machine(self, *addresses: str) -> Machine:
        """Returns the machine with the first address, or makes it, and adds the other addresses to it.

        Raises ValueError for a text that is no IP address, a loopback address, and an address of another host.
        """
        names = [canonical(address) for address in addresses]
        machine = self._machines.get(names[0]) or Machine()
        for name in names:
            if is_loopback(name) or ip_address(name).is_unspecified:
                raise ValueError(f"{name} is not reachable from other hosts: use a unicast address")
            if self._machines.setdefault(name, machine) is not machine:
                raise ValueError(f"{name} belongs to another host")
            if name not in machine.addresses:
                machine.addresses.append(name)
        return machine

    def has(self, address: str) -> bool:
        """Whether a host has this address."""
        return address in self._machines

    def find(self, address: str, caller: Machine) -> Machine | None:
        """Machine that `caller` reaches at this address; None without one."""
        return caller if is_loopback(address) else self._machines.get(address)

    def set_path(self, one: str, other: str, path: Path) -> None:
        """Sets the path between two addresses, for later segments."""
        self._paths[frozenset((canonical(one), canonical(other)))] = path

    def path(self, one: str, other: str) -> Path:
        """Path between two addresses."""
        return self._paths.get(frozenset((one, other)), self.default_path) if self._paths else self.default_path

    def part(self, one: str, other: str) -> None:
        """Partitions the network between two addresses until `heal`; segments under way still arrive."""
        self._delayed.setdefault(frozenset((canonical(one), canonical(other))), [])

    def heal(self, one: str, other: str) -> None:
        """Ends a partition: delayed segments are retransmitted in order."""
        ends = frozenset((canonical(one), canonical(other)))
        latency = self.path(one, other).latency
        for do, args in self._delayed.pop(ends, []):
            self.after(latency, do, *args)

    def reset(self, one: str, other: str) -> None:
        """Resets all connections between two addresses, on both sides."""
        ends = {canonical(one), canonical(other)}
        for socket in list(self.sockets.values()):
            if set(socket.ends) == ends:
                socket.on_reset()

    def carry(self, source: str, destination: str, at: float, do: Callable[..., Any], *args: object) -> None:
        """Schedules an arrival at another address; during a partition it is held back until `heal`."""
        delayed = self._delayed.get(frozenset((source, destination))) if self._delayed else None
        if delayed is None:
            self.clock.call_internally(at, do, *args)
        else:
            delayed.append((do, args))

    def enter(self, socket: NetworkSocket) -> int:
        """Assigns a number to a new socket, like a file descriptor."""
        self._last_number += 1
        self.sockets[self._last_number] = socket
        return self._last_number

    def leave(self, number: int) -> None:
        self.sockets.pop(number, None)

    def random_for(self, number: int) -> Random:
        """Random source of one socket, independent of other connections."""
        return Random(f"{self._seed}/{number}")  # noqa: S311 - for cutting, not for secrets

    def after(self, seconds: float, do: Callable[..., Any], *args: object) -> DelayedCall:
        """Schedules an internal call, in seconds from now."""
        return self.clock.call_internally(self.clock.now + seconds, do, *args)


def _ignore(_: NetworkSocket) -> None:
    """Ignores ready sockets while no poll is installed."""
