"""The dev environment: the developer's own post office, one for the rest of the world, and their DNS, in one reactor."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.names import dns

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.checker import StoreChecker
from mailstack.accounts.directory import Directory, OpenDirectory, StoreDirectory
from mailstack.accounts.first_of import FirstOf
from mailstack.accounts.issuer import DEV_RULES, Issuer
from mailstack.accounts.open import OpenChecker
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.public import PublicChecker
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram import ScramChecker, office_secret
from mailstack.accounts.signed_tokens import SignedTokens
from mailstack.accounts.throttle import Throttle
from mailstack.accounts.tokens import TokenChecker
from mailstack.catalogue.catalogue import Catalogue, Keeping
from mailstack.catalogue.database import FileDatabase
from mailstack.catalogue.tally import Tally
from mailstack.config import Config
from mailstack.dev import offices
from mailstack.dev.capturing import capture_rules, logins
from mailstack.dev.settings import ABOUT, CAPTURE, HOME, HOME_DOMAIN, PORTS, USERS, WORLD, DevSettings
from mailstack.faults import Faults
from mailstack.faults.certificates import BadCertificates
from mailstack.journey import Journal
from mailstack.letter import Address
from mailstack.net.caller import TwistedCaller
from mailstack.net.client_tls import ClientTls
from mailstack.net.names import DnsNames
from mailstack.net.repeating import Repeating
from mailstack.net.tls import private_ca, server_context
from mailstack.net.travelling import TravellingClock
from mailstack.net.zone import Zone
from mailstack.office import PostOffice, Surroundings
from mailstack.protocol_log import ProtocolLog
from mailstack.relay.loopback import LoopbackOnly, is_loopback
from mailstack.relay.routes import Routes, Target
from mailstack.sasl.keys import FEWEST
from mailstack.store import Account
from mailstack.store.archiving import ArchivingSqliteStore
from mailstack.surroundings import Managed, OfficeFacts
from mailstack.travel import TimeTravel
from mailstack.wire import HostPort

if TYPE_CHECKING:
    from mailstack.spam.verdict import Verdict
    from mailstack.web.peers.mailhog.monkey import Monkey
    from mailstack.web.peers.mailpit.webhook import Hooked

ROUNDS = 4
"""bcrypt's least cost: these passwords are printed on the screen."""


class DevEnvironment:
    """Everything `mailstack dev` runs. `start`, then `stop`; no letter ever leaves the machine."""

    def __init__(self, reactor: Any, settings: DevSettings, journal: Journal) -> None:
        self._reactor = reactor
        self._settings = settings
        self._journal = journal
        self._clock = TravellingClock(reactor)
        self.data = settings.data or Path(tempfile.mkdtemp(prefix="mailstack-dev-"))
        self.store = ArchivingSqliteStore(reactor, self.data)
        self._passwords = Passwords(reactor, self._clock, rounds=ROUNDS, scram_iterations=FEWEST)
        self._directory = StoreDirectory(self.store, [HOME_DOMAIN], self._clock, ttl=0.2)
        self.catalogue = self._catalogue()
        self._hook = self._hooked() if settings.webhook else None
        if self._hook is not None:
            self._journal = self._hook.waking(journal)
        self.log = ProtocolLog(self.catalogue.feed, self._clock.now)
        """What is said on every connection."""
        self._zone = Zone({WORLD: [dns.Record_A(settings.host, 60)]}, everything_else=WORLD)
        self._offices: list[PostOffice] = []
        self._home: PostOffice | None = None
        self._capture: PostOffice | None = None
        self._trimming = Repeating(self._clock, self._trim)
        self._keys = settings.keys or self.data / "tls"
        self.ca_file = self._keys / "ca.pem"
        self.services: dict[str, HostPort] = {}
        self.faults = Faults(self._clock.now)
        """What goes wrong in this environment."""
        self.faults.told = lambda firing: self.catalogue.feed.tell("fault", firing)
        self.faults.magic = settings.magic_recipients
        for rule in settings.faults:
            self.faults.add(rule)
        self._jim = self._invited() if settings.jim is not None else None
        self.tally = Tally(self.catalogue.feed, self._clock.now())
        self.travel = TimeTravel(
            self._clock, [partial(self.store.next_due, office) for office in (HOME, WORLD, CAPTURE)]
        )
        """The time of this environment, which can be moved ahead."""

    async def start(self) -> None:
        """Bind all ports and begin to work.

        Raises StoreError, TlsError, OSError, ValueError (for a letter of `preload`), twisted.internet.error.CannotListenError.
        """
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.store.lock_office()
        await self.store.open()
        await self._open_accounts()
        ways_home: dict[str, Target] = {}
        world = self._office(
            offices.world(self._settings, self.data, Routes(ways_home)), OpenDirectory([HOME_DOMAIN], WORLD)
        )
        world.doors["mx"] = world.exchange_door()
        await world.doors["mx"].listen([offices.endpoint(self._settings.host)])
        (world_mx,) = world.doors["mx"].addresses
        self._home = home = self._office(offices.home(self._settings, self.data, world_mx.port), self._directory)
        capture = self._capture = self._office(offices.capture(self._settings, self.data), OpenDirectory((), CAPTURE))
        await home.listen()
        # The rest of the world has reports to send, and finds the way when home has a port for them.
        home.doors["mx"] = home.exchange_door()
        await home.doors["mx"].listen([offices.endpoint(self._settings.host)])
        (home_mx,) = home.doors["mx"].addresses
        ways_home[HOME_DOMAIN] = Target(home_mx.host, home_mx.port)
        station, authenticator = capture_rules(self._settings, capture.exchange, self._passwords, self._clock)
        for name in ("capture", "captures"):
            if name == "capture" or name in self._settings.at:
                capture.doors[name] = capture.smtp_door(
                    station,
                    capture.config.exchange,
                    authenticator=authenticator,
                    require_tls=False,
                    implicit_tls=name == "captures",
                )
                await capture.doors[name].listen([offices.endpoint_of(self._settings, name)])
        await self.catalogue.start()
        if self._hook is not None:
            await self._hook.start()
        for office in self._offices:
            await office.start()
        doors = {**capture.doors, **home.doors}
        self.services = {name: doors[name].addresses[0] for name in (*PORTS, "captures") if name in doors}
        if self._settings.preload is not None:
            await self._preload(self._settings.preload)
        if self._settings.max_letters is not None:
            self._trimming.start(1.0)

    async def stop(self, patience: float = 1.0) -> None:
        """Say goodbye, and leave nothing on the disk unless its directory was given.

        Clients may take `patience` seconds for theirs.
        """
        self._trimming.stop()
        # Who waits for a letter hears now that none will come.
        self.catalogue.feed.close()
        for office in self._offices:
            await office.stop(patience)
        if self._hook is not None:
            await self._hook.stop(patience)
        await self.catalogue.stop()
        self._passwords.close()
        await self.store.close()
        if self._settings.data is None:
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
            "accounts": [{"address": address, "password": password} for address, password in self._settings.accounts],
        }

    async def add_account(self, address: str, password: str) -> None:
        """Somebody who may come in from now on. Raises AddressError, Conflict, and ValueError for an unfit password."""
        kept = await self._passwords.keep(password)
        account = Account(Address.parse(address).key, kept.password_hash, self._clock.now(), scram=kept.scram)
        await self.store.add_accounts([account])
        self._directory.forget()

    async def add_alias(self, address: str, targets: Sequence[str]) -> None:
        """Have letters for an address at home go to others, in place of those of before. Raises AddressError, Conflict."""
        targets = [str(Address.parse(target)) for target in targets]
        await self.store.set_alias(Address.parse(address).key, targets)
        self._directory.forget()

    async def remove_account(self, key: str) -> None:
        """Nobody comes in with it from now on; its mailbox stays. Raises KeyError."""
        await self.store.remove_account(key)
        self._directory.forget()

    async def _reset_accounts(self) -> None:
        """Those of the start, with their passwords of then, and no others."""
        for account in await self.store.accounts():
            await self.store.remove_account(account.address)
        await self._open_accounts()
        self._directory.forget()

    def _hooked(self) -> Hooked:
        from mailstack.web.peers.mailpit.webhook import Hooked  # noqa: PLC0415 - few want it

        settings = self._settings
        return Hooked(
            self._reactor, self.store, self._clock, self.catalogue, url=settings.webhook, label=settings.label
        )

    async def _preload(self, directory: Path) -> None:
        """Raises ValueError, OSError."""
        from mailstack.dev.preloading import preload  # noqa: PLC0415 - few have such a directory
        from mailstack.web.intake import Intake  # noqa: PLC0415

        assert self._capture is not None
        await preload(directory, Intake(self._capture.exchange, self._clock).hand_in, self._in_thread)

    async def _look(self, url: str) -> int:
        """The status of a page of this machine. Raises Unreachable."""
        from mailstack.net.posting import HttpPoster  # noqa: PLC0415 - few ask for it

        poster = HttpPoster(self._reactor, ClientTls(), timeout=5.0, loopback_only=True)
        try:
            return await poster.look(url)
        finally:
            poster.close()

    async def _judge(self, letter: bytes) -> Verdict:
        """What the spam filter says."""
        from mailstack.spam.chosen import AskedFilter  # noqa: PLC0415 - few ask for it

        assert self._settings.spam_filter is not None
        return await AskedFilter(self._reactor, self._settings.spam_filter)(letter)

    def _in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

    def _catalogue(self) -> Catalogue:
        """All letters of all offices; whose mailbox an address is, home knows."""
        return Catalogue(
            self.store,
            FileDatabase(self._reactor, self.data),
            self._clock,
            self._in_thread,
            self._directory.mailbox,
            Keeping(self._settings.max_letters, self._settings.max_age),
            tagging=self._settings.tagging,
        )

    def _managed(self) -> Managed:
        return Managed(
            keep_password=self._passwords.keep,
            forget=self._directory.forget,
            zone=self._zone,
            travel=self.travel,
            offices=self._told_offices,
            log=self.log,
            look=self._look,
            judge=self._judge if self._settings.spam_filter else None,
        )

    def _told_offices(self) -> list[OfficeFacts]:
        return [
            OfficeFacts(
                office.config.hostname,
                ABOUT[office.config.hostname],
                tuple(office.config.domains),
                {name: door.addresses[0] for name, door in office.doors.items() if door.addresses},
            )
            for office in self._offices
        ]

    async def _pages(self) -> Sequence[Any]:
        """Those of other tools for tests, whose clients work here."""
        # Asked when somebody has come to the web; nothing else pays for them.
        await self._in_thread(partial(import_module, "mailstack.web.peers.pages"))
        from mailstack.web.intake import Intake  # noqa: PLC0415
        from mailstack.web.peers.ground import Ground  # noqa: PLC0415
        from mailstack.web.peers.mailhog.monkey import Monkey  # noqa: PLC0415
        from mailstack.web.peers.mailpit.about import Told  # noqa: PLC0415
        from mailstack.web.peers.pages import Accounts, peer_pages  # noqa: PLC0415

        assert self._capture is not None
        assert self._home is not None
        settings, clock = self._settings, self._clock
        return peer_pages(
            Ground(
                catalogue=self.catalogue,
                clock=clock,
                in_thread=self._in_thread,
                capture=Intake(self._capture.exchange, clock),
                outward=Intake(self._home.exchange, clock),
                faults=self.faults,
                look=self._look,
                jim=self._jim or Monkey(self.faults),
                judge=self._judge if settings.spam_filter else None,
            ),
            Accounts(
                self.store,
                self.add_account,
                self.remove_account,
                self._reset_accounts,
                lambda: self.services,
                HOME_DOMAIN,
                any_password=settings.any_password,
                preload=settings.preload,
            ),
            Told(
                tally=self.tally,
                label=settings.label,
                spam_assassin=settings.spam_filter is not None,
                data=self.data,
            ),
            mailhog_first=settings.compat == "mailhog",
        )

    def _invited(self) -> Monkey:
        """MailHog's Jim, as he is when he comes with it."""
        from mailstack.web.peers.mailhog.monkey import Monkey  # noqa: PLC0415 - few invite him

        assert self._settings.jim is not None
        monkey = Monkey(self.faults)
        monkey.come(self._settings.jim)
        return monkey

    def _office(self, config: Config, directory: Directory) -> PostOffice:
        files = private_ca(self._keys, HOME, self._clock.now())
        any_password = self._settings.any_password
        checkers: list[Any] = [
            FirstOf([StoreChecker(self.store, self._passwords), OpenChecker(any_password=any_password)])
        ]
        scram: ScramChecker | None = None
        # SCRAM's server must know the password, and "anything" is none.
        if self._settings.scram and not any_password:
            scram = ScramChecker(self.store, office_secret(self.data), FEWEST, _address_itself)
            checkers.append(scram)
        issuer = Issuer(self.data / "issuer")
        checkers.append(TokenChecker(self.store, SignedTokens(issuer.keys, self._clock), DEV_RULES, self._clock))
        if self._settings.weak_mechanisms:
            checkers.append(PublicChecker(_public_password, self.store, self._passwords))
        portal, throttle = Portal(Realm(), checkers), Throttle(self._clock)
        office = PostOffice(
            config,
            Surroundings(
                reactor=self._reactor,
                store=self.store,
                journal=self.catalogue.told_of(self._journal),
                submitters=CredAuthenticator(portal, self._clock, throttle, [HOME_DOMAIN], ISubmitter, keeper=scram),
                readers=CredAuthenticator(portal, self._clock, throttle, [HOME_DOMAIN], IReader, keeper=scram),
                context=server_context(files.certificate, files.key),
                names=DnsNames(self._zone, self._reactor),
                caller=LoopbackOnly(TwistedCaller(self._reactor)),
                directory=directory,
                holder_of=_holder_of,
                catalogue=self.catalogue,
                more_pages=self._pages,
                clock=self._clock,
                faults=self.faults,
                bad_certificates=BadCertificates(self._keys),
                between=self.log.between,
                managed=self._managed(),
                visitors=logins(self._settings.web_logins, self._passwords, self._clock, IReader),
                is_open=is_loopback(self._settings.web_host) and not self._settings.web_logins,
                accounts=self._settings.accounts,
            ),
        )
        self._offices.append(office)
        return office

    async def _open_accounts(self) -> None:
        now = self._clock.now()
        missing = []
        for address, password in self._settings.accounts:
            if await self.store.account(address) is None:
                kept = await self._passwords.keep(password)
                missing.append(Account(address, kept.password_hash, now, scram=kept.scram))
        await self.store.add_accounts(missing)

    async def _trim(self) -> None:
        for office in self._offices:
            await self.store.prune(office.config.hostname, before=0.0, keep=self._settings.max_letters)


def _holder_of(mailbox: str) -> str:
    """The office that tells of the letters in a mailbox: all are read at home's ports."""
    return HOME if mailbox.endswith(f"@{HOME_DOMAIN}") else WORLD


def _address_itself(key: str) -> str:
    """The password of a mailbox in the rest of the world."""
    return key


def _public_password(key: str) -> str:
    """The password of every account here, unless its user has changed it."""
    local, _, domain = key.rpartition("@")
    return local if domain == HOME_DOMAIN and local in USERS else key
