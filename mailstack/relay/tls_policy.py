"""Which TLS is demanded of a host before a letter goes to it, and by whom.

The first line that applies decides:

    by whom                                             demand          a host that fails it
    --------------------------------------------------  --------------  -----------------------------------------
    a smart host with a password, or smtps://           verified        is left out, the letter waits
    `[relay.tls_policy]` for the destination            as it says      the same; opportunistic goes on in clear
    `[relay] tls = "never"`                             never           -
    `TLS-Required: No` in the letter (RFC 8689 §4.3)    `[relay] tls`   as that says: nothing published counts
    TLSA records, usable (DANE, RFC 7672 §2.2)          dane            is left out, the letter waits
    TLSA records, none of them usable                   required        the same
    an MTA-STS policy in mode enforce (RFC 8461 §5)     verified        the same, as a host that it does not name
    `[relay] tls`                                       as it says      as that says

What is published never asks for less than `[relay] tls` does. Then comes REQUIRETLS (RFC 8689 §4.2.1): at least verified,
at a host whose name can be trusted to be the domain's, and that offers REQUIRETLS too; else the letter goes back at once.

`mailstack.relay.tls_requirements` asks all these; here are the words, and what the operator said.
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
    """From the least to the most."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS when it is offered, with any certificate; in the clear when that fails (RFC 7435)."""
    REQUIRED = "required"
    """TLS with any certificate, or the letter waits."""
    VERIFIED = "verified"
    """TLS with a certificate for the host's name, or the letter waits."""
    DANE = "dane"
    """TLS with a certificate that a TLSA record names, or the letter waits."""


_STRICTNESS = {demand: rank for rank, demand in enumerate(TlsLevel)}

LEVELS = ("never", "opportunistic", "required", "verified")
"""What an operator can ask for."""


class TlsPolicy(Struct, frozen=True, eq=False):
    """What is demanded, and whether TLS comes before the first octet or by STARTTLS."""

    demand: TlsLevel = TlsLevel.OPPORTUNISTIC
    implicit: bool = False
    """RFC 8314 §3.3; only where the operator said so."""
    dane: Dane | None = None
    """What Demand.DANE demands."""
    why: str = "[relay] tls"
    """By whom: the line of the table, for the journey. It makes no difference to a connection."""
    published: AppliedPolicy | None = None
    """What the domain publishes, for TLS reports. It makes no difference to a connection."""
    trial: bool = False
    """Whether that is in testing (RFC 8461 §5): it is tried first, so that a report can say what would fail."""
    fault: SessionFailure | None = None
    """What is wrong with what the domain publishes, for TLS reports; the hosts are filled in later."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TlsPolicy) and self._terms == other._terms

    def __hash__(self) -> int:
        return hash(self._terms)

    @property
    def _terms(self) -> tuple[TlsLevel, bool, Dane | None]:
        return self.demand, self.implicit, self.dane

    @property
    def verify(self) -> bool:
        return self.demand is TlsLevel.VERIFIED

    def __str__(self) -> str:
        """For the journey."""
        return f"{self.demand.value}, by {self.why}"

    def at_least(self, other: TlsPolicy) -> TlsPolicy:
        """The stricter of the two; `other` when they ask for the same."""
        return self if _STRICTNESS[self.demand] > _STRICTNESS[other.demand] else other


OPPORTUNISTIC = TlsPolicy()


class TlsPolicyError(ValueError):
    """A line of `[relay.tls_policy]` can't be used; str() says what is expected, `given` what stood there."""

    def __init__(self, expected: str, given: object) -> None:
        super().__init__(expected)
        self.given = given


class TlsPolicyTable(Struct, frozen=True):
    """`[relay.tls_policy]`: what the operator demands of some destinations."""

    levels: Mapping[str, TlsLevel] = field(default_factory=dict)
    """By pattern (`mailstack.letter.patterns`)."""

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
        """What is said of a domain or address literal; None when nothing is."""
        found = find_by_domain(self.levels, destination)
        return found and TlsPolicy(found[1], why=f"[relay.tls_policy] {found[0]}")


NO_TLS_POLICY = TlsPolicyTable()


def for_smart_host(smart_host: SmartHost, otherwise: TlsPolicy = OPPORTUNISTIC) -> TlsPolicy:
    """A password goes only to a host whose certificate was checked; smtps:// asks for the same in so many words."""
    if smart_host.demand:
        return TlsPolicy(TlsLevel(smart_host.demand), implicit=smart_host.implicit_tls, why="the smart host")
    if smart_host.implicit_tls or smart_host.credentials:
        return TlsPolicy(TlsLevel.VERIFIED, implicit=smart_host.implicit_tls, why="the smart host")
    return otherwise
