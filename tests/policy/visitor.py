"""Fake client, clock and DNS for tests of policies."""

from __future__ import annotations

from attrs import define, field

from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.policy import Defer, Pass, Refuse, Verdict
from mailstack.protocols.smtp.commands import Mail, Rcpt


@define
class Visitor:
    """A smtp.station.Client."""

    remote: HostPort = HostPort("198.51.100.7", 40000)
    account: str | None = None
    sender: Address | None = None
    helo: str = "client.test"
    must_start_tls: bool = False


@define
class Dns:
    """A policy.lookups.Lookups; what it does not know does not exist, and what is `None` it can't say."""

    records: dict[str, tuple[str, ...] | None] = field(factory=dict)
    asked: list[str] = field(factory=list)

    async def _answer(self, kind: str, name: str) -> tuple[str, ...] | None:
        self.asked.append(f"{kind} {name}")
        return self.records.get(f"{kind} {name}", ())

    async def addresses(self, host: str) -> tuple[str, ...] | None:
        return await self._answer("A", host)

    async def exchanges(self, domain: str) -> tuple[str, ...] | None:
        return await self._answer("MX", domain)

    async def texts(self, name: str) -> tuple[str, ...] | None:
        return await self._answer("TXT", name)

    async def pointers(self, address: str) -> tuple[str, ...] | None:
        return await self._answer("PTR", address)


@define
class Now:
    """A clock to turn by hand."""

    at: float = 1_000_000.0

    def __call__(self) -> float:
        return self.at


def mail(sender: str) -> Mail:
    return Mail(Address.parse(sender) if sender else None, (), None)


def rcpt(recipient: str = "bob@home.test") -> Rcpt:
    return Rcpt(Address.parse(recipient))


def said(verdict: Verdict) -> str:
    """Code and status of an objection; "" for none."""
    if isinstance(verdict, Pass):
        return ""
    assert isinstance(verdict, Defer | Refuse)
    return f"{verdict.reply.code} {verdict.reply.status}"
