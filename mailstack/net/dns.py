"""The domain name system over any Twisted resolver, as the relay asks it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime, IResolver
from twisted.names import dns, hosts, resolve
from twisted.names.error import (
    AuthoritativeDomainError,
    DNSFormatError,
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DNSServerError,
)

from mailstack.net.lookups import SharedLookups
from mailstack.net.resolver import Resolver, ValidatedResolver, is_authenticated
from mailstack.protocols.connection import Tlsa
from mailstack.protocols.ttl_cache import TTLCache
from mailstack.relay.dns import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.relay.trouble import clean

RESOLV_CONF = "/etc/resolv.conf"

TLSA = 52
"""The type of TLSA records (RFC 6698 §7.1), which twisted.names leaves undecoded."""
_MAX_NAME = 253
"""Maximum number of octets of a name without its final dot (RFC 1035 §2.3.4)."""
_MAX_LABEL = 63
_TLSA_HEAD = 3
"""Octets before the data: usage, selector, matching type."""

_Records = list[Any]
"""Of dns.RRHeader, whose payload Twisted's types leave open."""

SHORTEST_KEPT = 1.0
"""Minimum seconds for which an answer is kept: one attempt at a host uses an answer more than once."""

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (DNSServerError, "the name server failed (SERVFAIL)"),
    (DNSQueryRefusedError, "the name server refused to answer (REFUSED)"),
    (DNSNotImplementedError, "the name server does not know such queries (NOTIMP)"),
    (DNSFormatError, "the name server did not understand the query (FORMERR)"),
    (DeferredTimeout, "no name server answered in time"),
    (CancelledError, "no name server answered in time"),
)


class DnsNames:
    """Mail exchanges and addresses from a resolver: CNAMEs followed, errors told apart, answers kept for their TTL.

    That there is no such name, or no such record, is kept as well, for as long as the SOA record says (RFC 2308 §5).
    """

    def __init__(
        self,
        resolver: IResolver,
        reactor: IReactorTime,
        *,
        timeouts: Sequence[int] = (2, 4, 8),
        most_aliases: int = 8,
        most_records: int = 50,
        most_kept: int = 2000,
        longest_kept: float = 3600.0,
        largest_kept: int = 16_384,
    ) -> None:
        """`timeouts` are the seconds until each query is sent again; after the last one there is no answer.

        `most_aliases` bounds a chain of CNAMEs, `most_records` what is used of one answer, `most_kept` and `longest_kept`
        (seconds) the cache, `largest_kept` (octets of memory) one answer in it.
        """
        self._resolver = resolver
        self._reactor = reactor
        self._timeouts = tuple(timeouts)
        self._most_aliases = most_aliases
        self._most_records = most_records
        self._largest_kept = largest_kept
        self._kept: TTLCache[tuple[str, int], _Records | NoSuchDomain] = TTLCache(
            reactor.seconds, longest_kept, most_kept
        )
        self._lookups = SharedLookups()

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        """The MX records of a domain; raises NoSuchDomain, DnsUnavailable."""
        return tuple(
            MailExchange(record.payload.preference, _text(record.payload.name), is_authenticated(record))
            for record in await self._records(domain, dns.MX)
        )

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records of a name; raises NoSuchDomain, DnsUnavailable."""
        records = await self._records(name, dns.TXT)
        return tuple(b"".join(record.payload.data).decode("utf-8", "replace") for record in records)

    async def srv(self, name: str) -> tuple[str, ...]:
        """The SRV records of a name as a zone file has them: priority, weight, port, target; raises NoSuchDomain, DnsUnavailable."""
        found = [record.payload for record in await self._records(name, dns.SRV)]
        return tuple(f"{each.priority} {each.weight} {each.port} {_text(each.target)}." for each in found)

    async def signed_name(self, host: str) -> str | None:
        """Where DNSSEC vouches for the addresses of a host; raises DnsUnavailable."""
        problem = None
        for kind in (dns.A, dns.AAAA):
            try:
                if records := await self._records(host, kind):
                    return _owner(records[0]) if all(is_authenticated(record) for record in records) else None
            except NoSuchDomain:
                continue
            except DnsUnavailable as trouble:
                problem = trouble
        if problem is not None:
            raise problem
        return None

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        """The TLSA records of a name that DNSSEC vouches for; raises DnsUnavailable."""
        try:
            records = await self._records(name, TLSA)
        except NoSuchDomain:
            return ()
        signed = [record.payload.data for record in records if is_authenticated(record)]
        return tuple(read_tlsa(octets) for octets in signed if len(octets) > _TLSA_HEAD)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host, both families; raises NoSuchDomain, DnsUnavailable.

        One family is enough: some name servers fail for AAAA that answer well for A.
        """
        if host == "localhost" or host.endswith(".localhost"):
            return ("127.0.0.1", "::1")  # RFC 6761 §6.3: never asked of the DNS
        asked = [Deferred.fromCoroutine(self._records(host, kind)) for kind in (dns.A, dns.AAAA)]
        found: list[str] = []
        problems: list[NoSuchDomain | DnsUnavailable] = []
        for answer in asked:
            try:
                found += [_address(record) for record in await answer]
            except (NoSuchDomain, DnsUnavailable) as problem:
                problems.append(problem)
        if problems and not found:
            raise next((each for each in problems if isinstance(each, DnsUnavailable)), problems[0])
        return tuple(found)

    async def pointers(self, address: str) -> tuple[str, ...]:
        """The names that an IP address leads to (RFC 1035 §3.5); raises NoSuchDomain, DnsUnavailable."""
        where = ip_address(address).reverse_pointer
        return tuple(_text(record.payload.name) for record in await self._records(where, dns.PTR))

    async def _records(self, name: str, kind: int) -> _Records:
        """The records of one type, at the end of a chain of CNAMEs that may go over several answers."""
        name = name.lower().rstrip(".")
        if not _can_exist(name):
            # A resolver's answer would be an error, as if the name's own servers had failed: who writes a letter
            # chooses such names, and must not make its checks doubtful by them.
            raise NoSuchDomain(f"{clean(name)}: no such name")
        if (kept := self._kept.get((name, kind))) is not None:
            if isinstance(kept, NoSuchDomain):
                raise NoSuchDomain(str(kept))
            return kept
        found: _Records = await self._lookups.join((name, kind), lambda: self._look_up(name, kind))
        return found

    def _look_up(self, name: str, kind: int) -> Deferred[_Records]:
        # The resolver's own times hold for UDP and each server. This one holds whatever it does, and however slowly
        # each link of a chain is given by who wants us to wait.
        found = Deferred.fromCoroutine(self._followed(name, kind))
        return found.addTimeout(2 * sum(self._timeouts) + 10, self._reactor)

    async def _followed(self, name: str, kind: int) -> _Records:
        aliases: _Records = []
        asked = name
        try:
            answers, ttl = await self._ask(asked, kind)
        except _NotThere as missing:
            self._keep((name, kind), NoSuchDomain(str(missing)), missing.ttl)
            raise
        current = asked
        for _ in range(self._most_aliases):
            of_current = [record for record in answers if _owner(record) == current]
            if wanted := [record for record in of_current if record.type == kind][: self._most_records]:
                if not all(is_authenticated(alias) for alias in aliases):
                    wanted = [_doubted(record) for record in wanted]
                if sum(map(_weight, wanted)) <= self._largest_kept:
                    self._keep((name, kind), wanted, min(record.ttl for record in (*wanted, *aliases)))
                return wanted
            if alias := next((record for record in of_current if record.type == dns.CNAME), None):
                aliases.append(alias)
                current = _text(alias.payload.name).lower()
            elif current == asked:
                self._keep((name, kind), [], min(ttl, *(record.ttl for record in aliases)) if aliases else ttl)
                return []
            else:
                asked = current
                answers, ttl = await self._ask(asked, kind)
        raise DnsUnavailable(f"{name} leads through too many aliases (CNAME)")

    def _keep(self, question: tuple[str, int], answer: _Records | NoSuchDomain, ttl: float) -> None:
        self._kept.put(question, answer, max(SHORTEST_KEPT, ttl))

    def _query(self, name: bytes, kind: int) -> Deferred[Any]:
        lookup = _LOOKUPS.get(kind)
        if lookup is None:
            return self._resolver.query(dns.Query(name, kind), self._timeouts)
        answer: Deferred[Any] = getattr(self._resolver, lookup)(name, timeout=self._timeouts)
        return answer

    async def _ask(self, name: str, kind: int) -> tuple[_Records, float]:
        """The answers to one query, and for how many seconds there are none if there are none; its errors as ours."""
        told = clean(name)  # whoever publishes an alias chooses the octets of the name that it leads to
        try:
            answers, authority, _ = await self._query(name.encode("ascii"), kind)
        except (DNSNameError, AuthoritativeDomainError) as error:
            message = error.args[0] if error.args else None
            raise _NotThere(f"{told}: no such name", _negative_ttl(getattr(message, "authority", ()))) from None
        except Exception as error:  # whatever a resolver raises means that it has no answer
            reason = next((text for kind_of, text in _REASONS if isinstance(error, kind_of)), None)
            raise DnsUnavailable(f"{told}: {reason or f'the look-up failed ({type(error).__name__})'}") from error
        return list(answers), _negative_ttl(authority)


class _NotThere(NoSuchDomain):
    """NXDOMAIN, and the seconds for which that holds."""

    def __init__(self, text: str, ttl: float) -> None:
        super().__init__(text)
        self.ttl = ttl


def _negative_ttl(authority: Sequence[Any]) -> float:
    """Seconds for which no answer is an answer (RFC 2308 §5); 0 without a SOA record."""
    return float(min((min(each.ttl, each.payload.minimum) for each in authority if each.type == dns.SOA), default=0))


_LOOKUPS = {
    dns.MX: "lookupMailExchange",
    dns.A: "lookupAddress",
    dns.AAAA: "lookupIPV6Address",
    dns.PTR: "lookupPointer",
    dns.TXT: "lookupText",
    dns.SRV: "lookupService",
}


def read_tlsa(octets: bytes) -> Tlsa:
    """The data of a TLSA record (RFC 6698 §2.1), at least three octets of it."""
    return Tlsa(octets[0], octets[1], octets[2], bytes(octets[_TLSA_HEAD:]))


def _doubted(record: Any) -> Any:
    """The same record, come to by an alias that nobody vouches for."""
    record = copy(record)
    record.authenticated = False
    return record


def system_names(reactor: Any, nameservers: Sequence[tuple[str, int]] = (), *, validated: bool = False) -> DnsNames:
    """Names from these name servers (address, port), or as this system is set up: /etc/hosts, then /etc/resolv.conf.

    `validated` says that the name servers are trusted to validate DNSSEC.
    """
    if nameservers:
        resolver: Any = ValidatedResolver if validated else Resolver
        return DnsNames(resolver(reactor=reactor, servers=list(nameservers)), reactor)
    local: Any = hosts.Resolver()
    remote: Any = Resolver
    chain: Any = resolve.ResolverChain([local, remote(reactor=reactor, resolv=RESOLV_CONF)])
    return DnsNames(chain, reactor)


def _can_exist(name: str) -> bool:
    """Whether a query can have this name (RFC 1035 §2.3.4)."""
    labels = name.split(".")
    return name.isascii() and len(name) <= _MAX_NAME and all(0 < len(label) <= _MAX_LABEL for label in labels)


def _text(name: dns.Name) -> str:
    return name.name.decode("ascii", "replace").rstrip(".")


def _owner(record: Any) -> str:
    return _text(record.name).lower()


def _weight(record: Any) -> int:
    """About how many octets of memory a record takes: one of 64 kB may hold as many strings, each with an object of its own."""
    data = getattr(record.payload, "data", b"")
    return 500 + (sum([40 + len(each) for each in data]) if isinstance(data, list) else len(data))


def _address(record: Any) -> str:
    return inet_ntop(AF_INET if record.type == dns.A else AF_INET6, record.payload.address)
