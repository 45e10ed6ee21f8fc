"""Poll of simulated sockets, in place of epoll."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionFdescWentAway, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableDescriptor, IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.sandbox.simulation.network import Machine, Network, NetworkSocket


@implementer(IReactorFDSet)
class Poll:
    """Calls `doRead` and `doWrite`, in the order in which sockets became ready, as long as they stay so."""

    def __init__(self, network: Network, bug: Callable[[str, Exception], None]) -> None:
        """`bug` is told of every exception that came out of a protocol."""
        self._sockets = network.sockets
        self._bug = bug
        self._readers: dict[Any, NetworkSocket] = {}
        self._writers: dict[Any, NetworkSocket] = {}
        self._waiting: dict[NetworkSocket, Any] = {}
        # A dict keeps the order; a set would not be the same twice.
        self._ready: dict[Any, None] = {}
        network.woken = self._woken

    @property
    def has_ready(self) -> bool:
        """Whether `serve` has anything to do."""
        return bool(self._ready)

    def serve(self) -> None:
        """Do what can be done now, once for each descriptor."""
        ready, self._ready = self._ready, {}
        for descriptor in ready:
            socket = self._readers.get(descriptor)
            if socket is not None and socket.readable:
                self._do(descriptor, descriptor.doRead, reading=True)
            socket = self._writers.get(descriptor)
            if socket is not None and socket.writable:
                self._do(descriptor, descriptor.doWrite, reading=False)
            self._look(descriptor)

    def addReader(self, reader: IReadDescriptor) -> None:
        """Call `doRead` while its socket can be read."""
        if reader not in self._readers:
            self._add(reader, self._readers)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Call `doWrite` while its socket can be written."""
        if writer not in self._writers:
            self._add(writer, self._writers)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Call `doRead` no more."""
        self._remove(reader, self._readers, self._writers)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Call `doWrite` no more."""
        self._remove(writer, self._writers, self._readers)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """Forget all; they are returned."""
        removed = list(dict.fromkeys([*self._readers, *self._writers]))
        for known in (self._readers, self._writers, self._waiting, self._ready):
            known.clear()
        return removed

    def forget(self, machine: Machine) -> list[Any]:
        """Forget the readers and writers of one machine, without a word to them; they are returned."""
        gone = [
            each
            for known in (self._readers, self._writers)
            for each, socket in known.items()
            if socket.machine is machine
        ]
        for descriptor in gone:
            self.removeReader(descriptor)
            self.removeWriter(descriptor)
            self._ready.pop(descriptor, None)
        return gone

    def getReaders(self) -> list[IReadDescriptor]:
        """Those that wait to read."""
        return list(self._readers)

    def getWriters(self) -> list[IWriteDescriptor]:
        """Those that wait to write."""
        return list(self._writers)

    def _add(self, descriptor: Any, waiting: dict[Any, NetworkSocket]) -> None:
        number = descriptor.fileno()
        if number not in self._sockets:
            raise ValueError(f"{descriptor!r} is no part of the simulated network")
        waiting[descriptor] = socket = self._sockets[number]
        self._waiting[socket] = descriptor
        self._look(descriptor)

    def _remove(self, descriptor: Any, these: dict[Any, NetworkSocket], others: dict[Any, NetworkSocket]) -> None:
        socket = these.pop(descriptor, None)
        if socket is not None and descriptor not in others:
            self._waiting.pop(socket, None)

    def _woken(self, socket: NetworkSocket) -> None:
        descriptor = self._waiting.get(socket)
        if descriptor is not None:
            self._look(descriptor)

    def _look(self, descriptor: Any) -> None:
        reader, writer = self._readers.get(descriptor), self._writers.get(descriptor)
        if (reader is not None and reader.readable) or (writer is not None and writer.writable):
            self._ready[descriptor] = None

    def _do(self, descriptor: Any, work: Callable[[], Any], *, reading: bool) -> None:
        """Like Twisted's reactors: what comes back, or is raised, ends the connection."""
        try:
            why = ConnectionFdescWentAway("Filedescriptor went away") if descriptor.fileno() == -1 else work()
        except Exception as error:  # noqa: BLE001 - whatever a protocol raises
            self._bug("in a protocol", error)
            why = error
        if why:
            self._drop(descriptor, why, reading=reading)

    def _drop(self, descriptor: Any, why: Exception, *, reading: bool) -> None:
        self.removeReader(descriptor)
        half = reading and isinstance(why, ConnectionDone) and IHalfCloseableDescriptor.providedBy(descriptor)
        if not half:
            self.removeWriter(descriptor)
        try:
            lost = descriptor.readConnectionLost if half else descriptor.connectionLost
            lost(Failure(why))
        except Exception as error:  # noqa: BLE001 - whatever a protocol raises
            self._bug("in a protocol that was told that its connection is lost", error)

    def disconnect_all(self) -> None:
        """Lose every connection and listener, as a process does that ends."""
        for descriptor in self.removeAll():
            self._drop(descriptor, ConnectionLost(), reading=False)
