"""The dev environment: the developer's own post office, one for the rest of the world, and their DNS, in one reactor."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.names import dns

from mailstack.accounts.directory import Directory, OpenDirectory, StoreDirectory
from mailstack.config import Config, Web
from mailstack.letter import LetterId
from mailstack.letter.connection import HostPort
from mailstack.letter.step import Journal
from mailstack.letter.timestamps import iso8601
from mailstack.mailbox.index.database import FileDatabase
from mailstack.mailbox.index.feed import Tally
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.removal import Keeping
from mailstack.net.adjustable_clock import AdjustableClock
from mailstack.net.certificates import private_ca
from mailstack.net.client_tls import ClientTls
from mailstack.net.connector import TwistedConnector
from mailstack.net.dns import DnsNames, system_names
from mailstack.net.periodic import PeriodicTask
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.net.thread_pool import BoundedPool
from mailstack.net.zone import Zone
from mailstack.relay.external_relay import ExternalRelay
from mailstack.relay.loopback import LoopbackOnly, is_loopback
from mailstack.relay.routes import Routes, RouteTarget
from mailstack.sandbox.dev import server_configs
from mailstack.sandbox.dev.accounts import DevAccounts
from mailstack.sandbox.dev.capture_access import capture_rules
from mailstack.sandbox.dev.compat import compat_routes
from mailstack.sandbox.dev.external_relays import RELAY, AutoForwarder, relay_config
from mailstack.sandbox.dev.settings import ABOUT, CAPTURE, HOME, HOME_DOMAIN, PORTS, WORLD, DevSettings
from mailstack.sandbox.dev.shared_inbox import SharedInbox
from mailstack.sandbox.dev.time_travel import TimeTravel
from mailstack.sandbox.faults import Faults
from mailstack.sandbox.faults.certificates import BadCertificates
from mailstack.sandbox.recording.protocol_log import ProtocolLog
from mailstack.server.mail_server import MailServer
from mailstack.server.runtime import AdminHooks, ServerInfo, Surroundings
from mailstack.store.archive import ArchivingSqliteStore

if TYPE_CHECKING:
    from mailstack.web.checks.links import Seen
    from mailstack.web.checks.spam import Verdict
    from mailstack.web.submission import Leaving


class DevEnvironment:
    """Everything `mailstack dev` runs. `start`, then `stop`; no letter ever leaves the machine but by an outlet of the settings."""

    def __init__(self, reactor: Any, settings: DevSettings, journal: Journal) -> None:
        self.reactor = reactor
        self.settings = settings
        self._journal = journal
        self.clock = AdjustableClock(reactor)
        self.data = settings.data or Path(tempfile.mkdtemp(prefix="mailstack-dev-"))
        self.store = ArchivingSqliteStore(reactor, self.data)
        self.accounts = DevAccounts(reactor, settings, self.store, self.clock, self.data)
        self.web_pool = BoundedPool(reactor, "mailstack-web", Web().threads, Web().queue)
        self.index = self._index()
        self._relay: MailServer | None = None
        self._onward = AutoForwarder(settings, self.store, self.clock, self._leaving)
        self._journal = self._onward.waking(self._journal)
        self.log = ProtocolLog(self.index.feed, self.clock.now)
        """What is said on every connection."""
        self._zone = Zone({WORLD: [dns.Record_A(settings.host, 60)]}, everything_else=WORLD)
        self._offices: list[MailServer] = []
        self.home: MailServer
        self.capture: MailServer
        self._trimming = PeriodicTask(self.clock, self._trim)
        self._keys = settings.keys or self.data / "tls"
        self.ca_file = self._keys / "ca.pem"
        self._context: ServerContext
        self.services: dict[str, HostPort] = {}
        self.faults = Faults(self.clock.now)
        """What goes wrong in this environment."""
        self.faults.told = lambda firing: self.index.feed.tell("fault", firing)
        self.faults.magic = settings.magic_recipients
        for rule in settings.faults:
            self.faults.add(rule)
        self.tally = Tally(self.index.feed, self.clock.now())
        self.travel = TimeTravel(
            self.clock, [partial(self.store.next_due, office) for office in (HOME, WORLD, CAPTURE, RELAY)]
        )
        """The time of this environment, which can be moved ahead."""
        self.travel.arrived.append(self._tell_the_time)

    async def start(self) -> None:
        """Bind all ports and begin to work.

        Raises StoreError, TlsError, OSError, ValueError (for a letter of `preload`), twisted.internet.error.CannotListenError.
        """
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.store.lock_office()
        files = private_ca(self._keys, HOME, self.clock.now())
        self._context = server_context(files.certificate, files.key)
        await self.store.open()
        await self.accounts.open()
        ways_home: dict[str, RouteTarget] = {}
        world = self._office(
            server_configs.world(self.settings, self.data, Routes(ways_home)), OpenDirectory([HOME_DOMAIN], WORLD)
        )
        await world.doors.bind("mx", world.doors.exchange(), [server_configs.endpoint(self.settings.host)])
        (world_mx,) = world.doors["mx"].addresses
        self.home = home = self._office(
            server_configs.home(self.settings, self.data, world_mx.port), self.accounts.directory
        )
        if (outlet := self.settings.relay) is not None:
            config = relay_config(outlet, self.settings, self.data, world_mx.port)
            self._relay = self._office(config, StoreDirectory(self.store, (), self.clock), outlet)
        capture = self.capture = self._office(
            server_configs.capture(self.settings, self.data), OpenDirectory((), CAPTURE)
        )
        await home.listen()
        # The rest of the world has reports to send, and finds the way when home has a port for them.
        await home.doors.bind("mx", home.doors.exchange(), [server_configs.endpoint(self.settings.host)])
        (home_mx,) = home.doors["mx"].addresses
        ways_home[HOME_DOMAIN] = RouteTarget(home_mx.host, home_mx.port)
        station, login = capture_rules(self.settings, capture.exchange, self.accounts.passwords, self.clock)
        for name in ("capture", "captures"):
            if name == "capture" or name in self.settings.at:
                door = capture.doors.smtp(
                    station,
                    capture.config.exchange,
                    authenticator=login,
                    require_tls=False,
                    implicit_tls=name == "captures",
                    bare_newlines="reject" if self.settings.strict_newlines else "accept",
                )
                await capture.doors.bind(name, door, [server_configs.endpoint_of(self.settings, name)])
        await self.index.start()
        for office in self._offices:
            await office.start()
        await self._onward.start()
        doors = {**capture.doors, **home.doors}
        self.services = {name: doors[name].addresses[0] for name in (*PORTS, "captures") if name in doors}
        if self.settings.preload is not None:
            await self._preload(self.settings.preload)
        if self.settings.max_letters is not None:
            self._trimming.start(1.0)

    async def stop(self, patience: float = 1.0) -> None:
        """Say goodbye, and leave nothing on the disk unless its directory was given.

        Clients may take `patience` seconds for theirs.
        """
        self._trimming.stop()
        # Who waits for a letter hears now that none will come.
        self.index.feed.close()
        await self._onward.stop(patience)
        for office in self._offices:
            await office.stop(patience)
        self.web_pool.close()
        await self.index.stop()
        self.accounts.passwords.close()
        await self.store.close()
        if self.settings.data is None:
            shutil.rmtree(self.data, ignore_errors=True)

    def facts(self) -> dict[str, Any]:
        """What programs want to know once everything listens."""
        web = self.services["web"]
        return {
            "ready": True,
            "ca_file": str(self.ca_file),
            "web": f"http://{f'[{web.host}]' if ':' in web.host else web.host}:{web.port}/",
            "data": str(self.data),
            "domains": [HOME_DOMAIN],
            "services": {name: {"host": at.host, "port": at.port} for name, at in self.services.items()},
            "ahead": self.travel.ahead,
            "accounts": [{"address": address, "password": password} for address, password in self.settings.accounts],
        }

    async def add_account(self, address: str, password: str) -> None:
        """Somebody who may come in from now on. Raises AddressError, Conflict, and ValueError for an unfit password."""
        await self.accounts.add(address, password)

    async def add_alias(self, address: str, targets: Sequence[str]) -> None:
        """Have letters for an address at home go to others, in place of those of before. Raises AddressError, Conflict."""
        await self.accounts.add_alias(address, targets)

    async def _preload(self, directory: Path) -> None:
        """Raises ValueError, OSError."""
        from mailstack.sandbox.dev.preload import preload  # noqa: PLC0415 - few have such a directory
        from mailstack.web.submission import WebSubmission  # noqa: PLC0415

        await preload(directory, WebSubmission(self.capture.exchange, self.clock).hand_in, self.in_thread)

    def _tell_the_time(self) -> None:
        """To those who look at the pages: their clock is not ours."""
        self.index.feed.tell("clock", {"now": iso8601(self.travel.now), "ahead": self.travel.ahead})

    async def look(self, url: str) -> Seen:
        """What a page of this machine answers. Raises Unreachable."""
        from mailstack.net.http_client import HttpClient  # noqa: PLC0415 - few ask for it
        from mailstack.web.checks.links import Seen  # noqa: PLC0415

        poster = HttpClient(self.reactor, ClientTls(), timeout=5.0, loopback_only=True)
        try:
            answer = await poster.look(url)
            return Seen(answer.code, answer.location)
        finally:
            poster.close()

    async def judge(self, letter: bytes) -> Verdict:
        """What the spam filter says."""
        from mailstack.web.checks.spam_filter import AskedFilter  # noqa: PLC0415 - few ask for it

        assert self.settings.spam_filter is not None
        return await AskedFilter(self.reactor, self.settings.spam_filter)(letter)

    async def _release(self, author: str, recipients: Sequence[str], octets: bytes, of: LetterId) -> LetterId:
        """By the outlet. Raises Refusal, ValueError for addresses that it does not take."""
        assert self.relay is not None
        if refused := [each for each in recipients if not self.relay.outlet.takes(each)]:
            raise ValueError(f"The relay takes no letters for {', '.join(refused)}.")
        return await self.relay.release(author, recipients, octets, of)

    def in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work)

    def _index(self) -> LetterIndex:
        """All letters of all offices; whose mailbox an address is, home knows."""
        return LetterIndex(
            self.store,
            FileDatabase(self.reactor, self.data, location=self.store.location),
            self.clock,
            self.in_thread,
            self.accounts.directory.mailbox,
            Keeping(self.settings.max_letters, self.settings.max_age),
            outlets=(RELAY,),
        )

    def _leaving(self) -> Leaving:
        """Way out by the external relay, which there is."""
        from mailstack.web.submission import Leaving, WebSubmission  # noqa: PLC0415

        assert self._relay is not None
        assert self.settings.relay is not None
        return Leaving(self.settings.relay, WebSubmission(self._relay.exchange, self.clock), self.clock)

    @property
    def relay(self) -> Leaving | None:
        """Way out of released letters; None: they stay on this machine."""
        return None if self._relay is None else self._leaving()

    def _managed(self) -> AdminHooks:
        return AdminHooks(
            keep_password=self.accounts.passwords.keep,
            forget=self.accounts.directory.forget,
            zone=self._zone,
            travel=self.travel,
            offices=self._told_offices,
            log=self.log,
            look=self.look,
            judge=self.judge if self.settings.spam_filter else None,
            release=self._release if self.settings.relay else None,
        )

    def _told_offices(self) -> list[ServerInfo]:
        return [
            ServerInfo(
                office.config.hostname,
                ABOUT[office.config.hostname],
                tuple(office.config.domains),
                {name: door.addresses[0] for name, door in office.doors.items() if door.addresses},
            )
            for office in self._offices
        ]

    def _office(self, config: Config, directory: Directory, outlet: ExternalRelay | None = None) -> MailServer:
        caller = TwistedConnector(self.reactor)
        submitters, readers = self.accounts.authenticators()
        shared: Any = SharedInbox(self.store, self.index)
        office = MailServer(
            config,
            Surroundings(
                reactor=self.reactor,
                store=self.store,
                journal=self.index.told_of(self._journal),
                maildrops=shared if self.settings.pop3_logins else None,
                submitters=submitters,
                readers=readers,
                context=self._context,
                names=DnsNames(self._zone, self.reactor) if outlet is None else system_names(self.reactor),
                caller=LoopbackOnly(caller) if outlet is None else LoopbackOnly(caller, elsewhere=outlet.port),
                directory=directory,
                holder_of=_holder_of,
                index=self.index,
                more_pages=partial(compat_routes, self),
                clock=self.clock,
                faults=self.faults,
                bad_certificates=BadCertificates(self._keys),
                between=self.log.between,
                managed=self._managed(),
                web_threads=self.web_pool.run,
                visitors=self.accounts.visitors(),
                is_open=is_loopback(self.settings.web_host) and not self.settings.web_logins,
                accounts=self.settings.accounts,
            ),
        )
        self._offices.append(office)
        return office

    async def _trim(self) -> None:
        for office in self._offices:
            await self.store.prune(office.config.hostname, before=0.0, keep=self.settings.max_letters)


def _holder_of(mailbox: str) -> str:
    """The office that tells of the letters in a mailbox: all are read at home's ports."""
    return HOME if mailbox.endswith(f"@{HOME_DOMAIN}") else WORLD
