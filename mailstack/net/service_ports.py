"""Service ports: binds endpoint descriptions, with implicit TLS and PROXY headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)

from mailstack.letter.connection import HostPort
from mailstack.net.proxy_header import PROXIED
from mailstack.net.proxy_protocol import ProxiedFactory
from mailstack.net.reactor_patches import bound_accepts
from mailstack.net.tls_layer import under_tls
from mailstack.policy.networks import ip_address, networks_of, within
from mailstack.relay.loopback import is_loopback

BACKLOG = 1024
"""Maximum number of connections that the system queues before they are accepted; its own limit may be lower."""

EndpointOf = Callable[[Any, str], IStreamServerEndpoint]
"""Function from a reactor and a description to an endpoint."""
bind_anew: EndpointOf = serverFromString


class Ports:
    """Ports of one service, bound by `listen` until `close`."""

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        implicit_tls: IOpenSSLServerConnectionCreator | None = None,
        proxies: Iterable[str] = (),
        proxy_timeout: float = 5.0,
        endpoint: EndpointOf = bind_anew,
        handshake_timeout: float = 30.0,
    ) -> None:
        """`implicit_tls` has the certificate of a service with implicit TLS; None: the service starts in plain text.

        `handshake_timeout` is the seconds for that handshake.
        `proxies` are the networks (CIDR) of load balancers, `proxy_timeout` the seconds for their PROXY headers.
        """
        self._reactor = reactor
        self._implicit_tls = implicit_tls
        self._proxies = networks_of(proxies)
        self._proxy_timeout = proxy_timeout
        self.handshake_timeout = handshake_timeout
        """Maximum seconds of a TLS handshake."""
        self._endpoint = endpoint
        self._proxied: list[ProxiedFactory] = []
        self._ports: list[IListeningPort] = []

    @property
    def encrypted(self) -> bool:
        """Whether TLS begins with the first octet."""
        return self._implicit_tls is not None

    @property
    def addresses(self) -> list[HostPort]:
        """Bound addresses."""
        hosts = [port.getHost() for port in self._ports]
        return [HostPort(host.host, host.port) for host in hosts if isinstance(host, IPv4Address | IPv6Address)]

    async def listen(self, descriptions: Iterable[str], service: IProtocolFactory) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""
        factory = service
        if self._implicit_tls is not None:
            factory = under_tls(
                service, self._implicit_tls, self._reactor, client=False, handshake_timeout=self.handshake_timeout
            )
        for description in descriptions:
            inner = description.removeprefix(PROXIED)
            endpoint = self._endpoint(self._reactor, with_backlog(inner))
            port = await endpoint.listen(factory if inner == description else self._behind_proxy(factory))
            bound_accepts(port)
            self._ports.append(port)

    def _behind_proxy(self, factory: IProtocolFactory) -> ProxiedFactory:
        """Factory that reads a PROXY header before anything else, TLS included (proxy-protocol.txt §2)."""
        proxied = ProxiedFactory(
            self._reactor,
            factory,
            trusted=lambda host: within(host, self._proxies),
            timeout=self._proxy_timeout,
        )
        self._proxied.append(proxied)
        return proxied

    async def close(self) -> None:
        """Close the ports, and the connections with incomplete PROXY headers."""
        ports, self._ports = self._ports, []
        for port in ports:
            stopped = port.stopListening()
            if stopped is not None:
                await stopped
        for proxied in self._proxied:
            proxied.stop()


def with_backlog(description: str) -> str:
    """The description with a backlog for a burst of connections; beyond Twisted's 50, clients wait a second to retry."""
    if description.startswith(("tcp:", "tcp6:")) and "backlog=" not in description:
        return f"{description}:backlog={BACKLOG}"
    return description


_ANY = ("0.0.0.0", "::")  # noqa: S104
"""Unspecified addresses: all addresses of the machine for a listener, loopback for a client."""


def leads_to(where: HostPort, listening: Iterable[HostPort]) -> bool:
    """Whether a connection to `where` would reach one of these listening addresses of this machine."""
    # The system treats an IPv4-mapped address as the IPv4 one, and an unspecified address as loopback.
    host = str(ip_address(where.host) or where.host)
    loops = is_loopback(host) or host in _ANY
    return any(
        each.port == where.port
        and (each.host == host or (loops and each.host in _ANY) or (host in _ANY and is_loopback(each.host)))
        for each in listening
    )
