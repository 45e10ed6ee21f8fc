"""Simulated internet with untrusted certificates and short letters, for tests of whole servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from msgspec import Struct

from mailstack.config import AuthenticationSettings, RelaySettings, ScheduleSettings, SubmissionSettings
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
from mailstack.store import Store

__all__ = ["ONE_LETTER", "Internet", "RecordingJournal", "SimulatedServer", "issued", "page_context", "public_ca"]

ONE_LETTER = b"From: alice@home.test\r\nSubject: hello\r\n\r\nHi there\r\n.dot\r\n"


class Internet(Shipped):
    """Servers whose addresses, schedule and certificate a test chooses; nobody trusts its CA who isn't told to."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.context = _stranger().context("mx.home.test")

    def mail_server(
        self,
        hostname: str,
        address: str,
        *,
        domains: Sequence[str],
        accounts: Sequence[str] = (),
        aliases: Mapping[str, Sequence[str]] | None = None,
        schedule: ScheduleSettings | None = None,
        store: Store | None = None,
        **settings: Struct,
    ) -> SimulatedServer:
        """As `host`; letters here may be as short as a test needs them, without From or with another one's."""
        tables: dict[str, Any] = {
            "relay": RelaySettings(schedule=schedule or ScheduleSettings()),
            "submission": SubmissionSettings(check_from="allow"),
            "authentication": AuthenticationSettings(malformed_from="mark"),
            **settings,
        }
        return self.host(
            hostname,
            address,
            domains=domains,
            accounts=accounts,
            aliases=aliases,
            store=store or "memory",
            certificate=self.context,
            **tables,
        )

    def submit(
        self,
        site: SimulatedServer,
        sender: str,
        *recipients: str | Recipient,
        content: bytes = ONE_LETTER,
        body: str = "7BIT",
        **parameters: str,
    ) -> tuple[Reply, ...]:
        """Hand a letter in, and give the replies for its recipients; `parameters` are of MAIL."""
        named = tuple(each if isinstance(each, Recipient) else Recipient(Address.parse(each)) for each in recipients)
        envelope = Envelope(Address.parse(sender), named, body, tuple(parameters.items()))
        return self.reactor.result_of(self._submit(site, sender, envelope, content))

    async def _submit(
        self, site: SimulatedServer, sender: str, envelope: Envelope, content: bytes
    ) -> tuple[Reply, ...]:
        session = await self.session(site, 587)
        await session.start_tls(site.hostname, verify=False)
        await session.authenticate(sender, Address.parse(sender).key)
        replies = await session.transact(envelope, envelope.recipients, Octets(content))
        await session.quit()
        return replies

    async def session(self, site: SimulatedServer, port: int, source: str = "203.0.113.7") -> SmtpClientSession:
        """An open session from somewhere else."""
        engine = ClientEngine()
        peer = await TwistedConnector(self.reactor.host(source)).connect(
            HostPort(site.address, port), engine, timeout=30
        )
        session = SmtpClientSession(peer, engine, "client.test")
        await session.open()
        return session

    def fetch(self, site: SimulatedServer, user: str) -> list[bytes]:
        """Every letter of a mailbox, by POP3 under TLS; they are deleted."""
        return self.reactor.result_of(self._fetch(site, user))

    async def _fetch(self, site: SimulatedServer, user: str) -> list[bytes]:
        engine = Pop3ClientEngine()
        peer = await TwistedConnector(self.reactor.host("203.0.113.8")).connect(
            HostPort(site.address, 110), engine, timeout=10
        )
        session = Pop3ClientSession(peer, engine)
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
