"""Mail server: builds one host's services from its configuration and dependencies, and runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from mailstack.accounts.authenticator import UserAccess
from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import Config
from mailstack.letter.envelope import HostPort
from mailstack.net.listening import is_own_listener
from mailstack.policy.authentication.dkim import OutboundSigner, SigningKey
from mailstack.server.delivery_pipeline import DeliveryPipeline, HistoryPruner
from mailstack.server.imap_listeners import ImapListeners
from mailstack.server.listener_kit import ListenerKit
from mailstack.server.listeners import Listeners, Pop3Listeners, WebListeners
from mailstack.server.runtime import Observers, Runtime, Storage, WorkerResources
from mailstack.server.smtp_listeners import SmtpListeners
from mailstack.server.wiring.receiving import make_receiving, signer
from mailstack.server.wiring.webhooks import WebhookDispatch

if TYPE_CHECKING:
    from mailstack.web.context import WebOptions


class MailServer:
    """Services of one host; used once.

    `listen` binds the ports, `start` starts the work, `stop` ends it. The caller opens and closes the store, which
    several servers can share.
    """

    def __init__(  # noqa: PLR0917  # dependencies, each of a type of its own
        self,
        config: Config,
        runtime: Runtime,
        storage: Storage,
        access: UserAccess,
        observers: Observers,
        workers: WorkerResources,
        web: WebOptions | None = None,
    ) -> None:
        self.config = config
        self.clock = clock = runtime.clock
        self._runtime = runtime
        self._workers = workers
        store, directory, reactor = storage.store, access.directory, runtime.reactor
        self._webhooks = WebhookDispatch(config, runtime, storage, workers)
        observers = self._webhooks.wrap_observers(observers)
        journal = observers.journal
        self._signing = signing = OutboundSigner()
        self._pipeline = pipeline = DeliveryPipeline(
            config, runtime, storage, directory, journal, workers.slot, signing, self._is_ours
        )
        receiving = make_receiving(
            config, runtime, storage, access, workers.counters, pipeline, signing, self._in_thread
        )
        self.submission, self.exchange = receiving.submission, receiving.exchange
        kit = ListenerKit(config, runtime, observers, workers)
        sessions = SessionRegistry(store.accounts, reactor.callLater, storage.session_poll)
        self.listeners = Listeners(
            kit,
            SmtpListeners(kit, receiving, access.submitters, sessions),
            Pop3Listeners(kit, storage, access, journal, sessions),
            ImapListeners(kit, storage, access, journal, sessions),
            WebListeners(kit, store, access, observers, self.submission, sessions, self._in_thread, web),
        )
        self._pruner = HistoryPruner(config, store, clock)

    def _in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._runtime.reactor, self._runtime.reactor.getThreadPool(), work)

    def _is_ours(self, address: HostPort) -> bool:
        return is_own_listener(address, self.listeners.addresses)

    def sign_by(self, config: Config, keys: Sequence[SigningKey]) -> None:
        """Sign letters by these keys from now on, as configured by `[dkim]`."""
        self._signing.use(signer(config, keys, self._in_thread, self.clock.now))

    async def listen(self) -> None:
        """Bind every port of the configuration. Raises twisted.internet.error.CannotListenError."""
        await self.listeners.listen()

    async def start(self) -> None:
        """Work through the queue, and start the sessions that wait."""
        await self._pipeline.queue.start()
        if self._workers.slot.is_primary:
            await self._webhooks.start()
            if self._pipeline.reporter is not None:
                self._pipeline.reporter.start()
            self._pruner.start()
        self.listeners.open()

    async def stop(self, patience: float = 10.0) -> None:
        """End the sessions (RFC 5321 §3.8), and the attempts under way within `patience` seconds each."""
        self._pruner.stop()
        await self.listeners.close(patience)
        stopped: Deferred[None] = Deferred()
        self._pipeline.queue.stop(lambda: stopped.callback(None), patience)
        await stopped
        await self._pipeline.relay.close()
        if self._pipeline.reporter is not None:
            self._pipeline.reporter.stop()
        if self._pipeline.collector is not None:
            await self._pipeline.collector.flush()
        await self._webhooks.stop(patience)
