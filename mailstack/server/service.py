"""Twisted service of one mail server, for `twistd mailstack` and `mailstack serve`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure

from mailstack.config import Config
from mailstack.config.derived import WorkerSlot
from mailstack.letter.delivery import Journal
from mailstack.letter.envelope import HostPort
from mailstack.net.certificate_reloader import CertificateReloader
from mailstack.net.clock import Heartbeat, ReactorClock, install_monotonic_time
from mailstack.net.log import LineJournal, Stream
from mailstack.net.process import notify_ready, notify_stopping, on_sighup
from mailstack.net.reactor_patches import bound_turns, freeze_startup_objects
from mailstack.net.thread_pool import BoundedPool
from mailstack.policy.authentication.dkim import SigningKey
from mailstack.policy.counters import single_process
from mailstack.server.mail_server import MailServer
from mailstack.server.privileged_setup import CannotStart, PrivilegedResources, ServiceUser, prepare
from mailstack.server.runtime import Observers, WorkerResources
from mailstack.server.wiring.certificates import make_renewal
from mailstack.server.wiring.receiving import reload_keys
from mailstack.server.wiring.runtime import make_index, server_runtime, server_storage, web_options
from mailstack.server.wiring.store import server_store
from mailstack.server.wiring.user_access import make_directory, make_passwords, make_user_access
from mailstack.store.sql_store import SqlStore

if TYPE_CHECKING:
    from mailstack.mailbox.index.letter_index import LetterIndex
    from mailstack.mailbox.index.shared_feed import WorkerSync

__all__ = ["CannotStart", "MailService", "ServiceUser", "WorkerContext", "cannot_listen", "log_listening"]

_log = logging.getLogger(__name__)


class WorkerContext(Struct, frozen=True):
    """Objects that a worker inherits from its master."""

    privileged: PrivilegedResources
    workers: WorkerResources
    """Shared counters, worker slot and bound sockets."""
    ready: Callable[[], None]
    """Reports that the server is ready."""
    wake: Callable[[], None]
    """Wakes the other workers after a change of the index."""


class MailService(Service):
    """Binds its ports while it may still be root, opens the store and works after that."""

    def __init__(
        self,
        reactor: Any,
        config: Config,
        stream: Stream,
        failed: Callable[[CannotStart], None],
        owner: ServiceUser | None = None,
        *,
        inherited: WorkerContext | None = None,
        reread: Callable[[], Config] | None = None,
    ) -> None:
        """`stream` gets the steps of letters. `failed` is called once, when the server can't start.

        `owner` is the user of the process after privilegedStartService. `inherited` has the objects of the master.
        `reread` loads the configuration again, for the keys that a SIGHUP may change.
        """
        self._reread = reread
        self._owner = owner
        self._inherited = inherited
        self._reactor = reactor
        self._now = install_monotonic_time(reactor)
        self._config = config
        self._stream = stream
        self._failed = failed
        self._store: SqlStore | None = None
        self._server: MailServer | None = None
        self._index: LetterIndex | None = None
        self._heartbeat = Heartbeat(reactor)
        self._renewal: CertificateReloader | None = None
        self._restore: Callable[[], object] = lambda: None
        self._web_pool = BoundedPool(reactor, "mailstack-web", config.web.threads, config.web.queue)

    def privilegedStartService(self) -> None:  # noqa: N802
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            privileged = (
                prepare(self._config, self._reactor, self._owner)
                if self._inherited is None
                else self._inherited.privileged
            )
        except CannotStart as error:
            self._fail(str(error))
            return
        self._server = self._build(privileged)
        listening = Deferred.fromCoroutine(self._server.listen())
        # The program can still exit with an error that occurs at once.
        failures: list[Failure] = []
        listening.addErrback(failures.append)
        if failures:
            self._fail(cannot_listen(failures[0]))

    def _build(self, privileged: PrivilegedResources) -> MailServer:
        """The server; its store is not open yet."""
        config, reactor, inherited = self._config, self._reactor, self._inherited
        slot = replace(WorkerSlot() if inherited is None else inherited.workers.slot, node=privileged.node)
        location = privileged.store.location
        store = privileged.store if inherited is None else server_store(config, reactor, slot, location)
        self._store = store
        clock = ReactorClock(reactor, store.now or self._now)
        workers = replace(WorkerResources(single_process(clock)) if inherited is None else inherited.workers, slot=slot)
        self._renewal = make_renewal(
            config, reactor, privileged.context, self._now, clock.now if slot.is_primary else None, location
        )
        # SIGHUP ends a process without a handler.
        self._restore = on_sighup(lambda: reactor.callFromThread(self._reload))
        self._passwords = passwords = make_passwords(config, reactor, clock, slot)
        directory = make_directory(config, store, clock)
        access = make_user_access(config, reactor, clock, store, privileged, workers, passwords, directory)
        self._index = index = make_index(config, reactor, clock, store, directory, self._worker_sync())
        journal: Journal = LineJournal(self._stream, clock)
        server = MailServer(
            config,
            server_runtime(config, reactor, clock, privileged),
            server_storage(config, store),
            access,
            Observers(journal if index is None else index.tap(journal), index),
            workers,
            web_options(config, passwords, directory, privileged.secret, self._web_pool),
        )
        server.sign_by(config, privileged.keys)
        return server

    def _worker_sync(self) -> WorkerSync | None:
        """Synchronisation of an index between workers. None: a single process."""
        if self._inherited is None or not self._config.index.enabled:
            return None
        # Only workers with an index load it.
        from mailstack.mailbox.index.shared_feed import WorkerSync  # noqa: PLC0415

        workers = self._inherited.workers
        return WorkerSync(workers.slot.is_primary, workers.counters.event_listeners, self._inherited.wake)

    def on_wake(self) -> None:
        """Read entries that another worker added to the index."""
        if self._index is not None:
            self._index.on_wake()

    def startService(self) -> None:  # noqa: N802
        super().startService()  # type: ignore[no-untyped-call]
        if self._server is not None:
            Deferred.fromCoroutine(self._start()).addErrback(self._start_failed)

    def _start_failed(self, failure: Failure) -> None:
        # Ignore start-up errors after stop was requested.
        if self.running:
            self._fail(failure.getErrorMessage())

    def stopService(self) -> Deferred[None]:  # noqa: N802
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        assert self._store is not None
        assert self._server is not None
        await self._store.open()
        if not self.running:
            return
        if self._index is not None:
            await self._index.start()
        await self._server.start()
        freeze_startup_objects()
        bound_turns(self._reactor)
        self._heartbeat.start()
        if self._renewal is not None:
            self._renewal.start()
        if self._inherited is not None:
            # Keys may have changed since the start of the master.
            self._reread_keys()
            self._inherited.ready()
        else:
            for name, listener in self._server.listeners.bound.items():
                log_listening(self._config.hostname, name, listener.addresses)
            notify_ready()

    async def _stop(self) -> None:
        if self._inherited is None:
            notify_stopping()
        self._heartbeat.stop()
        if self._renewal is not None:
            self._renewal.stop()
        self._restore()
        mail_server, self._server = self._server, None
        if self._index is not None:
            # This ends requests that wait for a letter.
            self._index.feed.close()
        if mail_server is not None:
            await mail_server.stop()
        self._web_pool.close()
        if self._index is not None:
            await self._index.stop()
        if self._store is not None:
            store, self._store = self._store, None
            self._passwords.close()
            await store.close()

    def _reload(self) -> None:
        """Reload certificates and DKIM keys. Invalid ones are logged, and change nothing."""
        if self._renewal is not None:
            self._renewal.reload()
        self._reread_keys()

    def _reread_keys(self) -> None:
        if self._reread is not None:
            reload_keys(self._reactor, self._reread, self._sign_by)

    def _sign_by(self, config: Config, keys: tuple[SigningKey, ...]) -> None:
        if self._server is not None:
            self._server.sign_by(config, keys)

    def _fail(self, reason: str) -> None:
        self._server = None
        self._failed(CannotStart(reason))


def log_listening(mail_server: str, service: str, addresses: Sequence[HostPort]) -> None:
    for address in addresses:
        _log.info("%s: %s listens on %s port %d", mail_server, service, address.host, address.port)


def cannot_listen(failure: Failure) -> str:
    """Describe an error of listening, with port and interface."""
    error = failure.value
    if isinstance(error, CannotListenError):
        return f"port {error.port} of {error.interface or 'every address'}: {error.socketError.strerror}"
    return f"[listen]: {failure.getErrorMessage()}"
