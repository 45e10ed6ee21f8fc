"""HTTP listeners: ports of the web site; its pages load later."""

# A server loads its pages when the first client connects.
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.session_registry import SessionRegistry
from mailstack.net.listening import Listener
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.server.listener_kit import ListenerKit
from mailstack.server.runtime import Observers
from mailstack.store import Store

if TYPE_CHECKING:
    from mailstack.web.admin_hooks import WebOptions
    from mailstack.web.listener import ProtocolFactory


class WebListeners:
    """Makes the listeners of one server."""

    def __init__(  # noqa: PLR0917  # dependencies, each of a type of its own
        self,
        kit: ListenerKit,
        store: Store,
        access: UserAccess,
        observers: Observers,
        submission: ReceivingRules,
        sessions: SessionRegistry,
        in_thread: Callable[[Callable[[], Any]], Deferred[Any]],
        options: WebOptions | None,
    ) -> None:
        self._kit = kit
        self._store = store
        self._access = access
        self._observers = observers
        self._submission = submission
        self._sessions = sessions
        self._in_thread = in_thread
        self._options = options

    def listener(self, bound: Mapping[str, Listener], *, implicit_tls: bool = False) -> Listener:
        """Listener for browsers; its pages show the ports of the listeners that are `bound` before it."""
        from mailstack.web.listener import WebListener

        runtime = self._kit.runtime
        ports = self._kit.ports(runtime.tls.for_web() if implicit_tls else None)
        shown = {name: listener.addresses[0].port for name, listener in bound.items() if listener.addresses}
        return WebListener(runtime.reactor, ports, limits=self._kit.connections, load=partial(self._load, shown))

    async def _load(self, ports: Mapping[str, int]) -> ProtocolFactory:
        # In a thread: there are many modules.
        await self._in_thread(partial(import_module, "mailstack.web.app"))
        from mailstack.web.admin_hooks import WebOptions
        from mailstack.web.api.context import ApiContext, Requests
        from mailstack.web.api.events import StreamLimits
        from mailstack.web.app import protocol_factory

        config, runtime, options = self._kit.config, self._kit.runtime, self._options or WebOptions()
        streams = StreamLimits(
            config.web.streams, config.web.streams_per_client, self._kit.workers.counters.long_requests
        )
        in_thread = options.in_thread or self._in_thread
        return await protocol_factory(
            ports,
            ApiContext(
                config,
                runtime.clock,
                self._store,
                self._access,
                self._observers.journal,
                self._observers.index,
                self._submission,
                Requests(runtime.reactor, in_thread, streams, self._sessions),
                options,
            ),
        )
