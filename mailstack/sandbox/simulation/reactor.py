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

from mailstack.sandbox.simulation.host import MAX_RUN, Host
from mailstack.sandbox.simulation.loop import MAX_TURNS, Loop
from mailstack.sandbox.simulation.network import Machine, Network, Path, is_loopback

T = TypeVar("T")

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

REACTOR_ADDRESSES = ("198.18.0.1", "2001:db8:ffff::1")
"""Addresses of the reactor's own host, from reserved networks (RFC 2544, RFC 3849)."""

START = 1_780_000_000.0
"""Virtual start time of simulations: 2026-05-28T20:26:40Z."""


class SimulatedReactor(Host):
    """Reactor of a simulation: makes hosts, and drives their time.

    The reactor is a host itself, for a test's own clients. A listener on another host's address, or a connection
    from one, belongs to that host. The same seed and the same calls give the same order of events. Only the random
    numbers of OpenSSL do not depend on the seed.
    """

    def __init__(
        self, seed: int = 0, start: float = START, *, path: Path | None = None, forgiving: bool = False
    ) -> None:
        """`start` is in seconds since 1970. `path` is the default path between hosts; None: `Path()`.

        `forgiving`: log uncaught exceptions and continue, as a daemon does; otherwise `run` raises them.
        """
        loop = Loop(seed, start, path, forgiving=forgiving)
        super().__init__(loop, loop.network.machine(*REACTOR_ADDRESSES))
        self.random = Random(f"{seed}")  # noqa: S311 - for tests and jitter, not for secrets
        """Random source that depends on the seed."""
        self._hosts: dict[Machine, Host] = {self._machine: self}

    @property
    def network(self) -> Network:
        """Simulated network, for its paths."""
        return self._loop.network

    def host(self, address: str, *more: str) -> Host:
        """Returns the host with this address, or makes it; `more` are further addresses of it.

        Raises ValueError for a text that is no IP address, and for an address of another host.
        """
        machine = self._loop.network.machine(address, *more)
        return self._hosts.get(machine) or self._hosts.setdefault(machine, Host(self._loop, machine))

    def advance(self, seconds: float) -> None:
        """Lets exactly this many virtual seconds pass, and runs all events that are due in them."""
        deadline = self._loop.clock.now + seconds
        self._loop.run_turns(None, deadline, MAX_TURNS)
        self._loop.clock.now = max(self._loop.clock.now, deadline)

    def result_of(self, work: Deferred[T] | Coroutine[Any, Any, T], *, at_most: float = MAX_RUN) -> T:
        """Runs until a Deferred or coroutine has a result; returns it, or raises its exception.

        Raises NotReached without a result after `at_most` virtual seconds.
        """
        deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        results: list[Any] = []
        deferred.addBoth(results.append)
        self.run(lambda: bool(results), at_most=at_most)
        result = results[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result  # type: ignore[no-any-return]

    def hold_time_while(self, busy: Callable[[], bool], *, timeout: float = 20.0) -> None:
        """Stops virtual time while `busy()` is true, for code with real threads that use `callFromThread`.

        `run` raises NotReached when `busy()` is true for `timeout` real seconds.
        """
        self._loop.hold_time_while(busy, timeout)

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        """Listens on a port of the host with the address `interface`. Raises CannotListenError."""
        host = self._host_of(interface)
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
        """Connects from the host with the address in `bindAddress`."""
        caller = self._host_of(bindAddress[0] if isinstance(bindAddress, tuple) else "")
        if caller is self:
            return super().connectTCP(host, port, factory, timeout, bindAddress)
        return caller.connectTCP(host, port, factory, timeout, bindAddress)

    def _host_of(self, address: str) -> Host:
        if address in {"", "0.0.0.0", "::"} or is_loopback(address):  # noqa: S104
            return self
        return self.host(address)
