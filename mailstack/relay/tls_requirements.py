"""What is demanded of one host for one letter: everybody in the table of `mailstack.relay.tls_policy` is asked."""

from __future__ import annotations

from msgspec.structs import replace

from mailstack.letter import Deferred, Failed, Status
from mailstack.letter.connection import is_unix_socket
from mailstack.protocols.connection import Dane, Tlsa
from mailstack.relay.dns import DnsResolver, DnsUnavailable
from mailstack.relay.hosts import RouteTargets, TargetHost
from mailstack.relay.mta_sts import MtaSts
from mailstack.relay.mta_sts_policy import Mode
from mailstack.relay.require_tls import TlsRequest
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from mailstack.store.tls_results import AppliedPolicy, ResultType, SessionFailure

TLS_POLICY = Status(4, 7, 5)
REQUIRETLS_NEEDED = Status(5, 7, 30)
ENCRYPTION_NEEDED = Status(5, 7, 10)

_USABLE = frozenset((usage, selector, matching) for usage in (2, 3) for selector in (0, 1) for matching in (0, 1, 2))
_NOT_NAMED = "the policy does not name this host"
_MOST_LINE = 1000
"""Characters of a record that are told: one may hold a whole certificate."""
_LENGTHS = {1: 32, 2: 64}
"""Octets of a digest, by matching type."""


class TlsRequirementNotMet(Exception):
    """A host must not be called for this letter; the outcome says what that would mean if it were the only one."""

    def __init__(
        self,
        outcome: Deferred | Failed,
        published: AppliedPolicy | None = None,
        fault: ResultType = "validation-failure",
    ) -> None:
        """`published` is the policy that forbids it, and `fault` what a TLS report says of it (RFC 8460 §4.3)."""
        super().__init__(outcome.text)
        self.outcome = outcome
        self.published = published
        self.fault: ResultType = fault


def requiretls_missing(host: str) -> Failed:
    """The host can't promise that the letter stays under TLS (RFC 8689 §4.2.1)."""
    return Failed(REQUIRETLS_NEEDED, f"{host}: REQUIRETLS support required, and the host does not offer it", host)


class TlsRequirements:
    """Asks the DNS, the policies of domains, and the letter."""

    def __init__(self, names: DnsResolver, *, dane: bool = False, sts: MtaSts | None = None) -> None:
        """`dane` says that `names` come from a resolver that validates, over a path that nobody can touch."""
        self._names = names
        self._dane = dane
        self._sts = sts

    async def of(self, way: RouteTargets, candidate: TargetHost, wishes: TlsRequest) -> TlsPolicy:
        """What the host must give. Raises Refused, and what the letter's content raises."""
        security, vouched = candidate.security or way.security, way.domain is None or candidate.signed
        if way.domain is not None and (way.published or wishes.requires_tls):
            try:
                published, named = await self._published(way.domain, candidate, security)
            except TlsRequirementNotMet:
                if not await wishes.reaches_rather_than_hides():
                    raise
                return replace(security, why=f"{security.why}, TLS-Required: No")
            vouched = vouched or named
            if published is not None:
                if await wishes.reaches_rather_than_hides():
                    return replace(security, why=f"{security.why}, TLS-Required: No")
                security = replace(
                    security.at_least(published),
                    published=published.published,
                    trial=published.trial,
                    fault=published.fault,
                )
        if not wishes.requires_tls or is_unix_socket(candidate.host):
            return security
        return _with_requiretls(security, way, candidate, vouched=vouched)

    async def _published(
        self, domain: str, candidate: TargetHost, otherwise: TlsPolicy
    ) -> tuple[TlsPolicy | None, bool]:
        """What the domain asks for, and whether an enforced MTA-STS policy names this host. Raises Refused."""
        if self._dane and candidate.signed and (found := await self._by_dane(domain, candidate)) is not None:
            # RFC 8461 §2: MTA-STS never speaks where DANE does.
            return found, False
        policy = None if self._sts is None else await self._sts.policy(domain)
        if policy is None or policy.mode is Mode.NONE:
            trouble = None if self._sts is None else self._sts.trouble(domain)
            return (replace(otherwise, fault=SessionFailure(trouble)) if trouble else None), False
        # RFC 8461 §4.1, §5.
        named, applied = policy.names(candidate.host), AppliedPolicy("sts", domain, policy.lines, policy.mx)
        if policy.mode is Mode.TESTING:
            note = f"MTA-STS of {domain} in testing" + ("" if named else f", which does not name {candidate.host}")
            fault = None if named else SessionFailure("validation-failure", reason=_NOT_NAMED)
            why = f"{otherwise.why}; {note}"
            return replace(otherwise, why=why, published=applied, trial=named, fault=fault), False
        if not named:
            text = f"{candidate.host} is not a host that the MTA-STS policy of {domain} names"
            raise TlsRequirementNotMet(Deferred(TLS_POLICY, text, candidate.host), applied)
        return TlsPolicy(TlsLevel.VERIFIED, why=f"MTA-STS of {domain}", published=applied), True

    async def _by_dane(self, domain: str, candidate: TargetHost) -> TlsPolicy | None:
        """RFC 7672 §2.2: only what is signed counts, and what should be there and can't be had stops us."""
        host, name, base, found = candidate.host, "", None, ""
        records: tuple[Tlsa, ...] = ()
        try:
            base = await self._names.signed_name(host)
            # Where an alias leads is asked first (§2.2.2). Hosts that are not signed are not asked: some name servers fail.
            for found in dict.fromkeys((base, host)) if base is not None else ():
                name = f"_{candidate.address.port}._tcp.{found}"
                if records := await self._names.tlsa(name):
                    break
        except DnsUnavailable as trouble:
            text = f"{host}: its TLSA records can't be had ({trouble})"
            applied = AppliedPolicy("tlsa", found.lower().rstrip(".") or host)
            raise TlsRequirementNotMet(Deferred(TLS_POLICY, text, host), applied, "dnssec-invalid") from None
        if not records or base is None:
            return None
        usable = tuple(record for record in records if _is_usable(record))
        applied = AppliedPolicy("tlsa", found.lower().rstrip("."), tuple([_line(record) for record in records]))
        if not usable:
            why, fault = f"DANE, no record of {name} can be used", SessionFailure("tlsa-invalid")
            return TlsPolicy(TlsLevel.REQUIRED, why=why, published=applied, fault=fault)
        names = tuple(dict.fromkeys((found, host, base, domain)))
        return TlsPolicy(TlsLevel.DANE, dane=Dane(usable, names), why=f"DANE {name}", published=applied)


def _line(record: Tlsa) -> str:
    """The record as TLS reports tell it (RFC 8460 §4.4)."""
    return f"{record.usage} {record.selector} {record.matching} {record.data.hex().upper()}"[:_MOST_LINE]


def _is_usable(record: Tlsa) -> bool:
    """RFC 7672 §3.1.3: the usages of public CAs are not for mail; a digest of another length matches nothing."""
    length = _LENGTHS.get(record.matching)
    known = (record.usage, record.selector, record.matching) in _USABLE
    return known and bool(record.data) and length in (None, len(record.data))


def _with_requiretls(security: TlsPolicy, way: RouteTargets, candidate: TargetHost, *, vouched: bool) -> TlsPolicy:
    """RFC 8689 §4.2.1. Raises Refused."""
    if security.demand is TlsLevel.NEVER:
        text = f"Encryption needed: {security.why} forbids TLS with {candidate.host}"
        raise TlsRequirementNotMet(Failed(ENCRYPTION_NEEDED, text, candidate.host))
    if not vouched:
        text = f"REQUIRETLS support required: nothing vouches for {candidate.host} as a host of {way.domain}"
        raise TlsRequirementNotMet(Failed(REQUIRETLS_NEEDED, f"{text} (neither DNSSEC nor MTA-STS)", candidate.host))
    least = TlsPolicy(TlsLevel.VERIFIED, why="REQUIRETLS")
    verified = least.at_least(security)
    return verified if verified is least else replace(verified, why=f"{verified.why}, REQUIRETLS")
