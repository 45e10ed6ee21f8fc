"""Service listener: binds endpoints, and starts a session for each connection."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Protocol

from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.protocol import Factory

from mailstack.letter.connection import HostPort
from mailstack.net.connection_set import ConnectionSet
from mailstack.net.peer import NetPeer
from mailstack.net.peer_state import PeerTls
from mailstack.net.proxy_protocol import PassedAddress
from mailstack.net.run_queue import RunQueue
from mailstack.net.service_ports import Ports
from mailstack.policy import Pass
from mailstack.policy.limits import Admission
from mailstack.protocols.connection import Engine, EventT
from mailstack.protocols.smtp.replies import Reply


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
