"""A small internet: post offices on simulated hosts with their DNS, and the people who use them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from msgspec import Struct
from msgspec.structs import replace
from twisted.cred.portal import Portal
from twisted.names import dns
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import Site as WebSite

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.directory import StoreDirectory
from mailstack.accounts.open import OpenChecker
from mailstack.accounts.realm import IReader, ISubmitter, Realm
from mailstack.accounts.scram import ScramChecker
from mailstack.accounts.throttle import Throttle
from mailstack.config import Config, Listen, Relay, Schedule
from mailstack.config.authentication import signing_keys
from mailstack.journey import Step
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.content import Octets
from mailstack.net.caller import TwistedCaller
from mailstack.net.certificates import CertificateFiles
from mailstack.net.client_tls import ClientTls
from mailstack.net.clock import ReactorClock
from mailstack.net.https import HttpsPolicies
from mailstack.net.names import DnsNames
from mailstack.net.tls import ServerContext, private_ca, server_context
from mailstack.net.zone import Zone
from mailstack.office import PostOffice, Surroundings
from mailstack.pop3.client import ClientEngine as Pop3Client
from mailstack.pop3.fetching import FetchingSession
from mailstack.sasl import ScramKeys
from mailstack.sasl.keys import FEWEST
from mailstack.simulation import Host, SimulatedReactor
from mailstack.smtp.client import ClientEngine as SmtpClient
from mailstack.smtp.replies import Reply
from mailstack.smtp.sending import SendingSession
from mailstack.store import Account, Filter, Store
from mailstack.store.memory import MemoryStore
from mailstack.wire import HostPort

ONE_LETTER = b"From: alice@home.test\r\nSubject: hello\r\n\r\nHi there\r\n.dot\r\n"


class Notebook:
    """A Journal that keeps what it is told."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def tell(self, steps: Sequence[Step]) -> None:
        self.steps += steps

    def names(self, office: str) -> list[str]:
        return [step.step for step in self.steps if step.office == office]


@frozen
class Site:
    """One office and what stands around it."""

    office: PostOffice
    store: Store
    journal: Notebook
    host: Host
    address: str

    def people_fetch(self, internet: Internet, user: str) -> list[bytes]:
        """Every letter of a mailbox, by POP3 under TLS; they are deleted."""
        return internet.reactor.result_of(self._fetch(internet, user))

    async def _fetch(self, internet: Internet, user: str) -> list[bytes]:
        caller = TwistedCaller(internet.reactor.host("203.0.113.8"))
        engine = Pop3Client()
        peer = await caller.call(HostPort(self.address, 110), engine, timeout=10)
        session = FetchingSession(peer, engine)
        await session.open()
        await session.start_tls()
        await session.utf8()
        await session.login(user, user)
        count, _ = await session.stat()
        letters = []
        for number in range(1, count + 1):
            letters.append(await session.retr(number))
            await session.dele(number)
        await session.quit()
        return letters


class Internet:
    """The reactor, the DNS and the offices."""

    def __init__(self, directory: Path, seed: int = 1) -> None:
        self.reactor = SimulatedReactor(seed=seed)
        self.zone = Zone({})
        self.context = _context(directory)
        self.sites: list[Site] = []

    def office(
        self,
        hostname: str,
        address: str,
        *,
        domains: Sequence[str],
        accounts: Sequence[str] = (),
        aliases: Mapping[str, Sequence[str]] | None = None,
        schedule: Schedule | None = None,
        store: Store | None = None,
        **settings: Struct,
    ) -> Site:
        """An office that works, with its MX in the DNS. Passwords are the addresses.

        `settings` are whole tables of the configuration, as `relay=Relay(…)`.
        """
        host = self.reactor.host(address)
        store = store or MemoryStore()
        clock = ReactorClock(host)
        config = Config(
            hostname=hostname,
            domains=tuple(domains),
            listen=Listen(submission=("tcp:587",), mx=("tcp:25",), pop3=("tcp:110",)),
        )
        config = replace(config, **{"relay": Relay(schedule=schedule or Schedule()), **settings})
        scram = ScramChecker(store, b"k" * 32, FEWEST)
        portal, throttle, journal = Portal(Realm(), [OpenChecker(), scram]), Throttle(clock), Notebook()
        names, client_tls = DnsNames(self.zone, host), ClientTls(config.relay.ca_file)
        office = PostOffice(
            config,
            Surroundings(
                reactor=host,
                store=store,
                journal=journal,
                submitters=CredAuthenticator(portal, clock, throttle, domains, ISubmitter, keeper=scram),
                readers=CredAuthenticator(portal, clock, throttle, domains, IReader, keeper=scram),
                context=self.context,
                names=names,
                caller=TwistedCaller(host, client_tls=client_tls),
                policies=HttpsPolicies(host, names, client_tls),
                directory=StoreDirectory(store, domains, clock),
                signing_keys=signing_keys(config),
                poll=3600.0,
            ),
        )
        site = Site(office, store, journal, host, address)
        self.reactor.result_of(self._begin(site, accounts, aliases or {}))
        for domain in domains:
            self.zone.add(domain, dns.Record_MX(10, hostname))
        self.zone.add(hostname, dns.Record_A(address))
        self.sites.append(site)
        return site

    async def _begin(self, site: Site, accounts: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> None:
        await site.store.open()
        await site.store.add_accounts(
            [
                Account(
                    Address.parse(each).key,
                    b"-",
                    0.0,
                    scram=str(ScramKeys.derive(Address.parse(each).key, b"s" * 16, FEWEST)),
                )
                for each in accounts
            ]
        )
        for alias, targets in aliases.items():
            await site.store.set_alias(alias, targets)
        await site.office.listen()
        await site.office.start()

    def submit(
        self,
        site: Site,
        sender: str,
        *recipients: str | Recipient,
        content: bytes = ONE_LETTER,
        body: str = "7BIT",
        **parameters: str,
    ) -> tuple[Reply, ...]:
        """Hand a letter in as a user does: STARTTLS, AUTH, one transaction; `parameters` are of MAIL."""
        named = tuple(each if isinstance(each, Recipient) else Recipient(Address.parse(each)) for each in recipients)
        envelope = Envelope(Address.parse(sender), named, body, tuple(parameters.items()))
        return self.reactor.result_of(self._submit(site, sender, envelope, content))

    async def _submit(self, site: Site, sender: str, envelope: Envelope, content: bytes) -> tuple[Reply, ...]:
        session = await self.session(site, 587)
        await session.start_tls(site.office.config.hostname, verify=False)
        await session.authenticate(sender, Address.parse(sender).key)
        replies = await session.transact(envelope, envelope.recipients, Octets(content))
        await session.quit()
        return replies

    def publish(self, domain: str, policy: str, *, id: str, address: str = "192.0.2.80", **page: Any) -> PolicyPage:  # noqa: A002
        """Have a domain publish an MTA-STS policy (RFC 8461 §3), with its own web server."""
        host = f"mta-sts.{domain}"
        self.zone.remove(f"_mta-sts.{domain}")
        self.zone.add(f"_mta-sts.{domain}", dns.Record_TXT(f"v=STSv1; id={id};".encode()))
        self.zone.remove(host)
        self.zone.add(host, dns.Record_A(address))
        found = PolicyPage(policy.encode(), **page)
        found.listen(self.reactor.host(address), host)
        return found

    async def session(self, site: Site, port: int, source: str = "203.0.113.7") -> SendingSession:
        """An open session from somewhere else."""
        engine = SmtpClient()
        peer = await TwistedCaller(self.reactor.host(source)).call(HostPort(site.address, port), engine, timeout=30)
        session = SendingSession(peer, engine, "client.test")
        await session.open()
        return session

    def states(self, site: Site) -> dict[str, str]:
        """Recipient: state, of all letters of an office."""
        records = self.reactor.result_of(site.store.records(Filter(office=site.office.config.hostname)))
        return {str(each.recipient.address): each.state.value for record in records for each in record.deliveries}

    def stop(self) -> None:
        """Close everything, as an operator would."""
        for site in self.sites:
            self.reactor.result_of(site.office.stop())


class PolicyPage:
    """A web server that has an MTA-STS policy, or whatever a test wants in its place."""

    def __init__(self, octets: bytes, *, kind: str = "text/plain", code: int = 200, certificate_for: str = "") -> None:
        self.octets = octets
        self.kind = kind
        self.code = code
        self.certificate_for = certificate_for
        self.requests: list[bytes] = []

    def listen(self, host: Host, name: str) -> None:
        site = WebSite(_Page(self), reactor=host)
        context = page_context(self.certificate_for or name)
        self.port = host.listenTCP(443, TLSMemoryBIOFactory(context, False, site, clock=host))

    def close(self) -> None:
        self.port.stopListening()


class _Page(Resource):
    isLeaf = True  # noqa: N815 (Twisted's name)

    def __init__(self, page: PolicyPage) -> None:
        super().__init__()
        self._page = page

    def render_GET(self, request: Any) -> bytes:  # noqa: N802
        self._page.requests.append(request.uri)
        request.setResponseCode(self._page.code)
        request.setHeader(b"content-type", self._page.kind.encode())
        request.setHeader(b"location", b"/elsewhere")
        return self._page.octets


_authority: list[Path] = []


def public_ca() -> CertificateFiles:
    """The CA that everybody trusts who is told so, with a certificate for `mx.elsewhere.test`."""
    return issued("mx.elsewhere.test")


def issued(name: str) -> CertificateFiles:
    """A certificate for a name from that CA: one directory a name, all with the same CA."""
    if not _authority:
        _authority.append(Path(tempfile.mkdtemp(prefix="mailstack-test-ca-")))
        atexit.register(shutil.rmtree, _authority[0], ignore_errors=True)
        private_ca(_authority[0] / "ca", "ca.test", time.time())
    directory = _authority[0] / name
    if not directory.exists():
        directory.mkdir(mode=0o700)
        for file in ("ca.pem", "ca-key.pem"):
            shutil.copy2(_authority[0] / "ca" / file, directory / file)
    return private_ca(directory, name, time.time())


def page_context(name: str) -> ServerContext:
    files = issued(name)
    return server_context(files.certificate, files.key)


_contexts: dict[str, ServerContext] = {}


def _context(directory: Path) -> ServerContext:
    """One certificate for all tests: making keys costs more than a test."""
    if "one" not in _contexts:
        files = private_ca(directory, "mx.home.test", time.time())
        _contexts["one"] = server_context(files.certificate, files.key)
    return _contexts["one"]


Work = Callable[..., Awaitable[Any]]
