"""Simulated internet with untrusted certificates and short letters, for tests of whole servers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

from mailstack.config import AuthenticationSettings, RelaySettings
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.net.certificates import CertificateFiles
from mailstack.net.connector import TwistedConnector
from mailstack.net.server_tls import ServerContext
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.client_session import SmtpClientSession
from mailstack.protocols.smtp.replies import Reply
from mailstack.sandbox.simulation import Internet as Shipped
from mailstack.sandbox.simulation.server import RecordingJournal, SimulatedServer
from mailstack.sandbox.simulation.world import Authority, authority

__all__ = [
    "ONE_LETTER",
    "Internet",
    "RecordingJournal",
    "SimulatedServer",
    "facts",
    "issued",
    "page_context",
    "public_ca",
]

T = TypeVar("T")

ONE_LETTER = b"From: alice@home.test\r\nSubject: hello\r\n\r\nHi there\r\n.dot\r\n"


class Internet(Shipped):
    """Servers whose addresses, schedule and certificate a test chooses; nobody trusts its CA who isn't told to."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.context = _stranger().context("mx.home.test")

    def mail_server(self, hostname: str, address: str, *accounts: str, **settings: Any) -> SimulatedServer:
        """As `host`, of the domain of its name ("mx.home.test": home.test). From may be missing or another's."""
        usual: dict[str, Any] = {
            "domains": [hostname.partition(".")[2]],
            "relay": RelaySettings(),
            "authentication": AuthenticationSettings(malformed_from="mark"),
        }
        return self.host(hostname, address, accounts=accounts, certificate=self.context, **(usual | settings))

    def home(self, *accounts: str, **settings: Any) -> SimulatedServer:
        """The mail server of home.test."""
        return self.mail_server("mx.home.test", "192.0.2.1", *accounts, **settings)

    def elsewhere(self, *accounts: str, **settings: Any) -> SimulatedServer:
        """The mail server of elsewhere.test."""
        return self.mail_server("mx.elsewhere.test", "192.0.2.2", *accounts, **settings)

    def submit(
        self, site: SimulatedServer, sender: str, *recipients: str | Recipient, content: bytes = ONE_LETTER,
        body: str = "7BIT", **parameters: str,
    ) -> tuple[Reply, ...]:  # fmt: skip
        """Hand a letter in, and give the replies for its recipients; `parameters` are of MAIL."""
        named = tuple(each if isinstance(each, Recipient) else Recipient(Address.parse(each)) for each in recipients)
        envelope = Envelope(Address.parse(sender), named, body, tuple(parameters.items()))

        async def hand_in() -> tuple[Reply, ...]:
            session = await self.session(site, 587)
            await session.start_tls(site.hostname, verify=False)
            await session.authenticate(sender, Address.parse(sender).key)
            replies = await session.transact(envelope, envelope.recipients, Octets(content))
            await session.quit()
            return replies

        return self.reactor.result_of(hand_in())

    async def session(self, site: SimulatedServer, port: int, source: str = "203.0.113.7") -> SmtpClientSession:
        """An open session from somewhere else."""
        engine = ClientEngine()
        caller = TwistedConnector(self.reactor.host(source))
        peer = await caller.connect(HostPort(site.address, port), engine, timeout=30)
        session = SmtpClientSession(peer, engine, "client.test")
        await session.open()
        return session

    def fetch(self, site: SimulatedServer, user: str) -> list[bytes]:
        """Every letter of a mailbox; they are deleted."""

        async def collect(session: Pop3ClientSession) -> list[bytes]:
            await session.utf8()
            await session.login(user, user)
            letters = []
            for number in range(1, (await session.stat())[0] + 1):
                letters.append(await session.retr(number))
                await session.dele(number)
            return letters

        return self.read(site, collect)

    def read(self, site: SimulatedServer, errand: Callable[[Pop3ClientSession], Awaitable[T]]) -> T:
        """Result of an errand in a POP3 session under TLS."""

        async def session() -> T:
            engine = Pop3ClientEngine()
            caller = TwistedConnector(self.reactor.host("203.0.113.8"))
            session = Pop3ClientSession(await caller.connect(HostPort(site.address, 110), engine, timeout=10), engine)
            await session.open()
            await session.start_tls()
            result = await errand(session)
            await session.quit()
            return result

        return self.reactor.result_of(session())


def facts(site: SimulatedServer, step: str) -> Any:
    """What the last such step of a server tells."""
    return [each.facts for each in site.journal.steps if each.step == step][-1]


@cache
def _stranger() -> Authority:
    """One that nobody trusts."""
    return Authority("CA of nobody")


def public_ca() -> CertificateFiles:
    """The CA of the simulation, with a certificate for `mx.elsewhere.test`."""
    return issued("mx.elsewhere.test")


def issued(name: str) -> CertificateFiles:
    """A certificate for a name from that CA."""
    return authority().issue(name)


def page_context(name: str) -> ServerContext:
    return authority().context(name)
