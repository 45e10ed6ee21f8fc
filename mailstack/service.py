"""One office as a Twisted service: what `twistd mailstack` and `mailstack serve` run."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct
from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import StoreChecker
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram import ScramChecker, office_secret
from mailstack.accounts.throttle import Throttle
from mailstack.authentication.keys import KeyTrouble
from mailstack.config import Config
from mailstack.config.authentication import signing_keys
from mailstack.config.certificates import identities, issue, patience, server_context
from mailstack.config.logins import certificate_checkers, token_checkers
from mailstack.net.caller import TwistedCaller
from mailstack.net.client_tls import ClientTls
from mailstack.net.clock import ReactorClock
from mailstack.net.heartbeat import Heartbeat
from mailstack.net.https import HttpsPolicies
from mailstack.net.inspection import Concern, concerns
from mailstack.net.log import LineJournal, Stream
from mailstack.net.names import system_names
from mailstack.net.policy_files import PolicyFiles
from mailstack.net.renewal import Renewal
from mailstack.net.tls import TlsError
from mailstack.office import PostOffice, Surroundings
from mailstack.store import StoreError
from mailstack.store.sqlite import SqliteStore

_log = logging.getLogger(__name__)


class CannotStart(Exception):
    """The office can't begin its work; str() says why and what to do about it."""


class Owner(Struct, frozen=True):
    """Whom the process becomes after the start as root; -1: this part stays as it is."""

    uid: int = -1
    gid: int = -1


@contextmanager
def _given_to(owner: Owner | None, data: Path) -> Iterator[None]:
    """What root makes in the data directory is the owner's: else he could not write there, nor read his own key."""
    before = _parts(data)
    yield
    if owner is not None:
        for path in _parts(data) - before:
            os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def _parts(data: Path) -> set[Path]:
    """The directory, what is in it, and the keys: all that can be made before the store is opened."""
    return {path for path in (data, *data.glob("*"), *data.glob("tls/*")) if path.exists()}


def _settle_memory() -> None:
    """Have Python's cycle collector look at what a letter leaves behind, and not again and again at the program.

    Hardly anything here makes cycles, so it may look more seldom than by default (every 700 objects). What the start
    needed and nobody needs now, a megabyte, goes back to the system, where its C library (glibc) can do that.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class OfficeService(Service):
    """Binds its ports while it may still be root, opens the store and works after that."""

    def __init__(
        self,
        reactor: Any,
        config: Config,
        stream: Stream,
        failed: Callable[[CannotStart], None],
        owner: Owner | None = None,
    ) -> None:
        """`stream` gets the journey's lines; `failed` is told, once, when the office can't start.

        `owner` is whom the process becomes between privilegedStartService and startService, if it does.
        """
        self._owner = owner
        self._reactor = reactor
        self._config = config
        self._stream = stream
        self._failed = failed
        self._store: SqliteStore | None = None
        self._office: PostOffice | None = None
        self._heartbeat = Heartbeat(reactor)
        self._renewal: Renewal | None = None
        self._restore: Callable[[], object] = lambda: None

    def privilegedStartService(self) -> None:  # noqa: N802
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        config, reactor = self._config, self._reactor
        clock = ReactorClock(reactor)
        try:
            with _given_to(self._owner, config.data):
                config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
                store = SqliteStore(reactor, config.data)
                store.lock_office()
                issue(config, clock.now())
                secret = office_secret(config.data)
            context = server_context(config)
            tokens = token_checkers(config, store, clock, reactor)
            client_tls = ClientTls(config.relay.ca_file, certificate=config.relay.certificate, key=config.relay.key)
            # Tried once here: what is wrong with them is told at the start, not with the first letter that needs them.
            client_tls.check()
            keys = signing_keys(config)
        except OSError as error:
            self._fail(f"{config.data}: {error.strerror}; `data` must be a directory that this user may write")
            return
        except (StoreError, TlsError, KeyTrouble) as error:
            self._fail(str(error))
            return
        self._store = store
        self._renewal = Renewal(
            reactor,
            context,
            concerns=self._concerns,
            issue=lambda: issue(config, clock.now()),
            watch=config.tls.watch,
        )
        # From here on, for a hangup ends a process that does not hear it.
        self._hear_hangup(self._renewal.reload)
        accounts = config.accounts
        self._passwords = Passwords(
            reactor,
            clock,
            rounds=accounts.bcrypt_rounds,
            scram_iterations=accounts.scram_iterations,
            threads=accounts.threads,
            queue_limit=accounts.queue,
            remember=accounts.remember,
        )
        scram = ScramChecker(store, secret, accounts.scram_iterations) if accounts.scram else None
        checkers = [StoreChecker(store, self._passwords), *tokens, *certificate_checkers(config, store)]
        portal = Portal(Realm(), [*checkers, scram] if scram is not None else checkers)
        throttle = Throttle(clock, first=accounts.failure_delay, longest=accounts.longest_delay)
        names = system_names(
            reactor,
            [(server.host, server.port) for server in config.relay.nameservers],
            validated=config.relay.dane,
        )
        self._office = PostOffice(
            config,
            Surroundings(
                reactor=reactor,
                store=store,
                journal=LineJournal(self._stream, clock),
                submitters=CredAuthenticator(portal, clock, throttle, config.domains, ISubmitter, keeper=scram),
                readers=CredAuthenticator(portal, clock, throttle, config.domains, IReader, keeper=scram),
                context=context,
                names=names,
                signing_keys=keys,
                caller=TwistedCaller(
                    reactor,
                    source=config.relay.source_address or None,
                    source6=config.relay.source_address6 or None,
                    client_tls=client_tls,
                ),
                policies=HttpsPolicies(reactor, names, client_tls),
                shelf=PolicyFiles(config.data / "mta-sts"),
                directory=StoreDirectory(
                    store,
                    config.domains,
                    clock,
                    postmaster=config.delivery.postmaster,
                    subaddress=config.delivery.subaddress,
                ),
            ),
        )
        listening = Deferred.fromCoroutine(self._office.listen())
        # What failed at once is told from here, where the program can still end with it.
        failures: list[Failure] = []
        listening.addErrback(failures.append)
        if failures:
            self._cannot_listen(failures[0])

    def startService(self) -> None:  # noqa: N802
        super().startService()  # type: ignore[no-untyped-call]
        if self._office is not None:
            Deferred.fromCoroutine(self._start()).addErrback(lambda failure: self._fail(failure.getErrorMessage()))

    def stopService(self) -> Deferred[None]:  # noqa: N802
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        assert self._store is not None
        assert self._office is not None
        await self._store.open()
        await self._office.start()
        _settle_memory()
        self._heartbeat.start()
        if self._renewal is not None:
            self._renewal.start()
        for name, door in self._office.doors.items():
            for address in door.addresses:
                _log.info("%s: %s listens on %s port %d", self._config.hostname, name, address.host, address.port)

    async def _stop(self) -> None:
        self._heartbeat.stop()
        if self._renewal is not None:
            self._renewal.stop()
        self._restore()
        office, self._office = self._office, None
        if office is not None:
            await office.stop()
        if self._store is not None:
            store, self._store = self._store, None
            self._passwords.close()
            await store.close()

    def _concerns(self) -> list[Concern]:
        config = self._config
        return concerns(identities(config), config.hostname, self._reactor.seconds(), patience(config))

    def _hear_hangup(self, reload: Callable[[], None]) -> None:
        """Have SIGHUP read the certificates again. Signals come to the main thread, and nothing but a process has them."""
        if threading.current_thread() is threading.main_thread():
            handler = signal.signal(signal.SIGHUP, lambda _number, _frame: self._reactor.callFromThread(reload))
            self._restore = lambda: signal.signal(signal.SIGHUP, handler)

    def _cannot_listen(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, CannotListenError):
            self._fail(f"port {error.port} of {error.interface or 'every address'}: {error.socketError.strerror}")
        else:
            self._fail(f"[listen]: {failure.getErrorMessage()}")

    def _fail(self, why: str) -> None:
        self._office = None
        self._failed(CannotStart(why))
