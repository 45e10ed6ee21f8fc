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
"""The ports that are given out when none was asked for, as Linux does."""

ANY = {AF_INET: "0.0.0.0", AF_INET6: "::"}  # noqa: S104 - nothing is bound outside this process
LOOPBACK = {AF_INET: "127.0.0.1", AF_INET6: "::1"}


@lru_cache(4096)
def canonical(address: str) -> str:
    """The one spelling of an IP address (RFC 5952). Raises ValueError."""
    return str(ip_address(address.partition("%")[0]))


@lru_cache(4096)
def is_loopback(address: str) -> bool:
    """Whether the address is the caller's own host, whoever that is."""
    return ip_address(address).is_loopback


@lru_cache(4096)
def family_of(address: str) -> AddressFamily:
    """AF_INET or AF_INET6. Raises ValueError for what is not an IP address."""
    return AF_INET if ip_address(address).version == 4 else AF_INET6


class Path(Struct, frozen=True):
    """What lies between two hosts; the same in both directions."""

    latency: float = 0.001
    """Seconds that an octet travels one way."""
    segment: int = 1460
    """The most octets that arrive at a time (RFC 9293 §3.7.1: the maximum segment size)."""
    ragged: bool = False
    """Cut what is sent at random places, so that a reader meets every split; decided by the seed."""
    bandwidth: float | None = None
    """Octets a second for each connection and direction; None is no limit."""
    window: int = 65536
    """Octets that may be under way and unread; a sender waits when its reader doesn't take them."""
    loss: float = 0.0
    """Of the segments, the share that is lost, decided by the seed: TCP sends each again, after ever longer waits."""

    def __post_init__(self) -> None:
        if (
            self.window < 1
            or self.segment < 1
            or self.latency < 0
            or (self.bandwidth is not None and self.bandwidth <= 0)
            or not 0 <= self.loss < 1
        ):
            raise ValueError(
                "a path has a window, a segment and a bandwidth above 0, a latency of 0 or more, and a loss below 1"
            )

    def cut(self, octets: bytes, random: Callable[[], Random]) -> Iterator[bytes]:
        """The octets in the segments that will arrive."""
        start = 0
        while start < len(octets):
            size = random().randint(1, self.segment) if self.ragged else self.segment
            yield octets[start : start + size]
            start += size


FIRST_WAIT = 0.2
"""Seconds until a segment that was lost is sent again; they double each time (RFC 6298 §5.5)."""


def delay_of_losses(loss: float, random: Random) -> float:
    """Seconds by which a segment comes later for being lost, once or several times."""
    delay, wait = 0.0, FIRST_WAIT
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
        """Close without a goodbye, as the kernel does for a killed process."""

    def take_reset(self) -> None:
        """End the connection with a reset."""


class Machine:
    """What the network knows of a host: its addresses, and who listens there."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._listeners: dict[tuple[str, int], NetworkSocket] = {}
        self._last_port = EPHEMERAL.start - 1

    def owns(self, address: str) -> bool:
        """Whether a socket of this host can have this address."""
        return address in self.addresses or is_loopback(address)

    def source_for(self, destination: str) -> str | None:
        """Our address for a connection to `destination`; None when we have none of its kind."""
        if is_loopback(destination) or destination in self.addresses:
            return destination
        family = family_of(destination)
        return next((address for address in self.addresses if family_of(address) == family), None)

    def free_port(self) -> int:
        """A port that nobody listens on."""
        taken = {port for _, port in self._listeners}
        for _ in EPHEMERAL:
            self._last_port = self._last_port + 1 if self._last_port + 1 in EPHEMERAL else EPHEMERAL.start
            if self._last_port not in taken:
                return self._last_port
        raise OSError("no port is free")

    def is_taken(self, address: str, port: int) -> bool:
        """Whether somebody listens where a new listener would."""
        wildcard = ANY[family_of(address)]
        if address == wildcard:
            return any(p == port and family_of(a) == family_of(address) for a, p in self._listeners)
        return (address, port) in self._listeners or (wildcard, port) in self._listeners

    def listen(self, address: str, port: int, socket: NetworkSocket) -> None:
        self._listeners[address, port] = socket

    def stop_listening(self, address: str, port: int) -> None:
        self._listeners.pop((address, port), None)

    def listener(self, address: str, port: int) -> NetworkSocket | None:
        """Who answers a call to this address and port."""
        return self._listeners.get((address, port)) or self._listeners.get((ANY[family_of(address)], port))


class Network:
    """Every host, and the paths between them. An address that no host has answers nothing at all."""

    def __init__(self, clock: VirtualClock, seed: int = 0, path: Path | None = None) -> None:
        """`path` lies between hosts for which none was set."""
        self.clock = clock
        self.default_path = path or Path()
        self.sockets: dict[int, NetworkSocket] = {}
        self.woken: Callable[[NetworkSocket], object] = _nobody
        self._seed = seed
        self._machines: dict[str, Machine] = {}
        self._paths: dict[frozenset[str], Path] = {}
        self._held: dict[frozenset[str], list[tuple[Callable[..., Any], tuple[object, ...]]]] = {}
        """Between hosts that are parted, what was sent since."""
        self._last_number = 0

    def machine(self, *addresses: str) -> Machine:
        """The host that has the first address; made if there is none. The others become its addresses too.

        Raises ValueError when that is not an IP address, is a loopback address, or belongs to another host.
        """
        names = [canonical(address) for address in addresses]
        machine = self._machines.get(names[0]) or Machine()
        for name in names:
            if is_loopback(name) or ip_address(name).is_unspecified:
                raise ValueError(f"{name} is no address that other hosts could reach")
            if self._machines.setdefault(name, machine) is not machine:
                raise ValueError(f"{name} belongs to another host")
            if name not in machine.addresses:
                machine.addresses.append(name)
        return machine

    def has(self, address: str) -> bool:
        """Whether a host has this address."""
        return address in self._machines

    def find(self, address: str, caller: Machine) -> Machine | None:
        """The host that `caller` reaches under this address."""
        return caller if is_loopback(address) else self._machines.get(address)

    def set_path(self, one: str, other: str, path: Path) -> None:
        """Lay a path between two addresses, for what is sent from now on."""
        self._paths[frozenset((canonical(one), canonical(other)))] = path

    def path(self, one: str, other: str) -> Path:
        """What lies between two addresses."""
        return self._paths.get(frozenset((one, other)), self.default_path) if self._paths else self.default_path

    def part(self, one: str, other: str) -> None:
        """Let nothing through between two addresses, until `heal`; what is on its way still arrives."""
        self._held.setdefault(frozenset((canonical(one), canonical(other))), [])

    def heal(self, one: str, other: str) -> None:
        """End a partition: TCP sends again, in order, what was sent in it."""
        ends = frozenset((canonical(one), canonical(other)))
        latency = self.path(one, other).latency
        for do, args in self._held.pop(ends, []):
            self.after(latency, do, *args)

    def reset(self, one: str, other: str) -> None:
        """End every connection between two addresses, for both sides, as a router does that forgets them."""
        ends = {canonical(one), canonical(other)}
        for socket in list(self.sockets.values()):
            if set(socket.ends) == ends:
                socket.take_reset()

    def carry(self, source: str, destination: str, at: float, do: Callable[..., Any], *args: object) -> None:
        """Have something arrive at another address, unless the two are parted: then it waits until they are not."""
        held = self._held.get(frozenset((source, destination))) if self._held else None
        if held is None:
            self.clock.call_internally(at, do, *args)
        else:
            held.append((do, args))

    def enter(self, socket: NetworkSocket) -> int:
        """A number for a new socket, as a file descriptor is one."""
        self._last_number += 1
        self.sockets[self._last_number] = socket
        return self._last_number

    def leave(self, number: int) -> None:
        self.sockets.pop(number, None)

    def random_for(self, number: int) -> Random:
        """Chance for one socket alone, so that what another connection sends never changes it."""
        return Random(f"{self._seed}/{number}")  # noqa: S311 - for cutting, not for secrets

    def after(self, seconds: float, do: Callable[..., Any], *args: object) -> DelayedCall:
        """Have something happen later in the network."""
        return self.clock.call_internally(self.clock.now + seconds, do, *args)


def _nobody(_: NetworkSocket) -> None:
    """Hears of a socket while nothing polls."""
