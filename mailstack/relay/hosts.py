"""Which hosts may take a letter for a destination, in the order they are tried (RFC 5321 §5)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, zip_longest
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Failed, Status
from mailstack.letter.connection import HostPort, is_unix_socket
from mailstack.relay.dns import DnsResolver, DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.relay.routes import Credentials, RouteTarget, SmartHost
from mailstack.relay.routing import OwnHost, Routing
from mailstack.relay.source_addresses import SourceAddress, find_origin
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy, for_smart_host

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
    """No host can be called, and the outcome says what that means for every recipient there."""

    def __init__(self, outcome: Deferred | Failed) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class TargetHost(Struct, frozen=True):
    """One address of one host."""

    host: str
    """Its name, or its address in text where it has none: what a certificate is checked against, what reports say."""
    address: HostPort
    why: str
    """"MX 10 of elsewhere.test", "route *.sink.test", "smart host" …"""
    lmtp: bool = False
    """Whether it speaks LMTP."""
    security: TlsPolicy | None = None
    """What the operator demands of it; None: what the way does."""
    credentials: Credentials | None = None
    """Who we are to it."""
    origin: SourceAddress | None = None
    """From where it is called; None: as every other."""
    signed: bool = False
    """Whether DNSSEC vouches for the MX record that named it; true of a domain that is its own host."""

    def __str__(self) -> str:
        if is_unix_socket(self.host):
            return self.host
        return f"{self.host} [{self.address.host}]:{self.address.port}"


class RouteTargets(Struct, frozen=True):
    """How to go to a destination: whom to call, in order, and what to demand of them."""

    candidates: tuple[TargetHost, ...]
    """Never empty."""
    security: TlsPolicy
    """What the operator demands."""
    domain: str | None = None
    """Whose hosts these are by what the DNS says; None where the operator, or an address literal, named them."""
    published: bool = False
    """Whether what that domain publishes counts: unless the operator has said what is demanded of it."""

    def facts(self, chosen: TargetHost) -> Mapping[str, Any]:
        """For the `routed` step."""
        return {
            "via": chosen.host,
            "why": chosen.why,
            "candidates": [
                {"host": each.host, "address": each.address.host, "port": each.address.port, "why": each.why}
                for each in self.candidates
            ],
        }


class HostLimits(Struct, frozen=True):
    """How much of what the DNS says is believed to be meant."""

    hosts: int = 10
    """Mail exchanges that are looked up."""
    addresses_of_a_host: int = 4
    addresses: int = 12
    """Candidates in all; RFC 5321 §5.1 asks for two at least."""


_LIMITS = HostLimits()


class Hosts:
    """Finds the way to a destination.

    A static route for it, else the sender's smart hosts, else everybody's, else the address literal, else the MX records.
    """

    def __init__(
        self,
        names: DnsResolver,
        random: Random,
        own: OwnHost,
        routing: Routing,
        limits: HostLimits = _LIMITS,
    ) -> None:
        """`random` parts hosts of equal preference."""
        self._names = names
        self._random = random
        self._hostname = own.hostname.lower().rstrip(".")
        self._is_ours = own.is_ours
        self._routing = routing
        self._limits = limits
        self._keys: dict[str, str] = {}
        """By destination, where the sender does not matter: they are asked for several times for each letter."""

    def key(self, destination: str, sender: Address | None) -> str:
        """What letters have in common that go to the same hosts by what the operator says; else the destination itself."""
        if self._routing.origins or self._routing.sender_routes.hosts:
            return self._routing.destination_key(destination, sender)
        if (known := self._keys.get(destination)) is None:
            if len(self._keys) >= _MAX_KEYS:
                self._keys.clear()
            known = self._keys[destination] = self._routing.destination_key(destination, None)
        return known

    def key_of(self, destination: str) -> str | None:
        """The same for a destination alone; None where the sender matters."""
        return None if self._routing.origins or self._routing.sender_routes.hosts else self.key(destination, None)

    async def find(self, destination: str, sender: Address | None = None) -> RouteTargets:
        """The way to a domain or address literal, for letters of this sender; raises NoRoute."""
        way = await self._find(destination, sender)
        origin = find_origin(self._routing.origins, sender, destination) if self._routing.origins else None
        if origin is None:
            return way
        # A host is not called from an address that others are meant to have, as long as it has one of the right family.
        callable_ = [each for each in way.candidates if origin.calls(each.address.host)] or way.candidates
        return replace(way, candidates=tuple([replace(each, origin=origin) for each in callable_]))

    async def _find(self, destination: str, sender: Address | None) -> RouteTargets:
        said = self._routing.tls_policy.find(destination.rstrip("."))
        security = said or self._routing.security
        if route := self._routing.routes.find(destination):
            pattern, target = route
            if is_unix_socket(target.host):
                # Who can read along on a UNIX socket can read the mailboxes too.
                socket = TargetHost(target.host, HostPort(target.host, 0), f"route {pattern}", lmtp=True)
                return RouteTargets((socket,), TlsPolicy(TlsLevel.NEVER, why="the UNIX socket"))
            return RouteTargets(await self._written_down(target, f"route {pattern}"), security)
        if of_sender := self._routing.sender_routes.find(sender):
            return await self._through(of_sender[1], f"smart host of {of_sender[0]}")
        if self._routing.smart_hosts:
            return await self._through(self._routing.smart_hosts, "smart host")
        if destination.startswith("["):
            return RouteTargets(self._elsewhere(destination, (self._literal(destination),)), security)
        domain = destination.lower().rstrip(".")
        published = said is None and security.demand is not TlsLevel.NEVER
        candidates = self._elsewhere(domain, await self._named(domain))
        return RouteTargets(candidates, security, domain=domain, published=published)

    def _elsewhere(self, destination: str, candidates: Iterable[TargetHost]) -> tuple[TargetHost, ...]:
        """Those that are not this server: anybody may publish its address, and the letter would come back and back."""
        others = tuple([each for each in candidates if not self._is_ours(each.address)])
        if not others:
            raise NoRoute(Failed(ROUTING_LOOP, f"{destination} leads to this host, which does not know it"))
        return others

    async def _through(self, smart_hosts: Sequence[SmartHost], why: str) -> RouteTargets:
        """All addresses of all of them, in their order; one that can't be found is left out while there is another."""
        candidates: list[TargetHost] = []
        missing: list[NoRoute] = []
        for smart_host in smart_hosts:
            security, credentials = for_smart_host(smart_host, self._routing.security), smart_host.credentials
            try:
                found = await self._written_down(smart_host.target, why)
            except NoRoute as none:
                missing.append(none)
            else:
                candidates += [replace(each, security=security, credentials=credentials) for each in found]
        if not candidates:
            raise missing[0]
        return RouteTargets(tuple(candidates), self._routing.security)

    def _literal(self, destination: str) -> TargetHost:
        """RFC 5321 §4.1.3: `[192.0.2.1]` is its own host."""
        literal = destination.strip("[]")
        address = _ip_address(literal[5:] if literal[:5].lower() == "ipv6:" else literal)
        if address is None:
            raise NoRoute(Failed(NO_SUCH_DOMAIN, f"{destination[:80]} is not an address that can be called"))
        return TargetHost(address, HostPort(address, self._routing.port), "address literal")

    async def _written_down(self, target: RouteTarget, why: str) -> tuple[TargetHost, ...]:
        """A host that the operator named. If it can't be found that is ours to mend, so letters wait."""
        try:
            addresses = await self._addresses(target.host)
        except (NoSuchDomain, DnsUnavailable) as error:
            raise NoRoute(Deferred(WRONGLY_CONFIGURED, f"{why}: {error}")) from None
        if not addresses:
            raise NoRoute(Deferred(WRONGLY_CONFIGURED, f"{why}: {target.host} has no address"))
        chosen = addresses[: self._limits.addresses]
        return tuple([TargetHost(target.host, HostPort(each, target.port), why, target.lmtp) for each in chosen])

    async def _named(self, domain: str) -> tuple[TargetHost, ...]:
        """RFC 5321 §5.1, whole."""
        records = await self._mx(domain)
        implicit = not records
        if implicit:
            records = (MailExchange(0, domain, signed=True),)
        elif all(not record.host for record in records):
            raise NoRoute(Failed(NULL_MX, f"{domain} takes no mail (null MX, RFC 7505)"))
        candidates: list[TargetHost] = []
        unavailable = ""
        for record in self._in_order(domain, records):
            why = f"no MX: {domain} itself" if implicit else f"MX {record.preference} of {domain}"
            try:
                addresses = await self._addresses(record.host)
            except NoSuchDomain:
                continue
            except DnsUnavailable as error:
                unavailable = str(error)
                continue
            candidates += [
                TargetHost(record.host, HostPort(address, self._routing.port), why, signed=record.signed)
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
            return await self._names.mx(domain)
        except NoSuchDomain:
            raise NoRoute(Failed(NO_SUCH_DOMAIN, f"{domain}: no such domain")) from None
        except DnsUnavailable as error:
            raise NoRoute(Deferred(NAMES_UNAVAILABLE, f"{domain}: {error}")) from None

    def _in_order(self, domain: str, records: Iterable[MailExchange]) -> list[MailExchange]:
        """By preference, equals shuffled, each host once, and nothing as far away as we are ourselves."""
        shuffled = [record._replace(host=record.host.lower().rstrip(".")) for record in records if record.host]
        self._random.shuffle(shuffled)
        ordered = sorted(shuffled, key=lambda record: record.preference)
        # A letter handed to a host of our own preference, or worse, would come back (RFC 5321 §5.1).
        ours = min((record.preference for record in ordered if record.host == self._hostname), default=65536)
        nearer = {record.host: record for record in reversed(ordered) if record.preference < ours}
        if not nearer:
            raise NoRoute(
                Failed(ROUTING_LOOP, f"{domain}: the best mail exchange is this host, which does not know it")
            )
        return sorted(nearer.values(), key=ordered.index)[: self._limits.hosts]

    async def _addresses(self, host: str) -> tuple[str, ...]:
        """Both families in turn, so that the cap never leaves one out; an MX that is an IP address is taken as meant."""
        if (address := _ip_address(host)) is not None:
            return (address,)
        if not is_dns_name(host):
            return ()
        found = [address for text in await self._names.addresses(host) if (address := _ip_address(text)) is not None]
        six = [address for address in found if ":" in address]
        four = [address for address in found if ":" not in address]
        turns = chain.from_iterable(zip_longest(six, four))
        return tuple(address for address in turns if address is not None)[: self._limits.addresses_of_a_host]


def is_dns_name(text: str) -> bool:
    """Whether the text can be asked for: labels of 1 to 63 letters, digits, hyphens, underscores, 253 octets in all."""
    return _DNS_NAME.match(text) is not None


@lru_cache(maxsize=4096)  # the same hosts all day
def _ip_address(text: str) -> str | None:
    """An IP address that can be called, in its usual spelling; None for all else, 0.0.0.0 and multicast among it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if address.is_unspecified or address.is_multicast or "%" in text else str(address)
