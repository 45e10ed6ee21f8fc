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
    """Poll that calls `doRead` and `doWrite` in the order in which sockets became ready."""

    def __init__(self, network: Network, bug: Callable[[str, Exception], None]) -> None:
        """`bug` reports each exception of a protocol."""
        self._sockets = network.sockets
        self._bug = bug
        self._readers: dict[Any, NetworkSocket] = {}
        self._writers: dict[Any, NetworkSocket] = {}
        self._waiting: dict[NetworkSocket, Any] = {}
        # A dict has a stable order; the order of a set differs between runs.
        self._ready: dict[Any, None] = {}
        network.on_ready = self._on_ready

    @property
    def has_ready(self) -> bool:
        return bool(self._ready)

    def serve(self) -> None:
        """Calls each ready descriptor once."""
        ready, self._ready = self._ready, {}
        for descriptor in ready:
            socket = self._readers.get(descriptor)
            if socket is not None and socket.readable:
                self._do(descriptor, descriptor.doRead, reading=True)
            socket = self._writers.get(descriptor)
            if socket is not None and socket.writable:
                self._do(descriptor, descriptor.doWrite, reading=False)
            self._check_ready(descriptor)

    def addReader(self, reader: IReadDescriptor) -> None:
        """Calls `doRead` while the socket is readable."""
        if reader not in self._readers:
            self._add(reader, self._readers)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Calls `doWrite` while the socket is writable."""
        if writer not in self._writers:
            self._add(writer, self._writers)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Stops the calls of `doRead`."""
        self._remove(reader, self._readers, self._writers)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Stops the calls of `doWrite`."""
        self._remove(writer, self._writers, self._readers)

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        """Removes and returns all readers and writers."""
        removed = list(dict.fromkeys([*self._readers, *self._writers]))
        for sockets in (self._readers, self._writers, self._waiting, self._ready):
            sockets.clear()
        return removed

    def remove_machine(self, machine: Machine) -> list[Any]:
        """Removes and returns the readers and writers of a machine, without notifying them."""
        gone = [
            each
            for sockets in (self._readers, self._writers)
            for each, socket in sockets.items()
            if socket.machine is machine
        ]
        for descriptor in gone:
            self.removeReader(descriptor)
            self.removeWriter(descriptor)
            self._ready.pop(descriptor, None)
        return gone

    def getReaders(self) -> list[IReadDescriptor]:
        return list(self._readers)

    def getWriters(self) -> list[IWriteDescriptor]:
        return list(self._writers)

    def _add(self, descriptor: Any, waiting: dict[Any, NetworkSocket]) -> None:
        number = descriptor.fileno()
        if number not in self._sockets:
            raise ValueError(f"{descriptor!r} is not a socket of the simulated network")
        waiting[descriptor] = socket = self._sockets[number]
        self._waiting[socket] = descriptor
        self._check_ready(descriptor)

    def _remove(
        self, descriptor: Any, watched: dict[Any, NetworkSocket], other_watched: dict[Any, NetworkSocket]
    ) -> None:
        socket = watched.pop(descriptor, None)
        if socket is not None and descriptor not in other_watched:
            self._waiting.pop(socket, None)

    def _on_ready(self, socket: NetworkSocket) -> None:
        descriptor = self._waiting.get(socket)
        if descriptor is not None:
            self._check_ready(descriptor)

    def _check_ready(self, descriptor: Any) -> None:
        reader, writer = self._readers.get(descriptor), self._writers.get(descriptor)
        if (reader is not None and reader.readable) or (writer is not None and writer.writable):
            self._ready[descriptor] = None

    def _do(self, descriptor: Any, work: Callable[[], Any], *, reading: bool) -> None:
        """Calls a descriptor; as in Twisted's reactors, a returned or raised exception ends the connection."""
        try:
            reason = ConnectionFdescWentAway("Filedescriptor went away") if descriptor.fileno() == -1 else work()
        except Exception as error:  # noqa: BLE001 - whatever a protocol raises
            self._bug("in a protocol", error)
            reason = error
        if reason:
            self._drop(descriptor, reason, reading=reading)

    def _drop(self, descriptor: Any, reason: Exception, *, reading: bool) -> None:
        self.removeReader(descriptor)
        half = reading and isinstance(reason, ConnectionDone) and IHalfCloseableDescriptor.providedBy(descriptor)
        if not half:
            self.removeWriter(descriptor)
        try:
            lost = descriptor.readConnectionLost if half else descriptor.connectionLost
            lost(Failure(reason))
        except Exception as error:  # noqa: BLE001 - whatever a protocol raises
            self._bug("in connectionLost of a protocol", error)

    def disconnect_all(self) -> None:
        """Closes all connections and listeners, as at the end of a process."""
        for descriptor in self.removeAll():
            self._drop(descriptor, ConnectionLost(), reading=False)
