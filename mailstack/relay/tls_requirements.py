"""TLS requirements of one host and letter, by policy and REQUIRETLS (RFC 8689)."""

from __future__ import annotations

import re

from msgspec.structs import replace

from mailstack.letter import Content, Deferred, Failed, Letter, Status
from mailstack.letter.envelope import is_unix_socket
from mailstack.letter.header import fields, split
from mailstack.protocols.connection import Dane, Tlsa
from mailstack.relay.hosts import DnsResolver, DnsUnavailable, RouteTargets, TargetHost
from mailstack.relay.mta_sts import Mode, MtaStsPolicies
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from mailstack.store.tls_results import AppliedPolicy, ResultType, SessionFailure

REQUIRETLS = "REQUIRETLS"
_MAX_HEADER = 65_536
"""Maximum octets of a header section that are searched."""
_NO_VALUE = re.compile(rb"[^:]*:[ \t\r\n]*no[ \t\r\n]*\Z", re.IGNORECASE)


class TlsRequest:
    """TLS request of one letter: REQUIRETLS in its envelope, or TLS-Required in its header."""

    def __init__(self, letter: Letter) -> None:
        self._content = letter.content
        has_requiretls = REQUIRETLS in dict(letter.envelope.parameters)
        self._has_requiretls = has_requiretls
        self.requires_tls = has_requiretls and letter.envelope.sender is not None
        """Whether the letter may only go over verified TLS to hosts with REQUIRETLS. It does not apply to reports (§5)."""
        self._header_says_no: bool | None = None

    async def tls_required_no(self) -> bool:
        """Whether the header has `TLS-Required: No` (§4.1, §4.3) and the envelope no REQUIRETLS.

        Reads the content once; raises its errors.
        """
        if self._has_requiretls:
            return False
        if self._header_says_no is None:
            self._header_says_no = _has_tls_required_no(await _header_of(self._content))
        return self._header_says_no


def _has_tls_required_no(section: bytes) -> bool:
    return any(name == b"tls-required" and _NO_VALUE.match(field) for name, field in fields(section))


async def _header_of(content: Content) -> bytes:
    start = b""
    async for chunk in content.chunks():
        start += chunk
        if len(start) >= _MAX_HEADER or b"\r\n\r\n" in start:
            break
    return start[: split(start[:_MAX_HEADER])]


TLS_POLICY = Status(4, 7, 5)
REQUIRETLS_NEEDED = Status(5, 7, 30)
ENCRYPTION_NEEDED = Status(5, 7, 10)

_USABLE = frozenset((usage, selector, matching) for usage in (2, 3) for selector in (0, 1) for matching in (0, 1, 2))
_NOT_NAMED = "the policy does not name this host"
_MAX_LINE = 1000
"""Maximum characters of a record in reports: a record may contain a whole certificate."""
_LENGTHS = {1: 32, 2: 64}
"""Length of a digest in octets, by matching type."""


class TlsRequirementNotMet(Exception):
    """A host must not be used for this letter; `outcome` applies if there is no other host."""

    def __init__(
        self,
        outcome: Deferred | Failed,
        published: AppliedPolicy | None = None,
        fault: ResultType = "validation-failure",
    ) -> None:
        """`published` is the policy that forbids it, and `fault` its result type in TLS reports (RFC 8460 §4.3)."""
        super().__init__(outcome.text)
        self.outcome = outcome
        self.published = published
        self.fault: ResultType = fault


def requiretls_missing(host: str) -> Failed:
    """Failure at a host without REQUIRETLS (RFC 8689 §4.2.1)."""
    return Failed(REQUIRETLS_NEEDED, f"{host}: REQUIRETLS support required, and the host does not offer it", host)


class TlsRequirements:
    """Determines the TLS policy from the DNS, from MTA-STS and from the letter."""

    def __init__(self, resolver: DnsResolver, *, dane: bool = False, sts: MtaStsPolicies | None = None) -> None:
        """`dane`: `resolver` validates, on a trusted path, so that TLSA records count."""
        self._resolver = resolver
        self._dane = dane
        self._sts = sts

    async def policy_for(self, targets: RouteTargets, candidate: TargetHost, tls_request: TlsRequest) -> TlsPolicy:
        """The TLS policy for one host and letter. Raises TlsRequirementNotMet, and the errors of the letter's content."""
        security, validated = candidate.security or targets.security, targets.domain is None or candidate.signed
        if targets.domain is not None and (targets.published or tls_request.requires_tls):
            try:
                published, named = await self._published(targets.domain, candidate, security)
            except TlsRequirementNotMet:
                if not await tls_request.tls_required_no():
                    raise
                return replace(security, reason=f"{security.reason}, TLS-Required: No")
            validated = validated or named
            if published is not None:
                if await tls_request.tls_required_no():
                    return replace(security, reason=f"{security.reason}, TLS-Required: No")
                security = replace(
                    security.at_least(published),
                    published=published.published,
                    testing=published.testing,
                    fault=published.fault,
                )
        if not tls_request.requires_tls or is_unix_socket(candidate.host):
            return security
        return _with_requiretls(security, targets, candidate, validated=validated)

    async def _published(
        self, domain: str, candidate: TargetHost, otherwise: TlsPolicy
    ) -> tuple[TlsPolicy | None, bool]:
        """The published policy, and whether an enforced MTA-STS policy names this host. Raises TlsRequirementNotMet."""
        if self._dane and candidate.signed and (found := await self._by_dane(domain, candidate)) is not None:
            # RFC 8461 §2: MTA-STS does not apply if DANE does.
            return found, False
        policy = None if self._sts is None else await self._sts.policy(domain)
        if policy is None or policy.mode is Mode.NONE:
            problem = None if self._sts is None else self._sts.trouble(domain)
            return (replace(otherwise, fault=SessionFailure(problem)) if problem else None), False
        # RFC 8461 §4.1, §5.
        named, applied = policy.matches(candidate.host), AppliedPolicy("sts", domain, policy.lines, policy.mx)
        if policy.mode is Mode.TESTING:
            note = f"MTA-STS of {domain} in testing" + ("" if named else f", which does not name {candidate.host}")
            fault = None if named else SessionFailure("validation-failure", reason=_NOT_NAMED)
            reason = f"{otherwise.reason}; {note}"
            return replace(otherwise, reason=reason, published=applied, testing=named, fault=fault), False
        if not named:
            text = f"{candidate.host} is not a host that the MTA-STS policy of {domain} names"
            raise TlsRequirementNotMet(Deferred(TLS_POLICY, text, candidate.host), applied)
        return TlsPolicy(TlsLevel.VERIFIED, reason=f"MTA-STS of {domain}", published=applied), True

    async def _by_dane(self, domain: str, candidate: TargetHost) -> TlsPolicy | None:
        """Policy from TLSA records (RFC 7672 §2.2): only signed ones count, and a failed look-up forbids the host."""
        host, name, base, found = candidate.host, "", None, ""
        records: tuple[Tlsa, ...] = ()
        try:
            base = await self._resolver.signed_name(host)
            # The target of an alias is looked up first (§2.2.2). Unsigned hosts are skipped: some name servers fail on TLSA.
            for found in dict.fromkeys((base, host)) if base is not None else ():
                name = f"_{candidate.address.port}._tcp.{found}"
                if records := await self._resolver.tlsa(name):
                    break
        except DnsUnavailable as error:
            text = f"{host}: TLSA lookup failed ({error})"
            applied = AppliedPolicy("tlsa", found.lower().rstrip(".") or host)
            raise TlsRequirementNotMet(Deferred(TLS_POLICY, text, host), applied, "dnssec-invalid") from None
        if not records or base is None:
            return None
        usable = tuple(record for record in records if _is_usable(record))
        applied = AppliedPolicy("tlsa", found.lower().rstrip("."), tuple([_line(record) for record in records]))
        if not usable:
            reason, fault = f"DANE, no record of {name} can be used", SessionFailure("tlsa-invalid")
            return TlsPolicy(TlsLevel.REQUIRED, reason=reason, published=applied, fault=fault)
        names = tuple(dict.fromkeys((found, host, base, domain)))
        return TlsPolicy(TlsLevel.DANE, dane=Dane(usable, names), reason=f"DANE {name}", published=applied)


def _line(record: Tlsa) -> str:
    """The record in the form of TLS reports (RFC 8460 §4.4)."""
    return f"{record.usage} {record.selector} {record.matching} {record.data.hex().upper()}"[:_MAX_LINE]


def _is_usable(record: Tlsa) -> bool:
    """Whether a TLSA record is usable (RFC 7672 §3.1.3): no usage of public CAs, a digest of the right length."""
    length = _LENGTHS.get(record.matching)
    is_usable = (record.usage, record.selector, record.matching) in _USABLE
    return is_usable and bool(record.data) and length in (None, len(record.data))


def _with_requiretls(
    security: TlsPolicy, targets: RouteTargets, candidate: TargetHost, *, validated: bool
) -> TlsPolicy:
    """Applies REQUIRETLS (RFC 8689 §4.2.1). Raises TlsRequirementNotMet."""
    if security.level is TlsLevel.NEVER:
        text = f"Encryption needed: {security.reason} forbids TLS with {candidate.host}"
        raise TlsRequirementNotMet(Failed(ENCRYPTION_NEEDED, text, candidate.host))
    if not validated:
        text = f"REQUIRETLS support required: {candidate.host} is not validated as a host of {targets.domain}"
        raise TlsRequirementNotMet(Failed(REQUIRETLS_NEEDED, f"{text} (neither DNSSEC nor MTA-STS)", candidate.host))
    minimum = TlsPolicy(TlsLevel.VERIFIED, reason="REQUIRETLS")
    verified = minimum.at_least(security)
    return verified if verified is minimum else replace(verified, reason=f"{verified.reason}, REQUIRETLS")
