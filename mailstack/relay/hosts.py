"""Hosts of a destination in order of preference (RFC 5321 §5); DNS interface."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, zip_longest
from random import Random
from typing import Any, NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Failed, Status
from mailstack.letter.envelope import HostPort, is_unix_socket
from mailstack.protocols.connection import Tlsa
from mailstack.relay.routes import RouteTarget, SmartHost, SmartHostCredentials
from mailstack.relay.routing import OwnHost, Routing, SourceAddress, find_source_address
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy, smart_host_policy


class MailExchange(NamedTuple):
    """One MX record (RFC 1035 §3.3.9)."""

    preference: int
    """0 to 65535; the lowest is tried first."""
    host: str
    """Name in the record, without its final dot; "" is the root. Untrusted text."""
    signed: bool = False
    """Whether the resolver has validated it by DNSSEC (the AD bit, RFC 4035 §3.2.3)."""


class NoSuchDomain(Exception):
    """The name does not exist (NXDOMAIN); str() contains it."""


class DnsUnavailable(Exception):
    """Temporary DNS error: SERVFAIL, a timeout, an endless chain of aliases. str() is the reason, for people."""


class DnsResolver(Protocol):
    """Looks names up and follows CNAME records, as a resolver does (RFC 5321 §5.1).

    A name that exists without records of the type gives an empty tuple.
    The methods raise only the exceptions that they document.
    """

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        """The MX records, in no order. Raises NoSuchDomain, DnsUnavailable."""

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The A and AAAA records as IP addresses in text. Raises NoSuchDomain, DnsUnavailable."""

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records, each with its strings joined; untrusted text. Raises NoSuchDomain, DnsUnavailable."""

    async def signed_name(self, host: str) -> str | None:
        """The host's name, or the target of its aliases, if DNSSEC validates them and the addresses; else None.

        Raises DnsUnavailable.
        """

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        """The TLSA records that DNSSEC validates; empty for a name that does not exist. Raises DnsUnavailable."""


_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")

NO_SUCH_DOMAIN = Status(5, 1, 2)
NULL_MX = Status(5, 1, 10)
UNABLE_TO_ROUTE = Status(5, 4, 4)
ROUTING_LOOP = Status(5, 4, 6)
NAMES_UNAVAILABLE = Status(4, 4, 3)
WRONGLY_CONFIGURED = Status(4, 3, 5)
_MAX_KEYS = 10_000


class NoRoute(Exception):
    """Destination without usable hosts; `outcome` is the outcome of all recipients."""

    def __init__(self, outcome: Deferred | Failed) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class TargetHost(Struct, frozen=True):
    """One address of one host."""

    host: str
    """Name of the host, or its address: for the check of its certificate, and for reports."""
    address: HostPort
    reason: str
    """Reason of the choice: "MX 10 of elsewhere.test", "route *.sink.test", "smart host" …"""
    lmtp: bool = False
    """Whether it speaks LMTP."""
    security: TlsPolicy | None = None
    """TLS policy that the operator has set for this host; None: that of the `RouteTargets`."""
    credentials: SmartHostCredentials | None = None
    """Credentials for AUTH; None: no AUTH."""
    source_address: SourceAddress | None = None
    """Source address of calls; None: the default one."""
    signed: bool = False
    """Whether its MX record is validated by DNSSEC; true of a domain that is its own host."""

    def __str__(self) -> str:
        if is_unix_socket(self.host):
            return self.host
        return f"{self.host} [{self.address.host}]:{self.address.port}"


class RouteTargets(Struct, frozen=True):
    """Hosts of a destination in the order of calls, and their TLS policy."""

    candidates: tuple[TargetHost, ...]
    """Addresses of hosts, at least one."""
    security: TlsPolicy
    """TLS policy of the operator."""
    domain: str | None = None
    """Domain with these hosts in the DNS; None if the operator or an address literal named them."""
    published: bool = False
    """Whether TLS policies that the domain publishes apply: not if the operator has set one for it."""

    def facts(self, chosen: TargetHost) -> Mapping[str, Any]:
        """Facts of the `routed` step."""
        return {
            "via": chosen.host,
            "why": chosen.reason,
            "candidates": [
                {"host": each.host, "address": each.address.host, "port": each.address.port, "why": each.reason}
                for each in self.candidates
            ],
        }


class DnsHostLimits(Struct, frozen=True):
    """Maximum numbers of hosts and addresses from the DNS that are used."""

    hosts: int = 10
    """Maximum number of mail exchanges that are looked up."""
    addresses_of_a_host: int = 4
    """Maximum number of addresses of one host."""
    addresses: int = 12
    """Maximum number of addresses in all; RFC 5321 §5.1 requires at least two."""


_LIMITS = DnsHostLimits()


class Hosts:
    """Selects the hosts of a destination.

    The first that exists counts: a static route, smart hosts of the sender, general smart hosts, the address literal,
    MX records.
    """

    def __init__(
        self, resolver: DnsResolver, random: Random, own: OwnHost, routing: Routing, limits: DnsHostLimits = _LIMITS
    ) -> None:
        """`random` shuffles hosts of equal preference."""
        self._resolver = resolver
        self._random = random
        self._hostname = own.hostname.lower().rstrip(".")
        self._is_ours = own.is_ours
        self._routing = routing
        self._limits = limits
        self._keys: dict[str, str] = {}
        """Cached keys by destination, if the sender does not matter: each letter needs its key several times."""

    def key(self, destination: str, sender: Address | None) -> str:
        """Key of letters that go to the same hosts by the operator's rules; otherwise the destination itself."""
        if self._routing.source_rules or self._routing.sender_routes.hosts:
            return self._routing.destination_key(destination, sender)
        if (key := self._keys.get(destination)) is None:
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            key = self._keys[destination] = self._routing.destination_key(destination, None)
        return key

    def key_of(self, destination: str) -> str | None:
        """The key of a destination alone; None if it depends on the sender."""
        return None if self._routing.source_rules or self._routing.sender_routes.hosts else self.key(destination, None)

    async def find(self, destination: str, sender: Address | None = None) -> RouteTargets:
        """The hosts of a domain or address literal, for letters of this sender. Raises NoRoute."""
        targets = await self._find(destination, sender)
        rules = self._routing.source_rules
        source_address = find_source_address(rules, sender, destination) if rules else None
        if source_address is None:
            return targets
        # Only addresses of a family for which there is a source address are called, unless there is none.
        callable_ = [
            each for each in targets.candidates if source_address.can_reach(each.address.host)
        ] or targets.candidates
        return replace(targets, candidates=tuple([replace(each, source_address=source_address) for each in callable_]))

    async def _find(self, destination: str, sender: Address | None) -> RouteTargets:
        configured = self._routing.tls_policy.find(destination.rstrip("."))
        security = configured or self._routing.security
        if route := self._routing.routes.find(destination):
            pattern, target = route
            if is_unix_socket(target.host):
                # A UNIX socket needs no TLS: it is readable only on this machine.
                socket = TargetHost(target.host, HostPort(target.host, 0), f"route {pattern}", lmtp=True)
                return RouteTargets((socket,), TlsPolicy(TlsLevel.NEVER, reason="the UNIX socket"))
            return RouteTargets(await self._configured_hosts(target, f"route {pattern}"), security)
        if of_sender := self._routing.sender_routes.find(sender):
            return await self._smart_host_targets(of_sender[1], f"smart host of {of_sender[0]}")
        if self._routing.smart_hosts:
            return await self._smart_host_targets(self._routing.smart_hosts, "smart host")
        if destination.startswith("["):
            return RouteTargets(self._without_own_host(destination, (self._literal_host(destination),)), security)
        domain = destination.lower().rstrip(".")
        published = configured is None and security.level is not TlsLevel.NEVER
        candidates = self._without_own_host(domain, await self._mx_hosts(domain))
        return RouteTargets(candidates, security, domain=domain, published=published)

    def _without_own_host(self, destination: str, candidates: Iterable[TargetHost]) -> tuple[TargetHost, ...]:
        """Removes the addresses of this server, which any domain may publish: the letter would loop."""
        foreign = tuple([each for each in candidates if not self._is_ours(each.address)])
        if not foreign:
            text = f"{destination}: mail loops back to this host, which is not configured for the domain"
            raise NoRoute(Failed(ROUTING_LOOP, text))
        return foreign

    async def _smart_host_targets(self, smart_hosts: Sequence[SmartHost], reason: str) -> RouteTargets:
        """Addresses of all smart hosts, in their order; a host without an address is skipped if there is another."""
        candidates: list[TargetHost] = []
        missing: list[NoRoute] = []
        for smart_host in smart_hosts:
            security, credentials = smart_host_policy(smart_host, self._routing.security), smart_host.credentials
            try:
                found = await self._configured_hosts(smart_host.target, reason)
            except NoRoute as none:
                missing.append(none)
            else:
                candidates += [replace(each, security=security, credentials=credentials) for each in found]
        if not candidates:
            raise missing[0]
        return RouteTargets(tuple(candidates), self._routing.security)

    def _literal_host(self, destination: str) -> TargetHost:
        """The host of an address literal (RFC 5321 §4.1.3)."""
        literal = destination.strip("[]")
        address = _ip_address(literal[5:] if literal[:5].lower() == "ipv6:" else literal)
        if address is None:
            raise NoRoute(Failed(NO_SUCH_DOMAIN, f"{destination[:80]} is not an address that can be called"))
        return TargetHost(address, HostPort(address, self._routing.port), "address literal")

    async def _configured_hosts(self, target: RouteTarget, reason: str) -> tuple[TargetHost, ...]:
        """Addresses of a host that the operator named. If there is none, letters wait until that is repaired."""
        try:
            addresses = await self._addresses(target.host)
        except (NoSuchDomain, DnsUnavailable) as error:
            raise NoRoute(Deferred(WRONGLY_CONFIGURED, f"{reason}: {error}")) from None
        if not addresses:
            raise NoRoute(Deferred(WRONGLY_CONFIGURED, f"{reason}: {target.host} has no address"))
        chosen = addresses[: self._limits.addresses]
        return tuple([TargetHost(target.host, HostPort(each, target.port), reason, target.lmtp) for each in chosen])

    async def _mx_hosts(self, domain: str) -> tuple[TargetHost, ...]:
        """Addresses of the mail exchanges of a domain (RFC 5321 §5.1)."""
        records = await self._mx(domain)
        implicit = not records
        if implicit:
            records = (MailExchange(0, domain, signed=True),)
        elif all(not record.host for record in records):
            raise NoRoute(Failed(NULL_MX, f"{domain} accepts no mail (null MX, RFC 7505)"))
        candidates: list[TargetHost] = []
        unavailable = ""
        for record in self._by_preference(domain, records):
            reason = f"no MX: {domain} itself" if implicit else f"MX {record.preference} of {domain}"
            try:
                addresses = await self._addresses(record.host)
            except NoSuchDomain:
                continue
            except DnsUnavailable as error:
                unavailable = str(error)
                continue
            candidates += [
                TargetHost(record.host, HostPort(address, self._routing.port), reason, signed=record.signed)
                for address in addresses
            ]
            if len(candidates) >= self._limits.addresses:
                break
        if candidates:
            return tuple(candidates[: self._limits.addresses])
        if unavailable:
            raise NoRoute(Deferred(NAMES_UNAVAILABLE, f"{domain}: {unavailable}"))
        if implicit:
            raise NoRoute(Failed(NO_SUCH_DOMAIN, f"{domain} has neither MX nor address records"))
        raise NoRoute(Failed(UNABLE_TO_ROUTE, f"{domain}: none of its MX hosts has an address"))

    async def _mx(self, domain: str) -> tuple[MailExchange, ...]:
        if not is_dns_name(domain):
            raise NoRoute(Failed(NO_SUCH_DOMAIN, f"{domain[:80]} is not a domain name"))
        try:
            return await self._resolver.mx(domain)
        except NoSuchDomain:
            raise NoRoute(Failed(NO_SUCH_DOMAIN, f"{domain}: no such domain")) from None
        except DnsUnavailable as error:
            raise NoRoute(Deferred(NAMES_UNAVAILABLE, f"{domain}: {error}")) from None

    def _by_preference(self, domain: str, records: Iterable[MailExchange]) -> list[MailExchange]:
        """Hosts by preference, equal ones shuffled, without this host and all of the same or a worse preference."""
        shuffled = [record._replace(host=record.host.lower().rstrip(".")) for record in records if record.host]
        self._random.shuffle(shuffled)
        ordered = sorted(shuffled, key=lambda record: record.preference)
        # A host of the same or a worse preference would send the letter back (RFC 5321 §5.1).
        own_preference = min((record.preference for record in ordered if record.host == self._hostname), default=65536)
        nearer = {record.host: record for record in reversed(ordered) if record.preference < own_preference}
        if not nearer:
            text = f"{domain}: the best MX is this host, which is not configured for the domain"
            raise NoRoute(Failed(ROUTING_LOOP, text))
        return sorted(nearer.values(), key=ordered.index)[: self._limits.hosts]

    async def _addresses(self, host: str) -> tuple[str, ...]:
        """Addresses of both families in turn, so that the limit drops neither. An MX that is an IP address is accepted."""
        if (address := _ip_address(host)) is not None:
            return (address,)
        if not is_dns_name(host):
            return ()
        found = [address for text in await self._resolver.addresses(host) if (address := _ip_address(text)) is not None]
        six = [address for address in found if ":" in address]
        four = [address for address in found if ":" not in address]
        turns = chain.from_iterable(zip_longest(six, four))
        return tuple(address for address in turns if address is not None)[: self._limits.addresses_of_a_host]


def is_dns_name(text: str) -> bool:
    """Whether the text is a DNS name: labels of 1 to 63 letters, digits, hyphens, underscores, 253 octets in all."""
    return _DNS_NAME.match(text) is not None


@lru_cache(maxsize=4096)  # the same hosts all day
def _ip_address(text: str) -> str | None:
    """The IP address in its usual form; None for other texts, for 0.0.0.0 and for multicast addresses."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if address.is_unspecified or address.is_multicast or "%" in text else str(address)
