"""One office as a Twisted service: what `twistd mailstack` and `mailstack serve` run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import StoreChecker
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.password_rules import check_password
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram import ScramChecker
from mailstack.accounts.throttle import Throttle
from mailstack.config import Config, ConfigError
from mailstack.config.authentication import signing_keys
from mailstack.config.certificates import identities, issue, patience
from mailstack.config.worker_slot import WorkerSlot
from mailstack.letter.connection import HostPort
from mailstack.letter.step import Journal
from mailstack.net.certificate_checks import CertificateWarning, concerns
from mailstack.net.certificate_reload import Renewal
from mailstack.net.certificates import TlsError
from mailstack.net.clock import ReactorClock, keep_steady
from mailstack.net.connector import TwistedConnector
from mailstack.net.dns import system_names
from mailstack.net.https import HttpsPolicies
from mailstack.net.log import LineJournal, Stream
from mailstack.net.mta_sts_files import PolicyFiles
from mailstack.net.reactor_latency import Heartbeat
from mailstack.net.reactor_patches import bound_turns, freeze_startup_objects
from mailstack.net.sd_notify import tell_ready, tell_stopping
from mailstack.net.service_ports import EndpointOf, bind_anew
from mailstack.net.sighup import on_sighup
from mailstack.net.thread_pool import BoundedPool
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.policy.authentication.signing import SigningKey
from mailstack.policy.counters import SharedCounters, single_process
from mailstack.server.mail_server import MailServer
from mailstack.server.privileged_setup import (
    POLICIES,
    CannotStart,
    PrivilegedResources,
    ServiceUser,
    office_store,
    prepare,
)
from mailstack.server.runtime import AdminHooks, Surroundings
from mailstack.server.wiring.logins import certificate_checkers, token_checkers
from mailstack.store import StoreError
from mailstack.store.free_space import FreeSpace
from mailstack.store.sql_store import SqlStore

if TYPE_CHECKING:
    from mailstack.mailbox.index.letter_index import LetterIndex

__all__ = ["CannotStart", "MailService", "ServiceUser", "WorkerContext", "announce", "cannot_listen"]

_log = logging.getLogger(__name__)


class WorkerContext(Struct, frozen=True):
    """What a worker has from the process that it comes from."""

    premises: PrivilegedResources
    seat: WorkerSlot
    endpoint: EndpointOf
    """Gives the sockets that are bound already."""
    commons: SharedCounters
    """What the limits of all workers together are counted in."""
    ready: Callable[[], None]
    """Called when the office works."""
    wake: Callable[[], None]
    """Has the others look what is new in the index of letters."""


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
        """`stream` gets the journey's lines; `failed` is told, once, when the office can't start.

        `owner` is whom the process becomes between privilegedStartService and startService, if it does. What is
        `inherited` is not made again. `reread` gives the configuration as it is written now, for what a hangup may
        change: the keys that sign.
        """
        self._reread = reread
        self._owner = owner
        self._inherited = inherited
        self._reactor = reactor
        self._now = keep_steady(reactor)
        self._config = config
        self._stream = stream
        self._failed = failed
        self._store: SqlStore | None = None
        self._office: MailServer | None = None
        self._index: LetterIndex | None = None
        self._heartbeat = Heartbeat(reactor)
        self._renewal: Renewal | None = None
        self._restore: Callable[[], object] = lambda: None
        self._web_pool = BoundedPool(reactor, "mailstack-web", config.web.threads, config.web.queue)

    def privilegedStartService(self) -> None:  # noqa: N802
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        try:
            premises = (
                prepare(self._config, self._reactor, self._owner)
                if self._inherited is None
                else self._inherited.premises
            )
        except CannotStart as why:
            self._fail(str(why))
            return
        self._office = MailServer(self._config, self._surroundings(premises))
        listening = Deferred.fromCoroutine(self._office.listen())
        # What failed at once is told from here, where the program can still end with it.
        failures: list[Failure] = []
        listening.addErrback(failures.append)
        if failures:
            self._fail(cannot_listen(failures[0]))

    def _surroundings(self, premises: PrivilegedResources) -> Surroundings:
        """The real ones; the store is not open yet."""
        config, reactor, inherited = self._config, self._reactor, self._inherited
        seat, endpoint = (WorkerSlot(), bind_anew) if inherited is None else (inherited.seat, inherited.endpoint)
        seat = replace(seat, node=premises.node)
        location = premises.store.location
        store = premises.store if inherited is None else office_store(config, reactor, seat, location)
        self._store = store
        clock = ReactorClock(reactor, store.now or self._now)
        commons = single_process(clock) if inherited is None else inherited.commons
        self._keep_certificates(premises, seat, clock)
        passwords, submitters, readers = self._logins(premises, seat, store, clock, commons)
        self._passwords = passwords
        names = system_names(
            reactor,
            [(server.host, server.port) for server in config.relay.nameservers],
            validated=config.relay.dane,
        )
        directory = StoreDirectory(
            store,
            config.domains,
            clock,
            postmaster=config.delivery.postmaster,
            administrators=config.web.admins,
            subaddress=config.delivery.subaddress,
        )
        self._index = self._made_index(store, directory, clock)
        journal: Journal = LineJournal(self._stream, clock)
        return Surroundings(
            reactor=reactor,
            store=store,
            journal=journal if self._index is None else self._index.told_of(journal),
            submitters=submitters,
            readers=readers,
            context=premises.context,
            names=names,
            signing_keys=premises.keys,
            caller=TwistedConnector(
                reactor,
                source=config.relay.source_address or None,
                source6=config.relay.source_address6 or None,
                client_tls=premises.client_tls,
            ),
            policies=HttpsPolicies(reactor, names, premises.client_tls),
            shelf=PolicyFiles(config.data / POLICIES),
            directory=directory,
            index=self._index,
            free_space=None if config.store.url else FreeSpace(config.data, config.limits.min_free_space),
            managed=AdminHooks(
                keep_password=passwords.keep,
                check_password=partial(check_password, min_length=config.accounts.min_password_length),
                forget=directory.forget,
                session_secret=premises.secret,
            ),
            clock=clock,
            seat=seat,
            commons=commons,
            web_threads=self._web_pool.run,
            endpoint=endpoint,
        )

    def _keep_certificates(self, premises: PrivilegedResources, seat: WorkerSlot, clock: ReactorClock) -> None:
        """Renewed before they end, and read again at a hangup."""
        self._renewal = Renewal(
            self._reactor,
            premises.context,
            concerns=self._concerns,
            issue=lambda: self._issue(premises, clock.now()) if seat.keeps_house else None,
            watch=self._config.tls.watch,
        )
        # From here on, for a hangup ends a process that does not hear it.
        self._restore = on_sighup(lambda: self._reactor.callFromThread(self._reload))

    def _issue(self, premises: PrivilegedResources, now: float) -> None:
        """Renew certificates of our own CA. Raises TlsError."""
        location = premises.store.location
        try:
            if location is not None:
                location.check()
        except StoreError as error:
            raise TlsError(str(error)) from error
        issue(self._config, now)

    def _logins(
        self,
        premises: PrivilegedResources,
        seat: WorkerSlot,
        store: SqlStore,
        clock: ReactorClock,
        commons: SharedCounters,
    ) -> tuple[Passwords, CredAuthenticator, CredAuthenticator]:
        """What checks passwords, and who may submit and who may read."""
        config, accounts = self._config, self._config.accounts
        passwords = Passwords(
            self._reactor,
            clock,
            rounds=accounts.bcrypt_rounds,
            scram_iterations=accounts.scram_iterations,
            threads=max(1, seat.share(accounts.threads)),
            queue_limit=max(1, seat.share(accounts.queue)),
            remember=accounts.remember,
        )
        scram = ScramChecker(store, premises.secret, accounts.scram_iterations) if accounts.scram else None
        tokens = token_checkers(config, store, clock, self._reactor, premises.token_secret)
        checkers = [StoreChecker(store, passwords), *tokens, *certificate_checkers(config, store)]
        portal = Portal(Realm(), [*checkers, scram] if scram is not None else checkers)
        throttle = Throttle(
            clock,
            first=accounts.failure_delay,
            longest=accounts.longest_delay,
            shared=accounts.shared_failures,
            ledgers=(commons.failures, commons.places),
        )
        submitters, readers = (
            CredAuthenticator(portal, clock, throttle, config.domains, avatar, keeper=scram, accounts=store)
            for avatar in (ISubmitter, IReader)
        )
        return passwords, submitters, readers

    def _made_index(self, store: SqlStore, directory: StoreDirectory, clock: ReactorClock) -> LetterIndex | None:
        """None where no letters are kept for people who look."""
        config, reactor = self._config, self._reactor
        if not config.index.enabled:
            return None
        # Only an office that has one pays for it.
        from mailstack.mailbox.index.database import FileDatabase  # noqa: PLC0415
        from mailstack.mailbox.index.letter_index import LetterIndex  # noqa: PLC0415
        from mailstack.mailbox.index.removal import Keeping  # noqa: PLC0415
        from mailstack.mailbox.index.shared_feed import Sharing  # noqa: PLC0415

        settings, inherited = config.index, self._inherited
        keeping = Keeping(settings.max_letters or None, settings.max_age or None, settings.undo)
        sharing = (
            None
            if inherited is None
            else Sharing(inherited.seat.keeps_house, inherited.commons.watchers, inherited.wake)
        )
        return LetterIndex(
            store,
            FileDatabase(reactor, config.data, location=store.location),
            clock,
            lambda work: deferToThreadPool(reactor, reactor.getThreadPool(), work),
            directory.mailbox,
            keeping,
            sharing,
        )

    def woken(self) -> None:
        """Another worker has something new in the index of letters."""
        if self._index is not None:
            self._index.woken()

    def startService(self) -> None:  # noqa: N802
        super().startService()  # type: ignore[no-untyped-call]
        if self._office is not None:
            Deferred.fromCoroutine(self._start()).addErrback(self._has_not_started)

    def _has_not_started(self, failure: Failure) -> None:
        # Who was told to end meanwhile has no use for what could not be begun because of that.
        if self.running:
            self._fail(failure.getErrorMessage())

    def stopService(self) -> Deferred[None]:  # noqa: N802
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        assert self._store is not None
        assert self._office is not None
        await self._store.open()
        if not self.running:
            return
        if self._index is not None:
            await self._index.start()
        await self._office.start()
        freeze_startup_objects()
        bound_turns(self._reactor)
        self._heartbeat.start()
        if self._renewal is not None:
            self._renewal.start()
        if self._inherited is not None:
            # Our master does not look whether they have changed since he started.
            self._reread_keys()
            self._inherited.ready()
        else:
            for name, door in self._office.doors.items():
                announce(self._config.hostname, name, door.addresses)
            tell_ready()

    async def _stop(self) -> None:
        if self._inherited is None:
            tell_stopping()
        self._heartbeat.stop()
        if self._renewal is not None:
            self._renewal.stop()
        self._restore()
        office, self._office = self._office, None
        if self._index is not None:
            # Who waits for a letter hears now that none will come.
            self._index.feed.close()
        if office is not None:
            await office.stop()
        self._web_pool.close()
        if self._index is not None:
            await self._index.stop()
        if self._store is not None:
            store, self._store = self._store, None
            self._passwords.close()
            await store.close()

    def _concerns(self) -> list[CertificateWarning]:
        config = self._config
        return concerns(identities(config), config.hostname, self._now(), patience(config))

    def _reload(self) -> None:
        """Read certificates and DKIM keys again. What is wrong with them is logged, and changes nothing."""
        if self._renewal is not None:
            self._renewal.reload()
        self._reread_keys()

    def _reread_keys(self) -> None:
        reread = self._reread
        if reread is None:
            return

        def read() -> tuple[Config, tuple[SigningKey, ...]]:
            config = reread()
            return config, signing_keys(config)

        reading = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), read)
        reading.addCallbacks(self._take_keys, self._keep_keys)

    def _take_keys(self, found: tuple[Config, tuple[SigningKey, ...]]) -> None:
        config, keys = found
        if self._office is not None:
            self._office.sign_by(config, keys)
            _log.info("letters are signed with %s", ", ".join(key.selector for key in keys) or "no key")

    def _keep_keys(self, failure: Failure) -> None:
        if failure.check(ConfigError, InvalidKey):
            _log.error("%s; letters are signed as before", failure.getErrorMessage())
        else:
            _log.error("the keys could not be read, letters are signed as before: %s", failure.getTraceback())

    def _fail(self, why: str) -> None:
        self._office = None
        self._failed(CannotStart(why))


def announce(office: str, service: str, addresses: Sequence[HostPort]) -> None:
    """Say where a service can be reached now."""
    for address in addresses:
        _log.info("%s: %s listens on %s port %d", office, service, address.host, address.port)


def cannot_listen(failure: Failure) -> str:
    """Why a port can't be bound."""
    error = failure.value
    if isinstance(error, CannotListenError):
        return f"port {error.port} of {error.interface or 'every address'}: {error.socketError.strerror}"
    return f"[listen]: {failure.getErrorMessage()}"
