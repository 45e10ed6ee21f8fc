"""Routing rules of the relay: routes, smart hosts, source addresses and TLS levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address
from mailstack.letter.envelope import HostPort
from mailstack.letter.patterns import fits_address, fits_any_domain
from mailstack.protocols.connection import Source
from mailstack.relay.routes import NO_ROUTES, NO_SENDER_ROUTES, SenderRoutes, SmartHost, StaticRoutes
from mailstack.relay.tls_policy import NO_TLS_POLICY, OPPORTUNISTIC, TlsPolicy, TlsPolicyTable


class SourceAddress(Struct, frozen=True):
    """Source address and EHLO name of outgoing connections."""

    source: Source = Source()
    ehlo_name: str = ""
    """Name in EHLO; empty: the default one."""

    @property
    def label(self) -> str:
        """Unique label, for destination keys and people."""
        return " ".join([part for part in (self.ehlo_name, self.source.four, self.source.six) if part])

    def can_reach(self, host: str) -> bool:
        """Whether there is a source address of the host's family; without any, all hosts may be called."""
        own = self.source.six if ":" in host else self.source.four
        return bool(own) or not (self.source.four or self.source.six)


class SourceRule(Struct, frozen=True):
    """Source address of letters that match both lists."""

    source_address: SourceAddress
    senders: tuple[str, ...] = ()
    """Patterns of addresses (`mailstack.letter.patterns`); empty: any, the null reverse-path too."""
    domains: tuple[str, ...] = ()
    """Patterns of the recipients' domains; empty: any."""

    def fits(self, sender: Address | None, destination: str) -> bool:
        by_sender = not self.senders or any(fits_address(pattern, sender) for pattern in self.senders)
        return by_sender and (not self.domains or fits_any_domain(self.domains, destination.lower().rstrip(".")))


def find_source_address(rules: Sequence[SourceRule], sender: Address | None, destination: str) -> SourceAddress | None:
    """The source address of the first rule that matches; None if there is none."""
    return next((rule.source_address for rule in rules if rule.fits(sender, destination)), None)


class OwnHost(Struct, frozen=True):
    """The sending host, as other hosts know it."""

    hostname: str
    """Name of this host, which is never relayed to."""
    ehlo_name: str = ""
    """Name in EHLO; empty: the hostname."""
    is_ours: Callable[[HostPort], bool] = lambda _: False
    """Whether this host listens at an address, so that a letter relayed there would come back."""


class Routing(Struct, frozen=True):
    """Routes, smart hosts, source addresses and TLS levels of the configuration."""

    routes: StaticRoutes = NO_ROUTES
    """Static routes; they have precedence over smart hosts and the DNS."""
    sender_routes: SenderRoutes = NO_SENDER_ROUTES
    """Smart hosts by sender; they have precedence over `smart_hosts`."""
    smart_hosts: tuple[SmartHost, ...] = ()
    """Smart hosts of all other letters, in order of calls."""
    port: int = 25
    """Port of hosts from the DNS."""
    source_rules: tuple[SourceRule, ...] = ()
    """Source addresses and EHLO names; the first rule that matches applies."""
    security: TlsPolicy = OPPORTUNISTIC
    """TLS policy of destinations that are not in `tls_policy`."""
    tls_policy: TlsPolicyTable = NO_TLS_POLICY
    """TLS levels of destinations."""

    def destination_key(self, destination: str, sender: Address | None) -> str:
        """Key that letters share which go to the same hosts by these rules; else the destination itself."""
        source_address = find_source_address(self.source_rules, sender, destination) if self.source_rules else None
        if source_address is not None:
            return f"{replace(self, source_rules=()).destination_key(destination, sender)} from {source_address.label}"
        if route := self.routes.find(destination):
            configured = self.tls_policy.find(destination.rstrip("."))
            return f"{route[1].host}:{route[1].port}" + (f" ({configured.reason})" if configured else "")
        if of_sender := self.sender_routes.find(sender):
            return f"smart host of {of_sender[0]}"
        return "smart host" if self.smart_hosts else destination
