"""Twisted's TCP on the time of the reactor that a connection belongs to, also where `startTLS` is called on it."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

from typing import Any

from twisted.internet import tcp

from mailstack.net.tls_layer import start_tls


class OnOurTime:
    """Mixed into a TCP transport of Twisted's, before its class."""

    _tlsClientDefault: bool  # noqa: N815

    def startTLS(self, ctx: Any, normal: bool = True) -> None:
        """Shake hands on the open connection; `normal` is whether who called it is the client in TLS as well."""
        start_tls(self, ctx, client=self._tlsClientDefault == normal)


class OwnServer(OnOurTime, tcp.Server):
    """A connection from outside."""


class OwnPort(tcp.Port):
    """A listener."""

    transport = OwnServer


class OwnClient(OnOurTime, tcp.Client):
    """A connection outward."""


class OwnConnector(tcp.Connector):
    """Calls, and keeps the time allowed for that."""

    def _makeTransport(self) -> OwnClient:
        return OwnClient(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]
