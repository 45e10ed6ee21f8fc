"""Shared parts of a dev environment: store, index, accounts, clock, faults."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.names import dns

from mailstack.config import WebSettings
from mailstack.letter.times import iso8601
from mailstack.mailbox.index.database import FileDatabase
from mailstack.mailbox.index.feed import FeedCounters
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.removal import Retention
from mailstack.net.certificates import private_ca
from mailstack.net.client_tls import ClientTls
from mailstack.net.clock import AdjustableClock
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.net.thread_pool import BoundedPool
from mailstack.net.zone import Zone
from mailstack.sandbox.dev.accounts import DevAccounts
from mailstack.sandbox.dev.settings import CAPTURE, HOME, RELAY, WORLD, DevSettings
from mailstack.sandbox.dev.time_travel import TimeTravel
from mailstack.sandbox.faults import Faults
from mailstack.sandbox.faults.certificates import BadCertificates
from mailstack.sandbox.recording import ProtocolLog
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from mailstack.web.checks.links import HeadResponse
    from mailstack.web.checks.spam import SpamVerdict


class EnvironmentParts:
    """Parts that all servers share, from `open` to `close`."""

    def __init__(self, reactor: Any, settings: DevSettings) -> None:
        self.reactor = reactor
        self.settings = settings
        self.clock = AdjustableClock(reactor)
        self.data = settings.data or Path(tempfile.mkdtemp(prefix="mailstack-dev-"))
        self.store = SqliteStore(reactor, self.data, StoreSettings(archiving=True))
        self.accounts = DevAccounts(reactor, settings, self.store, self.clock, self.data)
        self.web_pool = BoundedPool(reactor, "mailstack-web", WebSettings().threads, WebSettings().queue)
        self.index = LetterIndex(
            self.store,
            FileDatabase(reactor, self.data, location=self.store.location),
            self.clock,
            self.in_thread,
            self.accounts.directory.mailbox,
            Retention(settings.max_letters, settings.max_age),
            outlets=(RELAY,),
            shares_flags=True,
        )
        """Index of all letters of all servers."""
        feed = self.index.feed
        self.log = ProtocolLog(feed, self.clock.now)
        """Live log of all sessions."""
        self.zone = Zone({WORLD: [dns.Record_A(settings.host, 60)]}, everything_else=WORLD)
        self.keys = settings.keys or self.data / "tls"
        """Directory of the private CA."""
        self.context: ServerContext
        """TLS context of all services, once the store is open."""
        self.bad_certificates = BadCertificates(self.keys)
        self.faults = Faults(self.clock.now)
        """Injected faults."""
        self.faults.on_fault = lambda event: feed.publish("fault", event)
        self.faults.magic = settings.magic_recipients
        for rule in settings.faults:
            self.faults.add(rule)
        self.counters = FeedCounters(feed, self.clock.now())
        names = (HOME, WORLD, CAPTURE, RELAY)
        self.travel = TimeTravel(self.clock, [partial(self.store.queue.next_due, name) for name in names])
        """Clock control."""
        self.travel.on_advanced.append(self._publish_time)

    async def open(self) -> None:
        """Opens the store, and adds the initial accounts. Raises StoreError, TlsError, OSError."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.store.lock_server()
        files = private_ca(self.keys, HOME, self.clock.now())
        self.context = server_context(files.certificate, files.key)
        await self.store.open()
        await self.accounts.open()

    async def close(self) -> None:
        """Closes the store, and removes a temporary data directory."""
        self.web_pool.close()
        await self.index.stop()
        self.accounts.passwords.close()
        await self.store.close()
        if self.settings.data is None:
            shutil.rmtree(self.data, ignore_errors=True)

    def in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work)

    async def head(self, url: str) -> HeadResponse:
        """Sends HEAD to a URL of this machine. Raises ConnectError."""
        from mailstack.net.http_client import HttpClient  # noqa: PLC0415 - rarely used
        from mailstack.web.checks.links import HeadResponse  # noqa: PLC0415

        client = HttpClient(self.reactor, ClientTls(), timeout=5.0, loopback_only=True)
        try:
            response = await client.head(url)
            return HeadResponse(response.code, response.location)
        finally:
            client.close()

    async def check_spam(self, letter: bytes) -> SpamVerdict:
        from mailstack.web.checks.spam import SpamFilterClient  # noqa: PLC0415 - rarely used

        assert self.settings.spam_filter is not None
        return await SpamFilterClient(self.reactor, self.settings.spam_filter)(letter)

    def _publish_time(self) -> None:
        """Publishes the clock of the environment for the pages."""
        self.index.feed.publish("clock", {"now": iso8601(self.travel.now), "ahead": self.travel.ahead})
