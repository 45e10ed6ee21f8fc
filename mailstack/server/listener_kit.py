"""Listener kit: client limits, hooks and start signal of a server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from mailstack.config import Config
from mailstack.net.listening import Ports, ServiceListener
from mailstack.net.scheduler import RunQueue
from mailstack.policy.limits import Admission, ConnectionLimiter
from mailstack.policy.networks import is_exempt, parse_networks
from mailstack.protocols.connection import Peer
from mailstack.server.runtime import Observers, Runtime, WorkerResources

Conversation = Callable[[], Coroutine[Any, Any, None]]


class ListenerKit:
    """Makes listeners. Sessions wait until `open`."""

    def __init__(self, config: Config, runtime: Runtime, observers: Observers, workers: WorkerResources) -> None:
        self.config = config
        self.runtime = runtime
        self.workers = workers
        limits = config.limits
        self.exempt = parse_networks((*limits.exempt, *config.relay.relay_from))
        """Networks without client limits."""
        self.connections = ConnectionLimiter(
            limits.connections,
            limits.connections_per_address,
            per_minute=limits.connections_per_minute,
            busy=limits.busy_percent / 100,
            now=runtime.clock.steady,
            counts=workers.counters.connections,
            rates=workers.counters.rates,
            exempt=self.exempt,
        )
        """Connection limits of the whole server."""
        self._run_queue = RunQueue(runtime.reactor)
        self._hooks = [hook for hook in (observers.recorder, runtime.session_hook) if hook is not None]
        self._is_open = False
        self._pending: list[Deferred[None]] = []

    def listener(
        self,
        service: str,
        engine: Callable[[], Any],
        converse: Any,
        turn_away: Any,
        *,
        implicit_tls: bool,
        connections: Admission | None = None,
        lifetime: float | None = None,
    ) -> ServiceListener[Any]:
        """Listener of one service. `connections` limits its clients in place of the limits of the server.

        `lifetime` is the maximum duration of a connection in seconds; None: as configured.
        """
        context = self.runtime.tls.context(service)
        return ServiceListener(
            self.runtime.reactor,
            self.ports(context if implicit_tls else None),
            engine=engine,
            converse=converse,
            turn_away=turn_away,
            limits=connections or self.connections,
            context=context,
            lifetime=lifetime or self.config.limits.session_time,
            queue=self._run_queue,
        )

    def ports(self, implicit_tls: IOpenSSLServerConnectionCreator | None) -> Ports:
        """Ports of one service. `implicit_tls` has the certificate of one that is under TLS from the first octet."""
        return Ports(
            self.runtime.reactor,
            implicit_tls=implicit_tls,
            proxies=self.config.proxy.networks,
            proxy_timeout=self.config.proxy.timeout,
            endpoint=self.workers.endpoint,
            handshake_timeout=self.config.limits.handshake_timeout,
        )

    def is_exempt(self, host: str) -> bool:
        """Whether client limits do not apply to this address."""
        return is_exempt(host, self.exempt)

    def wrap_peer(self, peer: Peer[Any], engine: Any, service: str) -> Peer[Any]:
        """Peer for the session, behind the recorder and the hook of the runtime."""
        for hook in self._hooks:
            peer = hook(peer, engine, self.config.hostname, service)
        return peer

    def open(self) -> None:
        """Start the sessions that wait, and all later ones at once."""
        self._is_open = True
        waiting, self._pending = self._pending, []
        for deferred in waiting:
            deferred.callback(None)

    def start_when_open(self, conversation: Conversation) -> Coroutine[Any, Any, None]:
        """Session that starts with `open`: ports are bound before the server is ready, and before it drops root."""
        return conversation() if self._is_open else self._wait_and_start(conversation)

    async def _wait_and_start(self, conversation: Conversation) -> None:
        deferred: Deferred[None] = Deferred()
        self._pending.append(deferred)
        await deferred
        await conversation()
