"""TLS policy: levels, and the table of their sources.

The first line that applies decides:

    source                                              level           a host that fails it
    --------------------------------------------------  --------------  -----------------------------------------
    a smart host with a password, or smtps://           verified        is left out, the letter waits
    `[relay.tls_policy]` for the destination            as it says      the same; opportunistic goes on in clear
    `[relay] tls = "never"`                             never           -
    `TLS-Required: No` in the letter (RFC 8689 §4.3)    `[relay] tls`   as that says: nothing published counts
    TLSA records, usable (DANE, RFC 7672 §2.2)          dane            is left out, the letter waits
    TLSA records, none of them usable                   required        the same
    an MTA-STS policy in mode enforce (RFC 8461 §5)     verified        the same, as a host that it does not name
    `[relay] tls`                                       as it says      as that says

A published policy never lowers `[relay] tls`. REQUIRETLS (RFC 8689 §4.2.1) needs at least `verified`, a host name that
is validated as one of the domain, and REQUIRETLS at that host. Otherwise the letter is returned at once.

`mailstack.relay.tls_requirements` applies this table; here are the levels and the settings of the operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field

from mailstack.letter.patterns import domain_pattern, find_by_domain
from mailstack.protocols.connection import Dane
from mailstack.relay.routes import SmartHost
from mailstack.store.tls_results import AppliedPolicy, SessionFailure


class TlsLevel(Enum):
    """TLS levels, in ascending order."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS when it is offered, with any certificate; in the clear when that fails (RFC 7435)."""
    REQUIRED = "required"
    """TLS with any certificate, or the letter waits."""
    VERIFIED = "verified"
    """TLS with a certificate for the host's name, or the letter waits."""
    DANE = "dane"
    """TLS with a certificate that a TLSA record names, or the letter waits."""


_STRICTNESS = {level: rank for rank, level in enumerate(TlsLevel)}

LEVELS = ("never", "opportunistic", "required", "verified")
"""Levels in the configuration."""


class TlsPolicy(Struct, frozen=True, eq=False):
    """Required TLS level, and its source."""

    level: TlsLevel = TlsLevel.OPPORTUNISTIC
    implicit: bool = False
    """Whether TLS is implicit (RFC 8314 §3.3), as set by the operator; otherwise by STARTTLS."""
    dane: Dane | None = None
    """TLSA records and names of TlsLevel.DANE."""
    reason: str = "[relay] tls"
    """Source of the policy, for the journey. It does not affect connections."""
    published: AppliedPolicy | None = None
    """Policy that the domain publishes, for TLS reports. It does not affect connections."""
    testing: bool = False
    """Whether the policy is in testing (RFC 8461 §5): it is tried first, so that a report can name failures."""
    fault: SessionFailure | None = None
    """Error in the published policy, for TLS reports; the hosts are added later."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TlsPolicy) and self._terms == other._terms

    def __hash__(self) -> int:
        return hash(self._terms)

    @property
    def _terms(self) -> tuple[TlsLevel, bool, Dane | None]:
        return self.level, self.implicit, self.dane

    @property
    def verify(self) -> bool:
        return self.level is TlsLevel.VERIFIED

    def __str__(self) -> str:
        """Text for the journey."""
        return f"{self.level.value}, by {self.reason}"

    def at_least(self, other: TlsPolicy) -> TlsPolicy:
        """The stricter policy; `other` if both are equal."""
        return self if _STRICTNESS[self.level] > _STRICTNESS[other.level] else other


OPPORTUNISTIC = TlsPolicy()


class TlsPolicyError(ValueError):
    """A line of `[relay.tls_policy]` is invalid; str() is the expected form, `given` the invalid part."""

    def __init__(self, expected: str, given: object) -> None:
        super().__init__(expected)
        self.given = given


class TlsPolicyTable(Struct, frozen=True):
    """TLS levels of destinations, from `[relay.tls_policy]`."""

    levels: Mapping[str, TlsLevel] = field(default_factory=dict)
    """TLS levels by domain pattern (`mailstack.letter.patterns`)."""

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> TlsPolicyTable:
        """Raises TlsPolicyError."""
        levels = {}
        for pattern, level in table.items():
            try:
                key = domain_pattern(pattern)
            except ValueError as error:
                raise TlsPolicyError(str(error), pattern) from None
            if level not in LEVELS:
                raise TlsPolicyError(" or ".join(f'"{each}"' for each in LEVELS), level)
            levels[key] = TlsLevel(level)
        return cls(levels)

    def find(self, destination: str) -> TlsPolicy | None:
        """The policy of a domain or address literal; None if there is none."""
        found = find_by_domain(self.levels, destination)
        return found and TlsPolicy(found[1], reason=f"[relay.tls_policy] {found[0]}")


NO_TLS_POLICY = TlsPolicyTable()


def smart_host_policy(smart_host: SmartHost, otherwise: TlsPolicy = OPPORTUNISTIC) -> TlsPolicy:
    """Policy of a smart host: `verified` with a password or smtps://, unless it sets another level."""
    if smart_host.level:
        return TlsPolicy(TlsLevel(smart_host.level), implicit=smart_host.implicit_tls, reason="the smart host")
    if smart_host.implicit_tls or smart_host.credentials:
        return TlsPolicy(TlsLevel.VERIFIED, implicit=smart_host.implicit_tls, reason="the smart host")
    return otherwise
