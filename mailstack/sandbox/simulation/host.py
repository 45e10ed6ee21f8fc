"""Reactor of one simulated host: own addresses and ports, shared time."""
# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's

from __future__ import annotations

from collections.abc import Callable, Sequence
from socket import AF_INET, AddressFamily
from typing import Any

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

from mailstack.sandbox.simulation.loop import MOST_TURNS, Loop, NotReached
from mailstack.sandbox.simulation.names import LiteralNames, first_address
from mailstack.sandbox.simulation.network import Machine
from mailstack.sandbox.simulation.sockets import SimulatedSocket
from mailstack.sandbox.simulation.threads import InlineThreadPool
from mailstack.sandbox.simulation.transport import SimulatedConnector, SimulatedPort
from mailstack.sandbox.simulation.triggers import Trigger

DAY = 86400.0
LONGEST_RUN = 30 * DAY
"""Virtual seconds that `run` takes at most, unless it is told otherwise."""


@implementer(IReactorCore, IReactorTime, IReactorFDSet, IReactorTCP, IReactorThreads, IReactorPluggableNameResolver)
class Host:
    """What Twisted's endpoints, services and protocols need of a reactor.

    Connections outward come from this host's addresses; a listener with no interface takes calls to any of them.
    Time, turns, threads and triggers are the whole simulation's: to stop one host is to stop all.
    """

    def __init__(self, loop: Loop, machine: Machine) -> None:
        self._loop = loop
        self._machine = machine
        self._names: IHostnameResolver = LiteralNames()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Ours, in the order in which they were given; every host is 127.0.0.1 and ::1 to itself as well."""
        return tuple(self._machine.addresses)

    # --- IReactorTime

    def seconds(self) -> float:
        """The virtual time, in seconds since 1970."""
        return self._loop.clock.now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> IDelayedCall:  # noqa: A002
        """Call after so many virtual seconds."""
        return self._loop.clock.callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """What will be called, soonest first; what is under way in the network is not among it."""
        return self._loop.clock.getDelayedCalls()

    # --- IReactorTCP

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        """Take calls to this port; port 0 is any that is free. Raises CannotListenError."""
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
        """Call an address; a name is looked up first."""
        connector = SimulatedConnector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector

    def create_socket(self, family: AddressFamily = AF_INET) -> SimulatedSocket:
        """A new TCP socket of this host."""
        return SimulatedSocket(self._loop.network, self._machine, family)

    # --- IReactorPluggableNameResolver

    @property
    def nameResolver(self) -> IHostnameResolver:
        """Looks up names for this host."""
        return self._names

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Look up this host's names elsewhere; returns who did so before."""
        previous, self._names = self._names, resolver
        return previous

    # --- IReactorCore

    @property
    def running(self) -> bool:
        """From the first run until the reactor is stopped, also between runs."""
        return self._loop.running

    def resolve(self, name: str, timeout: Sequence[int] = (1, 3, 11, 45)) -> Deferred[str]:  # noqa: ARG002
        """The first IPv4 address of a name; fails with DNSLookupError."""
        return first_address(self._names, name)

    def run(
        self,
        until: Callable[[], bool] | None = None,
        *,
        at_most: float = LONGEST_RUN,
        max_turns: int = MOST_TURNS,
    ) -> None:
        """Let everything happen until `until()` is true; without it, until nothing is left to happen.

        `at_most` is in virtual seconds. Raises NotReached when `until` did not come true in that time, or `max_turns`
        did not suffice; and, unless the reactor is forgiving, whatever nobody caught.
        """
        began = self._loop.clock.now
        if not self._loop.go(until, began + at_most, max_turns) and until is not None:
            passed = self._loop.clock.now - began
            raise NotReached(f"not within {at_most:g} s; {passed:g} s have passed, {self._loop.outlook()}")

    def iterate(self, delay: float = 0.0) -> None:
        """Let happen what happens within `delay` virtual seconds."""
        self._loop.go(None, self._loop.clock.now + delay, MOST_TURNS)

    def stop(self) -> None:
        """Fire "shutdown" and end. Raises ReactorNotRunning."""
        self._loop.stop()

    def crash(self) -> None:
        """End at once, with no trigger called."""
        self._loop.crash()

    def fireSystemEvent(self, eventType: str) -> None:
        """Call the triggers of an event."""
        self._loop.events.fire(eventType)

    def addSystemEventTrigger(
        self,
        phase: str,
        eventType: str,
        callable: Callable[..., Any],  # noqa: A002
        *args: object,
        **kwargs: object,
    ) -> Trigger:
        """Call when an event is fired; "startup" and "shutdown" are fired by the reactor itself."""
        return self._loop.events.add(Trigger(phase, eventType, callable, args, kwargs))

    def removeSystemEventTrigger(self, triggerID: Trigger) -> None:
        """Don't call it. Raises ValueError when that is too late."""
        self._loop.events.remove(triggerID)

    def callWhenRunning(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> Trigger | None:  # noqa: A002
        """Call now if the reactor runs, else once it does."""
        if self.running:
            callable(*args, **kwargs)
            return None
        return self.addSystemEventTrigger("after", "startup", callable, *args, **kwargs)

    # --- IReactorThreads

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002
        """Call in the next turn; the one method that a real thread may use."""
        self._loop.next_turn(callable, *args, **kwargs)

    def callInThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002
        """Do work in the next turn: there are no threads here."""
        self._loop.threads.callInThread(callable, *args, **kwargs)

    def getThreadPool(self) -> InlineThreadPool:  # type: ignore[override]
        """The pool of all hosts."""
        return self._loop.threads

    def suggestThreadPoolSize(self, size: int) -> None:
        """Be told of a size, which changes nothing."""

    # --- IReactorFDSet

    def addReader(self, reader: IReadDescriptor) -> None:
        """Call `doRead` while its simulated socket can be read."""
        self._loop.poll.addReader(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Call `doWrite` while its simulated socket can be written."""
        self._loop.poll.addWriter(writer)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Call `doRead` no more."""
        self._loop.poll.removeReader(reader)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Call `doWrite` no more."""
        self._loop.poll.removeWriter(writer)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """Forget the readers and writers of all hosts; they are returned."""
        return self._loop.poll.removeAll()

    def getReaders(self) -> list[IReadDescriptor]:
        """Those of all hosts that wait to read."""
        return self._loop.poll.getReaders()

    def getWriters(self) -> list[IWriteDescriptor]:
        """Those of all hosts that wait to write."""
        return self._loop.poll.getWriters()
