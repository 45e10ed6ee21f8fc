"""Simulated reactor: hosts of one network, and their virtual time."""
# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's

from __future__ import annotations

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector, IListeningPort
from twisted.internet.protocol import ClientFactory, ServerFactory
from twisted.python.failure import Failure

from mailstack.sandbox.simulation.host import LONGEST_RUN, Host
from mailstack.sandbox.simulation.loop import MOST_TURNS, Loop
from mailstack.sandbox.simulation.network import Machine, Network, Path, is_loopback

T = TypeVar("T")

OURS = ("198.18.0.1", "2001:db8:ffff::1")
"""The addresses of the host that the reactor itself is: of RFC 2544 and RFC 3849, which nobody else has."""

START = 1_780_000_000.0
"""The virtual moment at which simulations begin: 2026-05-28T20:26:40Z."""


class SimulatedReactor(Host):
    """Gives hosts, and turns the time of all of them.

    It is a host itself, for a test's own clients. Where it is told to listen on another host's address, or to call
    from one, it does so as that host. The same seed and the same calls give the same order of everything; what
    OpenSSL draws for TLS is the one chance that the seed doesn't decide.
    """

    def __init__(
        self, seed: int = 0, start: float = START, *, path: Path | None = None, forgiving: bool = False
    ) -> None:
        """`start` is in seconds since 1970. `path` lies between hosts where no other was set: `Path()` if None.

        `forgiving`: log what nobody caught and go on, as a daemon does; else it comes out of `run`.
        """
        loop = Loop(seed, start, path, forgiving=forgiving)
        super().__init__(loop, loop.network.machine(*OURS))
        self.random = Random(f"{seed}")  # noqa: S311 - for tests and jitter, not for secrets
        """Chance that the seed decides, for whoever needs it."""
        self._hosts: dict[Machine, Host] = {self._machine: self}

    @property
    def network(self) -> Network:
        """Where paths are laid."""
        return self._loop.network

    def host(self, address: str, *more: str) -> Host:
        """The host with this address; it exists from now on. `more` are further addresses of it.

        Raises ValueError for what is not an IP address, or is another host's.
        """
        machine = self._loop.network.machine(address, *more)
        return self._hosts.get(machine) or self._hosts.setdefault(machine, Host(self._loop, machine))

    def advance(self, seconds: float) -> None:
        """Let exactly so much virtual time pass, and everything happen that is due in it."""
        deadline = self._loop.clock.now + seconds
        self._loop.go(None, deadline, MOST_TURNS)
        self._loop.clock.now = max(self._loop.clock.now, deadline)

    def result_of(self, work: Deferred[T] | Coroutine[Any, Any, T], *, at_most: float = LONGEST_RUN) -> T:
        """Run until a Deferred or coroutine has a result, and return it, or raise its exception.

        Raises NotReached when it has none after `at_most` virtual seconds.
        """
        deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        results: list[Any] = []
        deferred.addBoth(results.append)
        self.run(lambda: bool(results), at_most=at_most)
        result = results[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result  # type: ignore[no-any-return]

    def hold_time_while(self, busy: Callable[[], bool], *, patience: float = 20.0) -> None:
        """Let no virtual time pass while `busy()`: for code with real threads of its own, that `callFromThread`.

        Raises NotReached, out of `run`, when it is busy for `patience` real seconds.
        """
        self._loop.hold_time_while(busy, patience)

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        """Take calls to this port, as the host whose address `interface` is. Raises CannotListenError."""
        host = self._acting(interface)
        if host is self:
            return super().listenTCP(port, factory, backlog, interface)
        return host.listenTCP(port, factory, backlog, interface)

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory[Any],
        timeout: float = 30.0,
        bindAddress: tuple[str, int] | None = None,
    ) -> IConnector:
        """Call an address, as the host whose address is in `bindAddress`."""
        caller = self._acting(bindAddress[0] if isinstance(bindAddress, tuple) else "")
        if caller is self:
            return super().connectTCP(host, port, factory, timeout, bindAddress)
        return caller.connectTCP(host, port, factory, timeout, bindAddress)

    def _acting(self, address: str) -> Host:
        if address in {"", "0.0.0.0", "::"} or is_loopback(address):  # noqa: S104
            return self
        return self.host(address)
