"""Listens on endpoints and gives every connection its engine and its conversation."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Protocol

from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.protocol import Factory

from mailstack.letter.connection import HostPort
from mailstack.net.connection_set import ConnectionSet
from mailstack.net.peer import NetPeer
from mailstack.net.proxy_protocol import PassedAddress
from mailstack.net.run_queue import RunQueue
from mailstack.net.service_ports import EndpointOf, Ports, bind_anew
from mailstack.policy import Pass
from mailstack.policy.limits import Admission
from mailstack.protocols.connection import Engine, EventT
from mailstack.protocols.smtp.replies import Reply


class Listener(Protocol):
    """What an office asks of each of its services."""

    @property
    def addresses(self) -> list[HostPort]:
        """Where it listens."""

    async def listen(self, descriptions: Iterable[str]) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""

    async def stop_listening(self) -> None:
        """Take no more connections, and have those that are there end."""

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait for the connections to end; after `timeout` seconds they are dropped."""


class ServiceListener(Factory, Generic[EventT]):
    """One service of an office: the same engine and conversation for every connection to its ports."""

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        *,
        engine: Callable[[], Engine[EventT]],
        converse: Callable[[NetPeer[EventT], Any], Coroutine[Any, Any, None]],
        turn_away: Callable[[NetPeer[EventT], Any, Reply], Coroutine[Any, Any, None]],
        limits: Admission,
        context: IOpenSSLServerConnectionCreator,
        implicit_tls: bool = False,
        lifetime: float = 86400.0,
        proxies: Iterable[str] = (),
        proxy_timeout: float = 5.0,
        endpoint: EndpointOf = bind_anew,
        queue: RunQueue | None = None,
        handshake_timeout: float = 30.0,
    ) -> None:
        """`converse` is given the peer and the engine that `engine` made for it.

        `turn_away` is the conversation with a client that `limits` does not admit, and is given the reply as well.
        `proxies` are the networks (CIDR) of load balancers, whose PROXY header must be there in `proxy_timeout` seconds.
        A client has `handshake_timeout` seconds for each TLS handshake.
        `queue` is that of all listeners of the reactor, which share its time; None: this one has its own.
        """
        self._queue = queue or RunQueue(reactor)
        self._reactor = reactor
        self._engine = engine
        self._converse = converse
        self._turn_away = turn_away
        self._limits = limits
        self._context = context
        self._implicit_tls = implicit_tls
        self._lifetime = lifetime
        self._handshake_timeout = handshake_timeout
        self._ports = Ports(
            reactor,
            implicit_tls=context if implicit_tls else None,
            proxies=proxies,
            proxy_timeout=proxy_timeout,
            endpoint=endpoint,
            handshake_timeout=handshake_timeout,
        )
        self._peers: ConnectionSet[NetPeer[EventT]] = ConnectionSet(reactor)

    @property
    def addresses(self) -> list[HostPort]:
        """Where it listens."""
        return self._ports.addresses

    async def listen(self, descriptions: Iterable[str]) -> None:
        """Bind Twisted endpoint descriptions. Raises twisted.internet.error.CannotListenError, ValueError."""
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
            conversation=converse,
            context=self._context,
            encrypted=self._implicit_tls,
            lifetime=self._lifetime,
            remote=remote if isinstance(addr, PassedAddress) else None,
            local=addr.local if isinstance(addr, PassedAddress) else None,
            done=self._left if isinstance(verdict, Pass) else self._peers.gone,
            queue=self._queue,
            handshake_timeout=self._handshake_timeout,
        )
        self._peers.add(peer)
        return peer

    def _left(self, peer: NetPeer[EventT]) -> None:
        self._limits.release(peer.remote)
        self._peers.gone(peer)

    async def stop_listening(self) -> None:
        """Take no more connections, and have those that are there say goodbye."""
        await self._ports.close()
        for peer in self._peers:
            peer.stop()

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait for the conversations to end; after `timeout` seconds their connections are dropped."""
        await self._peers.wait_until_empty(timeout)
