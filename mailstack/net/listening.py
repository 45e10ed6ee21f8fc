"""Listens on endpoints and gives every connection its engine and its conversation."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailstack.net.peer import NetPeer
from mailstack.net.proxied import PassedAddress, ProxiedFactory
from mailstack.net.proxy_header import PROXIED
from mailstack.policy import Pass
from mailstack.policy.limits import ConnectionLimits
from mailstack.policy.networks import networks_of, within
from mailstack.smtp.replies import Reply
from mailstack.wire import Engine, EventT, HostPort

BACKLOG = 1024
"""Connections that the system may hold until we take them; it takes less if it must."""


class Door(Factory, Generic[EventT]):
    """One service of an office: the same engine and conversation for every connection to its ports."""

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        engine: Callable[[], Engine[EventT]],
        converse: Callable[[NetPeer[EventT], Any], Coroutine[Any, Any, None]],
        turn_away: Callable[[NetPeer[EventT], Any, Reply], Coroutine[Any, Any, None]],
        limits: ConnectionLimits,
        context: IOpenSSLServerConnectionCreator,
        implicit_tls: bool = False,
        lifetime: float = 86400.0,
        proxies: Iterable[str] = (),
        proxy_timeout: float = 5.0,
    ) -> None:
        """`converse` is given the peer and the engine that `engine` made for it.

        `turn_away` is the conversation with a client that `limits` does not admit, and is given the reply as well.
        `proxies` are the networks (CIDR) of load balancers, whose PROXY header must be there in `proxy_timeout` seconds.
        """
        self._reactor = reactor
        self._engine = engine
        self._converse = converse
        self._turn_away = turn_away
        self._limits = limits
        self._context = context
        self._implicit_tls = implicit_tls
        self._lifetime = lifetime
        self._proxies = networks_of(proxies)
        self._proxy_timeout = proxy_timeout
        self._proxied: list[ProxiedFactory] = []
        self._ports: list[IListeningPort] = []
        self._peers: set[NetPeer[EventT]] = set()
        self._empty: Deferred[None] | None = None

    @property
    def addresses(self) -> list[HostPort]:
        """Where it listens."""
        hosts = [port.getHost() for port in self._ports]
        return [HostPort(host.host, host.port) for host in hosts if isinstance(host, IPv4Address | IPv6Address)]

    async def listen(self, descriptions: Iterable[str]) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""
        factory: IProtocolFactory = self
        if self._implicit_tls:
            factory = TLSMemoryBIOFactory(self._context, False, self, clock=self._reactor)
        for description in descriptions:
            inner = description.removeprefix(PROXIED)
            endpoint = serverFromString(self._reactor, _with_backlog(inner))
            self._ports.append(await endpoint.listen(factory if inner == description else self._behind_proxy(factory)))

    def _behind_proxy(self, factory: IProtocolFactory) -> ProxiedFactory:
        """A PROXY header comes first, before TLS as well (proxy-protocol.txt §2)."""
        proxied = ProxiedFactory(
            self._reactor,
            factory,
            trusted=lambda host: within(host, self._proxies),
            timeout=self._proxy_timeout,
        )
        self._proxied.append(proxied)
        return proxied

    def buildProtocol(self, addr: IAddress | None) -> NetPeer[EventT]:  # noqa: N802
        remote = HostPort(getattr(addr, "host", ""), getattr(addr, "port", 0))
        verdict = self._limits.admit(remote)
        engine = self._engine()

        def converse(peer: NetPeer[EventT]) -> Coroutine[Any, Any, None]:
            if isinstance(verdict, Pass):
                return self._converse(peer, engine)
            return self._turn_away(peer, engine, verdict.reply)

        def done(peer: NetPeer[EventT]) -> None:
            if isinstance(verdict, Pass):
                self._limits.release(remote)
            self._gone(peer)

        peer = NetPeer(
            self._reactor,
            engine,
            conversation=converse,
            context=self._context,
            encrypted=self._implicit_tls,
            lifetime=self._lifetime,
            remote=remote if isinstance(addr, PassedAddress) else None,
            local=addr.local if isinstance(addr, PassedAddress) else None,
            done=done,
        )
        self._peers.add(peer)
        return peer

    async def stop_listening(self) -> None:
        """Take no more connections, and have those that are there say goodbye."""
        ports, self._ports = self._ports, []
        for port in ports:
            stopped = port.stopListening()
            if stopped is not None:
                await stopped
        for proxied in self._proxied:
            proxied.stop()
        for peer in list(self._peers):
            peer.stop()

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait for the conversations to end; after `timeout` seconds their connections are dropped."""
        if not self._peers:
            return
        self._empty = Deferred()
        call = self._reactor.callLater(timeout, self._abort)
        await self._empty
        if call.active():
            call.cancel()

    def _abort(self) -> None:
        for peer in list(self._peers):
            peer.abort()

    def _gone(self, peer: NetPeer[EventT]) -> None:
        self._peers.discard(peer)
        if not self._peers and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.callback(None)


def _with_backlog(description: str) -> str:
    """Room for a burst of connections: with Twisted's 50 the others wait a second for their next try."""
    if description.startswith(("tcp:", "tcp6:")) and "backlog=" not in description:
        return f"{description}:backlog={BACKLOG}"
    return description
