"""Reactor of one simulated host, and its TCP transports."""
# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's

from __future__ import annotations

from collections.abc import Callable, Sequence
from socket import AF_INET, AddressFamily
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IHostnameResolver,
    IListeningPort,
    IReactorCore,
    IReactorFDSet,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReadDescriptor,
    IWriteDescriptor,
)
from twisted.internet.protocol import ClientFactory, ServerFactory
from zope.interface import implementer

from mailstack.net.tls_layer import StartTlsMixin
from mailstack.sandbox.simulation.loop import MAX_TURNS, Loop, NotReached
from mailstack.sandbox.simulation.network import Machine
from mailstack.sandbox.simulation.reactor_services import InlineThreadPool, LiteralNames, Trigger, first_address
from mailstack.sandbox.simulation.sockets import SimulatedSocket

# Pytest shows the line of the test instead of these frames; --full-trace shows them.
__tracebackhide__ = True

DAY = 86400.0
MAX_RUN = 30 * DAY
"""Default limit of `run`, in virtual seconds."""


@implementer(IReactorCore, IReactorTime, IReactorFDSet, IReactorTCP, IReactorThreads, IReactorPluggableNameResolver)
class Host:
    """Reactor interfaces that Twisted's endpoints, services and protocols use.

    Outbound connections have one of this host's addresses as source. A listener without an interface accepts
    connections to all of them. Time, turns, threads and triggers are shared: stopping one host stops all.
    """

    def __init__(self, loop: Loop, machine: Machine) -> None:
        self._loop = loop
        self._machine = machine
        self._names: IHostnameResolver = LiteralNames()

    @property
    def addresses(self) -> tuple[str, ...]:
        """IP addresses of the host in the order given, without 127.0.0.1 and ::1, which every host has."""
        return tuple(self._machine.addresses)

    # --- IReactorTime

    def seconds(self) -> float:
        """Virtual time, in seconds since 1970."""
        return self._loop.clock.now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> IDelayedCall:  # noqa: A002
        """Schedules a call, in virtual seconds from now."""
        return self._loop.clock.callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """Pending calls, the soonest first, without calls of the network."""
        return self._loop.clock.getDelayedCalls()

    # --- IReactorTCP

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        """Listens on a port; 0 is any free port. Raises CannotListenError."""
        listener = SimulatedPort(port, factory, backlog, interface, self)
        listener.startListening()
        return listener

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory[Any],
        timeout: float = 30.0,
        bindAddress: tuple[str, int] | None = None,
    ) -> IConnector:
        """Connects to an address or a host name."""
        connector = SimulatedConnector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector

    def create_socket(self, family: AddressFamily = AF_INET) -> SimulatedSocket:
        """New TCP socket of this host."""
        return SimulatedSocket(self._loop.network, self._machine, family)

    # --- IReactorPluggableNameResolver

    @property
    def nameResolver(self) -> IHostnameResolver:
        return self._names

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Installs another resolver for this host; returns the previous one."""
        previous, self._names = self._names, resolver
        return previous

    # --- IReactorCore

    @property
    def running(self) -> bool:
        """Whether the reactor is running: from the first run until `stop`, also between runs."""
        return self._loop.running

    def resolve(self, name: str, timeout: Sequence[int] = (1, 3, 11, 45)) -> Deferred[str]:  # noqa: ARG002
        """First IPv4 address of a name; fails with DNSLookupError."""
        return first_address(self._names, name)

    def run(
        self, until: Callable[[], bool] | None = None, *, at_most: float = MAX_RUN, max_turns: int = MAX_TURNS
    ) -> None:
        """Runs until `until()` is true; without it, until no event is left.

        `at_most` is in virtual seconds. Raises NotReached if `until` is not true within that time or `max_turns`. An
        uncaught exception is raised too, unless the reactor is `forgiving`.
        """
        began = self._loop.clock.now
        if not self._loop.run_turns(until, began + at_most, max_turns) and until is not None:
            passed = self._loop.clock.now - began
            raise NotReached(f"not within {at_most:g} s; {passed:g} s have passed, {self._loop.describe_next()}")

    def iterate(self, delay: float = 0.0) -> None:
        """Runs all events of the next `delay` virtual seconds."""
        self._loop.run_turns(None, self._loop.clock.now + delay, MAX_TURNS)

    def stop(self) -> None:
        """Fires "shutdown" and stops. Raises ReactorNotRunning."""
        self._loop.stop()

    def crash(self) -> None:
        """Stops immediately, without triggers."""
        self._loop.crash()

    def fireSystemEvent(self, eventType: str) -> None:
        """Calls the triggers of an event."""
        self._loop.events.fire(eventType)

    def addSystemEventTrigger(
        self,
        phase: str,
        eventType: str,
        callable: Callable[..., Any],  # noqa: A002
        *args: object,
        **kwargs: object,
    ) -> Trigger:
        """Adds a trigger; the reactor itself fires "startup" and "shutdown"."""
        return self._loop.events.add(Trigger(phase, eventType, callable, args, kwargs))

    def removeSystemEventTrigger(self, triggerID: Trigger) -> None:
        """Removes a trigger. Raises ValueError if it was called already."""
        self._loop.events.remove(triggerID)

    def callWhenRunning(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> Trigger | None:  # noqa: A002
        """Calls a function now if the reactor is running, else after its start."""
        if self.running:
            callable(*args, **kwargs)
            return None
        return self.addSystemEventTrigger("after", "startup", callable, *args, **kwargs)

    # --- IReactorThreads

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002
        """Schedules a call for the next turn; the only method that is safe in a real thread."""
        self._loop.next_turn(callable, *args, **kwargs)

    def callInThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002
        """Runs work in the next turn; the simulation has no threads."""
        self._loop.threads.callInThread(callable, *args, **kwargs)

    def getThreadPool(self) -> InlineThreadPool:  # type: ignore[override]
        return self._loop.threads

    def suggestThreadPoolSize(self, size: int) -> None:
        """Ignores the size: the pool has no threads."""

    # --- IReactorFDSet

    def addReader(self, reader: IReadDescriptor) -> None:
        """Calls `doRead` while the socket is readable."""
        self._loop.poll.addReader(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Calls `doWrite` while the socket is writable."""
        self._loop.poll.addWriter(writer)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Stops the calls of `doRead`."""
        self._loop.poll.removeReader(reader)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Stops the calls of `doWrite`."""
        self._loop.poll.removeWriter(writer)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """Removes and returns the readers and writers of all hosts."""
        return self._loop.poll.removeAll()

    def getReaders(self) -> list[IReadDescriptor]:
        return self._loop.poll.getReaders()

    def getWriters(self) -> list[IWriteDescriptor]:
        return self._loop.poll.getWriters()


class SimulatedServerTransport(StartTlsMixin, tcp.Server):
    """Transport of an inbound connection."""


class SimulatedPort(tcp.Port):
    """Listening TCP port."""

    transport = SimulatedServerTransport

    def createInternetSocket(self) -> SimulatedSocket:  # type: ignore[override]
        """Returns a simulated socket in place of one of the system."""
        reactor: Any = self.reactor
        return reactor.create_socket(self.addressFamily)  # type: ignore[no-any-return]


class SimulatedClientTransport(StartTlsMixin, tcp.Client):
    """Transport of an outbound connection."""

    def createInternetSocket(self) -> SimulatedSocket:
        """Returns a simulated socket in place of one of the system."""
        reactor: Any = self.reactor if hasattr(self, "reactor") else self.connector.reactor
        return reactor.create_socket(self.addressFamily)  # type: ignore[no-any-return]


class SimulatedConnector(tcp.Connector):
    """Connector with a timeout."""

    def _makeTransport(self) -> SimulatedClientTransport:
        return SimulatedClientTransport(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]
