"""Listeners of a service: endpoint descriptions, bound ports and open connections."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory

from mailstack.letter.envelope import HostPort
from mailstack.net.peer import NetPeer
from mailstack.net.peer_state import PeerTls
from mailstack.net.proxy_protocol import PROXIED, PassedAddress, ProxiedFactory
from mailstack.net.reactor_patches import bound_accepts
from mailstack.net.scheduler import RunQueue
from mailstack.net.tls_layer import wrap_in_tls
from mailstack.policy import Pass
from mailstack.policy.limits import Admission
from mailstack.policy.networks import contains_host, ip_address, parse_networks
from mailstack.protocols.connection import Engine, EventT
from mailstack.protocols.smtp.replies import Reply
from mailstack.relay.external_relay import is_loopback


class Abortable(Protocol):
    """Connection that can be aborted."""

    def abort(self) -> None:
        """Drop the connection now."""


ConnectionT = TypeVar("ConnectionT", bound=Abortable)


class ConnectionSet(Generic[ConnectionT]):
    """Open connections; their owner adds each, and removes it when it is lost."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._members: set[ConnectionT] = set()
        self._empty: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[ConnectionT]:
        """A copy, because connections can be lost during the iteration."""
        return iter(list(self._members))

    def add(self, connection: ConnectionT) -> None:
        self._members.add(connection)

    def gone(self, connection: ConnectionT) -> None:
        self._members.discard(connection)
        if not self._members and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.callback(None)

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait until all connections are lost; after `timeout` seconds they are aborted."""
        if not self._members:
            return
        self._empty = Deferred()
        call = self._reactor.callLater(timeout, self._abort)
        await self._empty
        if call.active():
            call.cancel()

    def _abort(self) -> None:
        for connection in self:
            connection.abort()


BACKLOG = 1024
"""Maximum number of connections that the system queues before they are accepted; its own limit may be lower."""

EndpointOf = Callable[[Any, str], IStreamServerEndpoint]
"""Function from a reactor and a description to an endpoint."""
bind_endpoint: EndpointOf = serverFromString


class Ports:
    """Ports of one service, bound by `listen` until `close`."""

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        implicit_tls: IOpenSSLServerConnectionCreator | None = None,
        proxies: Iterable[str] = (),
        proxy_timeout: float = 5.0,
        endpoint: EndpointOf = bind_endpoint,
        handshake_timeout: float = 30.0,
    ) -> None:
        """`implicit_tls` has the certificate of a service with implicit TLS; None: the service starts in plain text.

        `handshake_timeout` is the seconds for that handshake.
        `proxies` are the networks (CIDR) of load balancers, `proxy_timeout` the seconds for their PROXY headers.
        """
        self._reactor = reactor
        self._implicit_tls = implicit_tls
        self._proxies = parse_networks(proxies)
        self._proxy_timeout = proxy_timeout
        self.handshake_timeout = handshake_timeout
        """Maximum seconds of a TLS handshake."""
        self._endpoint = endpoint
        self._proxied: list[ProxiedFactory] = []
        self._ports: list[IListeningPort] = []

    @property
    def encrypted(self) -> bool:
        """Whether TLS starts with the first octet."""
        return self._implicit_tls is not None

    @property
    def addresses(self) -> list[HostPort]:
        hosts = [port.getHost() for port in self._ports]
        return [HostPort(host.host, host.port) for host in hosts if isinstance(host, IPv4Address | IPv6Address)]

    async def listen(self, descriptions: Iterable[str], service: IProtocolFactory) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""
        factory = service
        if self._implicit_tls is not None:
            factory = wrap_in_tls(
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
            self._reactor, factory, trusted=lambda host: contains_host(host, self._proxies), timeout=self._proxy_timeout
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


def is_own_listener(where: HostPort, listening: Iterable[HostPort]) -> bool:
    """Whether a connection to `where` would reach one of these listening addresses of this machine."""
    # The system treats an IPv4-mapped address as the IPv4 one, and an unspecified address as loopback.
    host = str(ip_address(where.host) or where.host)
    loops = is_loopback(host) or host in _ANY
    return any(
        each.port == where.port
        and (each.host == host or (loops and each.host in _ANY) or (host in _ANY and is_loopback(each.host)))
        for each in listening
    )


class Listener(Protocol):
    """Listener of one service."""

    @property
    def addresses(self) -> list[HostPort]:
        """Bound addresses."""

    async def listen(self, descriptions: Iterable[str]) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""

    async def stop_listening(self) -> None:
        """Close the ports, and end the open sessions."""

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait until all connections are lost; after `timeout` seconds they are aborted."""


class ServiceListener(Factory, Generic[EventT]):
    """Listener with the same engine and session for every connection to its ports."""

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        ports: Ports,
        *,
        engine: Callable[[], Engine[EventT]],
        converse: Callable[[NetPeer[EventT], Any], Coroutine[Any, Any, None]],
        turn_away: Callable[[NetPeer[EventT], Any, Reply], Coroutine[Any, Any, None]],
        limits: Admission,
        context: IOpenSSLServerConnectionCreator,
        lifetime: float = 86400.0,
        queue: RunQueue | None = None,
    ) -> None:
        """`converse` runs the session on a peer and the engine that `engine` made for it.

        `turn_away` is the session with a client that `limits` refuses; its third argument is the reply.
        `context` has the certificate for STARTTLS. `lifetime` is the maximum duration of a connection in seconds.
        `queue` is shared by all listeners of the reactor; without it the listener has its own.
        """
        self._queue = queue or RunQueue(reactor)
        self._reactor = reactor
        self._engine = engine
        self._converse = converse
        self._turn_away = turn_away
        self._limits = limits
        self._tls = PeerTls(context, encrypted=ports.encrypted, handshake_timeout=ports.handshake_timeout)
        self._lifetime = lifetime
        self._ports = ports
        self._peers: ConnectionSet[NetPeer[EventT]] = ConnectionSet(reactor)

    @property
    def addresses(self) -> list[HostPort]:
        return self._ports.addresses

    async def listen(self, descriptions: Iterable[str]) -> None:
        await self._ports.listen(descriptions, self)

    def buildProtocol(self, addr: IAddress | None) -> NetPeer[EventT]:  # noqa: N802
        remote = HostPort(getattr(addr, "host", ""), getattr(addr, "port", 0))
        verdict = self._limits.admit(remote)
        engine = self._engine()

        def converse(peer: NetPeer[EventT]) -> Coroutine[Any, Any, None]:
            if isinstance(verdict, Pass):
                return self._converse(peer, engine)
            return self._turn_away(peer, engine, verdict.reply)

        peer = NetPeer(
            self._reactor,
            engine,
            session=converse,
            tls=self._tls,
            lifetime=self._lifetime,
            remote=remote if isinstance(addr, PassedAddress) else None,
            local=addr.local if isinstance(addr, PassedAddress) else None,
            done=self._left if isinstance(verdict, Pass) else self._peers.gone,
            queue=self._queue,
        )
        self._peers.add(peer)
        return peer

    def _left(self, peer: NetPeer[EventT]) -> None:
        self._limits.release(peer.remote)
        self._peers.gone(peer)

    async def stop_listening(self) -> None:
        """Close the ports, and let the open sessions send their last reply."""
        await self._ports.close()
        for peer in self._peers:
            peer.stop()

    async def wait_until_empty(self, timeout: float) -> None:
        await self._peers.wait_until_empty(timeout)
