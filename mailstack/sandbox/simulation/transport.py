"""Twisted's own TCP listeners, connections and connectors, over simulated sockets."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

from typing import Any

from twisted.internet import tcp

from mailstack.net.tls_layer import OnOurTime
from mailstack.sandbox.simulation.sockets import SimulatedSocket


class SimulatedServer(OnOurTime, tcp.Server):
    """A connection from outside."""


class SimulatedPort(tcp.Port):
    """A listener."""

    transport = SimulatedServer

    def createInternetSocket(self) -> SimulatedSocket:  # type: ignore[override]
        """The one place where Twisted would ask the system."""
        reactor: Any = self.reactor
        return reactor.create_socket(self.addressFamily)  # type: ignore[no-any-return]


class SimulatedClient(OnOurTime, tcp.Client):
    """A connection outward."""

    def createInternetSocket(self) -> SimulatedSocket:
        """The one place where Twisted would ask the system."""
        reactor: Any = self.reactor if hasattr(self, "reactor") else self.connector.reactor
        return reactor.create_socket(self.addressFamily)  # type: ignore[no-any-return]


class SimulatedConnector(tcp.Connector):
    """Calls, and keeps the time allowed for that."""

    def _makeTransport(self) -> SimulatedClient:
        return SimulatedClient(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]
