"""Which TLS is demanded of a host before a letter goes to it."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

from mailstack.relay.routes import SmartHost


class Demand(Enum):
    """From the least to the most."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"
    """STARTTLS when it is offered, with any certificate; in the clear when that fails (RFC 7435)."""
    REQUIRED = "required"
    """TLS with any certificate, or the letter waits."""
    VERIFIED = "verified"
    """TLS with a certificate for the host's name, or the letter waits."""


@frozen
class Security:
    """What is demanded, and whether TLS comes before the first octet or by STARTTLS."""

    demand: Demand = Demand.OPPORTUNISTIC
    implicit: bool = False
    """RFC 8314 §3.3; only where the operator said so."""

    @property
    def verify(self) -> bool:
        return self.demand is Demand.VERIFIED


OPPORTUNISTIC = Security()


def for_smart_host(smart_host: SmartHost) -> Security:
    """A password goes only to a host whose certificate was checked; smtps:// asks for the same in so many words."""
    if smart_host.implicit_tls or smart_host.credentials:
        return Security(Demand.VERIFIED, implicit=smart_host.implicit_tls)
    return OPPORTUNISTIC
